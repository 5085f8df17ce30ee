//! A tick of a tree without strings in its scripts allocates nothing.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends by a panic"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use behavior_tree::{Factory, Status, Tree, nav2};

struct Counting;

thread_local! {
    /// Of this thread alone: the test harness has its own.
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

#[allow(unsafe_code)]
// SAFETY: every call goes on to the system's allocator unchanged; counting touches no memory of its own.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller's promises are handed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises are handed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const TREE: &str = r#"<root BTCPP_format="4" main_tree_to_execute="Main">
  <BehaviorTree ID="Main">
    <Sequence>
      <Script code="n += 1; odd := n &amp; 1; far := n * 0.5 + 2 &gt; 3 ? 1 : 0"/>
      <Fallback><AlwaysFailure/><Inverter><AlwaysFailure _skipIf="n &lt; 0"/></Inverter></Fallback>
      <ReactiveSequence><ScriptCondition code="0 &lt; n &lt;= 100000"/><AlwaysSuccess _onSuccess="n += 0" _post="n *= 1"/></ReactiveSequence>
      <Parallel success_count="2" failure_count="2"><AlwaysSuccess/><AlwaysFailure/><AlwaysSuccess/></Parallel>
      <ParallelAll max_failures="2"><AlwaysSuccess/><AlwaysFailure/></ParallelAll>
      <IfThenElse><ScriptCondition code="odd == 1"/><AlwaysSuccess/><AlwaysSuccess/></IfThenElse>
      <WhileDoElse><ScriptCondition code="odd == 1"/><AlwaysSuccess/><AlwaysSuccess/></WhileDoElse>
      <Switch3 variable="{odd}" case_1="0" case_2="1" case_3="2">
        <AlwaysSuccess/><AlwaysSuccess/><AlwaysSuccess/><AlwaysFailure/>
      </Switch3>
      <ForceSuccess><TryCatch><AlwaysFailure/><AlwaysSuccess/></TryCatch></ForceSuccess>
      <Repeat num_cycles="3"><AlwaysSuccess/></Repeat>
      <ForceSuccess><RetryUntilSuccessful num_attempts="3"><AlwaysFailure/></RetryUntilSuccessful></ForceSuccess>
      <Timeout msec="1000"><Delay delay_msec="20"><Sleep msec="30"/></Delay></Timeout>
      <LoopInt queue="1;2;3" value="{element}"><AlwaysSuccess/></LoopInt>
      <SkipUnlessUpdated entry="{n}"><AlwaysSuccess/></SkipUnlessUpdated>
      <Precondition if="n &gt; 0" else="FAILURE"><AlwaysSuccess/></Precondition>
      <SubTree ID="Sub" n="{n}" k="3"/>
      <PipelineSequence>
        <RateController hz="1.0"><RecoveryNode number_of_retries="2"><AlwaysSuccess/><AlwaysSuccess/></RecoveryNode></RateController>
        <DistanceController><AlwaysSuccess/></DistanceController>
        <SpeedController><AlwaysSuccess/></SpeedController>
        <GoalUpdatedController goal="{n}"><AlwaysSuccess/></GoalUpdatedController>
        <ForceSuccess><Fallback><GoalUpdated goal="{n}"/><TimeExpired/><RoundRobin><AlwaysFailure/><AlwaysSuccess/></RoundRobin></Fallback></ForceSuccess>
        <Sleep msec="50"/>
      </PipelineSequence>
    </Sequence>
  </BehaviorTree>
  <BehaviorTree ID="Sub"><Script code="n += k; n -= k"/></BehaviorTree>
</root>"#;

fn load() -> Tree {
    let mut factory = Factory::new();
    nav2::register(&mut factory, Arc::new(nav2::Parked)).unwrap();
    let mut tree = factory.load_text(TREE).unwrap();
    tree.set("n", behavior_tree::Value::int(0)).unwrap();
    tree
}

#[test]
fn a_tick_allocates_nothing() {
    assert_eq!(allocations(load()), 0);
}

#[cfg(feature = "groot2")]
#[test]
fn a_tick_that_groot2_can_see_and_stop_allocates_nothing() {
    use behavior_tree::groot2::{Groot2Options, Groot2Publisher};

    let mut tree = load();
    let options = Groot2Options {
        port: 0,
        control: true,
        ..Groot2Options::default()
    };
    let _publisher = Groot2Publisher::new(&mut tree, options).unwrap();
    assert_eq!(allocations(tree), 0);
}

/// Of the ticks in 1000 runs.
fn allocations(mut tree: Tree) -> u64 {
    let mut now = Duration::ZERO;
    let mut run = |n_runs: u32| {
        let mut left = n_runs;
        while left > 0 {
            now += Duration::from_millis(10);
            match tree.tick_exactly_once(now).unwrap() {
                Status::Running => {}
                status => {
                    assert_eq!(status, Status::Success);
                    left -= 1;
                }
            }
        }
    };
    // The first run grows what is kept from then on.
    run(2);
    let before = ALLOCATIONS.get();
    run(1000);
    ALLOCATIONS.get() - before
}
