//! `run`: a tree from beginning to end.

use std::collections::HashSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant, SystemTime};

use serde_json::{Map, Value as Json, json};

use super::{BAD_INPUT, NO, YES, outcomes};
use crate::engine::Transition;
use crate::load::names;
use crate::loggers;
use crate::recording;
use crate::status::Status;
use crate::tree::Tree;

/// How much time passes after a tick that gave RUNNING.
const TICK_PERIOD: Duration = Duration::from_millis(10);

#[derive(Debug, clap::Args)]
pub(crate) struct RunArgs {
    /// The tree file (.xml).
    pub file: PathBuf,
    /// The tree to run, where it is not the main tree of the file.
    #[arg(long, value_name = "ID")]
    pub tree: Option<String>,
    /// A file whose TreeNodesModel declares more nodes, for which there are --outcomes. May be given several times.
    #[arg(long, value_name = "FILE.xml")]
    pub model: Vec<PathBuf>,
    /// Give up after this many ticks.
    #[arg(long, default_value_t = 2000, value_name = "N")]
    max_ticks: u64,
    /// Results for nodes, as JSON: {"GoToPose": ["RUNNING", "SUCCESS"]}, or BehaviorTree.CPP's substitution rules.
    #[arg(long, value_name = "FILE.json")]
    pub outcomes: Option<PathBuf>,
    /// Write the run to a file, for `replay` and `diff`.
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// Print one JSON object and nothing else.
    #[arg(long)]
    json: bool,
    /// Wait 10 ms after each tick that gave RUNNING, instead of only saying so to the tree.
    #[arg(long)]
    real_time: bool,
    /// Write the transitions to a file for Groot2's log viewer.
    #[arg(long, value_name = "FILE.btlog")]
    btlog: Option<PathBuf>,
    #[command(flatten)]
    live: super::live::LiveArgs,
    #[cfg(feature = "groot2")]
    #[command(flatten)]
    groot: super::groot::GrootArgs,
}

impl RunArgs {
    /// A file that is to be written and is read or written by another name as well.
    fn overwritten(&self) -> Option<&Path> {
        let real = |path: &&PathBuf| path.canonicalize().unwrap_or_else(|_| (*path).clone());
        let read = [&self.file]
            .into_iter()
            .chain(&self.model)
            .chain(&self.outcomes);
        let mut taken: HashSet<PathBuf> = read.map(|path| real(&path)).collect();
        let mut written = self.record.iter().chain(&self.btlog);
        written
            .find(|path| !taken.insert(real(path)))
            .map(PathBuf::as_path)
    }
}

/// How a run ended.
struct End {
    result: &'static str,
    error_kind: Option<&'static str>,
    message: Option<String>,
    ticks: u64,
}

pub(crate) fn run(args: &RunArgs) -> u8 {
    let mut factory = match super::factory_for(&args.file, &args.model) {
        Ok(factory) => factory,
        Err(error) => return report(args, &load_failed(error.to_string()), None, &[]),
    };
    if let Some(path) = args.overwritten() {
        let message = format!("{} would be written over", path.display());
        return report(args, &load_failed(message), None, &[]);
    }
    if let Some(path) = &args.outcomes
        && let Err(error) = outcomes::read(&mut factory, path)
    {
        return report(args, &load_failed(format!("{error:#}")), None, &[]);
    }
    let mut tree = match factory.load_file_tree(&args.file, args.tree.as_deref()) {
        Ok(tree) => tree,
        Err(error) => return report(args, &load_failed(error.to_string()), None, &[]),
    };
    for filter in factory.idle_substitutes(&tree) {
        let known = tree.nodes().flat_map(|node| [node.name, node.id]);
        let near = names::nearest(filter, known)
            .map_or_else(String::new, |near| format!(": was '{near}' meant?"));
        eprintln!("warning: outcomes are laid down for '{filter}', but no node is called so{near}");
    }
    #[cfg(feature = "groot2")]
    let _groot = match args.groot.publish(&mut tree) {
        Ok(publisher) => publisher,
        Err(error) => return report(args, &load_failed(error.to_string()), None, &[]),
    };
    if let Some(path) = &args.btlog
        && let Err(error) = loggers::btlog(&mut tree, path, SystemTime::now())
    {
        let message = format!("{} cannot be written: {error}", path.display());
        return report(args, &load_failed(message), None, &[]);
    }
    if let Some(path) = &args.record
        && let Err(error) =
            File::create(path).and_then(|out| recording::record(&mut tree, &factory, out))
    {
        let message = format!("{} cannot be written: {error}", path.display());
        return report(args, &load_failed(message), None, &[]);
    }
    let (sender, receiver) = mpsc::channel();
    // Nobody listens any more when the run is over, and then nothing is lost.
    tree.observe(move |transition| sender.send(transition).unwrap_or_default());
    match tick(args, &mut tree, &receiver) {
        Ok((end, transitions)) => report(args, &end, Some(&tree), &transitions),
        Err(error) => report(args, &load_failed(format!("{error:#}")), None, &[]),
    }
}

const fn load_failed(message: String) -> End {
    End {
        result: "ERROR",
        error_kind: Some("load"),
        message: Some(message),
        ticks: 0,
    }
}

/// Errors: the picture cannot be written.
fn tick(
    args: &RunArgs,
    tree: &mut Tree,
    receiver: &Receiver<Transition>,
) -> anyhow::Result<(End, Vec<Transition>)> {
    let mut transitions = Vec::new();
    let mut end = End {
        result: "RUNNING",
        error_kind: None,
        message: None,
        ticks: args.max_ticks,
    };
    let start = Instant::now();
    let mut now = Duration::ZERO;
    for ticks in 1..=args.max_ticks {
        let result = tree.tick_exactly_once(now);
        let first = transitions.len();
        transitions.extend(receiver.try_iter());
        if transitions.len() > first {
            args.live.show(tree)?;
        }
        match result {
            Ok(Status::Running) => {}
            Ok(status) => {
                end = End {
                    result: status.as_str(),
                    ticks,
                    ..end
                };
                break;
            }
            Err(error) => {
                end = End {
                    result: "ERROR",
                    error_kind: Some("runtime"),
                    message: Some(error.to_string()),
                    ticks,
                };
                break;
            }
        }
        if args.real_time {
            std::thread::sleep(TICK_PERIOD);
            now = start.elapsed();
        } else {
            now += TICK_PERIOD;
        }
    }
    Ok((end, transitions))
}

fn report(args: &RunArgs, end: &End, tree: Option<&Tree>, transitions: &[Transition]) -> u8 {
    let code = match end.result {
        "SUCCESS" => YES,
        "ERROR" => BAD_INPUT,
        _ => NO,
    };
    if args.json {
        say!("{}", as_json(end, tree, transitions));
        return code;
    }
    let path = |uid| {
        tree.and_then(|tree| tree.node(uid))
            .map(|node| node.path)
            .unwrap_or_default()
    };
    for transition in transitions {
        let seconds = transition.time.as_secs_f64();
        say!(
            "[{seconds:9.3} s] {:<40} {} -> {}",
            path(transition.uid),
            transition.from,
            transition.to
        );
    }
    say!("{} after {} ticks", end.result, end.ticks);
    if let Some(failure) = tree
        .and_then(Tree::failure)
        .filter(|_| end.result == "FAILURE")
    {
        say!("{failure}");
    }
    if let Some(message) = &end.message {
        eprintln!("error: {message}");
    }
    code
}

fn as_json(end: &End, tree: Option<&Tree>, transitions: &[Transition]) -> Json {
    let nodes: Vec<_> = tree.into_iter().flat_map(Tree::nodes).collect();
    let path = |uid: u32| nodes.get(uid as usize - 1).map_or("", |node| &node.path);
    let transitions: Vec<Json> = transitions
        .iter()
        .map(|transition| {
            json!([
                path(transition.uid),
                transition.from.as_str(),
                transition.to.as_str()
            ])
        })
        .collect();
    let blackboard: Map<String, Json> = tree
        .into_iter()
        .flat_map(Tree::entries)
        .map(|(key, value)| (key.to_owned(), value.to_json()))
        .collect();
    json!({
        "result": end.result,
        "error_kind": end.error_kind,
        "error_message": end.message,
        "ticks": end.ticks,
        "nodes": nodes.iter().map(|node| json!([node.path, node.id, node.uid])).collect::<Vec<_>>(),
        "transitions": transitions,
        "blackboard": blackboard,
    })
}
