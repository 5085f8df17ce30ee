//! Where the recording goes: into a file, and live to a viewer where one is wanted.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use rerun::log::ChunkBatcherConfig;
use rerun::{RecordingStreamBuilder, SpawnOptions};

use crate::event::Event;
use crate::layout;
use crate::recording::Recording;

const APPLICATION: &str = "turtlebot-maze";
/// A viewer otherwise takes three quarters of the memory.
const VIEWER_MEMORY: &str = "2GB";
/// A file is written once a second: what is logged more often makes it half as large again.
const FILE_BATCHES: ChunkBatcherConfig = ChunkBatcherConfig {
    flush_tick: Duration::from_secs(1),
    ..ChunkBatcherConfig::DEFAULT
};
/// How long the file, and a viewer, may take for what still waits at the end.
const FILE_PATIENCE: Duration = Duration::from_millis(2000);
const VIEWER_PATIENCE: Duration = Duration::from_millis(500);

/// Who is to see the events live.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Live {
    /// Nobody.
    No,
    /// A viewer that is started for it.
    Spawn,
    /// A viewer at this URL.
    Connect(String),
}

/// The open recordings.
pub struct Outputs {
    file: Recording,
    viewer: Option<Recording>,
}

impl Outputs {
    /// Opens the file and, as far as it can be had, the viewer: without one the recording goes on.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn open(file: &Path, live: &Live) -> anyhow::Result<Self> {
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder)
                .with_context(|| format!("cannot make the folder {}", folder.display()))?;
        }
        let stream = builder()
            .batcher_config(FILE_BATCHES)
            .save(file)
            .with_context(|| format!("cannot write {}", file.display()))?;
        Ok(Self {
            file: Recording::start("file", stream)?,
            viewer: open_viewer(live)?,
        })
    }

    /// Shows an event everywhere; never waits.
    pub fn show(&self, event: Arc<Event>) {
        if let Some(viewer) = &self.viewer {
            viewer.show(Arc::clone(&event));
        }
        self.file.show(event);
    }

    /// Events that were dropped, into the file and live.
    pub fn dropped(&self) -> [u64; 2] {
        [
            self.file.dropped(),
            self.viewer.as_ref().map_or(0, Recording::dropped),
        ]
    }

    /// Completes the file; what a viewer does not take in time is lost to it.
    pub fn finish(self) {
        self.file.finish(FILE_PATIENCE);
        if let Some(viewer) = self.viewer {
            viewer.finish(VIEWER_PATIENCE);
        }
    }
}

fn builder() -> RecordingStreamBuilder {
    RecordingStreamBuilder::new(APPLICATION).with_blueprint(layout::blueprint())
}

fn open_viewer(live: &Live) -> anyhow::Result<Option<Recording>> {
    let stream = match live {
        Live::No => return Ok(None),
        Live::Connect(url) => builder().connect_grpc_opts(url.as_str()),
        Live::Spawn => builder().spawn_opts(&SpawnOptions {
            memory_limit: VIEWER_MEMORY.to_owned(),
            extra_args: vec!["--bind=127.0.0.1".to_owned()],
            hide_welcome_screen: true,
            ..SpawnOptions::default()
        }),
    };
    match stream {
        Ok(stream) => Ok(Some(Recording::start("viewer", stream)?)),
        Err(error) => {
            tracing::error!(%error, "no live view; `pip install rerun-sdk==0.36.3` brings the viewer `rerun`");
            Ok(None)
        }
    }
}
