//! The running graph in Rerun
