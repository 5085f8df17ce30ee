//! The gate's control socket: orders from the supervisor, which needs no ROS for them.

use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::Path;

use crossbeam_channel::Sender;
use ros_node::printable;

use crate::Signal;

/// One line on the control socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// Zeros until this client is back.
    Hold(String),
    /// This client is back.
    Release(String),
    /// Zeros until a reset, for this reason.
    Latch(String),
    /// Zeros for good, for this reason: the run is over and the gate about to be ended, so no reset frees it.
    End(String),
}

/// Reads `hold <client>`, `release <client>`, `latch <reason>`, `end <reason>`.
pub fn parse(line: &str) -> Option<Order> {
    let (word, rest) = line.trim().split_once(' ').unwrap_or((line.trim(), ""));
    let rest = rest.trim().to_string();
    match word {
        "hold" if !rest.is_empty() => Some(Order::Hold(rest)),
        "release" if !rest.is_empty() => Some(Order::Release(rest)),
        // A stop without a reason is a stop all the same.
        "latch" => Some(Order::Latch(rest)),
        "end" => Some(Order::End(rest)),
        _ => None,
    }
}

/// Takes orders at `path` on a thread of its own, from now on.
pub fn listen(path: &Path, signals: Sender<Signal>) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let socket = UnixDatagram::bind(path)?;
    std::thread::Builder::new()
        .name("control".into())
        .spawn(move || {
            let mut buffer = [0; 1024];
            loop {
                let length = match socket.recv(&mut buffer) {
                    Ok(length) => length,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    Err(error) => {
                        tracing::error!("the control socket is lost: {error}");
                        // A gate that no longer hears its supervisor lets nothing pass.
                        let deaf = Order::Latch("the control socket is lost".into());
                        let _ = signals.send(Signal::Order(deaf));
                        return;
                    }
                };
                for line in String::from_utf8_lossy(&buffer[..length]).lines() {
                    let line = printable(line, buffer.len());
                    let Some(order) = parse(&line) else {
                        tracing::warn!("no order of the control socket: `{line}`");
                        continue;
                    };
                    if signals.send(Signal::Order(order)).is_err() {
                        return;
                    }
                }
            }
        })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_read_and_nonsense_is_not() {
        assert_eq!(
            parse("hold autonomy\n"),
            Some(Order::Hold("autonomy".into()))
        );
        assert_eq!(
            parse("release autonomy"),
            Some(Order::Release("autonomy".into()))
        );
        assert_eq!(
            parse("latch the search is over"),
            Some(Order::Latch("the search is over".into()))
        );
        assert_eq!(parse("latch"), Some(Order::Latch(String::new())));
        assert_eq!(
            parse("end interrupted"),
            Some(Order::End("interrupted".into()))
        );
        for nonsense in ["", "hold", "release ", "reset", "HOLD autonomy", "latched"] {
            assert_eq!(parse(nonsense), None, "{nonsense}");
        }
    }
}
