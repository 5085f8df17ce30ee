//! Looks for other servers under the gatekeeper's names: each of them would execute every goal unjudged.

use std::time::{Duration, Instant};

use ros_node::UNKNOWN_NODE;

/// A killed process stays in the graph for 20 s, until its lease ends. Its endpoints look like a second server of the
/// same node name; only one that stays longer is real.
const GHOST: Duration = Duration::from_secs(25);

/// The servers that are seen under one action name.
#[derive(Debug, Default)]
pub struct Servers {
    /// Since when there has been more than one.
    crowded: Option<Instant>,
}

impl Servers {
    /// Looks at the full node names of all who serve the action. `own` is the gatekeeper's, where it serves it.
    ///
    /// Returns who should not be there.
    pub fn look(&mut self, nodes: &[String], own: Option<&str>, at: Instant) -> Option<String> {
        let named = || nodes.iter().filter(|name| !name.ends_with(UNKNOWN_NODE));
        let expected = own.or(named().next().map(String::as_str));
        if let Some(other) = named().find(|name| Some(name.as_str()) != expected) {
            return Some(other.clone());
        }
        if nodes.len() <= 1 {
            self.crowded = None;
            return None;
        }
        let since = *self.crowded.get_or_insert(at);
        let twice = at.saturating_duration_since(since) >= GHOST;
        twice.then(|| format!("a second {}", expected.unwrap_or("node")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(ToString::to_string).collect()
    }

    const OWN: Option<&str> = Some("/gatekeeper");

    #[test]
    fn alone_or_not_seen_yet_is_well() {
        let at = Instant::now();
        let mut servers = Servers::default();
        assert_eq!(servers.look(&[], OWN, at), None);
        assert_eq!(servers.look(&names(&["/gatekeeper"]), OWN, at), None);
        assert_eq!(servers.look(&names(&["/bt_navigator"]), None, at), None);
    }

    #[test]
    fn another_node_under_the_name_is_found_at_once() {
        let at = Instant::now();
        let both = names(&["/gatekeeper", "/bt_navigator"]);
        let found = Servers::default().look(&both, OWN, at);
        assert_eq!(found.as_deref(), Some("/bt_navigator"));
        let upstream = names(&["/bt_navigator", "/other"]);
        assert!(Servers::default().look(&upstream, None, at).is_some());
    }

    #[test]
    fn a_ghost_of_the_same_name_is_waited_for() {
        let start = Instant::now();
        let mut servers = Servers::default();
        let two = names(&["/gatekeeper", "/gatekeeper"]);
        assert_eq!(servers.look(&two, OWN, start), None);
        assert_eq!(
            servers.look(&two, OWN, start + Duration::from_secs(20)),
            None
        );
        let found = servers.look(&two, OWN, start + Duration::from_secs(25));
        assert_eq!(found.as_deref(), Some("a second /gatekeeper"));
        assert_eq!(servers.look(&two[..1], OWN, start), None);
    }
}
