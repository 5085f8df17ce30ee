//! Standard output.

use std::fmt::Display;
use std::io::{ErrorKind, Write as _};

use super::BAD_INPUT;

/// Prints. That the reader has left (`| head`) changes nothing of what was asked for; where nothing can be written the
/// program ends.
pub(super) fn put(text: impl Display) {
    match write!(std::io::stdout().lock(), "{text}") {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            eprintln!("error: standard output cannot be written: {error}");
            std::process::exit(BAD_INPUT.into());
        }
        _ => {}
    }
}
