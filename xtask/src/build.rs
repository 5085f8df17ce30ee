//! Building the workspace with ROS's environment.

use std::path::PathBuf;

use crate::cache;
use crate::process::{command, must, step};
use crate::ros::Ros;

/// The folder that the built programs lie in.
pub fn folder() -> PathBuf {
    target().join("debug")
}

fn target() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(target) => cache::project().join(target),
        None => cache::project().join("target"),
    }
}

/// cargo in the project's root with ROS's environment.
pub fn cargo(ros: &Ros, args: &[&str]) -> std::process::Command {
    let mut cargo = command(
        std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()),
        args,
    );
    cargo.current_dir(cache::project()).envs(ros.environment());
    // What the cargo that runs us tells us of ourselves. Build scripts (ring's) run again when it changes, and with
    // them half the workspace would be compiled anew after each `cargo build` typed by hand.
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            cargo.env_remove(name);
        }
    }
    cargo
}

/// Builds every program.
pub fn programs(ros: &Ros) -> anyhow::Result<()> {
    step(
        "Building (the first time 20 to 30 minutes on 2 cores, then seconds)",
        || {
            must(
                &mut cargo(ros, &["build", "--workspace", "--bins"]),
                "the compiler's messages are above; `cargo xtask doctor` says what may be missing",
            )
        },
    )
}
