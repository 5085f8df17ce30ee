//! From files to a tree that can be ticked.
//!
//! [`sources`] reads the files and what they include, [`verify`] looks at each document by itself, [`build`] instantiates
//! the main tree and everything below it.

pub(crate) mod build;
mod enter;
mod kinds;
pub(crate) mod models;
pub(crate) mod names;
pub(crate) mod sources;
pub(crate) mod verify;
