//! A node's figures on `/diagnostics`, once a second.

use std::time::Duration;

use r2r::diagnostic_msgs::msg::{DiagnosticArray, DiagnosticStatus, KeyValue};
use r2r::std_msgs::msg::Header;

use crate::{RosNode, qos};

/// How a node feels, in `diagnostic_msgs`' words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// All is well.
    Ok,
    /// It works, but somebody should look.
    Warn,
    /// It does not do its work.
    Error,
    /// Its input has gone silent.
    Stale,
}

/// One status of a node.
#[derive(Clone, Debug)]
pub struct Report {
    /// How the node feels.
    pub level: Level,
    /// One sentence for a person.
    pub message: String,
    /// Figures by name.
    pub values: Vec<(String, String)>,
}

impl Report {
    /// A report without figures.
    pub fn new(level: Level, message: impl Into<String>) -> Self {
        Self {
            level,
            message: message.into(),
            values: Vec::new(),
        }
    }

    /// Adds a figure.
    pub fn with(mut self, name: &str, value: impl ToString) -> Self {
        self.values.push((name.to_owned(), value.to_string()));
        self
    }
}

/// Publishes what `report` says once a second of wall time while the node spins.
///
/// # Errors
/// When rcl cannot make the publisher or the timer.
pub fn publish_each_second(
    ros: &mut RosNode,
    mut report: impl FnMut() -> Report + 'static,
) -> anyhow::Result<()> {
    let name = ros.node.fully_qualified_name()?;
    let publisher = ros
        .node
        .create_publisher::<DiagnosticArray>("/diagnostics", qos::reliable())?;
    let mut timer = ros.node.create_wall_timer(Duration::from_secs(1))?;
    let clock = ros.clock();
    ros.spawn(async move {
        while timer.tick().await.is_ok() {
            let Report {
                level,
                message,
                values,
            } = report();
            let status = DiagnosticStatus {
                level: level as u8,
                name: name.trim_start_matches('/').to_owned(),
                message,
                hardware_id: String::new(),
                values: values
                    .into_iter()
                    .map(|(key, value)| KeyValue { key, value })
                    .collect(),
            };
            let array = DiagnosticArray {
                header: Header {
                    stamp: clock.now(),
                    frame_id: String::new(),
                },
                status: vec![status],
            };
            if let Err(error) = publisher.publish(&array) {
                tracing::warn!(%error, "cannot publish diagnostics");
            }
        }
    });
    Ok(())
}
