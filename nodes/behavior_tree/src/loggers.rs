//! What tells of a tree's transitions: lines of text, `tracing` events, and `.btlog` files.
//!
//! Each is an observer of the tree ([`Tree::observe`]). A tree that nobody observes spends nothing on them.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::engine::Transition;
use crate::tree::Tree;

/// Gives `write` every transition until it fails, which is told once.
fn write_until_failure(
    tree: &mut Tree,
    mut write: impl FnMut(Transition) -> io::Result<()> + Send + 'static,
) {
    let mut has_failed = false;
    tree.observe(move |transition| {
        if has_failed {
            return;
        }
        if let Err(error) = write(transition) {
            has_failed = true;
            tracing::error!(%error, "the log of the tree ends here");
        }
    });
}

/// Of a list with something for each node, what is the transition's.
fn of<'a>(list: &'a [String], transition: &Transition) -> &'a str {
    list.get(transition.uid as usize - 1)
        .map_or("", String::as_str)
}

/// Writes each transition as a line: time, name of the node, the states before and after. To the terminal:
/// `loggers::text(&mut tree, std::io::stdout())`.
pub fn text(tree: &mut Tree, mut out: impl Write + Send + 'static) {
    let names: Vec<String> = tree.nodes().map(|node| node.name.to_owned()).collect();
    write_until_failure(tree, move |transition| {
        let (seconds, name) = (transition.time.as_secs_f64(), of(&names, &transition));
        let (from, to) = (transition.from, transition.to);
        writeln!(out, "[{seconds:.3}]: {name:<25} {from} -> {to}")
    });
}

/// Makes each transition a `tracing` event at level DEBUG, with the fields `node` (its path), `uid`, `from`, `to` and
/// `seconds`.
pub fn events(tree: &mut Tree) {
    let paths: Vec<String> = tree.nodes().map(|node| node.path).collect();
    tree.observe(move |transition| {
        tracing::debug!(
            node = of(&paths, &transition),
            uid = transition.uid,
            from = transition.from.as_str(),
            to = transition.to.as_str(),
            seconds = transition.time.as_secs_f64(),
            "transition"
        );
    });
}

/// Writes each transition to a `.btlog` file as BehaviorTree.CPP's `FileLogger2` does, which Groot2 opens. `start` is the
/// date of the tree's time 0. The file is complete when the tree is dropped.
///
/// All numbers are little-endian: the text `BTCPP4-FileLogger2`, a byte 1, 32 bits with the length of the tree's XML, that
/// XML, 64 bits with the date in µs; then for each transition 48 bits with the µs since then, 16 bits with the node's
/// number, and a byte with the state after.
///
/// # Errors
/// When the file cannot be written, or the tree has more nodes than 16 bits can number.
pub fn btlog(tree: &mut Tree, path: impl AsRef<Path>, start: SystemTime) -> io::Result<()> {
    let too_large = |what| io::Error::new(io::ErrorKind::InvalidInput, what);
    if tree.len() > usize::from(u16::MAX) {
        return Err(too_large("a .btlog file numbers 65535 nodes at most"));
    }
    let xml = tree.to_xml();
    let length = i32::try_from(xml.len());
    let length = length.map_err(|_| too_large("the tree's XML is 2 GiB or more"))?;
    let date = start.duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut out = BufWriter::new(File::create(path)?);
    out.write_all(b"BTCPP4-FileLogger2\x01")?;
    out.write_all(&length.to_le_bytes())?;
    out.write_all(xml.as_bytes())?;
    out.write_all(&(date.as_micros() as i64).to_le_bytes())?;
    out.flush()?;
    write_until_failure(tree, move |transition| {
        let micros = (transition.time.as_micros() as u64).to_le_bytes();
        let uid = (transition.uid as u16).to_le_bytes();
        out.write_all(&micros[..6])?;
        out.write_all(&uid)?;
        out.write_all(&[transition.to as u8])
    });
    Ok(())
}
