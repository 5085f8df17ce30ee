//! A run with users' nodes is recorded, and runs again without them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends by a panic"
)]

use std::fs::File;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use behavior_tree::recording::{self, Recording};
use behavior_tree::{
    Branch, BranchIo, Factory, In, Io, Leaf, NodeError, Out, Outcome, Ports, SharedQueue, Status,
    Substitute, TestConfig, Tree, UserValue, Value,
};

const TREE: &str = r#"<root BTCPP_format="4"><BehaviorTree ID="Main">
  <KeepRunningUntilFailure>
    <ReactiveSequence>
      <ScriptCondition code="battery &gt; 20"/>
      <Fallback>
        <Sequence>
          <Scan pose="{pose}" places="{places}" score="{score}"/>
          <ScriptCondition code="score &lt; 7" _onFailure="tired := score"/>
          <LoopString queue="{places}" value="{place}" if_empty="SUCCESS">
            <Moody told="{told}">
              <Timeout msec="3600000"><Drive goal="{pose}" to="{place}" driven="{driven}" _post="rest := driven * 2"/></Timeout>
            </Moody>
          </LoopString>
        </Sequence>
        <Sleep msec="5000"/>
      </Fallback>
    </ReactiveSequence>
  </KeepRunningUntilFailure>
</BehaviorTree></root>"#;

/// What no program can know beforehand: a die.
#[derive(Clone)]
struct World(Arc<Mutex<u64>>);

impl World {
    fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(seed)))
    }

    fn roll(&self, sides: u64) -> u64 {
        let mut state = self.0.lock().unwrap();
        *state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (*state >> 33) % sides
    }
}

/// Cannot be written down.
struct Pose;

impl UserValue for Pose {
    const NAME: &'static str = "Pose";
}

struct Drive {
    world: World,
    goal: In<Arc<Pose>>,
    to: In<String>,
    driven: Out<f64>,
}

impl Drive {
    fn new(ports: &mut Ports, world: World) -> Self {
        Self {
            world,
            goal: ports.input("goal", "where to"),
            to: ports.input("to", "its name"),
            driven: ports.output("driven", "[m]"),
        }
    }
}

impl Leaf for Drive {
    fn on_start(&mut self, io: &mut Io<'_>) -> Outcome {
        io.read(self.goal)?;
        io.read(self.to)?;
        io.write(self.driven, 0.1 * self.world.roll(10) as f64)?;
        self.on_running(io)
    }

    fn on_running(&mut self, io: &mut Io<'_>) -> Outcome {
        match self.world.roll(20) {
            0..=9 => Ok(Status::Running),
            10..=16 => Ok(Status::Success),
            17 | 18 => Ok(io.fail("the wheels slip")),
            _ if self.world.roll(4) == 0 => Err(NodeError("the motor burns".into())),
            _ => Ok(Status::Success),
        }
    }

    fn on_halted(&mut self, io: &mut Io<'_>) {
        io.write(self.driven, -1.0).unwrap();
    }
}

/// Ticks its child as it likes.
struct Moody {
    world: World,
    told: Out<i32>,
}

impl Branch for Moody {
    fn tick(&mut self, io: &mut BranchIo<'_>) -> Outcome {
        io.set_running();
        match self.world.roll(8) {
            0 => {
                io.halt_child(0)?;
                Ok(Status::Running)
            }
            1 => {
                io.halt()?;
                Ok(Status::Failure)
            }
            told => {
                io.write(self.told, told as i32)?;
                io.tick_child(0)
            }
        }
    }
}

fn factory(world: &World) -> Factory {
    let mut factory = Factory::new();
    let of = world.clone();
    factory
        .register_action("Scan", move |ports| {
            let pose = ports.output::<Arc<Pose>>("pose", "");
            let places = ports.output::<SharedQueue>("places", "");
            let score = ports.output::<i32>("score", "");
            let world = of.clone();
            move |io: &mut Io<'_>| {
                io.write(pose, Arc::new(Pose))?;
                let names = (0..world.roll(5)).map(|n| Value::text(&format!("place {n}")));
                io.write(places, SharedQueue::new(names))?;
                io.write(score, world.roll(10) as i32)?;
                Ok(Status::Success)
            }
        })
        .unwrap();
    let of = world.clone();
    factory
        .register_action("Drive", move |ports| Drive::new(ports, of.clone()))
        .unwrap();
    let of = world.clone();
    factory
        .register_decorator("Moody", move |ports| Moody {
            world: of.clone(),
            told: ports.output("told", ""),
        })
        .unwrap();
    factory
}

fn load(path: &Path, world: &World) -> Tree {
    let factory = factory(world);
    let mut tree = factory.load_text(TREE).unwrap();
    recording::record(&mut tree, &factory, File::create(path).unwrap()).unwrap();
    tree.set("battery", Value::int(100)).unwrap();
    tree
}

/// Hundreds of ticks over days, with a hand in it now and then.
fn run(path: &Path, seed: u64) -> World {
    let world = World::new(seed);
    let mut tree = load(path, &world);
    let mut now = Duration::ZERO;
    let more = SharedQueue::default();
    for _ in 0..300 {
        let ticked = match world.roll(2) {
            0 => tree.tick_once(now),
            _ => tree.tick_exactly_once(now),
        };
        if ticked.is_err() {
            break;
        }
        now += Duration::from_secs(world.roll(1800));
        match world.roll(40) {
            0 => tree.halt().unwrap(),
            1 => tree.set("battery", Value::Real(10.5)).unwrap_or_default(),
            2 | 3 => tree.set("battery", Value::int(50)).unwrap(),
            4 => {
                let _ = tree.set("places", Value::Queue(more.clone()));
            }
            5 => more.push_back(Value::text("one more")),
            _ => {}
        }
    }
    world
}

#[test]
fn a_run_with_users_nodes_is_replayed_without_them_to_the_last_bit() {
    let folder = tempfile::tempdir().unwrap();
    let mut told = String::new();
    for seed in 0..40 {
        let path = folder.path().join(seed.to_string());
        let world = run(&path, seed);
        let rolled = *world.0.lock().unwrap();
        let recorded = Recording::read(&path).unwrap();
        let again = recorded.replay().unwrap();
        assert_eq!(recorded.first_difference(&again), None, "seed {seed}");
        assert_eq!(format!("{recorded:?}"), format!("{again:?}"), "seed {seed}");
        assert_eq!(*world.0.lock().unwrap(), rolled, "a user's node was asked");
        told.extend((1..=recorded.n_ticks()).map(|tick| recorded.describe(tick)));
    }
    // All this happened.
    for what in [
        "Drive::11 was halted",
        "Drive::11 broke: the motor burns",
        "Drive::11 said FAILURE: the wheels slip",
        "Drive::11 wrote -1.0",
        "Moody::9 said FAILURE",
        "battery was set to 50",
        "the tree was halted",
        "wrote Pose 1\n",
        "LoopString::8: RUNNING -> FAILURE",
        "Timeout::10: RUNNING -> FAILURE",
    ] {
        assert!(told.contains(what), "{what}");
    }
}

#[test]
fn the_program_replays_and_compares_what_the_library_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let record = |name: &str, battery: i64| {
        let mut tree = load(&folder.path().join(name), &World::new(3));
        for tick in 1..=9 {
            if tick == 5 {
                tree.set("battery", Value::int(battery)).unwrap();
            }
            let _ = tree.tick_exactly_once(Duration::from_secs(tick));
        }
    };
    record("full", 90);
    record("lower", 89);
    record("empty", 3);
    let program = |args: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_behavior_tree"))
            .args(args)
            .current_dir(folder.path())
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        (output.status.code(), text)
    };
    assert_eq!(program(&["replay", "empty"]).0, Some(0));
    assert_eq!(program(&["diff", "full", "lower"]).0, Some(0));
    let (code, text) = program(&["diff", "full", "empty"]);
    assert_eq!(code, Some(1));
    assert!(text.contains("part in tick 5\n"), "{text}");
    assert!(text.contains("battery was set to 3\n"), "{text}");
    std::fs::write(folder.path().join("text"), "no recording").unwrap();
    assert_eq!(program(&["replay", "text"]).0, Some(2));
}

#[test]
fn a_recording_that_was_cut_off_is_there_to_its_last_whole_tick() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    run(&path, 1);
    let whole = Recording::read(&path).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, &text[..text.len() - 10]).unwrap();
    let cut = Recording::read(&path).unwrap();
    assert_eq!(cut.n_ticks(), whole.n_ticks() - 1);
    assert_eq!(cut.first_difference(&whole), Some(whole.n_ticks()));
    let again = cut.replay().unwrap();
    assert_eq!(cut.first_difference(&again), None);
}

#[test]
fn types_of_users_own_refuse_in_a_replay_what_they_refused_before() {
    let world = World::new(0);
    let factory = factory(&world);
    let mut tree = factory
        .load_text(
            r#"<root BTCPP_format="4"><BehaviorTree ID="Main">
              <Sequence><Scan pose="{pose}"/><Script code="pose = 1"/></Sequence>
            </BehaviorTree></root>"#,
        )
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    recording::record(&mut tree, &factory, File::create(&path).unwrap()).unwrap();
    let error = tree.tick_exactly_once(Duration::ZERO).unwrap_err();
    let recorded = Recording::read(&path).unwrap();
    let again = recorded.replay().unwrap();
    assert_eq!(recorded.first_difference(&again), None);
    assert!(again.describe(1).contains(&error.to_string()));
}

#[test]
fn a_recording_needs_neither_the_files_nor_the_names_of_numbers_nor_the_substitutes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    let write = |name: &str, body: &str| {
        let text = format!(r#"<root BTCPP_format="4">{body}</root>"#);
        std::fs::write(folder.path().join(name), text).unwrap();
    };
    write(
        "main.xml",
        r#"<include path="other.xml"/><BehaviorTree ID="Main">
          <Sequence><Script code="colour := RED"/><Scan/><SubTree ID="Other" colour="{colour}"/></Sequence>
        </BehaviorTree>"#,
    );
    write(
        "other.xml",
        r#"<BehaviorTree ID="Other"><ScriptCondition code="colour == 7"/></BehaviorTree>"#,
    );
    let mut factory = factory(&World::new(0));
    factory.register_enum("RED", 7).unwrap();
    let config = TestConfig {
        async_delay_ms: 1000,
        return_status: Status::Success,
        ..TestConfig::default()
    };
    factory.substitute("Scan", Substitute::Test(Arc::new(config)));
    let main = folder.path().join("main.xml");
    let mut tree = factory.load_file_tree(&main, Some("Main")).unwrap();
    recording::record(&mut tree, &factory, File::create(&path).unwrap()).unwrap();
    let mut now = Duration::ZERO;
    while tree.tick_exactly_once(now).unwrap() == Status::Running {
        now += Duration::from_millis(400);
    }
    std::fs::remove_file(main).unwrap();
    std::fs::remove_file(folder.path().join("other.xml")).unwrap();
    let recorded = Recording::read(&path).unwrap();
    assert_eq!(recorded.n_ticks(), 4);
    let again = recorded.replay().unwrap();
    assert_eq!(recorded.first_difference(&again), None);
    assert!(again.describe(4).starts_with("1.200 s, SUCCESS"));
}

#[test]
fn no_damage_to_a_recording_makes_it_panic() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    run(&path, 5);
    let whole = std::fs::read_to_string(&path).unwrap();
    let (die, mut replayed) = (World::new(7), 0);
    for _ in 0..400 {
        let mut bytes = whole.clone().into_bytes();
        for _ in 0..=die.roll(3) {
            let at = die.roll(bytes.len() as u64) as usize;
            match die.roll(3) {
                0 => bytes[at] = b"0123456789\"{}[],:-eHn"[die.roll(21) as usize],
                1 => drop(bytes.remove(at)),
                _ => bytes.truncate(at),
            }
        }
        std::fs::write(&path, bytes).unwrap();
        if let Ok(recording) = Recording::read(&path) {
            replayed += usize::from(recording.replay().is_ok());
            for tick in 0..=recording.n_ticks() + 1 {
                let _ = recording.describe(tick);
            }
        }
    }
    assert!(replayed > 20, "{replayed}");
}
