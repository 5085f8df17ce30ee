//! Prepares the middleware for messages as large as pictures.

use anyhow::Context;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

/// Room for several pictures in shared memory, for Fast DDS, ROS's default middleware.
const FAST_DDS_PROFILE: &str = include_str!("fastdds.xml");
/// Where Fast DDS looks for profiles. What a user has set stays.
const PROFILE_VARIABLES: [&str; 2] = [
    "FASTDDS_DEFAULT_PROFILES_FILE",
    "FASTRTPS_DEFAULT_PROFILES_FILE",
];

/// Starts this program anew with a profile for large messages, unless one is set.
///
/// The profile has to be in the environment before the process begins: setting a variable later is not safe beside
/// other threads.
///
/// # Errors
/// When the profile cannot be written or the program not be started.
pub fn prepare() -> anyhow::Result<()> {
    if PROFILE_VARIABLES
        .iter()
        .any(|name| std::env::var_os(name).is_some())
    {
        return Ok(());
    }
    let path = profile_path();
    std::fs::write(&path, FAST_DDS_PROFILE)
        .with_context(|| format!("cannot write {}", path.display()))?;
    let program = std::env::current_exe().context("cannot find this program's file")?;
    let mut arguments = std::env::args_os();
    let name = arguments.next().unwrap_or_else(|| "sim_node".into());
    let error = Command::new(program)
        .arg0(name)
        .args(arguments)
        .env(PROFILE_VARIABLES[1], &path)
        .exec();
    Err(error).context("cannot start this program anew")
}

/// Removes the profile once it has been read.
pub fn tidy() {
    // Not there when the user has a profile of his own.
    let _ = std::fs::remove_file(profile_path());
}

fn profile_path() -> PathBuf {
    std::env::temp_dir().join(format!("sim_node_fastdds_{}.xml", std::process::id()))
}
