//! The search as a job of a real Ray on loopback, stopped in mid-run.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends by a panic"
)]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use e2e::{PATIENCE, Peer, free_port, processes_in, programs};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

/// The folder of Ray's programs, or `None` where there is none and that is no failure.
fn ray() -> Option<PathBuf> {
    let folder = std::env::var_os("TURTLEBOT_MAZE_RAY").map(PathBuf::from);
    assert!(
        folder.is_some() || std::env::var_os("CI").is_none(),
        "TURTLEBOT_MAZE_RAY names no Ray: needed in CI"
    );
    if folder.is_none() {
        eprintln!("skipped: TURTLEBOT_MAZE_RAY names no folder with the program ray");
    }
    folder
}

/// The head of a cluster of one node that offers `ros.dev.gpu`.
struct Head {
    ray: PathBuf,
    process: Child,
    dashboard: String,
    _temp: tempfile::TempDir,
}

impl Head {
    fn start(ray: PathBuf, environment: &[(&str, String)]) -> Self {
        let port = || free_port().unwrap();
        let dashboard = port();
        let temp = tempfile::tempdir().unwrap();
        // In the foreground: `ray stop` would also stop the Ray of whoever runs the tests.
        let process = Command::new(ray.join("ray"))
            .args(["start", "--head", "--block", "--disable-usage-stats"])
            .args(["--node-ip-address=127.0.0.1", "--num-cpus=2"])
            .arg(format!("--port={}", port()))
            .arg(format!("--ray-client-server-port={}", port()))
            .arg(format!("--dashboard-agent-listen-port={}", port()))
            .arg("--dashboard-host=127.0.0.1")
            .arg(format!("--dashboard-port={dashboard}"))
            .arg(format!("--temp-dir={}", temp.path().display()))
            .arg(r#"--resources={"ros.dev.gpu": 1}"#)
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let head = Self {
            ray,
            process,
            dashboard: format!("http://127.0.0.1:{dashboard}"),
            _temp: temp,
        };
        head.await_that("answers", |head| head.job(&["list"]).status.success());
        head
    }

    fn job(&self, args: &[&str]) -> Output {
        Command::new(self.ray.join("ray"))
            .arg("job")
            .args(args)
            .env("RAY_ADDRESS", &self.dashboard)
            .output()
            .unwrap()
    }

    /// What Ray's own API says of the job.
    fn status(&self, id: &str) -> String {
        let url = format!("{}/api/jobs/{id}", self.dashboard);
        let body = ureq::get(&url)
            .call()
            .unwrap()
            .body_mut()
            .read_to_string()
            .unwrap();
        let job: Value = serde_json::from_str(&body).unwrap();
        job["status"].as_str().unwrap().to_owned()
    }

    fn await_that(&self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let end = Instant::now() + PATIENCE;
        while !is_so(self) {
            assert!(Instant::now() < end, "not so: {what}");
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}

impl Drop for Head {
    fn drop(&mut self) {
        let id = Pid::from_child(&self.process);
        let _ = kill_process(id, Signal::TERM);
        let _ = self.process.wait();
    }
}

#[test]
fn a_job_that_is_stopped_ends_with_the_robot_at_rest() {
    const DOMAIN: u8 = 19;
    let Some(ray) = ray() else {
        return;
    };
    let out = tempfile::tempdir().unwrap();
    let head = Head::start(
        ray,
        &[
            ("OUT", out.path().display().to_string()),
            ("SEED", "9".to_owned()),
            ("PROGRAMS", programs().unwrap().display().to_string()),
            ("ARGS", format!("--ros-domain-id {DOMAIN}")),
            // By this the supervisor, too, is told among all processes.
            ("ROS_DOMAIN_ID", DOMAIN.to_string()),
        ],
    );
    let mut watcher = Peer::start("watch_stop.py", &[], DOMAIN).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../launch/ray/search.sh");
    // As launch/ray/README.md has it.
    let submitted = head.job(&[
        "submit",
        "--no-wait",
        "--submission-id",
        "search",
        "--entrypoint-resources",
        r#"{"ros.dev.gpu": 1}"#,
        "--runtime-env-json",
        r#"{"env_vars": {"RAY_JOB_STOP_WAIT_TIME_S": "8"}}"#,
        "--",
        "exec",
        script.to_str().unwrap(),
    ]);
    assert!(submitted.status.success(), "{submitted:?}");
    watcher.line("DRIVING").unwrap();
    assert_eq!(head.status("search"), "RUNNING");

    let stopped = head.job(&["stop", "search"]);
    assert!(stopped.status.success(), "{stopped:?}");
    let stopped: Value = serde_json::from_str(&watcher.line("STOPPED").unwrap()).unwrap();
    assert_eq!(stopped["last"], json!([0.0, 0.0]), "{stopped}");
    head.await_that("the job has ended", |head| {
        head.status("search") != "RUNNING"
    });
    assert_eq!(head.status("search"), "STOPPED");
    let left = processes_in(DOMAIN);
    assert!(left.is_empty(), "left over: {left:?}");
    let report = std::fs::read_to_string(out.path().join("report.json")).unwrap();
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["found"], false, "{report}");
    assert_eq!(report["reason"], "interrupted", "{report}");
}
