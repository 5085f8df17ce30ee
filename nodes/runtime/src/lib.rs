//! Brings the graph up, keeps it up, takes it down in the safe order.
//!
//! Modules in reading order: [`cli`] and [`options`] say what is asked for, [`graph`] what there is to run, [`setup`]
//! checks everything and plans the run, [`supervisor`] brings it up and keeps it up by the rules of [`restart`],
//! [`take_down`] ends it, [`summary`] says what came out.

pub mod cli;
pub mod command_line;
pub mod gate_link;
pub mod graph;
pub mod hand_over;
pub mod isolation;
pub mod maze;
pub mod options;
pub mod process;
pub mod restart;
pub mod run;
pub mod run_dir;
pub mod setup;
pub mod share;
pub mod signals;
pub mod stop;
pub mod summary;
pub mod supervisor;
mod take_down;
