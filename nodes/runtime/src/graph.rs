//! The node graph as `graph.toml` writes it: what runs, with what arguments, after what, and how it ends.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

/// The whole file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Graph {
    /// Files used where no option names another, relative to the share folder; keys are placeholders.
    #[serde(default)]
    pub defaults: BTreeMap<String, String>,
    /// What differs between robots, by the name that `--robot` takes.
    pub robot: BTreeMap<String, Robot>,
    /// The nodes, in the order of the file.
    pub node: Vec<Node>,
}

/// One kind of robot.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Robot {
    /// ROS parameter file, relative to the share folder.
    pub params: String,
    /// Placeholders for programs that have no ROS parameters.
    #[serde(default)]
    pub values: BTreeMap<String, String>,
}

/// One process of the graph.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Node {
    /// Unique name, also of its log.
    pub name: String,
    /// File name of the program beside `turtlebot-maze`.
    pub program: String,
    /// Command line, with `{placeholders}`.
    #[serde(default)]
    pub args: Vec<String>,
    /// Arguments added only where the placeholder of that name has a value.
    #[serde(default)]
    pub optional: BTreeMap<String, Vec<String>>,
    /// Arguments added when it is started again after a death.
    #[serde(default)]
    pub restart_args: Vec<String>,
    /// Nodes that must be ready before this one starts.
    #[serde(default)]
    pub needs: Vec<String>,
    /// Where it runs.
    #[serde(default = "everywhere")]
    pub sim: Vec<Sim>,
    /// Whether it is a ROS node.
    #[serde(default)]
    pub ros: bool,
    /// What its death means.
    #[serde(default)]
    pub restart: RestartPolicy,
    /// When it ends.
    #[serde(default)]
    pub stop: StopPhase,
    /// What it gets when its supervisor dies.
    #[serde(default)]
    pub orphaned: Orphaned,
    /// Whether the e-stop gate holds the robot while this node is dead.
    #[serde(default)]
    pub holds: bool,
    /// How long it may take until it is ready, s.
    #[serde(default = "default_start_timeout")]
    pub start_timeout_s: f64,
}

/// What stands behind the robot's topics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Sim {
    /// The project's own simulator, in a ROS domain of its own on this machine.
    Embedded,
    /// Gazebo, started by its launch file.
    Gazebo,
    /// No simulator: a robot.
    None,
}

impl Sim {
    /// The word in `graph.toml` and on the command line.
    pub fn word(self) -> &'static str {
        match self {
            Sim::Embedded => "embedded",
            Sim::Gazebo => "gazebo",
            Sim::None => "none",
        }
    }
}

/// What a node's death means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RestartPolicy {
    /// It is started again.
    #[default]
    Always,
    /// Its exit 0 or 1 is the run's result; after any other end it is started again.
    Mission,
    /// The run cannot go on without it.
    Never,
}

/// The order in which nodes end; the order of the variants is the order of the stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StopPhase {
    /// What gives goals: ends while the base is being stopped.
    Mission,
    /// Ends once the base stands.
    #[default]
    Nodes,
    /// The e-stop gate.
    Gate,
    /// The gate's guard.
    Guard,
    /// What the others stand on: the base, which must see the last zero, and the router.
    Last,
}

/// What a process gets from the kernel when its supervisor dies without stopping it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Orphaned {
    /// SIGKILL.
    #[default]
    Kill,
    /// SIGTERM: it has something left to do, and ends by itself.
    Term,
    /// Nothing: it notices by itself.
    None,
}

fn everywhere() -> Vec<Sim> {
    vec![Sim::Embedded, Sim::Gazebo, Sim::None]
}

fn default_start_timeout() -> f64 {
    60.0
}

/// What is wrong with a graph file.
#[derive(Debug, thiserror::Error)]
pub enum GraphError {
    /// No TOML, or not of this shape; the text names line and column.
    #[error("{0}")]
    Syntax(#[from] toml::de::Error),
    /// Two nodes of one name.
    #[error("two nodes are named `{0}`; every node needs a name of its own")]
    DuplicateName(String),
    /// A need that is no node.
    #[error("node `{node}` needs `{need}`, and there is no such node")]
    UnknownNeed {
        /// The node with the need.
        node: String,
        /// The missing one.
        need: String,
    },
    /// Nodes that wait for one another.
    #[error("these nodes need one another, so none can start first: {}", .0.join(", "))]
    Cycle(Vec<String>),
    /// Not one gate or not one mission.
    #[error("the graph needs exactly one node with {role}, and has {count}")]
    Role {
        /// As it stands in the file.
        role: &'static str,
        /// How many there are.
        count: usize,
    },
    /// A time that is no time.
    #[error("node `{node}`: start_timeout_s is {value}, and must be more than 0 and finite")]
    StartTimeout {
        /// The node.
        node: String,
        /// What it says.
        value: f64,
    },
}

impl Graph {
    /// Reads and checks the text of a graph file.
    pub fn parse(text: &str) -> Result<Self, GraphError> {
        let graph: Graph = toml::from_str(text)?;
        graph.check()?;
        Ok(graph)
    }

    /// The nodes that run with `sim`, each one's needs limited to those that run there too.
    pub fn nodes_for(&self, sim: Sim) -> Vec<Node> {
        let mut nodes: Vec<Node> = self
            .node
            .iter()
            .filter(|node| node.sim.contains(&sim))
            .cloned()
            .collect();
        let running: BTreeSet<String> = nodes.iter().map(|node| node.name.clone()).collect();
        for node in &mut nodes {
            node.needs.retain(|need| running.contains(need));
        }
        nodes
    }

    fn check(&self) -> Result<(), GraphError> {
        let mut names = BTreeSet::new();
        for node in &self.node {
            if !names.insert(node.name.as_str()) {
                return Err(GraphError::DuplicateName(node.name.clone()));
            }
            if !(node.start_timeout_s > 0.0 && node.start_timeout_s.is_finite()) {
                return Err(GraphError::StartTimeout {
                    node: node.name.clone(),
                    value: node.start_timeout_s,
                });
            }
        }
        for node in &self.node {
            if let Some(need) = node
                .needs
                .iter()
                .find(|need| !names.contains(need.as_str()))
            {
                return Err(GraphError::UnknownNeed {
                    node: node.name.clone(),
                    need: need.clone(),
                });
            }
        }
        self.check_cycle()?;
        self.check_role("restart = \"mission\"", |node| {
            node.restart == RestartPolicy::Mission
        })?;
        self.check_role("stop = \"gate\"", |node| node.stop == StopPhase::Gate)
    }

    fn check_cycle(&self) -> Result<(), GraphError> {
        let mut waiting: Vec<&Node> = self.node.iter().collect();
        let mut ready = BTreeSet::new();
        loop {
            let before = waiting.len();
            waiting.retain(|node| {
                let can_start = node.needs.iter().all(|need| ready.contains(need.as_str()));
                if can_start {
                    ready.insert(node.name.as_str());
                }
                !can_start
            });
            if waiting.is_empty() {
                return Ok(());
            }
            if waiting.len() == before {
                return Err(GraphError::Cycle(
                    waiting.iter().map(|node| node.name.clone()).collect(),
                ));
            }
        }
    }

    fn check_role(
        &self,
        role: &'static str,
        has: impl Fn(&Node) -> bool,
    ) -> Result<(), GraphError> {
        match self.node.iter().filter(|node| has(node)).count() {
            1 => Ok(()),
            count => Err(GraphError::Role { role, count }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALLEST: &str = r#"
        [robot.r]
        params = "r.yaml"
        [[node]]
        name = "gate"
        program = "estop"
        stop = "gate"
        [[node]]
        name = "mission"
        program = "autonomy"
        restart = "mission"
        needs = ["gate"]
    "#;

    fn refusal(text: &str) -> String {
        match Graph::parse(text) {
            Ok(_) => panic!("accepted: {text}"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn the_projects_own_graph_is_sound_in_every_mode() {
        let graph = Graph::parse(include_str!("../../../launch/graph.toml")).unwrap();
        let names = |sim| {
            graph
                .nodes_for(sim)
                .into_iter()
                .map(|node| node.name)
                .collect::<Vec<_>>()
        };
        assert!(names(Sim::Embedded).contains(&"navigation".to_string()));
        for stand_in in ["sim", "navigation", "localization"] {
            assert!(!names(Sim::None).contains(&stand_in.to_string()));
            assert!(!names(Sim::Gazebo).contains(&stand_in.to_string()));
        }
        let on_a_robot = graph.nodes_for(Sim::None);
        let gatekeeper = on_a_robot
            .iter()
            .find(|node| node.name == "gatekeeper")
            .unwrap();
        assert!(
            gatekeeper.needs.is_empty(),
            "Nav2 is not of the graph, so nothing waits for it"
        );
    }

    #[test]
    fn the_stop_ends_with_the_base_that_must_see_the_last_zero() {
        use StopPhase::*;
        let mut phases = [Last, Guard, Nodes, Gate, Mission];
        phases.sort();
        assert_eq!(phases, [Mission, Nodes, Gate, Guard, Last]);
    }

    #[test]
    fn what_is_wrong_is_named() {
        assert!(Graph::parse(SMALLEST).is_ok());
        let twice = format!("{SMALLEST}\n[[node]]\nname = \"gate\"\nprogram = \"x\"");
        assert!(refusal(&twice).contains("two nodes are named `gate`"));
        let unknown = SMALLEST.replace("needs = [\"gate\"]", "needs = [\"gat\"]");
        assert!(refusal(&unknown).contains("needs `gat`, and there is no such node"));
        let cycle = SMALLEST.replace("stop = \"gate\"", "stop = \"gate\"\nneeds = [\"mission\"]");
        assert!(refusal(&cycle).contains("gate, mission"));
        let no_gate = SMALLEST.replace("stop = \"gate\"", "");
        assert!(refusal(&no_gate).contains("stop = \"gate\", and has 0"));
        let misspelt = SMALLEST.replace("program = \"estop\"", "programm = \"estop\"");
        assert!(
            refusal(&misspelt).contains("line 6"),
            "{}",
            refusal(&misspelt)
        );
        let no_time = SMALLEST.replace("stop = \"gate\"", "stop = \"gate\"\nstart_timeout_s = nan");
        assert!(refusal(&no_time).contains("start_timeout_s"));
    }
}
