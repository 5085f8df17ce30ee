//! Takes the graph down in the safe order: the stop latches and the mission ends (which cancels its goals); the base is
//! seen to stand still; the nodes end; the gate ends; its guard ends; last of all end the base itself, which must see the
//! last zero, and the router. Every step has a time by which it is over, so that the whole takes less than 5 s whatever
//! hangs, or what the caller adds to it for nodes that have results to write.

use std::io;
use std::time::{Duration, Instant};

use tracing::{error, info, warn};

use crate::graph::StopPhase;
use crate::supervisor::Supervisor;

/// The base has 2 s to come to rest, by the gate's own count; a little more for the message.
const STANDING_BY: Duration = Duration::from_millis(2200);

/// When each phase is over (the mission's with the nodes'), counted from the begin of the stop; who has not ended by then is killed.
const OVER_BY: [(StopPhase, Duration); 4] = [
    (StopPhase::Nodes, Duration::from_millis(4000)),
    (StopPhase::Gate, Duration::from_millis(4300)),
    (StopPhase::Guard, Duration::from_millis(4600)),
    (StopPhase::Last, Duration::from_millis(4800)),
];

impl Supervisor {
    /// Ends every process; nodes may take `extra` time for their results. A second Ctrl-C changes nothing: the order is
    /// what makes the stop safe.
    pub fn take_down(&mut self, reason: &str, extra: Duration) -> io::Result<()> {
        let begin = Instant::now();
        self.stopping = true;
        if self.is_alive(StopPhase::Gate) {
            self.tell_gate(self.gate.end(reason));
            info!("stopping: the base comes to rest");
        }
        self.terminate(StopPhase::Mission);
        if self.is_alive(StopPhase::Gate) {
            self.wait_until(begin + STANDING_BY, Supervisor::base_stands)?;
            if !self.base_stands() {
                warn!(
                    "the base was not seen to stand still; zeros have gone out for {STANDING_BY:?}"
                );
            }
        }
        for (phase, over_by) in OVER_BY {
            self.terminate(phase);
            self.wait_until(begin + over_by + extra, |this| !this.is_alive_up_to(phase))?;
            self.kill_up_to(phase);
        }
        self.wait_until(Instant::now() + Duration::from_secs(1), |this| {
            !this.is_alive_up_to(StopPhase::Last)
        })?;
        for slot in self.slots.iter().filter(|slot| slot.process().is_some()) {
            error!("{} could not be ended", slot.name());
        }
        info!(
            "everything has ended after {:.1} s",
            begin.elapsed().as_secs_f64()
        );
        Ok(())
    }

    fn wait_until(&mut self, deadline: Instant, is_over: impl Fn(&Self) -> bool) -> io::Result<()> {
        while !is_over(self) && Instant::now() < deadline {
            self.wait(deadline)?;
            self.handle_events();
        }
        Ok(())
    }

    fn is_alive(&self, phase: StopPhase) -> bool {
        self.slots
            .iter()
            .any(|slot| slot.planned.node.stop == phase && slot.process().is_some())
    }

    fn is_alive_up_to(&self, phase: StopPhase) -> bool {
        self.slots
            .iter()
            .any(|slot| slot.planned.node.stop <= phase && slot.process().is_some())
    }

    fn terminate(&self, phase: StopPhase) {
        for slot in self
            .slots
            .iter()
            .filter(|slot| slot.planned.node.stop == phase)
        {
            if let Some(process) = slot.process() {
                process.terminate();
            }
        }
    }

    fn kill_up_to(&self, phase: StopPhase) {
        for slot in self
            .slots
            .iter()
            .filter(|slot| slot.planned.node.stop <= phase)
        {
            if let Some(process) = slot.process() {
                warn!(
                    "{} does not end by itself: killed; log: {}",
                    slot.name(),
                    slot.planned.launch.log.display()
                );
                process.kill();
            }
        }
    }
}
