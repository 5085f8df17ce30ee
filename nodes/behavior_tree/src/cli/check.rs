//! `check`: faults of tree and locations files, for people and as JSON.

use std::path::PathBuf;

use super::{BAD_INPUT, YES};
use crate::fault::{Fault, Severity};

#[derive(Debug, clap::Args)]
pub(crate) struct CheckArgs {
    /// Tree files (.xml) and locations files (.yaml).
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// A file whose TreeNodesModel declares more nodes. May be given several times.
    #[arg(long, value_name = "FILE.xml")]
    model: Vec<PathBuf>,
    /// Print one JSON list and nothing else.
    #[arg(long)]
    json: bool,
}

pub(crate) fn check(args: &CheckArgs) -> u8 {
    let factory = super::factory();
    let faults: Vec<Fault> = args
        .files
        .iter()
        .flat_map(|file| factory.check_file(file, &args.model))
        .collect();
    let n_errors = faults
        .iter()
        .filter(|fault| fault.severity == Severity::Error)
        .count();
    if args.json {
        say!("{}", serde_json::json!(faults));
    } else {
        faults.iter().for_each(show);
        let (n_files, n_warnings) = (args.files.len(), faults.len() - n_errors);
        say!("{n_files} files, {n_errors} errors, {n_warnings} warnings");
    }
    if n_errors == 0 { YES } else { BAD_INPUT }
}

/// The fault with the line it is in and carets under the place.
fn show(fault: &Fault) {
    let severity = match fault.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    say!("{severity}[{}]: {}", fault.code, fault.message);
    say!("  --> {}:{}:{}", fault.file, fault.line, fault.column);
    let text = std::fs::read_to_string(&fault.file).unwrap_or_default();
    if let Some(line) = text.lines().nth(fault.line - 1) {
        let number = fault.line.to_string();
        let margin = " ".repeat(number.len());
        let before: String = line
            .chars()
            .take(fault.column - 1)
            .map(|c| if c == '\t' { '\t' } else { ' ' })
            .collect();
        let width = fault
            .width
            .min(line.chars().count().saturating_sub(fault.column - 1))
            .max(1);
        say!(
            "{margin} |\n{number} | {line}\n{margin} | {before}{}",
            "^".repeat(width)
        );
    }
    if !fault.remedy.is_empty() {
        say!("  = {}", fault.remedy);
    }
    say!("");
}
