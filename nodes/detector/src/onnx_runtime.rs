//! Finds ONNX Runtime's library and loads it, once a process.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use ort::environment::Environment;
use thiserror::Error;

/// Why there is no ONNX Runtime.
#[derive(Debug, Clone, Error)]
pub enum RuntimeError {
    /// No library was found.
    #[error(
        "ONNX Runtime not found (looked at ORT_DYLIB_PATH, in {cache}, and for the onnxruntime of python3); install it \
         with: python3 -m venv {venv} && {venv}/bin/pip install 'onnxruntime>=1.24'"
    )]
    NotFound {
        /// Folder pattern that was searched.
        cache: String,
        /// Where to put it.
        venv: String,
    },
    /// `ORT_DYLIB_PATH` names no file.
    #[error("ORT_DYLIB_PATH is {0}, which is not a file; unset it or name libonnxruntime.so")]
    BadPath(PathBuf),
    /// A library was found but cannot be used.
    #[error("ONNX Runtime at {path} cannot be loaded: {reason}; version 1.24 or newer is needed")]
    Load {
        /// The library.
        path: PathBuf,
        /// What the loader said.
        reason: String,
    },
}

/// The process's ONNX Runtime, loaded on first use.
///
/// # Errors
/// When none is found or it cannot be loaded; the error says how to install one.
pub fn environment() -> Result<Environment, RuntimeError> {
    static ENVIRONMENT: OnceLock<Result<Environment, RuntimeError>> = OnceLock::new();
    ENVIRONMENT.get_or_init(load).clone()
}

fn load() -> Result<Environment, RuntimeError> {
    let path = find()?;
    let failed = |reason: String| RuntimeError::Load {
        path: path.clone(),
        reason,
    };
    let environment = ort::init_from(&path)
        .map_err(|error| failed(error.to_string()))?
        .with_name("detector")
        .with_telemetry(false)
        .build()
        .map_err(|error| failed(error.to_string()))?;
    tracing::info!(path = %path.display(), "ONNX Runtime loaded");
    Ok(environment)
}

fn find() -> Result<PathBuf, RuntimeError> {
    if let Some(path) = std::env::var_os("ORT_DYLIB_PATH").filter(|path| !path.is_empty()) {
        let path = PathBuf::from(path);
        return if path.is_file() {
            Ok(path)
        } else {
            Err(RuntimeError::BadPath(path))
        };
    }
    let venv = cache_folder().join("ros");
    in_venv(&venv)
        .or_else(of_python)
        .ok_or_else(|| RuntimeError::NotFound {
            cache: venv
                .join("lib/python3*/site-packages")
                .display()
                .to_string(),
            venv: venv.display().to_string(),
        })
}

/// What this user's set-up put there, and what can be made again: `$TURTLEBOT_MAZE_CACHE`, else `turtlebot-maze` in the
/// user's cache folder.
pub(crate) fn cache_folder() -> PathBuf {
    let set = |name| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    let user =
        || set("XDG_CACHE_HOME").unwrap_or_else(|| set("HOME").unwrap_or_default().join(".cache"));
    set("TURTLEBOT_MAZE_CACHE").unwrap_or_else(|| user().join("turtlebot-maze"))
}

fn in_venv(venv: &Path) -> Option<PathBuf> {
    let pythons = std::fs::read_dir(venv.join("lib")).ok()?.flatten();
    let mut pythons: Vec<_> = pythons.map(|entry| entry.path()).collect();
    pythons.sort();
    pythons
        .iter()
        .rev()
        .find_map(|python| in_package(&python.join("site-packages/onnxruntime")))
}

/// The newest library in the package's folder.
fn in_package(package: &Path) -> Option<PathBuf> {
    let entries = std::fs::read_dir(package.join("capi")).ok()?.flatten();
    let is_library = |path: &PathBuf| {
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        name.starts_with("libonnxruntime.so")
            || name.starts_with("libonnxruntime.") && name.ends_with(".dylib")
    };
    entries.map(|entry| entry.path()).filter(is_library).max()
}

fn of_python() -> Option<PathBuf> {
    let code = "import importlib.util as u; print(u.find_spec('onnxruntime').submodule_search_locations[0])";
    let output = Command::new("python3")
        .args(["-c", code])
        .output()
        .ok()
        .filter(|output| output.status.success())?;
    in_package(Path::new(String::from_utf8(output.stdout).ok()?.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_library_is_found_in_a_virtual_environment() {
        let venv = tempfile::tempdir().unwrap();
        assert_eq!(in_venv(venv.path()), None);
        let capi = venv
            .path()
            .join("lib/python3.11/site-packages/onnxruntime/capi");
        std::fs::create_dir_all(&capi).unwrap();
        std::fs::write(capi.join("libonnxruntime_providers_shared.so"), "").unwrap();
        assert_eq!(in_venv(venv.path()), None);
        std::fs::write(capi.join("libonnxruntime.so.1.24.0"), "").unwrap();
        assert_eq!(
            in_venv(venv.path()),
            Some(capi.join("libonnxruntime.so.1.24.0"))
        );
    }
}
