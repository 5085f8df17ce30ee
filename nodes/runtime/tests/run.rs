//! `turtlebot-maze run` with processes that only note what happens to them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends by a panic"
)]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Pid;

/// Longer than anything takes on a busy machine; only a failing test waits so long.
const PATIENCE: Duration = Duration::from_secs(60);
/// What the stop may take.
const STOP_LIMIT: Duration = Duration::from_secs(5);

/// What happens to the processes, in the stage's folder.
const JOURNAL: &str = "out/journal";

/// What every run is told.
const RUN: [&str; 9] = [
    "run",
    "--world",
    "world.sdf",
    "--locations",
    "places.yaml",
    "--find",
    "cup",
    "--out",
    "out",
];

/// A folder with the program, fake nodes and a graph.
struct Stage {
    dir: tempfile::TempDir,
    programs: tempfile::TempDir,
}

impl Stage {
    /// `nodes`: name, what it does, further lines of its entry in the graph.
    fn new(nodes: &[(&str, &str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        // Beside the build, so that the program can be linked there: a fresh copy is "busy" while another test forks.
        let programs = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        std::fs::hard_link(
            env!("CARGO_BIN_EXE_turtlebot-maze"),
            programs.path().join("turtlebot-maze"),
        )
        .unwrap();
        let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
        for (name, script) in [("fake", "fake_node.py"), ("sim", "fake_sim.sh")] {
            std::os::unix::fs::symlink(tests.join(script), programs.path().join(name)).unwrap();
        }
        let stage = Self { dir, programs };
        for folder in ["share/launch", "out", "run"] {
            std::fs::create_dir_all(stage.path(folder)).unwrap();
        }
        for file in ["world.sdf", "places.yaml"] {
            std::fs::write(stage.path(file), "").unwrap();
        }
        std::fs::write(stage.path("share/r.yaml"), "").unwrap();
        let mut graph = String::from("[robot.embedded]\nparams = \"r.yaml\"\n");
        for (name, actions, more) in nodes {
            let args = actions
                .split_whitespace()
                .map(|action| format!(", \"{action}\""))
                .collect::<String>();
            graph += &format!(
                "[[node]]\nname = \"{name}\"\nprogram = \"fake\"\nargs = [\"{{out}}/journal\", \"{name}\"{args}]\n{more}\n"
            );
        }
        std::fs::write(stage.path("share/launch/graph.toml"), graph).unwrap();
        stage
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn program(&self) -> PathBuf {
        self.programs.path().join("turtlebot-maze")
    }

    fn start(&self, more: &[&str]) -> Run<'_> {
        let child = Command::new(self.program())
            .args(RUN)
            .args(more)
            .current_dir(self.dir.path())
            .env("TURTLEBOT_MAZE_SHARE", self.path("share"))
            .env("XDG_RUNTIME_DIR", self.path("run"))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Run { stage: self, child }
    }

    fn journal(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.path(JOURNAL)).unwrap_or_default();
        text.lines().map(String::from).collect()
    }

    /// Waits until the journal has this line, the `count`th time.
    fn await_line(&self, line: &str, count: usize) {
        let is_there = |journal: &str| {
            let lines = journal.lines().map(without_id);
            lines.filter(|noted| noted == line).count() >= count
        };
        assert!(
            e2e::text_comes(&self.path(JOURNAL), None, PATIENCE, is_there).unwrap(),
            "no `{line}` in {:#?}",
            self.journal()
        );
    }

    /// Process ids of all lives of this node, oldest first.
    fn lives(&self, name: &str) -> Vec<i32> {
        let starts = format!("{name} starts ");
        self.journal()
            .iter()
            .filter_map(|line| line.strip_prefix(&starts)?.parse().ok())
            .collect()
    }

    fn all_lives(&self) -> Vec<i32> {
        self.journal()
            .iter()
            .filter_map(|line| line.split_once(" starts ")?.1.parse().ok())
            .collect()
    }

    /// The journal without process ids.
    fn story(&self) -> Vec<String> {
        self.journal().iter().map(|line| without_id(line)).collect()
    }

    fn assert_order(&self, lines: &[&str]) {
        let story = self.story();
        let mut rest = story.iter();
        for line in lines {
            assert!(
                rest.any(|noted| noted == line),
                "`{line}` is missing or too early in {story:#?}"
            );
        }
    }
}

struct Run<'a> {
    stage: &'a Stage,
    child: Child,
}

impl Run<'_> {
    fn signal(&self, signal: &str) {
        send(signal, self.child.id().try_into().unwrap());
    }

    fn finish(self) -> Output {
        let output = self.child.wait_with_output().unwrap();
        for process in self.stage.all_lives() {
            assert!(
                ends_within(process, Duration::ZERO),
                "process {process} is left over; {:#?}",
                self.stage.journal()
            );
        }
        output
    }
}

/// A line of the journal without the process id.
fn without_id(line: &str) -> String {
    line.split_once(" starts ")
        .map_or_else(|| line.to_owned(), |(name, _)| format!("{name} starts"))
}

fn send(signal: &str, process: i32) {
    assert!(
        Command::new("kill")
            .args([signal, &process.to_string()])
            .status()
            .unwrap()
            .success()
    );
}

fn ends_within(process: i32, span: Duration) -> bool {
    e2e::ends_within(Pid::from_raw(process).unwrap(), span).unwrap()
}

fn await_end(process: i32) {
    assert!(
        ends_within(process, PATIENCE),
        "process {process} does not end"
    );
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

const GATE: (&str, &str, &str) = (
    "gate",
    "gate={control_socket} ready wait",
    "stop = 'gate'\norphaned = 'term'",
);
const SIM: (&str, &str, &str) = (
    "sim",
    "ready wait",
    "stop = 'last'\nrestart = 'never'\norphaned = 'term'",
);
const GUARD: (&str, &str, &str) = ("guard", "ready wait", "stop = 'guard'");
const DETECTOR: (&str, &str, &str) = ("detector", "ready wait", "needs = ['sim']");

fn graph(mission: &str) -> [(&str, &str, &str); 5] {
    let entry = "needs = ['detector', 'gate']\nrestart = 'mission'\nstop = 'mission'\nholds = true";
    [("autonomy", mission, entry), DETECTOR, GATE, GUARD, SIM]
}

#[test]
fn the_graph_comes_up_by_needs_and_goes_down_in_the_safe_order_when_the_search_is_over() {
    let stage = Stage::new(&graph("ready exit=1:"));
    let output = stage.start(&[]).finish();
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    stage.assert_order(&[
        "sim ready",
        "detector starts",
        "detector ready",
        "autonomy starts",
    ]);
    stage.assert_order(&[
        "gate ready",
        "autonomy starts",
        "gate end the search is over",
        "detector ends",
        "gate ends",
        "guard ends",
        "sim ends",
    ]);
    assert!(
        text(&output.stdout).contains("there is no report, logs are in"),
        "{}",
        text(&output.stdout)
    );
}

#[test]
fn the_report_is_summed_up_and_completed() {
    let stage = Stage::new(&graph("ready once=deaf exit=0:"));
    let run = stage.start(&["--json"]);
    stage.await_line("autonomy ready", 1);
    std::fs::write(
        stage.path("out/report.json"),
        r#"{"found": true, "class": "cup", "restarts": null}"#,
    )
    .unwrap();
    send("-KILL", stage.lives("autonomy")[0]);
    let output = run.finish();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        report,
        serde_json::json!({"found": true, "class": "cup", "restarts": {"autonomy": 1}})
    );
}

#[test]
fn sigterm_interrupts_in_the_safe_order_and_a_second_one_changes_nothing() {
    let stage = Stage::new(&graph("ready wait"));
    let run = stage.start(&[]);
    stage.await_line("autonomy ready", 1);
    let begin = Instant::now();
    run.signal("-TERM");
    run.signal("-INT");
    let output = run.finish();
    assert!(begin.elapsed() < STOP_LIMIT);
    assert_eq!(output.status.code(), Some(130));
    stage.assert_order(&[
        "gate end interrupted",
        "detector ends",
        "gate ends",
        "guard ends",
        "sim ends",
    ]);
    stage.assert_order(&["autonomy ends", "gate ends"]);
}

#[test]
fn a_stop_while_the_graph_comes_up_is_a_stop_too() {
    let mut nodes = graph("ready wait");
    nodes[1].1 = "deaf";
    let stage = Stage::new(&nodes);
    let run = stage.start(&["--json"]);
    stage.await_line("gate ready", 1);
    stage.await_line("detector starts", 1);
    let begin = Instant::now();
    run.signal("-INT");
    let output = run.finish();
    assert_eq!(output.status.code(), Some(130));
    // The report node had not come up.
    let printed: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&printed["found"], &printed["class"], &printed["reason"]),
        (&false.into(), &"cup".into(), &"interrupted".into()),
        "{printed}"
    );
    assert!(printed.get("goals").is_some_and(serde_json::Value::is_null));
    let written = std::fs::read(stage.path("out/report.json")).unwrap();
    assert_eq!(
        printed,
        serde_json::from_slice::<serde_json::Value>(&written).unwrap()
    );
    assert!(
        begin.elapsed() < STOP_LIMIT + Duration::from_secs(1),
        "what hangs is killed"
    );
    assert!(!stage.story().contains(&"autonomy starts".to_string()));
    stage.assert_order(&["gate end interrupted", "gate ends", "sim ends"]);
}

#[test]
fn when_every_process_is_signalled_at_once_nothing_is_started_again() {
    let stage = Stage::new(&graph("ready wait"));
    let run = stage.start(&[]);
    stage.await_line("autonomy ready", 1);
    let everybody = stage
        .all_lives()
        .into_iter()
        .chain([run.child.id().try_into().unwrap()]);
    let signalled = Command::new("kill")
        .arg("-TERM")
        .args(everybody.map(|process| process.to_string()))
        .status();
    assert!(signalled.unwrap().success());
    assert_eq!(run.finish().status.code(), Some(130));
    assert_eq!(stage.all_lives().len(), 5, "{:#?}", stage.journal());
}

#[test]
fn what_dies_is_started_again_and_the_gate_holds_for_a_lost_client() {
    let stage = Stage::new(&graph("ready wait"));
    let run = stage.start(&[]);
    stage.await_line("autonomy ready", 1);
    send("-KILL", stage.lives("detector")[0]);
    stage.await_line("detector ready", 2);
    send("-KILL", stage.lives("autonomy")[0]);
    stage.await_line("gate release autonomy", 1);
    run.signal("-TERM");
    run.finish();
    stage.assert_order(&[
        "autonomy ready",
        "gate hold autonomy",
        "autonomy starts",
        "autonomy ready",
        "gate release autonomy",
    ]);
    assert!(!stage.journal().contains(&"gate hold detector".to_string()));
}

#[test]
fn a_gate_that_comes_back_is_latched_and_hears_who_is_away() {
    let mut nodes = graph("ready wait");
    nodes[2].2 = "ros = true\nstop = 'gate'\nrestart_args = ['latched']";
    // In its second life it never gets ready, so that it is away when the gate comes back.
    nodes[0].1 = "once=ready wait";
    let stage = Stage::new(&nodes);
    let run = stage.start(&[]);
    stage.await_line("autonomy ready", 1);
    send("-KILL", stage.lives("autonomy")[0]);
    stage.await_line("gate hold autonomy", 1);
    let gate = stage.lives("gate")[0];
    let command_line =
        |process: i32| std::fs::read_to_string(format!("/proc/{process}/cmdline")).unwrap();
    assert!(!command_line(gate).contains("latched"));
    send("-KILL", gate);
    stage.await_line("gate hold autonomy", 2);
    // Not among the arguments of ROS, which are not the node's.
    assert!(command_line(stage.lives("gate")[1]).ends_with("\0--\0latched\0"));
    run.signal("-TERM");
    run.finish();
}

#[test]
fn a_node_that_refuses_its_input_ends_the_run_with_its_own_words() {
    let stage = Stage::new(&graph("exit=2:error:no-such-tree"));
    let output = stage.start(&["--json"]).finish();
    assert_eq!(output.status.code(), Some(2));
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let error = document["error"].as_str().unwrap();
    assert!(
        error.contains("autonomy cannot work:\nerror:no-such-tree")
            && error.contains("autonomy.log"),
        "{error}"
    );
}

#[test]
fn a_node_that_keeps_dying_or_never_gets_ready_ends_the_run() {
    let mut nodes = graph("ready wait");
    nodes[1].1 = "ready exit=3:broken";
    let stage = Stage::new(&nodes);
    let run = stage.start(&[]);
    stage.await_line("gate ready", 1);
    let interrupted = r#"{"found": false, "reason": "interrupted"}"#;
    std::fs::write(stage.path("out/report.json"), interrupted).unwrap();
    let output = run.finish();
    assert_eq!(output.status.code(), Some(1));
    let report = std::fs::read(stage.path("out/report.json")).unwrap();
    let report: serde_json::Value = serde_json::from_slice(&report).unwrap();
    let reason = report["reason"].as_str().unwrap();
    assert!(reason.starts_with("detector keeps dying"), "{report}");
    assert!(
        text(&output.stdout).contains("detector keeps dying (exit status 3):\nbroken"),
        "{}",
        text(&output.stdout)
    );
    assert_eq!(stage.lives("detector").len(), 6);

    let mut nodes = graph("ready wait");
    nodes[1] = ("detector", "wait", "start_timeout_s = 0.2");
    let stage = Stage::new(&nodes);
    let output = stage.start(&[]).finish();
    assert_eq!(output.status.code(), Some(2));
    let said = text(&output.stdout);
    assert!(
        said.contains("detector was not ready within 0.2 s") && said.contains("detector.log"),
        "{said}"
    );
}

#[test]
fn no_process_outlives_a_killed_supervisor() {
    let stage = Stage::new(&graph("ready wait"));
    let mut run = stage.start(&[]);
    stage.await_line("autonomy ready", 1);
    run.signal("-KILL");
    run.child.wait().unwrap();
    stage.all_lives().into_iter().for_each(await_end);
    // Who has something left to do was asked; the others were killed.
    let story = stage.story();
    for (line, expected) in [
        ("gate ends", true),
        ("sim ends", true),
        ("autonomy ends", false),
        ("detector ends", false),
    ] {
        assert_eq!(
            story.contains(&line.to_string()),
            expected,
            "{line} in {story:#?}"
        );
    }
}

#[test]
fn what_an_earlier_run_has_left_does_not_pass_for_this_ones() {
    let stage = Stage::new(&graph("ready exit=1:"));
    std::fs::create_dir_all(stage.path("out/logs")).unwrap();
    for name in ["report.json", "frame.png", "logs/autonomy.log"] {
        std::fs::write(stage.path("out").join(name), "{\"found\": true}").unwrap();
    }
    let mine = stage.path("out/logs/mine.txt");
    std::fs::write(&mine, "kept").unwrap();
    let output = stage.start(&[]).finish();
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    assert!(!stage.path("out/report.json").exists());
    assert!(!stage.path("out/frame.png").exists());
    let log = std::fs::read_to_string(stage.path("out/logs/autonomy.log")).unwrap();
    assert!(!log.contains("found"), "{log}");
    assert_eq!(std::fs::read_to_string(mine).unwrap(), "kept");
}

#[test]
fn without_ros_a_program_that_needs_it_says_so() {
    let stage = Stage::new(&graph("ready wait"));
    for args in [&["gate", "--json"][..], &["stop", "--json"]] {
        let output = Command::new(stage.program())
            .args(args)
            .env_remove("AMENT_PREFIX_PATH")
            .env("XDG_RUNTIME_DIR", stage.path("run"))
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let error = document["error"].as_str().unwrap();
        assert!(error.contains("cargo xtask env"), "{error}");
    }
}

#[test]
fn bad_input_is_refused_before_anything_starts() {
    let stage = Stage::new(&graph("ready wait"));
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let cases: [(&[&str], &str); 5] = [
        (
            &["--tree", "no.xml"],
            "the behaviour tree (--tree): cannot open no.xml",
        ),
        (
            &["--model", "."],
            "the detector's model (--model): . is not a file",
        ),
        (&["--zenoh-port", &port], "is taken"),
        (
            &["--robot", "roomba"],
            "no robot `roomba` in the node graph; it has embedded",
        ),
        (
            &["--speed", "0.001"],
            "give 0, or a factor from 0.01 to 1000",
        ),
    ];
    for (args, expected) in cases {
        let output = stage.start(args).finish();
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(
            text(&output.stderr).contains(expected),
            "{args:?}: {}",
            text(&output.stderr)
        );
    }
    assert_eq!(stage.journal(), Vec::<String>::new());
}

#[test]
fn two_runs_side_by_side_have_domains_and_ports_of_their_own_and_stop_reaches_both() {
    let first = Stage::new(&graph("ready wait"));
    let second = Stage::new(&graph("ready wait"));
    let runtime_dir = first.path("run");
    let mut runs = Vec::new();
    for stage in [&first, &second] {
        let child = Command::new(stage.program())
            .args(RUN)
            .current_dir(stage.dir.path())
            .env("TURTLEBOT_MAZE_SHARE", stage.path("share"))
            .env("XDG_RUNTIME_DIR", &runtime_dir)
            .stderr(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        runs.push(Run { stage, child });
    }
    first.await_line("autonomy ready", 1);
    second.await_line("autonomy ready", 1);
    let notes: Vec<runtime::run_dir::RunNote> =
        runtime::run_dir::live_runs(&runtime_dir.join("turtlebot-maze")).unwrap();
    assert_eq!(notes.len(), 2);
    assert_ne!(notes[0].zenoh, notes[1].zenoh);
    assert_ne!(notes[0].ros_domain_id, notes[1].ros_domain_id);

    let stop = Command::new(first.program())
        // Nobody else is to be stopped by a test.
        .args(["stop", "--json", "--zenoh", "tcp/127.0.0.1:1"])
        .env("ROS_DOMAIN_ID", "19")
        .env("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
        .env("XDG_RUNTIME_DIR", &runtime_dir)
        .output()
        .unwrap();
    assert!(stop.status.success(), "{}", text(&stop.stderr));
    let latched: serde_json::Value = serde_json::from_slice(&stop.stdout).unwrap();
    assert_eq!(latched["latched"].as_array().unwrap().len(), 2, "{latched}");
    for stage in [&first, &second] {
        stage.await_line("gate latch turtlebot-maze stop", 1);
    }
    for run in runs {
        run.signal("-TERM");
        run.finish();
    }
    assert_eq!(
        runtime::run_dir::live_runs(&runtime_dir.join("turtlebot-maze")).unwrap(),
        []
    );
}
