//! Navigation servers that are absent, silent, dead, restarted, or shared with strangers.

use super::*;

#[test]
fn what_runs_upstream_at_the_start_is_cancelled_before_anything_is_sent() {
    let mut bench = Bench::without_server();
    bench.does(Event::UpstreamVisible(true));
    assert_eq!(bench.last, [Effect::CancelAllUpstream]);
    bench.sends(G1);
    bench.judged(G1, Ok(cleared()));
    assert_eq!(sent(&bench.last), []);
    bench.does(cancelled_all(vec![G3]));
    assert_eq!(bench.last, [], "not until nothing is left to cancel");
    assert!(
        bench
            .passes(Duration::from_millis(200))
            .contains(&Effect::CancelAllUpstream)
    );
    bench.does(cancelled_all(vec![]));
    assert_eq!(sent(&bench.last), [U1]);
}

#[test]
fn without_a_server_a_goal_is_aborted_after_a_short_wait() {
    let mut bench = Bench::without_server();
    bench.sends(G1);
    bench.judged(G1, Ok(cleared()));
    bench.passes(Duration::from_secs(2));
    assert_eq!(bench.code(G1), 9264);
}

#[test]
fn a_server_that_is_seen_but_dead_costs_the_answer_time_out() {
    let mut bench = Bench::without_server();
    bench.does(Event::UpstreamVisible(true));
    bench.sends(G1);
    bench.judged(G1, Ok(cleared()));
    bench.passes(Duration::from_secs(2));
    assert_eq!(bench.code(G1), 9266);
}

#[test]
fn a_goal_without_an_answer_is_given_up_and_cancelled() {
    let mut bench = Bench::new();
    bench.sends(G1);
    bench.judged(G1, Ok(cleared()));
    let effects = bench.passes(Duration::from_secs(2));
    assert_eq!(bench.code(G1), 9266);
    assert!(effects.contains(&Effect::CancelAllUpstream));
    bench.does(Event::UpstreamAccepted {
        id: U1,
        accepted: true,
    });
    assert_eq!(
        bench.last,
        [Effect::CancelUpstream(U1)],
        "it must not run unwatched"
    );
}

#[test]
fn a_goal_rejected_upstream_is_aborted_with_the_reason() {
    let mut bench = Bench::new();
    bench.sends(G1);
    bench.judged(G1, Ok(cleared()));
    bench.does(Event::UpstreamAccepted {
        id: U1,
        accepted: false,
    });
    assert_eq!(bench.code(G1), 9265);
}

#[test]
fn a_server_killed_while_driving_is_noticed_by_its_silence_and_the_robot_stopped() {
    let mut bench = Bench::new();
    bench.runs(G1, U1);
    let effects = bench.passes(Duration::from_millis(1100));
    assert!(effects.contains(&Effect::Ping) && effects.contains(&Effect::AskResult(U1)));
    let effects = bench.passes(Duration::from_secs(2));
    assert!(effects.contains(&Effect::StopMotion));
    assert_eq!(bench.code(G1), 9266);
}

#[test]
fn a_silent_server_that_answers_the_ping_is_alive() {
    let mut bench = Bench::new();
    bench.runs(G1, U1);
    for _ in 0..10 {
        bench.passes(Duration::from_secs(1));
        bench.does(Event::UpstreamHeard);
    }
    assert_eq!(bench.status(G1), Status::Executing);
}

#[test]
fn a_server_that_began_anew_has_lost_the_goal() {
    let mut bench = Bench::new();
    bench.runs(G1, U1);
    bench.ends(U1, Status::Unknown);
    assert_eq!(bench.code(G1), 9267);
    assert!(bench.did(&Effect::StopMotion) && bench.did(&Effect::CancelAllUpstream));
}

#[test]
fn a_server_that_ends_takes_its_goals_with_it() {
    let mut bench = Bench::new();
    bench.runs(G1, U1);
    bench.does(Event::UpstreamVisible(false));
    assert_eq!(bench.code(G1), 9267);
    assert!(bench.did(&Effect::StopMotion));
}

#[test]
fn a_cancel_without_an_answer_is_repeated_and_in_the_end_given_up() {
    let mut bench = Bench::new();
    bench.runs(G1, U1);
    bench.cancels(G1);
    let mut effects = Vec::new();
    for _ in 0..10 {
        bench.does(Event::UpstreamHeard);
        effects.extend(bench.passes(Duration::from_millis(500)));
    }
    let repeats = effects.iter().filter(|e| **e == Effect::CancelUpstream(U1));
    assert!(repeats.count() > 5);
    assert!(effects.contains(&Effect::StopMotion));
    assert_eq!(bench.code(G1), 9266);
}

#[test]
fn a_final_status_without_a_result_is_asked_for_again() {
    let mut bench = Bench::new();
    bench.runs(G1, U1);
    bench.does(Event::UpstreamStatus(vec![(U1, Status::Succeeded)]));
    let effects = bench.passes(Duration::from_millis(1010));
    assert!(effects.contains(&Effect::AskResult(U1)));
    bench.ends(U1, Status::Succeeded);
    assert_eq!(bench.status(G1), Status::Succeeded);
}

#[test]
fn an_own_goal_whose_result_has_overtaken_its_status_is_no_alarm() {
    let mut bench = Bench::new();
    bench.runs(G1, U1);
    bench.ends(U1, Status::Canceled);
    bench.does(Event::UpstreamStatus(vec![(U1, Status::Canceling)]));
    assert_eq!(bench.last, [Effect::CancelUpstream(U1)]);
}

#[test]
fn a_goal_that_went_round_the_gatekeeper_is_cancelled() {
    let mut bench = Bench::new();
    bench.runs(G1, U1);
    let both = [(G3, Status::Executing), (U1, Status::Executing)];
    bench.does(Event::UpstreamStatus(both.to_vec()));
    assert_eq!(
        bench.last,
        [Effect::ForeignGoal(G3), Effect::CancelUpstream(G3)]
    );
    bench.does(Event::UpstreamStatus(both.to_vec()));
    assert_eq!(bench.last, [], "told once");
    assert!(
        bench
            .passes(Duration::from_secs(1))
            .contains(&Effect::CancelUpstream(G3))
    );
}
