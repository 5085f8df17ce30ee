//! The data-driven suite: one file a case, with its tree, and what becomes of it.
//!
//! A file has four parts between lines of `---`: a description with result and number of ticks, the tree, the transitions,
//! the root blackboard. With `FILL_CASES` set, files that have only the first two parts get the others, provided that the
//! engine and the reference interpreter agree.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends by a panic"
)]

mod common;
mod reference;

use std::fmt::Write as _;
use std::path::PathBuf;

use common::Outcome;

fn files() -> Vec<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.retain(|path| {
        path.extension()
            .is_some_and(|extension| extension == "case")
    });
    files.sort();
    files
}

fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

fn read(parts: &[&str]) -> Outcome {
    Outcome {
        result: field(parts[0], "result").unwrap().to_owned(),
        ticks: field(parts[0], "ticks").unwrap().parse().unwrap(),
        transitions: parts[2].lines().map(str::to_owned).collect(),
        blackboard: serde_json::from_str(parts[3]).unwrap(),
    }
}

fn fill(path: &PathBuf, parts: &[&str]) -> Result<(), String> {
    let outcome = common::engine(parts[1]);
    // A load error is foreseen by who writes the case: the reference interpreter loads anything.
    let foreseen = field(parts[0], "result");
    let agreed = match foreseen {
        Some(result) => result == outcome.result,
        None => outcome == common::reference(parts[1]),
    };
    if !agreed {
        return Err(format!(
            "{}\nengine {outcome:#?}\nreference {:#?}",
            path.display(),
            common::reference(parts[1])
        ));
    }
    let description: String = parts[0]
        .lines()
        .filter(|line| line.starts_with('#'))
        .map(|line| format!("{line}\n"))
        .collect();
    let mut text = format!(
        "{description}result: {}\nticks: {}\n---\n{}---\n",
        outcome.result, outcome.ticks, parts[1]
    );
    for transition in &outcome.transitions {
        let _ = writeln!(text, "{transition}");
    }
    let _ = writeln!(text, "---\n{}", outcome.blackboard);
    std::fs::write(path, text).map_err(|error| error.to_string())
}

#[test]
fn every_case_comes_out_as_written() {
    let files = files();
    assert!(files.len() >= 250, "only {} cases", files.len());
    let mut wrong = Vec::new();
    for path in &files {
        let text = std::fs::read_to_string(path).unwrap();
        let parts: Vec<&str> = text.split("---\n").collect();
        if parts.len() == 2 && std::env::var_os("FILL_CASES").is_some() {
            wrong.extend(fill(path, &parts).err());
            continue;
        }
        assert_eq!(parts.len(), 4, "{}", path.display());
        let (expected, got) = (read(&parts), common::engine(parts[1]));
        if got != expected {
            wrong.push(format!(
                "{}\nexpected {expected:#?}\ngot {got:#?}",
                path.display()
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {} cases differ\n{}",
        wrong.len(),
        files.len(),
        wrong.join("\n")
    );
}

#[test]
fn the_reference_agrees_with_every_case_that_loads() {
    for path in files() {
        let text = std::fs::read_to_string(&path).unwrap();
        let parts: Vec<&str> = text.split("---\n").collect();
        let expected = read(&parts);
        if expected.result != "ERROR load" {
            assert_eq!(common::reference(parts[1]), expected, "{}", path.display());
        }
    }
}
