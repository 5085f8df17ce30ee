//! From a picture to boxes in its own pixels.

use std::time::{Duration, Instant};

use thiserror::Error;

use crate::boxes::{BoxFinder, Found, Thresholds};
use crate::letterbox::Letterbox;
use crate::model::{FrameInput, Head, Model, ModelInfo};
use crate::preprocess::Preprocessor;
use crate::rows::Picture;

/// Why a picture was not inferred.
#[derive(Debug, Error)]
pub enum DetectError {
    /// Scaled as a whole, nothing of it is left.
    #[error("a picture of {width}x{height} is too elongated")]
    Elongated {
        /// Pixels in a row.
        width: usize,
        /// Rows.
        height: usize,
    },
    /// ONNX Runtime failed.
    #[error("inference failed: {0}")]
    Inference(#[from] ort::Error),
}

/// A model with all that surrounds it. Works on one batch at a time: place every frame, run, then read the boxes.
pub struct Pipeline {
    model: Model,
    preprocessor: Preprocessor,
    finder: BoxFinder,
    limits: Thresholds,
}

/// How long the parts of one frame's way took.
#[derive(Debug, Clone, Copy, Default)]
pub struct Times {
    /// Picture to tensor.
    pub preprocess: Duration,
    /// The network.
    pub inference: Duration,
    /// Tensor to boxes.
    pub postprocess: Duration,
}

impl Pipeline {
    /// Around `model`.
    pub fn new(model: Model, limits: Thresholds) -> Self {
        Self {
            model,
            preprocessor: Preprocessor::default(),
            finder: BoxFinder::default(),
            limits,
        }
    }

    /// What is known of the model.
    pub fn info(&self) -> &ModelInfo {
        self.model.info()
    }

    /// Most frames for one run.
    pub fn max_batch(&self) -> usize {
        self.model.max_batch()
    }

    /// Writes `picture` as frame `index` of a run of `frames` frames, at most [`Pipeline::max_batch`].
    ///
    /// # Errors
    /// When nothing of the picture is left at the network's size.
    pub fn place(
        &mut self,
        picture: &Picture<'_>,
        frames: usize,
        index: usize,
    ) -> Result<Letterbox, DetectError> {
        let size = [picture.width, picture.height];
        let letterbox =
            Letterbox::new(size, self.info().input_size).ok_or(DetectError::Elongated {
                width: picture.width,
                height: picture.height,
            })?;
        match self.model.input(frames, index, &letterbox) {
            (FrameInput::F32(input), pad) => {
                self.preprocessor.write(picture, &letterbox, pad, input)
            }
            (FrameInput::F16(input), pad) => {
                self.preprocessor.write(picture, &letterbox, pad, input)
            }
        }
        Ok(letterbox)
    }

    /// Runs the network over the `frames` frames that were placed.
    ///
    /// # Errors
    /// What ONNX Runtime says.
    pub fn run(&mut self, frames: usize) -> Result<(), DetectError> {
        Ok(self.model.run(frames)?)
    }

    /// The boxes of frame `index` of the last run of `frames`, in the network's pixels; [`Letterbox::to_source`]
    /// gives the picture's. Highest confidence first.
    pub fn boxes(&mut self, frames: usize, index: usize) -> &[Found] {
        let output = self.model.output(frames, index);
        let classes = self.model.info().class_names.len();
        match self.model.info().head {
            Head::Raw { anchors } => self.finder.from_raw(output, classes, anchors, self.limits),
            Head::Boxes => self.finder.from_rows(output, classes, self.limits),
        }
    }

    /// All of it for one picture: boxes in the picture's own pixels go to `each`.
    ///
    /// # Errors
    /// When nothing of the picture is left at the network's size, or ONNX Runtime fails.
    pub fn detect(
        &mut self,
        picture: &Picture<'_>,
        mut each: impl FnMut(Found),
    ) -> Result<Times, DetectError> {
        let started = Instant::now();
        let letterbox = self.place(picture, 1, 0)?;
        let placed = Instant::now();
        self.run(1)?;
        let inferred = Instant::now();
        for found in self.boxes(1, 0) {
            each(Found {
                bbox: letterbox.to_source(found.bbox),
                ..*found
            });
        }
        Ok(Times {
            preprocess: placed - started,
            inference: inferred - placed,
            postprocess: inferred.elapsed(),
        })
    }
}
