//! `cargo xtask test`: format, clippy, unit tests, tests against independent peers, whole searches.

use std::process::ExitCode;

use clap::Args;

use crate::process::{command, must, step};
use crate::{build, cache, ros};

#[derive(Args)]
pub struct Flags {
    /// Arguments for `cargo test`, such as the name of a test
    #[arg(last = true)]
    cargo: Vec<String>,
}

pub fn run(flags: &Flags) -> anyhow::Result<ExitCode> {
    let ros = ros::set_up()?;
    let ray = ros::install_ray()?;
    step("Checking the format", || {
        must(
            &mut build::cargo(&ros, &["fmt", "--all", "--check"]),
            "run `cargo fmt --all`",
        )
    })?;
    build::programs(&ros)?;
    step("Clippy", || {
        let args = [
            "clippy",
            "--workspace",
            "--all-targets",
            "--",
            "-D",
            "warnings",
        ];
        must(
            &mut build::cargo(&ros, &args),
            "mend what clippy names above",
        )
    })?;
    step("Python tests", || {
        for folder in ["launch/tests", "models"] {
            let mut unittest = command(
                "python3",
                &[
                    "-m",
                    "unittest",
                    "discover",
                    "-v",
                    "-p",
                    "test_*.py",
                    "-s",
                    folder,
                ],
            );
            unittest
                .current_dir(cache::project())
                .envs(ros.environment());
            must(&mut unittest, "the failing test is named above")?;
        }
        Ok(())
    })?;
    // Last, so that the run ends with the runner's own summary.
    step("Tests, the whole searches among them", || {
        let mut test = build::cargo(&ros, &["test", "--workspace", "--no-fail-fast"]);
        test.env("TURTLEBOT_MAZE_RAY", &ray).args(&flags.cargo);
        must(&mut test, "the failing test is named above")
    })?;
    Ok(ExitCode::SUCCESS)
}
