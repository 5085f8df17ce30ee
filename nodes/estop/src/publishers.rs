//! Who may publish velocities to the base: this gate and its guard, known by their endpoints, not by their names.

use std::time::Duration;

use ros_node::UNKNOWN_NODE;

/// Identity of a publisher in the ROS graph.
pub type Gid = [u8; 16];

/// A publisher as the ROS graph shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Its identity.
    pub gid: Gid,
    /// Full name of its node, as the graph has it (see [`Endpoint::name`]).
    pub node: String,
}

impl Endpoint {
    /// Name of its node for a reader. A publisher is seen some time before its node is, on a busy machine by seconds.
    pub fn name(&self) -> &str {
        if self.node.ends_with(UNKNOWN_NODE) {
            "a node that has not told its name yet"
        } else {
            &self.node
        }
    }
}

/// Name of the guard's node.
pub const GUARD_NODE: &str = "estop_guard";
/// A guard that has just started is seen in the graph a moment before it has told its identity, and its publisher a
/// moment before its node. Nobody has this grace while the guard is on the line.
const GUARD_GRACE: Duration = Duration::from_secs(3);

/// Finds publishers that have no business on the base's topic.
#[derive(Debug, Default)]
pub struct Watch {
    own: Option<Gid>,
    /// All that were heard of: a killed one stays in the graph until its lease is over.
    guards: Vec<Gid>,
    /// Whether the newest of them is on the line.
    guard_is_here: bool,
    unknown_guard_since: Option<Duration>,
}

impl Watch {
    /// This process's publisher.
    pub fn set_own(&mut self, gid: Gid) {
        self.own = Some(gid);
    }

    /// The guard's publisher, as the guard has told it.
    pub fn set_guard(&mut self, gid: Gid) {
        if !self.guards.contains(&gid) {
            self.guards.push(gid);
        }
        self.guard_is_here = true;
    }

    /// The line to the guard is broken: a new one may come.
    pub fn guard_has_left(&mut self) {
        self.guard_is_here = false;
    }

    /// The first publisher of `seen` that is neither this gate nor its guard.
    pub fn foreign<'a>(&mut self, seen: &'a [Endpoint], now: Duration) -> Option<&'a Endpoint> {
        let is_known = |endpoint: &&Endpoint| {
            Some(endpoint.gid) == self.own || self.guards.contains(&endpoint.gid)
        };
        let mut unknown = seen
            .iter()
            .filter(|endpoint| !is_known(endpoint))
            .peekable();
        if unknown.peek().is_none() {
            self.unknown_guard_since = None;
            return None;
        }
        let unknown: Vec<_> = unknown.collect();
        let may_be_guard = |endpoint: &&&Endpoint| {
            let is_named_so = endpoint.node.trim_start_matches('/') == GUARD_NODE
                || endpoint.node.ends_with(UNKNOWN_NODE);
            is_named_so && !self.guard_is_here
        };
        if let Some(foreign) = unknown.iter().find(|endpoint| !may_be_guard(endpoint)) {
            return Some(foreign);
        }
        let since = *self.unknown_guard_since.get_or_insert(now);
        (now.saturating_sub(since) >= GUARD_GRACE).then(|| unknown[0])
    }
}

/// The endpoint that is in `after` and not in `before`, of the node with this name: the one this process has just made.
pub fn newcomer(before: &[Endpoint], after: &[Endpoint], node: &str) -> Option<Gid> {
    let is_new = |endpoint: &&Endpoint| {
        endpoint.node == node && before.iter().all(|old| old.gid != endpoint.gid)
    };
    after.iter().find(is_new).map(|endpoint| endpoint.gid)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(id: u8, node: &str) -> Endpoint {
        Endpoint {
            gid: [id; 16],
            node: node.into(),
        }
    }

    #[test]
    fn a_publisher_is_known_by_its_endpoint_and_not_by_its_name() {
        let ms = Duration::from_millis;
        let mut watch = Watch::default();
        watch.set_own([1; 16]);
        watch.set_guard([2; 16]);
        let friends = [endpoint(1, "/estop"), endpoint(2, "/estop_guard")];
        assert_eq!(watch.foreign(&friends, ms(0)), None);
        for impostor in ["/estop", "/teleop"] {
            let seen = [
                friends[0].clone(),
                friends[1].clone(),
                endpoint(3, impostor),
            ];
            assert_eq!(watch.foreign(&seen, ms(0)), Some(&seen[2]), "{impostor}");
        }
    }

    #[test]
    fn a_new_guard_has_a_moment_to_tell_its_identity() {
        let ms = Duration::from_millis;
        let mut watch = Watch::default();
        watch.set_own([1; 16]);
        let nameless = "_NODE_NAMESPACE_UNKNOWN_/_NODE_NAME_UNKNOWN_";
        let seen = [endpoint(1, "/estop"), endpoint(9, nameless)];
        assert_eq!(watch.foreign(&seen, ms(0)), None);
        let seen = [endpoint(1, "/estop"), endpoint(9, "/estop_guard")];
        assert_eq!(watch.foreign(&seen, ms(10)), None);
        assert_eq!(watch.foreign(&seen, ms(2999)), None);
        assert_eq!(watch.foreign(&seen, ms(3000)), Some(&seen[1]));
        watch.set_guard([9; 16]);
        assert_eq!(watch.foreign(&seen, ms(3100)), None);
    }

    #[test]
    fn while_the_guard_is_there_nobody_passes_for_a_new_one() {
        let ms = Duration::from_millis;
        let mut watch = Watch::default();
        watch.set_own([1; 16]);
        watch.set_guard([2; 16]);
        let friends = [endpoint(1, "/estop"), endpoint(2, "/estop_guard")];
        let nameless = "_NODE_NAMESPACE_UNKNOWN_/_NODE_NAME_UNKNOWN_";
        for name in ["/estop_guard", nameless] {
            let seen = [friends[0].clone(), friends[1].clone(), endpoint(3, name)];
            assert_eq!(watch.foreign(&seen, ms(0)), Some(&seen[2]), "{name}");
        }
        // A killed guard stays in the graph for a while, beside its successor.
        watch.guard_has_left();
        let seen = [
            friends[0].clone(),
            friends[1].clone(),
            endpoint(4, "/estop_guard"),
        ];
        assert_eq!(watch.foreign(&seen, ms(10_000)), None);
        watch.set_guard([4; 16]);
        assert_eq!(watch.foreign(&seen, ms(20_000)), None);
    }

    #[test]
    fn the_own_endpoint_is_the_newcomer_of_the_own_name() {
        let before = [endpoint(1, "/estop")];
        let after = [
            endpoint(1, "/estop"),
            endpoint(7, "/other"),
            endpoint(2, "/estop"),
        ];
        assert_eq!(newcomer(&before, &after, "/estop"), Some([2; 16]));
        assert_eq!(newcomer(&before, &before, "/estop"), None);
    }
}
