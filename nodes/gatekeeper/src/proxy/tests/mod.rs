//! The situations of real transcripts of Nav2, as the proxy must handle them; and what Nav2 gets wrong there.

mod upstream_server;

use super::Stop::{ClientLost, Free, Latched};
use super::*;
use crate::goal::MapPose;

const G1: GoalId = GoalId([1; 16]);
const G2: GoalId = GoalId([2; 16]);
const G3: GoalId = GoalId([3; 16]);
const U1: GoalId = upstream(1);
const U2: GoalId = upstream(2);

/// The n-th id that the proxy makes.
const fn upstream(n: u8) -> GoalId {
    let mut id = [0xAA; 16];
    id[15] = n;
    GoalId(id)
}

fn config() -> Config {
    Config {
        upstream_name: "/ungated/navigate_to_pose".into(),
        answer_timeout: Duration::from_secs(2),
        cancel_timeout: Duration::from_secs(5),
        silence: Duration::from_secs(1),
    }
}

/// A proxy with a clock of its own and a record of everything that goes out.
struct Bench {
    proxy: Proxy,
    start: Instant,
    at: Duration,
    tokens: Token,
    /// Effects of the last event.
    last: Vec<Effect>,
    outcomes: HashMap<GoalId, Outcome>,
}

impl Bench {
    /// With a navigation server that has answered and runs nothing.
    fn new() -> Self {
        let mut bench = Self::without_server();
        bench.does(Event::UpstreamVisible(true));
        bench.does(cancelled_all(vec![]));
        assert!(bench.proxy.is_upstream_ready());
        bench
    }

    fn without_server() -> Self {
        let start = Instant::now();
        let mut n = 0;
        let ids = move || {
            n += 1;
            upstream(n)
        };
        Self {
            proxy: Proxy::new(config(), ids, start),
            start,
            at: Duration::ZERO,
            tokens: 0,
            last: Vec::new(),
            outcomes: HashMap::new(),
        }
    }

    fn does(&mut self, event: Event) -> &[Effect] {
        let now = Now {
            monotonic: self.start + self.at,
            ros_nanos: 1_000_000_000 + self.at.as_nanos() as i64,
        };
        self.last = self.proxy.handle(event, now);
        for effect in &self.last {
            if let Effect::Ended { id, outcome } = effect {
                let before = self.outcomes.insert(*id, outcome.clone());
                assert_eq!(before, None, "a goal ends once");
            }
        }
        &self.last
    }

    /// Time passes in steps of 10 ms; returns everything that was done meanwhile.
    fn passes(&mut self, time: Duration) -> Vec<Effect> {
        let mut effects = Vec::new();
        for _ in 0..time.as_millis() / 10 {
            self.at += Duration::from_millis(10);
            effects.extend_from_slice(self.does(Event::Tick));
        }
        effects
    }

    fn sends(&mut self, id: GoalId) {
        self.tokens += 1;
        let token = Some(self.tokens);
        self.does(Event::Goal { token, id });
    }

    fn judged(&mut self, id: GoalId, verdict: Result<Cleared, Refusal>) {
        self.does(Event::Verdict { id, verdict });
    }

    /// A goal that is sent, found good and accepted upstream.
    fn runs(&mut self, id: GoalId, run: GoalId) {
        self.sends(id);
        self.judged(id, Ok(cleared()));
        assert!(self.last.contains(&Effect::SendGoal {
            id: run,
            goal: cleared()
        }));
        self.does(Event::UpstreamAccepted {
            id: run,
            accepted: true,
        });
    }

    fn cancels(&mut self, id: GoalId) {
        self.tokens += 1;
        let token = self.tokens;
        self.does(Event::Cancel {
            token,
            id,
            stamp_nanos: 0,
        });
    }

    fn ends(&mut self, run: GoalId, status: Status) {
        let outcome = Outcome::plain(status);
        self.does(Event::UpstreamResult { id: run, outcome });
    }

    fn status(&self, id: GoalId) -> Status {
        self.proxy.ledger().status(id)
    }

    fn code(&self, id: GoalId) -> u16 {
        let outcome = &self.outcomes[&id];
        assert_eq!(outcome.status, Status::Aborted);
        outcome.error_code
    }

    fn did(&self, effect: &Effect) -> bool {
        self.last.contains(effect)
    }
}

fn cleared() -> Cleared {
    Cleared {
        pose: MapPose {
            x: 1.0,
            y: 2.0,
            yaw: 0.5,
        },
        behavior_tree: String::new(),
    }
}

fn cancelled_all(canceling: Vec<GoalId>) -> Event {
    Event::UpstreamCancel {
        target: None,
        code: 0,
        canceling,
    }
}

fn cancelled(id: GoalId, code: i8) -> Event {
    Event::UpstreamCancel {
        target: Some(id),
        code,
        canceling: if code == 0 { vec![id] } else { vec![] },
    }
}

fn sent(effects: &[Effect]) -> Vec<GoalId> {
    let ids = effects.iter().filter_map(|effect| match effect {
        Effect::SendGoal { id, .. } => Some(*id),
        _ => None,
    });
    ids.collect()
}

// One goal.

#[test]
fn a_goal_is_answered_before_its_status_goes_out_and_before_it_is_judged() {
    let mut bench = Bench::new();
    bench.sends(G1);
    assert_eq!(
        bench.last,
        [
            Effect::AnswerGoal {
                token: 1,
                accepted: true,
                stamp_nanos: 1_000_000_000
            },
            Effect::PublishStatus,
            Effect::Judge(G1),
        ]
    );
    assert_eq!(
        bench.status(G1),
        Status::Executing,
        "ACCEPTED is never published"
    );
}

#[test]
fn feedback_and_result_reach_the_client_under_its_own_id() {
    let mut bench = Bench::new();
    bench.runs(G1, U1);
    assert!(bench.did(&Effect::AskResult(U1)));
    assert_eq!(bench.proxy.client_of(U1), Some(G1));
    bench.does(Event::Result { token: 90, id: G1 });
    assert_eq!(bench.last, [], "held until the end");
    let outcome = Outcome {
        status: Status::Aborted,
        error_code: 208,
        error_msg: "as the server says".into(),
    };
    let event = Event::UpstreamResult {
        id: U1,
        outcome: outcome.clone(),
    };
    bench.does(event);
    assert_eq!(
        bench.last[..2],
        [
            Effect::AnswerResult {
                token: 90,
                outcome: Some(outcome.clone())
            },
            Effect::PublishStatus,
        ],
        "result first, status then"
    );
    bench.does(Event::Result { token: 91, id: G1 });
    let again = Effect::AnswerResult {
        token: 91,
        outcome: Some(outcome),
    };
    assert_eq!(bench.last, [again], "as often as asked");
    assert_eq!(bench.proxy.client_of(U1), None);
}

#[test]
fn a_refused_goal_is_aborted_with_code_and_reason_and_never_sent() {
    let mut bench = Bench::new();
    bench.sends(G1);
    bench.judged(G1, Err(Refusal::Unreachable));
    assert_eq!(sent(&bench.last), []);
    assert_eq!(bench.code(G1), 9226);
    assert!(bench.outcomes[&G1].error_msg.contains("no way leads there"));
}

#[test]
fn a_repeated_id_is_rejected_and_an_all_zero_one_refused() {
    let mut bench = Bench::new();
    bench.runs(G1, U1);
    bench.sends(G1);
    assert!(matches!(
        bench.last[0],
        Effect::AnswerGoal {
            accepted: false,
            ..
        }
    ));
    assert_eq!(bench.status(G1), Status::Executing, "the first one goes on");
    bench.ends(U1, Status::Succeeded);
    bench.sends(G1);
    assert!(matches!(
        bench.last[0],
        Effect::AnswerGoal {
            accepted: false,
            ..
        }
    ));
    assert!(bench.did(&Effect::Refused {
        id: G1,
        refusal: Refusal::RepeatedId
    }));
    bench.sends(GoalId::ZERO);
    assert_eq!(bench.code(GoalId::ZERO), 9208);
}

// Cancelling.

#[test]
fn a_cancel_is_answered_after_its_status_and_before_its_end() {
    let mut bench = Bench::new();
    bench.runs(G1, U1);
    bench.cancels(G1);
    assert_eq!(
        bench.last,
        [
            Effect::PublishStatus,
            Effect::AnswerCancel {
                token: 2,
                code: CancelCode::None,
                goals: vec![G1]
            },
            Effect::CancelUpstream(U1),
        ]
    );
    assert_eq!(bench.status(G1), Status::Canceling);
    bench.cancels(G1);
    assert!(matches!(
        &bench.last[..],
        [Effect::AnswerCancel {
            code: CancelCode::Terminated,
            ..
        }]
    ));
    bench.does(cancelled(U1, 0));
    bench.ends(U1, Status::Canceled);
    assert_eq!(bench.status(G1), Status::Canceled);
}

#[test]
fn a_goal_being_judged_is_cancelled_at_once() {
    let mut bench = Bench::new();
    bench.sends(G1);
    bench.cancels(G1);
    assert_eq!(bench.status(G1), Status::Canceled);
    assert!(bench.did(&Effect::StopJudging(G1)));
    bench.judged(G1, Ok(cleared()));
    assert_eq!(bench.last, [], "a late verdict moves nothing");
}

#[test]
fn a_cancel_that_overtakes_its_goal_is_not_lost() {
    let mut bench = Bench::new();
    bench.cancels(G1);
    assert_eq!(bench.last, []);
    bench.sends(G1);
    assert_eq!(bench.status(G1), Status::Canceled);
    bench.cancels(G2);
    let late = bench.passes(Duration::from_millis(30));
    let unknown = Effect::AnswerCancel {
        token: 3,
        code: CancelCode::UnknownGoal,
        goals: vec![],
    };
    assert_eq!(late, [unknown]);
}

#[test]
fn a_cancel_while_the_goal_is_on_its_way_is_repeated_once_it_is_accepted() {
    let mut bench = Bench::new();
    bench.sends(G1);
    bench.judged(G1, Ok(cleared()));
    bench.cancels(G1);
    assert!(bench.did(&Effect::CancelUpstream(U1)));
    bench.does(cancelled(U1, 2));
    bench.does(Event::UpstreamAccepted {
        id: U1,
        accepted: true,
    });
    assert!(bench.did(&Effect::CancelUpstream(U1)));
    bench.ends(U1, Status::Canceled);
    assert_eq!(bench.status(G1), Status::Canceled);
}

#[test]
fn a_goal_that_arrives_before_its_cancel_does_has_succeeded() {
    let mut bench = Bench::new();
    bench.runs(G1, U1);
    bench.cancels(G1);
    bench.ends(U1, Status::Succeeded);
    assert_eq!(bench.status(G1), Status::Succeeded);
}

#[test]
fn a_cancel_behind_the_clients_back_is_no_cancel_of_the_client() {
    let mut bench = Bench::new();
    bench.runs(G1, U1);
    bench.ends(U1, Status::Canceled);
    assert_eq!(bench.code(G1), 9268);
}

// Pre-empting.

#[test]
fn a_newer_goal_replaces_the_older_one_without_a_stop() {
    let mut bench = Bench::new();
    bench.runs(G1, U1);
    bench.sends(G2);
    assert_eq!(
        bench.status(G1),
        Status::Executing,
        "while the newer one is judged"
    );
    bench.judged(G2, Ok(cleared()));
    assert_eq!(sent(&bench.last), [U2]);
    assert!(!bench.did(&Effect::CancelUpstream(U1)));
    bench.does(Event::UpstreamAccepted {
        id: U2,
        accepted: true,
    });
    bench.ends(U1, Status::Aborted);
    assert_eq!(bench.code(G1), 0, "as Nav2 says it");
    assert_eq!(bench.status(G2), Status::Executing);
}

#[test]
fn a_refused_newer_goal_leaves_the_older_one_running() {
    let mut bench = Bench::new();
    bench.runs(G1, U1);
    bench.sends(G2);
    bench.judged(G2, Err(Refusal::NoMap));
    assert_eq!(bench.code(G2), 9220);
    assert_eq!(bench.status(G1), Status::Executing);
    assert!(!bench.did(&Effect::CancelUpstream(U1)));
}

#[test]
fn of_many_goals_at_once_only_the_last_is_sent() {
    let mut bench = Bench::new();
    bench.sends(G1);
    bench.sends(G2);
    bench.sends(G3);
    for goal in [G1, G2, G3] {
        bench.judged(goal, Ok(cleared()));
    }
    assert_eq!(sent(&bench.last), [U1]);
    assert_eq!(bench.proxy.client_of(U1), Some(G3));
    assert_eq!((bench.code(G1), bench.code(G2)), (0, 0));
}

#[test]
fn a_newer_goal_waits_until_the_cancel_of_the_older_one_is_through() {
    let mut bench = Bench::new();
    bench.runs(G1, U1);
    bench.sends(G2);
    bench.cancels(G1);
    bench.judged(G2, Ok(cleared()));
    assert_eq!(sent(&bench.last), [], "Nav2 would drop the cancel");
    bench.does(cancelled(U1, 0));
    bench.ends(U1, Status::Canceled);
    assert_eq!(bench.status(G1), Status::Canceled);
    assert_eq!(sent(&bench.last), [U2]);
}

#[test]
fn a_cancel_of_the_older_goal_during_the_take_over_reads_as_cancelled() {
    let mut bench = Bench::new();
    bench.runs(G1, U1);
    bench.runs(G2, U2);
    bench.cancels(G1);
    bench.does(cancelled(U1, 0));
    bench.ends(U1, Status::Aborted);
    assert_eq!(bench.status(G1), Status::Canceled);
    assert_eq!(
        bench.status(G2),
        Status::Executing,
        "nobody cancelled that one"
    );
}

#[test]
fn a_cancel_of_the_newer_goal_before_it_was_sent_stops_the_robot() {
    let mut bench = Bench::new();
    bench.runs(G1, U1);
    bench.sends(G2);
    bench.cancels(G2);
    assert_eq!(bench.status(G2), Status::Canceled);
    assert!(bench.did(&Effect::CancelUpstream(U1)));
    bench.ends(U1, Status::Canceled);
    assert_eq!(bench.code(G1), 0, "as with Nav2 the older one is ABORTED");
}

#[test]
fn a_cancel_of_all_means_all() {
    let mut bench = Bench::new();
    bench.runs(G1, U1);
    bench.sends(G2);
    bench.cancels(GoalId::ZERO);
    let answer = Effect::AnswerCancel {
        token: 3,
        code: CancelCode::None,
        goals: vec![G1, G2],
    };
    assert!(bench.did(&answer));
    bench.ends(U1, Status::Canceled);
    assert_eq!(
        (bench.status(G1), bench.status(G2)),
        (Status::Canceled, Status::Canceled)
    );
    bench.cancels(GoalId::ZERO);
    assert!(
        matches!(&bench.last[..], [Effect::AnswerCancel { code: CancelCode::None, goals, .. }] if goals.is_empty())
    );
}

#[test]
fn where_the_server_refuses_to_switch_the_older_goal_goes_on() {
    let mut bench = Bench::new();
    bench.runs(G1, U1);
    bench.runs(G2, U2);
    bench.ends(U2, Status::Aborted);
    bench.does(Event::UpstreamHeard);
    for _ in 0..10 {
        bench.does(Event::UpstreamHeard);
        bench.passes(Duration::from_millis(500));
    }
    assert_eq!(bench.status(G1), Status::Executing);
}

#[test]
fn a_server_that_runs_two_goals_at_once_is_made_to_end_the_older_one() {
    let mut bench = Bench::new();
    bench.runs(G1, U1);
    bench.runs(G2, U2);
    let mut effects = Vec::new();
    for _ in 0..5 {
        bench.does(Event::UpstreamHeard);
        effects.extend(bench.passes(Duration::from_millis(500)));
    }
    assert!(effects.contains(&Effect::CancelUpstream(U1)));
    assert!(!effects.contains(&Effect::CancelUpstream(U2)));
}

// The robot and the gatekeeper.

#[test]
fn the_emergency_stop_ends_all_goals_and_takes_no_new_ones_until_it_is_free() {
    let mut bench = Bench::new();
    bench.runs(G1, U1);
    bench.sends(G2);
    bench.does(Event::EmergencyStop(Latched("button".into())));
    assert_eq!(bench.code(G2), 9260);
    assert!(bench.did(&Effect::CancelUpstream(U1)));
    bench.ends(U1, Status::Canceled);
    assert_eq!(bench.code(G1), 9260);
    assert!(bench.outcomes[&G1].error_msg.contains("button"));
    bench.sends(G3);
    assert_eq!(bench.code(G3), 9260);
    bench.does(Event::EmergencyStop(Free));
    bench.runs(GoalId([4; 16]), U2);
}

#[test]
fn a_lost_client_ends_its_goals_once_and_new_ones_are_taken() {
    let lost = || {
        Event::EmergencyStop(ClientLost {
            why: "client autonomy".into(),
            since_nanos: 5,
        })
    };
    let mut bench = Bench::new();
    bench.runs(G1, U1);
    bench.does(lost());
    bench.ends(U1, Status::Canceled);
    assert_eq!(bench.code(G1), 9261);
    bench.runs(G2, U2);
    bench.does(lost());
    assert_eq!(bench.last, [], "the same loss told twice");
}

#[test]
fn with_another_server_under_the_name_every_goal_is_refused() {
    let mut bench = Bench::new();
    bench.does(Event::Foreign(Some("bt_navigator offers it, too".into())));
    bench.sends(G1);
    assert_eq!(bench.code(G1), 9262);
    bench.does(Event::Foreign(None));
    bench.runs(G2, U1);
}

#[test]
fn a_goal_that_is_judged_when_another_server_comes_is_refused() {
    let mut bench = Bench::new();
    bench.sends(G1);
    bench.does(Event::Foreign(Some("bt_navigator offers it, too".into())));
    assert_eq!(bench.code(G1), 9262);
}

#[test]
fn at_the_end_goals_are_cancelled_first_and_none_is_taken() {
    let mut bench = Bench::new();
    bench.runs(G1, U1);
    bench.does(Event::Result { token: 90, id: G1 });
    bench.does(Event::Shutdown);
    assert!(bench.did(&Effect::CancelUpstream(U1)) && !bench.proxy.is_drained());
    bench.sends(G2);
    assert!(matches!(
        bench.last[0],
        Effect::AnswerGoal {
            accepted: false,
            ..
        }
    ));
    bench.ends(U1, Status::Canceled);
    assert!(matches!(
        bench.last[0],
        Effect::AnswerResult { token: 90, .. }
    ));
    assert_eq!(bench.code(G1), 9263);
    assert!(bench.proxy.is_drained());
}

#[test]
fn an_end_that_takes_too_long_still_gives_every_client_its_result() {
    let mut bench = Bench::new();
    bench.runs(G1, U1);
    bench.does(Event::Shutdown);
    bench.does(Event::ShutdownOverdue);
    assert_eq!(bench.code(G1), 9263);
}
