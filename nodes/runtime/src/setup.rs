//! From the options to a run that can start: every file is there, the port and the domain are free, every command line
//! is complete. Whatever is wrong is found here, before the first process starts.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};

use crate::command_line::{Values, arguments};
use crate::graph::{Graph, Node, Robot, Sim};
use crate::hand_over::require_ros;
use crate::isolation::{Domain, REACHING_OUT, free_port};
use crate::maze;
use crate::options::RunOptions;
use crate::process::Launch;
use crate::run_dir::{RunDir, RunNote};
use crate::share;

const USUAL_ZENOH_PORT: u16 = 7447;

/// A node, ready to be started.
#[derive(Debug)]
pub struct PlannedNode {
    /// Its entry in the graph.
    pub node: Node,
    /// How to start it.
    pub launch: Launch,
    /// How long it may take until it is ready.
    pub start_timeout: Duration,
}

/// A run, ready to be started.
#[derive(Debug)]
pub struct Plan {
    /// All nodes of the run.
    pub nodes: Vec<PlannedNode>,
    /// What other programs may know.
    pub note: RunNote,
    /// Where the results go.
    pub out: PathBuf,
    /// What is searched for, where the graph searches.
    pub class: Option<String>,
    /// Held for the length of the run.
    pub run_dir: RunDir,
    /// Held for the length of the run.
    pub domain: Option<Domain>,
}

/// Checks everything and plans the run. `programs` is the folder of the nodes' programs.
pub fn plan(options: &RunOptions, programs: &Path, runs: &Path) -> Result<Plan> {
    let program = programs.join("turtlebot-maze");
    let (graph_file, share) = match &options.graph {
        Some(file) => (file.clone(), share_of_graph(file)?),
        None => {
            let share = share::find(&program)?;
            (share.join(share::GRAPH), share)
        }
    };
    let text = std::fs::read_to_string(&graph_file)
        .with_context(|| format!("cannot read the node graph {}", graph_file.display()))?;
    let graph = Graph::parse(&text).with_context(|| format!("in {}", graph_file.display()))?;
    let robot = choose_robot(&graph, options)?;
    let nodes = graph.nodes_for(options.sim);
    if nodes.iter().any(|node| node.ros) {
        require_ros()?;
    }
    let mut values = option_values(options, &graph, robot, &share)?;

    let isolated = options.sim == Sim::Embedded;
    let domain = match (isolated, options.ros_domain_id) {
        (false, None) => None,
        (_, wanted) => Some(Domain::acquire(runs, wanted)?),
    };
    let wanted_port = options
        .zenoh_port
        .or((!isolated).then_some(USUAL_ZENOH_PORT));
    let zenoh = format!("tcp/127.0.0.1:{}", free_port(wanted_port)?);
    let out = make_out_folder(options)?;
    let run_dir = RunDir::create(runs).context("cannot make the folder of this run")?;

    values.insert("zenoh".into(), zenoh.clone());
    values.insert("out".into(), text_of(&out)?);
    values.insert("control_socket".into(), text_of(&run_dir.file("control"))?);
    values.insert("guard_socket".into(), text_of(&run_dir.file("guard"))?);

    if isolated {
        maze::complete(options, programs, &out, &mut values)?;
    }
    maze::check_class(programs, &values)?;

    let mut env: Vec<(OsString, OsString)> = Vec::new();
    if let Some(domain) = &domain {
        env.push(("ROS_DOMAIN_ID".into(), domain.id.to_string().into()));
    }
    if isolated {
        env.push(("ROS_AUTOMATIC_DISCOVERY_RANGE".into(), "LOCALHOST".into()));
    }
    let common = Common {
        programs,
        out: &out,
        run_dir: &run_dir,
        env,
        env_removed: if isolated {
            REACHING_OUT.map(String::from).to_vec()
        } else {
            Vec::new()
        },
        params: text_of(&existing(
            &share.join(&robot.params),
            "the robot's parameter file",
        )?)?,
        sim_time: options.sim != Sim::None,
    };
    let nodes = nodes
        .into_iter()
        .map(|node| common.plan_node(node, &values))
        .collect::<Result<_>>()?;
    let note = RunNote {
        pid: std::process::id(),
        ros_domain_id: domain.as_ref().map(|domain| domain.id),
        zenoh,
        control_socket: run_dir.file("control"),
        out: out.clone(),
    };
    run_dir
        .write_note(&note)
        .context("cannot write to the folder of this run")?;
    Ok(Plan {
        nodes,
        note,
        out,
        class: values.get("find").cloned(),
        run_dir,
        domain,
    })
}

/// What all nodes of a run have in common.
struct Common<'a> {
    programs: &'a Path,
    out: &'a Path,
    run_dir: &'a RunDir,
    env: Vec<(OsString, OsString)>,
    env_removed: Vec<String>,
    params: String,
    sim_time: bool,
}

impl Common<'_> {
    fn plan_node(&self, node: Node, values: &Values) -> Result<PlannedNode> {
        let program = self.programs.join(&node.program);
        if !program.is_file() {
            bail!(
                "node `{}`: no program {}; build the whole workspace",
                node.name,
                program.display()
            );
        }
        let mut args = arguments(&node, values)?;
        if node.ros {
            let sim_time = format!("use_sim_time:={}", self.sim_time);
            args.extend(
                ["--ros-args", "--params-file", &self.params, "-p", &sim_time].map(String::from),
            );
            // A restart adds arguments of the node's own.
            args.push("--".to_owned());
        }
        let log = self.out.join("logs").join(format!("{}.log", node.name));
        // Restarts append to it; an earlier run in the same folder has nothing to say here.
        std::fs::File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        let launch = Launch {
            program,
            args,
            env: self.env.clone(),
            env_removed: self.env_removed.clone(),
            log,
            notify: self.run_dir.file(&format!("{}.notify", node.name)),
            orphaned: node.orphaned,
        };
        let start_timeout = Duration::from_secs_f64(node.start_timeout_s);
        Ok(PlannedNode {
            node,
            launch,
            start_timeout,
        })
    }
}

fn share_of_graph(graph: &Path) -> Result<PathBuf> {
    let graph = existing(graph, "the node graph (--graph)")?;
    match graph.ancestors().nth(2) {
        Some(share) => Ok(share.to_path_buf()),
        None => bail!(
            "{}: a graph lies in the folder `launch` of a share folder",
            graph.display()
        ),
    }
}

fn choose_robot<'a>(graph: &'a Graph, options: &RunOptions) -> Result<&'a Robot> {
    let by_default = if options.sim == Sim::Embedded {
        "embedded"
    } else {
        "turtlebot3"
    };
    let name = options.robot.as_deref().unwrap_or(by_default);
    graph.robot.get(name).with_context(|| {
        let known = graph.robot.keys().cloned().collect::<Vec<_>>().join(", ");
        format!("no robot `{name}` in the node graph; it has {known} (--robot)")
    })
}

fn option_values(
    options: &RunOptions,
    graph: &Graph,
    robot: &Robot,
    share: &Path,
) -> Result<Values> {
    let mut values = robot.values.clone();
    for (name, file) in &graph.defaults {
        values.insert(name.clone(), text_of(&share.join(file))?);
    }
    let files = [
        ("world", "the world (--world)", &options.world),
        ("map", "the map (--map)", &options.map),
        (
            "locations",
            "the locations file (--locations)",
            &options.locations,
        ),
        (
            "ground_truth",
            "the ground truth (--ground-truth)",
            &options.ground_truth,
        ),
        ("tree", "the behaviour tree (--tree)", &options.tree),
        ("model", "the detector's model (--model)", &options.model),
    ];
    for (name, what, option) in files {
        if let Some(file) = option {
            values.insert(name.into(), text_of(&existing(file, what)?)?);
        } else if let Some(default) = values.get(name) {
            existing(Path::new(default), what)?;
        }
    }
    let words = [
        ("find", options.find.clone()),
        ("vlm_url", options.vlm_url.clone()),
        ("vlm_model", options.vlm_model.clone()),
        ("rerun", options.rerun.then(|| "true".to_string())),
        (
            "groot_control",
            options.groot_control.then(|| "true".to_string()),
        ),
        // A physical robot moves only after somebody has deliberately freed it.
        (
            "start_latched",
            (options.sim == Sim::None).then(|| "true".to_string()),
        ),
        ("speed", Some(options.speed.to_string())),
        ("seed", Some(options.seed.to_string())),
        ("base", Some(options.base.word().to_string())),
    ];
    values.extend(
        words
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_string(), value?))),
    );
    Ok(values)
}

/// The file's absolute path, as nodes may have another working folder.
pub(crate) fn existing(file: &Path, what: &str) -> Result<PathBuf> {
    let path = file.canonicalize().with_context(|| {
        format!(
            "{what}: cannot open {}; give the path of a file",
            file.display()
        )
    })?;
    if !path.is_file() {
        bail!("{what}: {} is not a file", file.display());
    }
    Ok(path)
}

pub(crate) fn text_of(path: &Path) -> Result<String> {
    path.to_str()
        .map(String::from)
        .with_context(|| format!("{}: the path is not valid UTF-8", path.display()))
}

/// What a run leaves beside its logs; what an earlier run has left must not pass for this one's.
const RESULTS: [&str; 5] = [
    "report.json",
    "run.rrd",
    "map.png",
    "frame.png",
    "tree.jsonl",
];

fn make_out_folder(options: &RunOptions) -> Result<PathBuf> {
    let out = match &options.out {
        Some(out) => std::fs::create_dir_all(out).map(|()| out.clone()),
        None => new_folder(Path::new("runs"), &time_name(SystemTime::now())),
    };
    let named = || {
        options
            .out
            .as_deref()
            .unwrap_or(Path::new("runs"))
            .display()
    };
    let out = out.and_then(|out| {
        std::fs::create_dir_all(out.join("logs"))?;
        out.canonicalize()
    });
    let out =
        out.with_context(|| format!("cannot make the folder for results {} (--out)", named()))?;
    for name in RESULTS {
        let file = out.join(name);
        match std::fs::remove_file(&file) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(error)
                    .with_context(|| format!("cannot remove the old {}", file.display()));
            }
            _ => {}
        }
    }
    Ok(out)
}

/// A folder of this name that no other run has, with a number behind it where there is one already.
fn new_folder(parent: &Path, name: &str) -> std::io::Result<PathBuf> {
    std::fs::create_dir_all(parent)?;
    let mut folder = parent.join(name);
    let mut number = 1;
    loop {
        match std::fs::create_dir(&folder) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                number += 1;
                folder = parent.join(format!("{name}-{number}"));
            }
            made => return made.map(|()| folder),
        }
    }
}

/// `20261123-222400`, UTC.
fn time_name(now: SystemTime) -> String {
    let seconds = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // The civil date of a day number, counted in years that begin in March (Howard Hinnant, "chrono-compatible
    // low-level date algorithms").
    let day_of_era = (days + 719_468) % 146_097;
    let era = (days + 719_468) / 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 {
        march_month + 3
    } else {
        march_month - 9
    };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!(
        "{year:04}{month:02}{day:02}-{:02}{:02}{:02}",
        second / 3600,
        second / 60 % 60,
        second % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_runs_of_the_same_second_have_a_folder_each() {
        let runs = tempfile::tempdir().unwrap();
        let first = new_folder(runs.path(), "t").unwrap();
        let second = new_folder(runs.path(), "t").unwrap();
        assert_eq!(first, runs.path().join("t"));
        assert_eq!(second, runs.path().join("t-2"));
    }

    #[test]
    fn a_runs_folder_is_named_by_its_time() {
        let at = |seconds| time_name(UNIX_EPOCH + Duration::from_secs(seconds));
        assert_eq!(at(0), "19700101-000000");
        assert_eq!(at(951_782_400), "20000229-000000");
        assert_eq!(at(1_795_472_640), "20261123-222400");
        assert_eq!(at(1_798_761_599), "20261231-235959");
    }
}
