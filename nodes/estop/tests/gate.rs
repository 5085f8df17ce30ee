//! The gate and its guard as processes, against an independent rclpy client.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends by a panic"
)]

use std::cell::Cell;
use std::ffi::OsString;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use rustix::process::Pid;
use serde_json::Value;

/// Longer than anything takes on a busy machine; only a failing test waits so long.
const PATIENCE: Duration = Duration::from_secs(60);

/// A ROS domain with a client in it, and what the test starts there.
struct Stage {
    domain: u8,
    dir: tempfile::TempDir,
    peer: Child,
    orders: ChildStdin,
    seen: Receiver<Value>,
    processes: Vec<Child>,
}

impl Stage {
    /// Each test has a domain of its own.
    fn new(domain: u8, peer_args: &[&str]) -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peer.py");
        let mut peer = in_domain(Command::new("python3"), domain)
            .arg(script)
            .args(peer_args)
            .env("LD_LIBRARY_PATH", library_path_for_python())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let orders = peer.stdin.take().unwrap();
        let output = BufReader::new(peer.stdout.take().unwrap());
        let (sender, seen) = channel();
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if sender.send(serde_json::from_str(&line).unwrap()).is_err() {
                    return;
                }
            }
        });
        let dir = tempfile::tempdir().unwrap();
        let stage = Self {
            domain,
            dir,
            peer,
            orders,
            seen,
            processes: Vec::new(),
        };
        stage.await_that("the peer is ready", |seen| seen["ready"] == true);
        stage
    }

    fn socket(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn path(&self, name: &str) -> String {
        self.socket(name).to_str().unwrap().to_string()
    }

    fn start(&mut self, program: &str, args: &[&str]) -> usize {
        self.start_with(program, args, Stdio::inherit())
    }

    /// With something else for its standard error.
    fn start_with(&mut self, program: &str, args: &[&str], stderr: Stdio) -> usize {
        let mut command = in_domain(Command::new(program), self.domain);
        if self.socket("notify").exists() {
            command.env("NOTIFY_SOCKET", self.socket("notify"));
        }
        let child = command.args(args).stderr(stderr).spawn().unwrap();
        self.processes.push(child);
        self.processes.len() - 1
    }

    fn start_gate(&mut self, args: &[&str]) -> usize {
        let gate = self.start(env!("CARGO_BIN_EXE_estop"), args);
        self.await_that("the gate is seen", |seen| seen["state"].is_string());
        gate
    }

    fn order(&mut self, line: &str) {
        writeln!(self.orders, "{line}").unwrap();
    }

    fn control(&self, line: &str) {
        let socket = UnixDatagram::unbound().unwrap();
        socket
            .send_to(line.as_bytes(), self.socket("control"))
            .unwrap();
    }

    fn signal(&self, process: usize, signal: &str) {
        let id = self.processes[process].id().to_string();
        assert!(
            Command::new("kill")
                .args([signal, &id])
                .status()
                .unwrap()
                .success()
        );
    }

    fn await_end(&mut self, process: usize) -> Option<i32> {
        let process = &mut self.processes[process];
        let ended = e2e::ends_within(Pid::from_child(process), PATIENCE).unwrap();
        assert!(ended, "it does not end");
        process.wait().unwrap().code()
    }

    /// The next thing seen that is so.
    fn await_that(&self, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        let mut others = Vec::new();
        while let Ok(seen) = self
            .seen
            .recv_timeout(deadline.saturating_duration_since(Instant::now()))
        {
            if is_so(&seen) {
                return seen;
            }
            others.push(seen.to_string());
        }
        let last: Vec<_> = others.iter().rev().take(30).collect();
        panic!("not seen: {what}; the newest of the rest: {last:#?}");
    }

    fn await_state(&self, state: &str, source: &str) -> Value {
        self.await_that(&format!("{state} by {source}"), |seen| {
            seen["state"] == state && seen["source"] == source
        })
    }

    fn await_speed(&self, speed: f64) {
        self.await_that(&format!("{speed} m/s on /cmd_vel"), |seen| {
            seen["x"] == speed
        });
    }

    fn await_answer(&self, service: &str) -> Value {
        self.await_that(&format!("an answer of {service}"), |seen| {
            seen["answer"] == service
        })
    }

    /// No velocity but zero from now until this many have been seen.
    fn assert_zeros(&self, count: usize) {
        for _ in 0..count {
            let seen = self.await_that("a velocity", |seen| seen["x"].is_number());
            assert_eq!(seen["x"], 0.0, "something but zero has passed");
        }
    }

    /// The last velocity of all, once nothing more comes.
    fn last_speed(&self) -> f64 {
        let mut last = f64::NAN;
        while let Ok(seen) = self.seen.recv_timeout(Duration::from_millis(500)) {
            last = seen["x"].as_f64().unwrap_or(last);
        }
        last
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        for process in self.processes.iter_mut().chain([&mut self.peer]) {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

/// Without the shims that Rust programs need with ROS from wheels: with them Python's own message code would be empty.
fn library_path_for_python() -> OsString {
    let path = std::env::var_os("LD_LIBRARY_PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).filter(|folder| !folder.ends_with("shim"));
    std::env::join_paths(folders).unwrap()
}

fn in_domain(mut command: Command, domain: u8) -> Command {
    command
        .env("ROS_DOMAIN_ID", domain.to_string())
        .env("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST");
    command
}

#[test]
fn commands_pass_unchanged_and_zeros_go_out_when_they_stop() {
    let mut stage = Stage::new(50, &[]);
    stage.start_gate(&[]);
    stage.assert_zeros(3);
    stage.order("drive 0.2");
    let passed = stage.await_that("the command", |seen| seen["x"] == 0.2);
    assert_eq!(passed["frame"], "of_the_peer");
    assert!(
        passed["stamp"].as_u64().unwrap() > 0,
        "the stamp is the sender's"
    );
    stage.await_state("free", "");
    stage.order("silent");
    stage.await_state("holding", "no command");
    stage.assert_zeros(3);
    let diagnosis = stage.await_that("the gate's figures", |seen| {
        seen["diagnosis"] == "estop" && seen["values"]["latency_p99_ms"].is_string()
    });
    assert_eq!(diagnosis["level"], 0, "{diagnosis}");
}

#[test]
fn a_stop_by_service_lasts_until_a_reset() {
    let mut stage = Stage::new(51, &[]);
    stage.start_gate(&["--start-latched"]);
    stage.await_state("latched", "start");
    stage.order("drive 0.1");
    stage.await_that("zeros that answer commands", |seen| {
        seen["x"] == 0.0 && seen["frame"] == "of_the_peer"
    });
    stage.order("reset");
    assert_eq!(stage.await_answer("reset")["success"], true);
    stage.await_speed(0.1);
    stage.order("stop");
    assert_eq!(stage.await_answer("stop")["success"], true);
    stage.await_state("latched", "service");
    stage.assert_zeros(5);
    stage.order("reset");
    stage.await_speed(0.1);
    stage.await_state("free", "");
}

#[test]
fn a_put_on_zenoh_stops_also_with_a_router_that_comes_late_and_comes_back() {
    use zenoh::Wait;
    let mut stage = Stage::new(52, &[]);
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let endpoint = format!("tcp/127.0.0.1:{port}");
    stage.start_gate(&["--zenoh", &endpoint]);
    stage.order("drive 0.1");
    stage.await_speed(0.1);
    let is = |word: &'static str| move |seen: &Value| seen["values"]["zenoh"] == word;
    let diagnosis = stage.await_that("there is no router", is("absent"));
    assert_eq!(diagnosis["level"], 1, "{diagnosis}");
    for life in 0..2 {
        let mut config = zenoh::Config::default();
        let settings = [
            ("mode", "\"router\"".to_string()),
            ("listen/endpoints", format!("[{endpoint:?}]")),
            ("scouting/multicast/enabled", "false".to_string()),
        ];
        for (name, value) in settings {
            config.insert_json5(name, &value).unwrap();
        }
        let router = zenoh::open(config).wait().unwrap();
        let publisher = router
            .declare_publisher("tb/emergency_stop")
            .wait()
            .unwrap();
        let changes = publisher.matching_listener().wait().unwrap();
        while !publisher.matching_status().wait().unwrap().matching() {
            let change = changes.recv_timeout(PATIENCE).unwrap();
            assert!(
                change.is_some(),
                "the gate does not subscribe, life {life} of the router"
            );
        }
        drop(changes);
        publisher.put("for a test").wait().unwrap();
        let state = stage.await_state("latched", "zenoh");
        assert!(
            state["reason"].as_str().unwrap().contains("for a test"),
            "{state}"
        );
        stage.assert_zeros(3);
        stage.order("reset");
        stage.await_speed(0.1);
        stage.await_that("the router is there", is("connected"));
        drop(publisher);
        router.close().wait().unwrap();
        stage.await_that("the router is gone", is("absent"));
    }
}

#[test]
fn commands_that_no_base_may_get_are_refused_and_counted() {
    let mut stage = Stage::new(53, &[]);
    stage.start_gate(&["--ros-args", "-p", "max_linear:=0.3"]);
    for bad in ["nan", "inf", "0.31"] {
        stage.order("drive 0.25");
        stage.await_speed(0.25);
        stage.order(&format!("drive {bad}"));
        let state = stage.await_state("holding", "invalid command");
        assert!(state["refused"].as_u64().unwrap() > 0, "{bad}: {state}");
        stage.assert_zeros(3);
    }
}

#[test]
fn a_foreign_publisher_latches_and_is_an_error_while_it_is_there() {
    let mut stage = Stage::new(54, &[]);
    let guard = stage.path("guard");
    stage.start(
        env!("CARGO_BIN_EXE_estop_guard"),
        &["--guard-socket", &guard],
    );
    stage.start_gate(&["--guard-socket", &guard]);
    stage.await_that("the guard is connected", |seen| {
        seen["values"]["guard"] == "connected"
    });
    stage.order("drive 0.1");
    stage.await_speed(0.1);
    stage.order("foreign");
    let state = stage.await_state("latched", "foreign publisher");
    assert!(
        state["reason"].as_str().unwrap().contains("/peer"),
        "{state}"
    );
    stage.await_that("an ERROR of the gate", |seen| {
        seen["diagnosis"] == "estop" && seen["level"] == 2
    });
    stage.order("reset");
    assert_eq!(stage.await_answer("reset")["success"], false);
    stage.assert_zeros(3);
    stage.order("homely");
    stage.await_that("no ERROR any more", |seen| {
        seen["diagnosis"] == "estop" && seen["level"] != 2
    });
    stage.order("reset");
    assert_eq!(stage.await_answer("reset")["success"], true);
    stage.await_speed(0.1);
}

#[test]
fn a_lost_client_holds_until_it_is_back() {
    let mut stage = Stage::new(55, &["plain"]);
    let control = stage.path("control");
    stage.start_gate(&["--control-socket", &control, "--cmd-vel-stamped", "false"]);
    stage.order("drive 0.1");
    stage.await_speed(0.1);
    stage.control("hold autonomy");
    stage.await_state("holding", "client autonomy");
    stage.assert_zeros(5);
    stage.order("reset");
    let answer = stage.await_answer("reset")["message"].clone();
    assert!(
        answer.as_str().unwrap().contains("waits for autonomy"),
        "{answer}"
    );
    stage.assert_zeros(3);
    stage.control("release autonomy");
    stage.await_speed(0.1);
    // A NUL fits into no message.
    stage.control("latch the search\0is over");
    let state = stage.await_state("latched", "supervisor");
    assert_eq!(state["reason"], "the search is over");
}

#[test]
fn no_reset_frees_a_gate_whose_run_is_over() {
    let mut stage = Stage::new(59, &["plain"]);
    let control = stage.path("control");
    stage.start_gate(&["--control-socket", &control, "--cmd-vel-stamped", "false"]);
    stage.order("drive 0.1");
    stage.await_speed(0.1);
    stage.control("latch by hand");
    stage.await_state("latched", "supervisor");
    stage.control("end interrupted");
    stage.assert_zeros(2);
    stage.order("reset");
    let answer = stage.await_answer("reset");
    assert_eq!(answer["success"], false, "{answer}");
    assert!(
        answer["message"].as_str().unwrap().contains("is over"),
        "{answer}"
    );
    stage.assert_zeros(5);
}

#[test]
fn when_the_gate_is_killed_the_guard_stops_the_base_and_switches_its_motors_off() {
    let mut stage = Stage::new(56, &[]);
    let guard_socket = stage.path("guard");
    stage.order("motors");
    let guard = stage.start(
        env!("CARGO_BIN_EXE_estop_guard"),
        &["--guard-socket", &guard_socket],
    );
    let gate = stage.start_gate(&["--guard-socket", &guard_socket]);
    stage.await_that("the guard is connected", |seen| {
        seen["values"]["guard"] == "connected"
    });
    stage.order("drive 0.1");
    stage.await_speed(0.1);
    stage.signal(gate, "-KILL");
    // In either order: they come by different ways.
    let (zero, off) = (Cell::new(false), Cell::new(false));
    stage.await_that("zero velocity and motors off", |seen| {
        zero.set(zero.get() || seen["x"] == 0.0);
        off.set(off.get() || seen["motors"] == false);
        zero.get() && off.get()
    });
    stage.order("odom 0.0");
    stage.await_that("the guard is done", |seen| {
        seen["diagnosis"] == "estop_guard" && seen["values"]["interventions"] == "1"
    });
    // The guard goes on with the next gate, and is not taken for a stranger.
    stage.start_gate(&["--guard-socket", &guard_socket]);
    stage.await_that("the guard is connected again", |seen| {
        seen["values"]["guard"] == "connected"
    });
    stage.await_speed(0.1);
    let second = stage.processes.len() - 1;
    stage.signal(second, "-TERM");
    stage.signal(guard, "-TERM");
    assert_eq!(stage.await_end(second), Some(0));
    assert_eq!(stage.await_end(guard), Some(0));
    assert_eq!(stage.last_speed(), 0.0);
}

/// Commands that were sent while the gate could not work are old when it can again.
#[test]
fn what_has_waited_through_a_stall_of_the_gate_does_not_pass() {
    let mut stage = Stage::new(14, &[]);
    let guard_socket = stage.path("guard");
    stage.start(
        env!("CARGO_BIN_EXE_estop_guard"),
        &["--guard-socket", &guard_socket],
    );
    let gate = stage.start_gate(&["--guard-socket", &guard_socket]);
    stage.await_that("the guard is connected", |seen| {
        seen["values"]["guard"] == "connected"
    });
    stage.order("drive 0.1");
    stage.await_speed(0.1);
    stage.signal(gate, "-STOP");
    stage.order("silent");
    stage.order("burst 3 0.1");
    stage.await_that("the burst", |seen| seen["burst"] == 3);
    // The guard's: so long it has lasted.
    stage.await_speed(0.0);
    stage.signal(gate, "-CONT");
    stage.await_state("holding", "no command");
    stage.assert_zeros(5);
}

#[test]
fn a_guard_that_hangs_counts_as_absent() {
    let mut stage = Stage::new(15, &[]);
    let guard_socket = stage.path("guard");
    let guard = stage.start(
        env!("CARGO_BIN_EXE_estop_guard"),
        &["--guard-socket", &guard_socket],
    );
    stage.start_gate(&["--guard-socket", &guard_socket]);
    let is = |word: &'static str| move |seen: &Value| seen["values"]["guard"] == word;
    stage.await_that("the guard is connected", is("connected"));
    stage.signal(guard, "-STOP");
    let diagnosis = stage.await_that("the guard is absent", is("absent"));
    assert_eq!(diagnosis["level"], 1, "{diagnosis}");
    stage.signal(guard, "-CONT");
    stage.await_that("the guard is connected again", is("connected"));
}

/// A pipe that nobody reads and that is full.
fn stuck_pipe() -> (std::io::PipeReader, Stdio) {
    let (reader, mut writer) = std::io::pipe().unwrap();
    rustix::io::ioctl_fionbio(&writer, true).unwrap();
    while writer.write(&[b'.'; 4096]).is_ok() {}
    while writer.write(b".").is_ok() {}
    rustix::io::ioctl_fionbio(&writer, false).unwrap();
    (reader, Stdio::from(writer))
}

#[test]
fn gate_and_guard_work_where_their_log_cannot_be_written() {
    let full = || {
        let file = std::fs::File::options().write(true).open("/dev/full");
        Stdio::from(file.unwrap())
    };
    let mut stage = Stage::new(16, &[]);
    let guard_socket = stage.path("guard");
    let args = ["--guard-socket", guard_socket.as_str()];
    let guard = stage.start_with(env!("CARGO_BIN_EXE_estop_guard"), &args, full());
    let (_unread, stuck) = stuck_pipe();
    for stderr in [full(), stuck] {
        let gate = stage.start_with(env!("CARGO_BIN_EXE_estop"), &args, stderr);
        stage.await_that("the guard is connected", |seen| {
            seen["values"]["guard"] == "connected"
        });
        stage.order("drive 0.1");
        stage.await_speed(0.1);
        stage.order("stop");
        assert_eq!(stage.await_answer("stop")["success"], true);
        stage.await_state("latched", "service");
        stage.assert_zeros(5);
        stage.order("reset");
        stage.await_speed(0.1);
        stage.signal(gate, "-KILL");
        stage.await_speed(0.0);
        stage.order("silent");
    }
    stage.order("odom 0.0");
    stage.await_that("the guard has acted twice", |seen| {
        seen["values"]["interventions"] == "2"
    });
    stage.signal(guard, "-TERM");
    assert_eq!(stage.await_end(guard), Some(0));
}

#[test]
fn a_supervisor_that_has_stopped_reading_does_not_hold_up_the_gate() {
    let mut stage = Stage::new(17, &[]);
    let _unread = UnixDatagram::bind(stage.socket("notify")).unwrap();
    stage.start_gate(&[]);
    // More changes than a datagram socket keeps.
    for _ in 0..8 {
        stage.order("drive 0.1");
        stage.await_speed(0.1);
        stage.order("silent");
        stage.await_state("holding", "no command");
    }
    stage.order("stop");
    assert_eq!(stage.await_answer("stop")["success"], true);
    stage.await_state("latched", "service");
}

#[test]
fn a_gate_that_is_asked_to_end_waits_until_the_base_stands() {
    let mut stage = Stage::new(57, &[]);
    let gate = stage.start_gate(&[]);
    stage.order("odom 0.2");
    stage.order("drive 0.2");
    stage.await_speed(0.2);
    stage.signal(gate, "-TERM");
    stage.await_state("latched", "gate");
    stage.assert_zeros(10);
    assert!(
        stage.processes[gate].try_wait().unwrap().is_none(),
        "it has ended while the base moves"
    );
    stage.order("odom 0.0");
    assert_eq!(stage.await_end(gate), Some(0));
    assert_eq!(stage.last_speed(), 0.0);
}

#[test]
fn the_client_program_latches_and_frees() {
    let mut stage = Stage::new(58, &[]);
    stage.start_gate(&[]);
    let client = |order: &str| {
        let args = [order, "--zenoh", "tcp/127.0.0.1:1"];
        in_domain(Command::new(env!("CARGO_BIN_EXE_emergency_stop")), 58)
            .args(args)
            .output()
            .unwrap()
    };
    assert!(client("latch").status.success());
    stage.await_that("latched", |seen| seen["state"] == "latched");
    let reset = client("reset");
    assert!(reset.status.success(), "{reset:?}");
    stage.await_that("not latched", |seen| seen["state"] == "holding");
}
