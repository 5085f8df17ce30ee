//! The trees in `behaviors/`: nothing is wrong with them, and they do what they are for, with leaves that stand in for
//! the robot's.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends by a panic"
)]

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use behavior_tree::{
    Factory, InOut, Io, Leaf, Outcome, Ports, SharedQueue, Status, Tree, UserValue, Value,
};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../behaviors")
}

#[test]
fn nothing_is_wrong_with_any_tree() {
    let files = std::fs::read_dir(folder()).unwrap();
    let files: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
    assert!(files.len() >= 5);
    for file in files {
        let faults = Factory::new().check_file(&file, &[]);
        assert_eq!(faults, [], "{}", file.display());
    }
}

struct Poses;

impl UserValue for Poses {
    const NAME: &'static str = "Poses";
}

struct Sighting;

impl UserValue for Sighting {
    const NAME: &'static str = "Sighting";
}

/// A world: how long each drive takes, where the object is, and where the robot has been.
#[derive(Default)]
struct World {
    locations: Option<&'static [&'static str]>,
    drive: Duration,
    /// No way leads there.
    walled_in: &'static str,
    /// From there the object is in view.
    in_view_from: &'static [&'static str],
    /// From there something looks like it, from one side.
    seems_in_view_from: &'static [&'static str],
    /// Where something was seen in passing, the likeliest last.
    passed: Mutex<Vec<&'static str>>,
    /// No way leads round what was sighted.
    no_way_round: bool,
    /// How sure the detector is.
    confidence: f64,
    /// `kitchen`, or `kitchen!` where a drive there was interrupted.
    log: Mutex<Vec<String>>,
    here: Mutex<String>,
}

struct GoToPose {
    loc: behavior_tree::In<String>,
    world: Arc<World>,
    arrival: Duration,
}

impl Leaf for GoToPose {
    fn on_start(&mut self, io: &mut Io<'_>) -> Outcome {
        let loc = io.read(self.loc)?;
        if loc == self.world.walled_in {
            return Ok(io.fail("no way leads there"));
        }
        self.arrival = io.now() + self.world.drive;
        Ok(Status::Running)
    }

    fn on_running(&mut self, io: &mut Io<'_>) -> Outcome {
        if io.now() < self.arrival {
            return Ok(Status::Running);
        }
        let loc = io.read(self.loc)?;
        let mut here = self.world.here.lock().unwrap();
        if *here != loc {
            self.world.log.lock().unwrap().push(loc.clone());
        }
        *here = loc;
        Ok(Status::Success)
    }

    fn on_halted(&mut self, io: &mut Io<'_>) {
        let loc = io.read(self.loc).unwrap();
        self.world.log.lock().unwrap().push(format!("{loc}!"));
    }
}

fn factory(world: &Arc<World>) -> Factory {
    let mut factory = Factory::new();
    let locations = world.locations.unwrap_or(&["hall", "kitchen", "study"]);
    factory
        .register_action("SetLocations", move |ports: &mut Ports| {
            let (num, names, poses) = (
                ports.output::<i32>("num_locs", ""),
                ports.output::<SharedQueue>("loc_names", ""),
                ports.output::<Arc<Poses>>("loc_poses", ""),
            );
            move |io: &mut Io<'_>| {
                let all = locations.iter().map(|name| Value::text(name));
                io.write(num, locations.len() as i32)?;
                io.write(names, SharedQueue::new(all))?;
                io.write(poses, Arc::new(Poses))?;
                Ok(Status::Success)
            }
        })
        .unwrap();
    factory
        .register_action("GetLocationFromQueue", |ports: &mut Ports| {
            let names: InOut<SharedQueue> = ports.inout("loc_names", "");
            let target = ports.output::<String>("target_location", "");
            move |io: &mut Io<'_>| match io.read(names.as_in())?.pop_front() {
                Some(name) => {
                    io.write(target, name.to_text()?.to_string())?;
                    Ok(Status::Success)
                }
                None => Ok(Status::Failure),
            }
        })
        .unwrap();
    let its = Arc::clone(world);
    factory
        .register_action("GoToPose", move |ports: &mut Ports| {
            let loc = ports.input("loc", "");
            ports.input::<Arc<Poses>>("loc_poses", "");
            ports.input_or::<f64>("turn", "0.0", "");
            GoToPose {
                loc,
                world: Arc::clone(&its),
                arrival: Duration::ZERO,
            }
        })
        .unwrap();
    let its = Arc::clone(world);
    factory
        .register_action("LookForObject", move |ports: &mut Ports| {
            let its = Arc::clone(&its);
            let object = ports.output::<Arc<Sighting>>("object", "");
            move |io: &mut Io<'_>| {
                let here = its.here.lock().unwrap();
                let seen = its.in_view_from.contains(&here.as_str())
                    || its.seems_in_view_from.contains(&here.as_str());
                if seen {
                    io.write(object, Arc::new(Sighting))?;
                }
                Ok(status(seen))
            }
        })
        .unwrap();
    let its = Arc::clone(world);
    factory
        .register_action("GoToViewpoint", move |ports: &mut Ports| {
            let its = Arc::clone(&its);
            let object = ports.input::<Arc<Sighting>>("object", "");
            ports.input_or::<f64>("angle", "0.0", "");
            ports.input_or::<f64>("distance", "1.0", "");
            move |io: &mut Io<'_>| {
                io.read(object)?;
                Ok(status(!its.no_way_round))
            }
        })
        .unwrap();
    let its = Arc::clone(world);
    factory
        .register_action("RecallSighting", move |ports: &mut Ports| {
            let its = Arc::clone(&its);
            let object = ports.output::<Arc<Sighting>>("object", "");
            move |io: &mut Io<'_>| {
                let mut passed = its.passed.lock().unwrap();
                let Some(place) = passed.pop() else {
                    return Ok(Status::Failure);
                };
                place.clone_into(&mut its.here.lock().unwrap());
                io.write(object, Arc::new(Sighting))?;
                Ok(Status::Success)
            }
        })
        .unwrap();
    let its = Arc::clone(world);
    factory
        .register_action("LookAgain", move |ports: &mut Ports| {
            let its = Arc::clone(&its);
            let object: InOut<Arc<Sighting>> = ports.inout("object", "");
            let wanted = ports.input_or::<f64>("min_confidence", "0.5", "");
            move |io: &mut Io<'_>| {
                io.read(object.as_in())?;
                let here = its.here.lock().unwrap();
                let seen = its.in_view_from.contains(&here.as_str())
                    || its.no_way_round && its.seems_in_view_from.contains(&here.as_str());
                Ok(status(seen && its.confidence >= io.read(wanted)?))
            }
        })
        .unwrap();
    factory
}

fn status(is_so: bool) -> Status {
    if is_so {
        Status::Success
    } else {
        Status::Failure
    }
}

/// The result, the robot's way, and the tree afterwards.
fn run(file: &str, world: World) -> (Status, Vec<String>, Tree) {
    let world = Arc::new(world);
    let mut tree = factory(&world).load_file(folder().join(file)).unwrap();
    let mut now = Duration::ZERO;
    let mut status = Status::Running;
    while status == Status::Running && now < Duration::from_secs(7200) {
        // As the node does that hosts the trees.
        status = tree.tick_once(now).unwrap();
        now += Duration::from_millis(100);
    }
    let log = world.log.lock().unwrap().clone();
    (status, log, tree)
}

fn number(tree: &mut Tree, key: &str) -> f64 {
    tree.get(key).unwrap().to_f64().unwrap()
}

#[test]
fn search_maze_ends_where_the_object_is() {
    let world = || World {
        drive: Duration::from_secs(20),
        in_view_from: &["kitchen"],
        confidence: 0.7,
        ..World::default()
    };
    let (status, log, _) = run("search_maze.xml", world());
    assert_eq!(status, Status::Success);
    assert_eq!(log, ["hall", "kitchen"]);
    let nowhere = World {
        in_view_from: &[],
        ..world()
    };
    let (status, log, _) = run("search_maze.xml", nowhere);
    assert_eq!(status, Status::Failure);
    assert_eq!(log, ["hall", "kitchen", "study"]);
}

#[test]
fn search_maze_looks_back_at_what_it_saw_in_passing() {
    let world = |passed: &[&'static str]| World {
        drive: Duration::from_secs(20),
        in_view_from: &["corner"],
        passed: Mutex::new(passed.to_vec()),
        confidence: 0.7,
        ..World::default()
    };
    let (status, log, _) = run("search_maze.xml", world(&["corner", "stairs"]));
    assert_eq!(status, Status::Success);
    assert_eq!(log, ["hall", "kitchen", "study"]);
    let (status, ..) = run("search_maze.xml", world(&["stairs"]));
    assert_eq!(status, Status::Failure);
}

#[test]
fn search_maze_takes_no_pattern_on_a_wall_for_the_object() {
    let world = || World {
        drive: Duration::from_secs(20),
        in_view_from: &["kitchen"],
        confidence: 0.7,
        ..World::default()
    };
    // What seems to be it from one side only is not taken for it.
    let pattern_on_a_wall = || World {
        seems_in_view_from: &["hall"],
        ..world()
    };
    let (status, log, _) = run("search_maze.xml", pattern_on_a_wall());
    assert_eq!(status, Status::Success);
    assert_eq!(log, ["hall", "kitchen"]);
    // Where it cannot be seen from another side, the detector must be sure.
    for (confidence, way) in [(0.7, &["hall", "kitchen", "study"][..]), (0.9, &["hall"])] {
        let hemmed_in = World {
            no_way_round: true,
            confidence,
            ..pattern_on_a_wall()
        };
        assert_eq!(run("search_maze.xml", hemmed_in).1, way);
    }
}

#[test]
fn find_all_counts_where_the_object_is() {
    let world = World {
        drive: Duration::from_secs(20),
        in_view_from: &["hall", "study"],
        confidence: 0.7,
        ..World::default()
    };
    let (status, log, mut tree) = run("find_all.xml", world);
    assert_eq!(status, Status::Success);
    assert_eq!(log, ["hall", "kitchen", "study"]);
    assert_eq!(number(&mut tree, "n_found"), 2.0);
    assert_eq!(run("find_all.xml", World::default()).0, Status::Failure);
}

#[test]
fn visit_locations_goes_on_where_no_way_leads() {
    let world = World {
        drive: Duration::from_secs(20),
        walled_in: "kitchen",
        ..World::default()
    };
    let (status, log, mut tree) = run("visit_locations.xml", world);
    assert_eq!(status, Status::Success);
    assert_eq!(log, ["hall", "study"]);
    assert_eq!(number(&mut tree, "n_visited"), 2.0);
    // A drive that takes too long is given up, too.
    let far = World {
        drive: Duration::from_secs(200),
        ..World::default()
    };
    let (status, log, _) = run("visit_locations.xml", far);
    assert_eq!(status, Status::Failure);
    assert_eq!(log, ["hall!", "kitchen!", "study!"]);
}

#[test]
fn battery_patrol_goes_home_to_charge_and_takes_its_visit_up_again() {
    // The charge lasts for 700 s until it is low.
    let world = |drive| World {
        locations: Some(&["hall", "a", "b", "c", "d", "e", "f"]),
        drive: Duration::from_secs(drive),
        ..World::default()
    };
    let (status, log, _) = run("battery_patrol.xml", world(100));
    assert_eq!(status, Status::Success);
    assert_eq!(log, ["a", "b", "c", "d", "e", "f"]);
    let (status, log, mut tree) = run("battery_patrol.xml", world(150));
    assert_eq!(status, Status::Success);
    assert_eq!(log, ["a", "b", "c", "d", "e!", "hall", "e", "f"]);
    assert!(number(&mut tree, "battery") > 0.3);
    let walled_in = World {
        walled_in: "hall",
        ..world(150)
    };
    // Without a way home the battery runs out.
    let (status, log, _) = run("battery_patrol.xml", walled_in);
    assert_eq!(status, Status::Failure);
    assert_eq!(log, ["a", "b", "c", "d", "e!"]);
}
