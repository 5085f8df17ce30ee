//! The folder of a live run: its sockets, and a note by which `turtlebot-maze stop` finds it.

use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// What other programs of the same user may know about a live run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunNote {
    /// The supervisor.
    pub pid: u32,
    /// Its ROS domain, where the run has one of its own.
    pub ros_domain_id: Option<u8>,
    /// Endpoint of its Zenoh router.
    pub zenoh: String,
    /// Socket on which the e-stop gate takes orders.
    pub control_socket: PathBuf,
    /// Where the results go.
    pub out: PathBuf,
}

/// The folder of this run; removed with this value.
#[derive(Debug)]
pub struct RunDir {
    path: PathBuf,
    _alive: File,
}

const NOTE: &str = "run.json";
const ALIVE: &str = "alive";

/// The folder common to all runs of this user, made where it is missing. Short, because a socket's path has room for
/// 107 bytes only.
pub fn base() -> io::Result<PathBuf> {
    let user = rustix::process::geteuid().as_raw();
    let path = match std::env::var_os("XDG_RUNTIME_DIR") {
        // It may name a folder that a login has not made.
        Some(dir) if dir.len() < 50 && Path::new(&dir).is_dir() => {
            Path::new(&dir).join("turtlebot-maze")
        }
        _ => PathBuf::from(format!("/tmp/turtlebot-maze-{user}")),
    };
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&path)
        .map_err(|cause| {
            let text = format!("cannot make the folder {}: {cause}", path.display());
            io::Error::new(cause.kind(), text)
        })?;
    let metadata = std::fs::symlink_metadata(&path)?;
    if !metadata.is_dir() || metadata.uid() != user || metadata.mode() & 0o022 != 0 {
        let text = format!(
            "{} is not a folder that only this user can write to; remove it",
            path.display()
        );
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, text));
    }
    Ok(path)
}

impl RunDir {
    /// Makes the folder for this process under `base`, and removes those that dead runs have left.
    pub fn create(base: &Path) -> io::Result<Self> {
        for left_over in run_folders(base)?
            .into_iter()
            .filter(|path| !is_alive(path))
        {
            std::fs::remove_dir_all(left_over)?;
        }
        let path = base.join(format!("run-{}", std::process::id()));
        DirBuilder::new().mode(0o700).create(&path)?;
        // Locked before it has its name: a folder whose file is not locked is one that a dead run has left.
        let unnamed = path.join("alive.new");
        let alive = File::create(&unnamed)?;
        alive.lock()?;
        std::fs::rename(unnamed, path.join(ALIVE))?;
        Ok(Self {
            path,
            _alive: alive,
        })
    }

    /// A file in it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Leaves the note for other programs, which never see half of it.
    pub fn write_note(&self, note: &RunNote) -> io::Result<()> {
        let unnamed = self.file("run.json.new");
        std::fs::write(&unnamed, serde_json::to_vec(note)?)?;
        std::fs::rename(unnamed, self.file(NOTE))
    }
}

impl Drop for RunDir {
    fn drop(&mut self) {
        // What is left over is removed by the next run.
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

/// The notes of all live runs under `base`.
pub fn live_runs(base: &Path) -> io::Result<Vec<RunNote>> {
    let mut runs = Vec::new();
    for path in run_folders(base)?.into_iter().filter(|path| is_alive(path)) {
        // A run that is just starting has no note yet. One that cannot be read must not hide the others.
        let note = std::fs::read(path.join(NOTE)).ok();
        runs.extend(note.and_then(|text| serde_json::from_slice(&text).ok()));
    }
    Ok(runs)
}

fn run_folders(base: &Path) -> io::Result<Vec<PathBuf>> {
    let mut folders = Vec::new();
    for entry in std::fs::read_dir(base)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with("run-") {
            folders.push(entry.path());
        }
    }
    folders.sort();
    Ok(folders)
}

/// A live run holds the lock on its file; the kernel lets go of it however the run ends. A folder without the file is
/// one that a run is making at this moment.
fn is_alive(folder: &Path) -> bool {
    match File::open(folder.join(ALIVE)) {
        Ok(file) => matches!(
            file.try_lock_shared(),
            Err(std::fs::TryLockError::WouldBlock)
        ),
        Err(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_live_run_is_found_and_a_dead_ones_folder_is_cleared_away() {
        let base = tempfile::tempdir().unwrap();
        let dead = base.path().join("run-1");
        std::fs::create_dir(&dead).unwrap();
        std::fs::write(dead.join(ALIVE), "").unwrap();
        std::fs::write(dead.join(NOTE), "{}").unwrap();

        let run = RunDir::create(base.path()).unwrap();
        assert!(!dead.exists());
        let note = RunNote {
            pid: std::process::id(),
            ros_domain_id: Some(61),
            zenoh: "tcp/127.0.0.1:7447".into(),
            control_socket: run.file("control"),
            out: "/out".into(),
        };
        run.write_note(&note).unwrap();
        assert_eq!(live_runs(base.path()).unwrap(), [note]);
        drop(run);
        assert_eq!(live_runs(base.path()).unwrap(), []);
    }
}
