//! The gate's judgement of every velocity command: pure, so that it can be tried with every order of events. No I/O, no
//! clock, no allocation; time comes in as the monotonic time since the gate started.

use std::time::Duration;

/// Zeros go out at least this often while nothing else does: 20 Hz.
pub const ZERO_PERIOD: Duration = Duration::from_millis(50);
/// A command that arrives this soon after a reset or a stall was sent before it, and is held.
pub const FRESH_AFTER: Duration = Duration::from_millis(100);

/// A velocity in the base frame, as in `geometry_msgs/Twist`.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Velocity {
    /// x, y, z, m/s.
    pub linear: [f64; 3],
    /// About x, y, z, rad/s.
    pub angular: [f64; 3],
}

impl Velocity {
    /// Whether every component is zero.
    pub fn is_zero(&self) -> bool {
        self.linear
            .iter()
            .chain(&self.angular)
            .all(|component| *component == 0.0)
    }
}

/// What a base may be told.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Greatest speed, m/s.
    pub linear: f64,
    /// Greatest rate of turn, rad/s.
    pub angular: f64,
    /// A command is followed by another within this time, or zeros go out.
    pub command_timeout: Duration,
}

/// Why a command is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// A component is NaN or infinite.
    NotFinite,
    /// Faster than the base may drive or turn.
    TooFast,
}

impl Limits {
    /// A command over a limit is refused, not clamped: to clamp one component bends the path, and who sends it is set up
    /// for another base.
    pub fn check(&self, velocity: &Velocity) -> Result<(), Refusal> {
        // What rounding may add to a command at the limit.
        const TOLERANCE: f64 = 1e-6;
        let Velocity { linear, angular } = velocity;
        if !linear
            .iter()
            .chain(angular)
            .all(|component| component.is_finite())
        {
            return Err(Refusal::NotFinite);
        }
        let length = |v: &[f64; 3]| v[0].hypot(v[1]).hypot(v[2]);
        if length(linear) > self.linear + TOLERANCE || length(angular) > self.angular + TOLERANCE {
            return Err(Refusal::TooFast);
        }
        Ok(())
    }
}

/// All that the gate remembers.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct State {
    latched: bool,
    held: bool,
    last_valid: Option<Duration>,
    refused: Option<Refusal>,
    last_zero: Option<Duration>,
    /// The last reset or stall: what was sent before it may arrive until `FRESH_AFTER` later.
    fresh_since: Option<Duration>,
}

/// What can happen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Event {
    /// A velocity command has arrived.
    Command(Velocity),
    /// Time has passed.
    Time,
    /// Whether any client is lost has changed.
    Held(bool),
    /// The gate itself was held up for longer than a command is good for.
    Stalled,
    /// Somebody stops the robot.
    Latch,
    /// Somebody frees it.
    Reset {
        /// Whether what latched the stop is still so.
        cause_persists: bool,
    },
}

/// What goes to the base.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// Nothing now.
    Nothing,
    /// The command as it came.
    Pass,
    /// Zero velocity.
    Zero,
}

/// The gate's answer to an event.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Decision {
    /// What it remembers from now on.
    pub state: State,
    /// What goes to the base.
    pub output: Output,
    /// Why the command of this event was refused.
    pub refusal: Option<Refusal>,
}

/// What the gate is doing, with its cause; the strongest cause counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Commands pass.
    Free,
    /// Zeros: a client is lost.
    HoldingForClient,
    /// Zeros: the last command was refused.
    HoldingAfterRefusal(Refusal),
    /// Zeros: the commands have stopped coming.
    HoldingForCommand,
    /// Zeros: none has come yet, or none since the last reset.
    HoldingForFirstCommand,
    /// Zeros until a reset.
    Latched,
}

impl State {
    /// A gate before its first command; `latched` where only a deliberate reset may set the robot in motion.
    pub fn new(latched: bool) -> Self {
        Self {
            latched,
            ..Self::default()
        }
    }

    /// What the gate is doing at `now`.
    pub fn mode(&self, now: Duration, limits: &Limits) -> Mode {
        if self.latched {
            return Mode::Latched;
        }
        if self.held {
            return Mode::HoldingForClient;
        }
        if let Some(refusal) = self.refused {
            return Mode::HoldingAfterRefusal(refusal);
        }
        match self.last_valid {
            None => Mode::HoldingForFirstCommand,
            Some(at) if now.saturating_sub(at) > limits.command_timeout => Mode::HoldingForCommand,
            Some(_) => Mode::Free,
        }
    }
}

/// Decides, in this order: a stop latches; a latched stop or a lost client lets nothing pass; a command that is not
/// finite or too fast is refused; a command passes; where no command has come in time, zeros go out.
pub fn decide(state: State, now: Duration, event: Event, limits: &Limits) -> Decision {
    match event {
        Event::Command(velocity) => judge(state, now, &velocity, limits),
        Event::Time => {
            let due = state
                .last_zero
                .is_none_or(|at| now.saturating_sub(at) >= ZERO_PERIOD);
            // The first zero after the time-out must not wait for the rhythm of earlier ones.
            let timed_out = state.last_valid > state.last_zero;
            if state.mode(now, limits) != Mode::Free && (due || timed_out) {
                zero(state, now, None)
            } else {
                nothing(state)
            }
        }
        Event::Held(held) => {
            let state = State {
                held,
                last_valid: if held { None } else { state.last_valid },
                ..state
            };
            if held {
                zero(state, now, None)
            } else {
                nothing(state)
            }
        }
        Event::Stalled => zero(
            State {
                fresh_since: Some(now),
                last_valid: None,
                ..state
            },
            now,
            None,
        ),
        Event::Latch => zero(
            State {
                latched: true,
                last_valid: None,
                ..state
            },
            now,
            None,
        ),
        Event::Reset {
            cause_persists: true,
        } => nothing(state),
        Event::Reset {
            cause_persists: false,
        } => {
            let fresh_since = if state.latched {
                Some(now)
            } else {
                state.fresh_since
            };
            nothing(State {
                latched: false,
                fresh_since,
                refused: None,
                ..state
            })
        }
    }
}

fn judge(state: State, now: Duration, velocity: &Velocity, limits: &Limits) -> Decision {
    let refusal = limits.check(velocity).err();
    let is_stale = state
        .fresh_since
        .is_some_and(|at| now.saturating_sub(at) < FRESH_AFTER);
    if state.latched || state.held || is_stale {
        return zero(state, now, refusal);
    }
    if refusal.is_some() {
        return zero(
            State {
                refused: refusal,
                last_valid: None,
                ..state
            },
            now,
            refusal,
        );
    }
    let state = State {
        refused: None,
        last_valid: Some(now),
        ..state
    };
    Decision {
        state,
        output: Output::Pass,
        refusal: None,
    }
}

fn zero(state: State, now: Duration, refusal: Option<Refusal>) -> Decision {
    Decision {
        state: State {
            last_zero: Some(now),
            ..state
        },
        output: Output::Zero,
        refusal,
    }
}

fn nothing(state: State) -> Decision {
    Decision {
        state,
        output: Output::Nothing,
        refusal: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Output::{Nothing, Pass, Zero};

    const LIMITS: Limits = Limits {
        linear: 0.26,
        angular: 1.82,
        command_timeout: Duration::from_millis(250),
    };
    const DRIVE: Event = Event::Command(Velocity {
        linear: [0.2, 0.0, 0.0],
        angular: [0.0, 0.0, 0.5],
    });

    fn drive(x: f64) -> Event {
        Event::Command(Velocity {
            linear: [x, 0.0, 0.0],
            angular: [0.0; 3],
        })
    }

    fn turn(rate: f64) -> Event {
        Event::Command(Velocity {
            linear: [0.0; 3],
            angular: [0.0, 0.0, rate],
        })
    }

    /// Plays events at times in ms, and compares each output and the mode after it.
    fn check(latched: bool, story: &[(u64, Event, Output, Mode)]) {
        let mut state = State::new(latched);
        for (index, &(at, event, output, mode)) in story.iter().enumerate() {
            let now = Duration::from_millis(at);
            let decision = decide(state, now, event, &LIMITS);
            state = decision.state;
            assert_eq!(
                (decision.output, state.mode(now, &LIMITS)),
                (output, mode),
                "step {index}: {event:?} at {at} ms"
            );
        }
    }

    #[test]
    fn commands_pass_and_zeros_follow_when_they_stop_coming() {
        check(
            false,
            &[
                (0, Event::Time, Zero, Mode::HoldingForFirstCommand),
                (49, Event::Time, Nothing, Mode::HoldingForFirstCommand),
                (50, Event::Time, Zero, Mode::HoldingForFirstCommand),
                (60, DRIVE, Pass, Mode::Free),
                (110, Event::Time, Nothing, Mode::Free),
                (310, Event::Time, Nothing, Mode::Free),
                (311, Event::Time, Zero, Mode::HoldingForCommand),
                (330, Event::Time, Nothing, Mode::HoldingForCommand),
                (361, Event::Time, Zero, Mode::HoldingForCommand),
                (370, DRIVE, Pass, Mode::Free),
            ],
        );
    }

    #[test]
    fn a_short_time_out_is_not_put_off_by_the_rhythm_of_earlier_zeros() {
        let limits = Limits {
            command_timeout: Duration::from_millis(10),
            ..LIMITS
        };
        let ms = Duration::from_millis;
        let state = decide(State::new(false), ms(0), Event::Time, &limits).state;
        let state = decide(state, ms(1), DRIVE, &limits).state;
        assert_eq!(decide(state, ms(12), Event::Time, &limits).output, Zero);
    }

    #[test]
    fn a_latched_stop_ends_by_a_reset_only_and_then_waits_for_a_fresh_command() {
        check(
            false,
            &[
                (0, DRIVE, Pass, Mode::Free),
                (10, Event::Latch, Zero, Mode::Latched),
                (20, DRIVE, Zero, Mode::Latched),
                (30, Event::Held(true), Zero, Mode::Latched),
                (40, Event::Held(false), Nothing, Mode::Latched),
                (
                    50,
                    Event::Reset {
                        cause_persists: true,
                    },
                    Nothing,
                    Mode::Latched,
                ),
                (
                    60,
                    Event::Reset {
                        cause_persists: false,
                    },
                    Nothing,
                    Mode::HoldingForFirstCommand,
                ),
                (159, DRIVE, Zero, Mode::HoldingForFirstCommand),
                (160, DRIVE, Pass, Mode::Free),
            ],
        );
    }

    #[test]
    fn a_gate_that_starts_latched_lets_nothing_pass() {
        check(
            true,
            &[
                (0, Event::Time, Zero, Mode::Latched),
                (10, DRIVE, Zero, Mode::Latched),
            ],
        );
    }

    #[test]
    fn behind_a_stall_only_what_is_fresh_passes() {
        check(
            false,
            &[
                (0, DRIVE, Pass, Mode::Free),
                (100, Event::Stalled, Zero, Mode::HoldingForFirstCommand),
                (150, DRIVE, Zero, Mode::HoldingForFirstCommand),
                (200, DRIVE, Pass, Mode::Free),
            ],
        );
    }

    #[test]
    fn a_lost_client_holds_until_it_is_back_and_a_reset_does_not_help() {
        check(
            false,
            &[
                (0, DRIVE, Pass, Mode::Free),
                (10, Event::Held(true), Zero, Mode::HoldingForClient),
                (20, DRIVE, Zero, Mode::HoldingForClient),
                (
                    30,
                    Event::Reset {
                        cause_persists: false,
                    },
                    Nothing,
                    Mode::HoldingForClient,
                ),
                (
                    40,
                    Event::Held(false),
                    Nothing,
                    Mode::HoldingForFirstCommand,
                ),
                (50, DRIVE, Pass, Mode::Free),
            ],
        );
    }

    #[test]
    fn a_command_that_no_base_may_get_is_refused_and_stops_it() {
        let refused = |refusal| Mode::HoldingAfterRefusal(refusal);
        let cases = [
            (drive(f64::NAN), Some(Refusal::NotFinite)),
            (drive(f64::INFINITY), Some(Refusal::NotFinite)),
            (turn(f64::NEG_INFINITY), Some(Refusal::NotFinite)),
            (drive(0.27), Some(Refusal::TooFast)),
            (drive(-0.27), Some(Refusal::TooFast)),
            (turn(1.9), Some(Refusal::TooFast)),
            (
                Event::Command(Velocity {
                    linear: [0.2, 0.2, 0.0],
                    angular: [0.0; 3],
                }),
                Some(Refusal::TooFast),
            ),
            (
                Event::Command(Velocity {
                    linear: [0.0; 3],
                    angular: [f64::NAN, 0.0, 0.0],
                }),
                Some(Refusal::NotFinite),
            ),
            (drive(0.26), None),
            (drive(-0.26), None),
            (turn(-1.82), None),
            (drive(0.0), None),
        ];
        for (event, refusal) in cases {
            let (output, mode) =
                refusal.map_or((Pass, Mode::Free), |refusal| (Zero, refused(refusal)));
            check(
                false,
                &[
                    (0, DRIVE, Pass, Mode::Free),
                    (10, event, output, mode),
                    (20, DRIVE, Pass, Mode::Free),
                ],
            );
            assert_eq!(
                decide(State::new(false), Duration::ZERO, event, &LIMITS).refusal,
                refusal,
                "{event:?}"
            );
        }
    }

    #[test]
    fn whatever_happens_nothing_passes_while_latched_or_held() {
        let events = [
            DRIVE,
            drive(f64::NAN),
            Event::Time,
            Event::Held(true),
            Event::Held(false),
            Event::Latch,
            Event::Stalled,
            Event::Reset {
                cause_persists: true,
            },
            Event::Reset {
                cause_persists: false,
            },
        ];
        // Every order of six events.
        let orders = events.len().pow(6);
        for order in 0..orders {
            let (mut state, mut rest) = (State::new(false), order);
            for step in 0..6 {
                let event = events[rest % events.len()];
                rest /= events.len();
                let now = Duration::from_millis(step * 120);
                let blocked = state.latched || state.held;
                let decision = decide(state, now, event, &LIMITS);
                assert!(
                    !(blocked && decision.output == Pass),
                    "order {order}, step {step}"
                );
                let still_latched = decision.state.latched
                    || event
                        == Event::Reset {
                            cause_persists: false,
                        };
                assert!(
                    !state.latched || still_latched,
                    "order {order}, step {step}"
                );
                state = decision.state;
            }
        }
    }
}
