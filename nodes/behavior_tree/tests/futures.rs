//! Leaves made of futures.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends by a panic"
)]

use std::future::poll_fn;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use behavior_tree::{Factory, Io, NodeError, Ports, Status, Tree, from_future};

/// What a future waits for, and what became of it.
#[derive(Default)]
struct World {
    answer: Mutex<Option<Result<i32, String>>>,
    n_pending: AtomicI32,
}

/// Counts a future from its making to its end.
struct Alive(Arc<World>);

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.n_pending.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn ask(world: Arc<World>) -> Result<i32, String> {
    world.n_pending.fetch_add(1, Ordering::Relaxed);
    let alive = Alive(world);
    poll_fn(|_| match alive.0.answer.lock().unwrap().take() {
        Some(answer) => Poll::Ready(answer),
        None => Poll::Pending,
    })
    .await
}

fn load(world: &Arc<World>, xml: &str) -> Tree {
    let mut factory = Factory::new();
    let world = Arc::clone(world);
    factory
        .register_action("Ask", move |ports: &mut Ports| {
            let times = ports.input_or::<i32>("times", "1", "");
            let answer = ports.output::<i32>("answer", "");
            let world = Arc::clone(&world);
            from_future(
                move |io: &mut Io<'_>| {
                    if io.read(times)? < 0 {
                        return Err(NodeError("times is negative".into()));
                    }
                    Ok(ask(Arc::clone(&world)))
                },
                move |io: &mut Io<'_>, result| match result {
                    Ok(number) => {
                        io.write(answer, number * io.read(times)?)?;
                        Ok(Status::Success)
                    }
                    Err(reason) => Ok(io.fail(reason)),
                },
            )
        })
        .unwrap();
    let xml =
        format!(r#"<root BTCPP_format="4"><BehaviorTree ID="Main">{xml}</BehaviorTree></root>"#);
    factory.load_text(&xml).unwrap()
}

fn tick(tree: &mut Tree, ms: u64) -> Status {
    tree.tick_exactly_once(Duration::from_millis(ms)).unwrap()
}

#[test]
fn it_is_running_until_the_future_ends() {
    let world = Arc::new(World::default());
    let mut tree = load(&world, r#"<Ask times="2" answer="{answer}"/>"#);
    for _ in 0..3 {
        assert_eq!(tick(&mut tree, 0), Status::Running);
        assert_eq!(world.n_pending.load(Ordering::Relaxed), 1);
    }
    *world.answer.lock().unwrap() = Some(Ok(21));
    assert_eq!(tick(&mut tree, 0), Status::Success);
    assert_eq!(world.n_pending.load(Ordering::Relaxed), 0);
    assert_eq!(tree.get("answer").unwrap().to_i64().unwrap(), 42);
    // The next run makes a new future, which may end in its first tick.
    *world.answer.lock().unwrap() = Some(Err("no".into()));
    assert_eq!(tick(&mut tree, 0), Status::Failure);
    assert_eq!(tree.failure().unwrap().reason.as_deref(), Some("no"));
}

#[test]
fn a_halt_drops_the_future() {
    let world = Arc::new(World::default());
    let mut tree = load(&world, r#"<Timeout msec="20"><Ask/></Timeout>"#);
    assert_eq!(tick(&mut tree, 0), Status::Running);
    assert_eq!(world.n_pending.load(Ordering::Relaxed), 1);
    assert_eq!(tick(&mut tree, 20), Status::Failure);
    assert_eq!(world.n_pending.load(Ordering::Relaxed), 0);
    assert_eq!(tick(&mut tree, 30), Status::Running);
    tree.halt().unwrap();
    assert_eq!(world.n_pending.load(Ordering::Relaxed), 0);
}

#[test]
fn what_breaks_at_the_start_is_an_error() {
    let world = Arc::new(World::default());
    let mut tree = load(&world, r#"<Ask times="-1"/>"#);
    let error = tree.tick_exactly_once(Duration::ZERO).unwrap_err();
    assert_eq!(error.message, "times is negative");
}
