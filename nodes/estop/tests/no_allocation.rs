//! The gate's decision allocates nothing. A test binary of its own, as it counts every allocation of the process.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends by a panic"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use estop::gate::{Event, Limits, Output, State, Velocity, decide};

struct Counting;

static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes to the system's allocator unchanged.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

fn main() {
    let limits = Limits {
        linear: 0.26,
        angular: 1.82,
        command_timeout: Duration::from_millis(250),
    };
    let drive = Velocity {
        linear: [0.1, 0.0, 0.0],
        angular: [0.0; 3],
    };
    let invalid = Velocity {
        linear: [f64::NAN; 3],
        angular: [0.0; 3],
    };
    let reset = Event::Reset {
        cause_persists: false,
    };
    let events = [
        Event::Command(drive),
        Event::Time,
        Event::Command(invalid),
        Event::Held(true),
        Event::Held(false),
        Event::Latch,
        reset,
    ];

    let before = ALLOCATIONS.load(Ordering::Relaxed);
    let (mut state, mut passed) = (State::new(false), 0);
    for step in 0..100_000_u32 {
        let decision = decide(
            state,
            Duration::from_millis(37) * step,
            events[step as usize % events.len()],
            &limits,
        );
        state = decision.state;
        passed += u32::from(decision.output == Output::Pass);
    }
    let allocations = ALLOCATIONS.load(Ordering::Relaxed) - before;
    assert!(passed > 0, "no command has passed: nothing was measured");
    assert_eq!(allocations, 0, "the gate's decision must not allocate");
    println!("100000 decisions, no allocation");
}
