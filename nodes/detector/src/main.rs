//! The program: see `detector --help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    detector::cli::main()
}
