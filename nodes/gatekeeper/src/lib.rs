//! Stands before the navigation server: a transparent `NavigateToPose` proxy that judges every goal.
//!
//! A client sees an ordinary Nav2 server. Its goal is accepted at once and judged while it is EXECUTING; what the
//! evaluators refuse ends ABORTED with a code and a reason, what they let pass runs in the real server under an id of
//! the gatekeeper's own. See the crate's `README.md` for topics, codes and failures.
//!
//! # Reading order
//! [`goal`], [`refusal`]: the words; [`ledger`], [`proxy`]: the protocol, pure; [`syntactic`], [`free_space`],
//! [`geometric`], [`physical`]: the evaluators; [`judge`], [`desk`]: their order; [`endpoints`], [`navigation`],
//! [`through_poses`], [`world`], [`rivals`], [`health`], [`node`]: ROS.

pub mod args;
pub mod desk;
pub mod endpoints;
pub mod free_space;
pub mod geometric;
pub mod goal;
pub mod health;
pub mod judge;
pub mod ledger;
pub mod navigation;
pub mod node;
pub mod physical;
pub mod proxy;
pub mod refusal;
pub mod rivals;
pub mod syntactic;
pub mod through_poses;
pub mod world;
