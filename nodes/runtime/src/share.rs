//! Where the files that belong to the programs are: launch, behaviors, models.

use std::path::{Path, PathBuf};

/// Names the share folder when it is in no usual place.
pub const SHARE_VARIABLE: &str = "TURTLEBOT_MAZE_SHARE";

/// The graph file, relative to the share folder.
pub const GRAPH: &str = "launch/graph.toml";

/// No share folder.
#[derive(Debug, thiserror::Error)]
#[error("no {GRAPH} found; looked in {}. Set {SHARE_VARIABLE} to the folder that holds `launch`, or give --graph", looked_in(.0))]
pub struct NoShare(Vec<PathBuf>);

fn looked_in(folders: &[PathBuf]) -> String {
    folders
        .iter()
        .map(|folder| folder.display().to_string())
        .collect::<Vec<_>>()
        .join(", ")
}

/// The share folder: the one the variable names; the one of the installation (`lib/turtlebot_maze/<program>` beside
/// `share/turtlebot_maze`); the source tree that the program lies in; the one it was built from.
pub fn find(program: &Path) -> Result<PathBuf, NoShare> {
    find_among(candidates(
        program,
        std::env::var_os(SHARE_VARIABLE).map(PathBuf::from),
    ))
}

fn candidates(program: &Path, named: Option<PathBuf>) -> Vec<PathBuf> {
    if let Some(folder) = named {
        return vec![folder];
    }
    let installed = program
        .ancestors()
        .nth(3)
        .map(|prefix| prefix.join("share/turtlebot_maze"));
    let source_tree = program.ancestors().skip(1).map(Path::to_path_buf);
    let built_from = Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .map(Path::to_path_buf);
    installed
        .into_iter()
        .chain(source_tree)
        .chain(built_from)
        .collect()
}

fn find_among(candidates: Vec<PathBuf>) -> Result<PathBuf, NoShare> {
    match candidates
        .iter()
        .find(|folder| folder.join(GRAPH).is_file())
    {
        Some(folder) => Ok(folder.clone()),
        None => Err(NoShare(candidates)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_graph(folder: &Path) {
        std::fs::create_dir_all(folder.join("launch")).unwrap();
        std::fs::write(folder.join(GRAPH), "").unwrap();
    }

    #[test]
    fn an_installation_is_found_from_its_programs() {
        let prefix = tempfile::tempdir().unwrap();
        let share = prefix.path().join("share/turtlebot_maze");
        with_graph(&share);
        let program = prefix.path().join("lib/turtlebot_maze/turtlebot-maze");
        assert_eq!(find_among(candidates(&program, None)).unwrap(), share);
    }

    #[test]
    fn a_source_tree_is_found_from_the_build_folder_in_it() {
        let tree = tempfile::tempdir().unwrap();
        with_graph(tree.path());
        let program = tree.path().join("target/debug/turtlebot-maze");
        assert_eq!(find_among(candidates(&program, None)).unwrap(), tree.path());
    }

    #[test]
    fn a_named_folder_that_is_wrong_is_not_passed_over() {
        let tree = tempfile::tempdir().unwrap();
        with_graph(tree.path());
        let program = tree.path().join("target/debug/turtlebot-maze");
        let error = find_among(candidates(&program, Some("/nowhere".into()))).unwrap_err();
        assert!(
            error.to_string().contains("/nowhere") && error.to_string().contains(SHARE_VARIABLE)
        );
    }
}
