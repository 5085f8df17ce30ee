//! A YOLO detection network on ONNX Runtime: what the file is, its tensors, and running it.
//!
//! Tensors are allocated and bound once, when the model is loaded; a run allocates nothing here.

use std::path::{Path, PathBuf};

use half::f16;
use half::slice::HalfFloatSliceExt;
use ort::environment::Environment;
use ort::memory::{AllocationDevice, Allocator, AllocatorType, MemoryInfo, MemoryType};
use ort::session::{IoBinding, Session};
use ort::value::{Tensor, TensorElementType, ValueType};
use sha2::{Digest, Sha256};
use thiserror::Error;
use wire::ModelId;

use crate::device::{Device, DeviceKind, Provider};
use crate::letterbox::Letterbox;
use crate::metadata;
use crate::onnx_runtime::{self, RuntimeError};

/// Side of the input when neither the graph nor the metadata says, pixels.
const DEFAULT_SIDE: usize = 640;
/// Input pixels a cell of the coarsest map when the metadata does not say.
const DEFAULT_STRIDE: usize = 32;
/// Longest side that the metadata may ask for, pixels.
const MAX_SIDE: usize = 8192;
/// Most rows of a head with suppression built in. More are the places of a head without: YOLOv5's and YOLOX's with a single
/// class have six numbers a row, too, which mean something else.
const MAX_ROWS: usize = 1000;

/// Why a file cannot be used as a model.
#[derive(Debug, Error)]
pub enum ModelError {
    /// There is no ONNX Runtime.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// The file cannot be read.
    #[error("cannot read model {path}: {reason}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: std::io::Error,
    },
    /// ONNX Runtime refuses the file.
    #[error("{path} is no ONNX model that ONNX Runtime can load and run: {reason}")]
    Load {
        /// The file.
        path: PathBuf,
        /// What ONNX Runtime said.
        reason: String,
    },
    /// The device that was named is not to be had.
    #[error("device {device} is not to be had: {reason}")]
    Device {
        /// As it was named.
        device: Device,
        /// What ONNX Runtime said.
        reason: String,
    },
    /// The file is a model of another kind.
    #[error("{path} is not a YOLO detection model: expected {expected}, found {found}")]
    Kind {
        /// The file.
        path: PathBuf,
        /// What was expected.
        expected: String,
        /// What was found.
        found: String,
    },
}

/// How a model is run.
#[derive(Debug, Clone)]
pub struct ModelOptions {
    /// Threads for one run; 0: as many as there are cores.
    pub threads: usize,
    /// Most frames for one run, where the model's batch axis is free.
    pub max_batch: usize,
    /// What computes.
    pub device: Device,
}

impl Default for ModelOptions {
    fn default() -> Self {
        Self {
            threads: 0,
            max_batch: 1,
            device: Device::default(),
        }
    }
}

/// What the numbers of the output mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Head {
    /// `[batch, 4 + classes, anchors]`: YOLOv8's and YOLO11's; boxes still overlap.
    Raw {
        /// Columns.
        anchors: usize,
    },
    /// `[batch, boxes, 6]`: an export with suppression built in, or the end-to-end head of YOLOv10 and YOLO26.
    Boxes,
}

/// Type of a tensor's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    /// 32-bit floats; also what quantised models take and give.
    F32,
    /// 16-bit floats.
    F16,
}

/// What is known of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelInfo {
    /// Name and hash of the file.
    pub id: ModelId,
    /// Class names by index.
    pub class_names: Vec<String>,
    /// Width and height of the input, pixels.
    pub input_size: [usize; 2],
    /// Frames for one run: `Some` when the graph fixes it.
    pub fixed_batch: Option<usize>,
    /// Of the input.
    pub precision: Precision,
    /// Layout of the output.
    pub head: Head,
    /// What computes: `CPU`, `CUDA` or `TensorRT`.
    pub provider: String,
}

/// A loaded network.
pub struct Model {
    info: ModelInfo,
    session: Session,
    provider: Provider,
    device_index: i32,
    input_name: String,
    output_name: String,
    output_precision: Precision,
    /// By rising batch size.
    lanes: Vec<Lane>,
}

/// The tensors for one batch size.
struct Lane {
    batch: usize,
    binding: IoBinding,
    input: Input,
    output: Output,
    /// For each place in the batch: the letterbox whose grey margin is in the tensor already.
    padded_for: Vec<Option<Letterbox>>,
}

enum Input {
    F32(Tensor<f32>),
    F16(Tensor<f16>),
}

enum Output {
    F32(Tensor<f32>),
    /// And the numbers as 32-bit floats.
    F16(Tensor<f16>, Vec<f32>),
    /// Of a size that may change from run to run: the numbers of the last run, and how many each frame has.
    Any(Vec<f32>, usize),
}

/// The part of the input tensor that belongs to one frame: red, green and blue plane.
pub enum FrameInput<'a> {
    /// Of a model with 32-bit input.
    F32(&'a mut [f32]),
    /// Of a model with 16-bit input.
    F16(&'a mut [f16]),
}

impl Model {
    /// Loads `path` and runs it once, so that the first frame finds everything warm.
    ///
    /// # Errors
    /// When ONNX Runtime is missing, or the file is no YOLO detection model; the message says what was found.
    pub fn load(path: &Path, options: &ModelOptions) -> Result<Self, ModelError> {
        let bytes = std::fs::read(path).map_err(|reason| ModelError::Read {
            path: path.to_owned(),
            reason,
        })?;
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let sha256 = Sha256::digest(&bytes)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        drop(bytes);
        Self::load_on_first(path, &ModelId { name, sha256 }, options)
    }

    /// Loads it on the first provider of `options.device` that takes it and can run it: what a GPU lacks, in kernels or in
    /// memory, may show only in a run.
    fn load_on_first(
        path: &Path,
        id: &ModelId,
        options: &ModelOptions,
    ) -> Result<Self, ModelError> {
        let environment = onnx_runtime::environment()?;
        let named = options.device.kind != DeviceKind::Auto;
        let load = |error: ort::Error| ModelError::Load {
            path: path.to_owned(),
            reason: error.to_string(),
        };
        let mut refusals = Vec::new();
        for &provider in options.device.providers() {
            let model = open_on(path, provider, options, &environment)
                .map_err(load)
                .and_then(|session| {
                    Self::from_session(session, provider, id.clone(), path, options)
                });
            let reason = match model {
                Ok(model) => {
                    if !refusals.is_empty() {
                        tracing::warn!("{provider} computes: {}", refusals.join("; "));
                    }
                    return Ok(model);
                }
                Err(ModelError::Load { reason, .. }) if provider != Provider::Cpu => reason,
                Err(error) => return Err(error),
            };
            if named {
                // The file may be to blame, and not the device.
                open_on(path, Provider::Cpu, options, &environment).map_err(load)?;
                return Err(ModelError::Device {
                    device: options.device,
                    reason,
                });
            }
            refusals.push(format!("{provider} is not to be had ({reason})"));
        }
        // Every device has a provider, and the last one returns.
        Err(ModelError::Device {
            device: options.device,
            reason: refusals.join("; "),
        })
    }

    fn from_session(
        session: Session,
        provider: Provider,
        id: ModelId,
        path: &Path,
        options: &ModelOptions,
    ) -> Result<Self, ModelError> {
        let kind = |expected: &str, found: String| ModelError::Kind {
            path: path.to_owned(),
            expected: expected.to_owned(),
            found,
        };
        let load = |error: ort::Error| ModelError::Load {
            path: path.to_owned(),
            reason: error.to_string(),
        };
        let metadata = session.metadata().map_err(load)?;
        let entry = |key: &str| metadata.custom(key);
        if let Some(task) = entry("task").filter(|task| task != "detect") {
            return Err(kind(
                "a model for the task \"detect\"",
                format!("one for {task:?}"),
            ));
        }
        let ([input], [output]) = (session.inputs(), session.outputs()) else {
            let found = format!("{} and {}", session.inputs().len(), session.outputs().len());
            return Err(kind("one input and one output", found));
        };
        let expected_input =
            "an input of 3-channel pictures, float32 or float16 [batch, 3, height, width]";
        let wrong_input = || kind(expected_input, input.dtype().to_string());
        let (precision, shape) = floats(input.dtype()).ok_or_else(wrong_input)?;
        let &[batch, 3, height, width] = shape else {
            return Err(wrong_input());
        };
        let (output_precision, _) = floats(output.dtype()).ok_or_else(|| {
            let expected = "an output of float32 or float16 numbers";
            kind(expected, output.dtype().to_string())
        })?;
        let fixed = |dimension: i64| usize::try_from(dimension).ok().filter(|n| *n > 0);
        let said = metadata::integers(&entry("imgsz").unwrap_or_default());
        if let Some(side) = said.iter().find(|side| !(1..=MAX_SIDE).contains(*side)) {
            let expected = format!("an imgsz of 1 to {MAX_SIDE} pixels in the metadata");
            return Err(kind(&expected, side.to_string()));
        }
        // As Ultralytics' predictor: the next whole number of the coarsest cells.
        let stride = metadata::integers(&entry("stride").unwrap_or_default());
        let stride = stride
            .into_iter()
            .filter(|stride| *stride <= MAX_SIDE)
            .max();
        let stride = stride.unwrap_or(DEFAULT_STRIDE).max(1);
        let said: Vec<_> = said
            .into_iter()
            .map(|side| side.next_multiple_of(stride))
            .collect();
        let said_height = said.first().copied().unwrap_or(DEFAULT_SIDE);
        let said_width = said.get(1).copied().unwrap_or(said_height);
        let input_size = [
            fixed(width).unwrap_or(said_width),
            fixed(height).unwrap_or(said_height),
        ];
        let names = entry("names").and_then(|literal| {
            let names = metadata::class_names(&literal);
            if names.is_none() {
                let start: String = literal.chars().take(80).collect();
                tracing::warn!("class names {start:?} are not understood: classes are numbered");
            }
            names.filter(|names| !names.is_empty())
        });
        let (input_name, output_name) = (input.name().to_owned(), output.name().to_owned());
        drop(metadata);

        let mut model = Self {
            info: ModelInfo {
                id,
                class_names: names.clone().unwrap_or_default(),
                input_size,
                fixed_batch: fixed(batch),
                precision,
                head: Head::Boxes,
                provider: provider.to_string(),
            },
            session,
            provider,
            device_index: options.device.index,
            input_name,
            output_name,
            output_precision,
            lanes: Vec::new(),
        };
        let batches: Vec<usize> = match model.info.fixed_batch {
            Some(batch) => vec![batch],
            None => (1..=options.max_batch.max(1)).collect(),
        };
        for batch in batches {
            let (lane, shape) = model.make_lane(batch).map_err(load)?;
            let (head, classes) = head_of(&shape, batch, names.as_ref().map(Vec::len))
                .map_err(|expected| kind(&expected, format!("an output of shape {shape:?}")))?;
            model.info.head = head;
            if model.info.class_names.is_empty() {
                model.info.class_names =
                    (0..classes).map(|class| format!("class_{class}")).collect();
            }
            model.lanes.push(lane);
        }
        Ok(model)
    }

    /// What is known of this model.
    pub fn info(&self) -> &ModelInfo {
        &self.info
    }

    /// Most frames for one run.
    pub fn max_batch(&self) -> usize {
        self.lanes.last().map_or(1, |lane| lane.batch)
    }

    /// Where frame `index` of a run of `frames` goes, and whether the grey around `letterbox` has to be written too.
    pub fn input(
        &mut self,
        frames: usize,
        index: usize,
        letterbox: &Letterbox,
    ) -> (FrameInput<'_>, bool) {
        let [width, height] = self.info.input_size;
        let frame_len = 3 * width * height;
        let lane = self.lane(frames);
        let pad = lane.padded_for[index]
            .replace(*letterbox)
            .is_none_or(|before| {
                (before.scaled, before.offset) != (letterbox.scaled, letterbox.offset)
            });
        let range = index * frame_len..(index + 1) * frame_len;
        let input = match &mut lane.input {
            Input::F32(tensor) => FrameInput::F32(&mut tensor.extract_tensor_mut().1[range]),
            Input::F16(tensor) => FrameInput::F16(&mut tensor.extract_tensor_mut().1[range]),
        };
        (input, pad)
    }

    /// Runs the network over the `frames` frames that were written last.
    ///
    /// # Errors
    /// What ONNX Runtime says.
    pub fn run(&mut self, frames: usize) -> Result<(), ort::Error> {
        let index = self.lane_index(frames);
        let lane = &mut self.lanes[index];
        let outputs = self.session.run_binding(&lane.binding)?;
        match &mut lane.output {
            Output::F32(_) => {}
            Output::F16(tensor, numbers) => tensor.extract_tensor().1.convert_to_f32_slice(numbers),
            Output::Any(numbers, frame_len) => {
                let output = &outputs[0];
                numbers.clear();
                match self.output_precision {
                    Precision::F32 => {
                        numbers.extend_from_slice(output.try_extract_tensor::<f32>()?.1)
                    }
                    Precision::F16 => {
                        let halves = output.try_extract_tensor::<f16>()?.1;
                        numbers.resize(halves.len(), 0.0);
                        halves.convert_to_f32_slice(numbers);
                    }
                }
                *frame_len = numbers.len() / lane.batch;
            }
        }
        Ok(())
    }

    /// The network's output for frame `index` of the last run of `frames`.
    pub fn output(&self, frames: usize, index: usize) -> &[f32] {
        let lane = &self.lanes[self.lane_index(frames)];
        let (numbers, frame_len) = match &lane.output {
            Output::F32(tensor) => {
                let numbers = tensor.extract_tensor().1;
                (numbers, numbers.len() / lane.batch)
            }
            Output::F16(_, numbers) => (&numbers[..], numbers.len() / lane.batch),
            Output::Any(numbers, frame_len) => (&numbers[..], *frame_len),
        };
        &numbers[index * frame_len..(index + 1) * frame_len]
    }

    fn lane(&mut self, frames: usize) -> &mut Lane {
        let index = self.lane_index(frames);
        &mut self.lanes[index]
    }

    /// The smallest lane that holds `frames`; there is always one, for callers stay within [`Model::max_batch`].
    fn lane_index(&self, frames: usize) -> usize {
        self.lanes
            .iter()
            .position(|lane| lane.batch >= frames)
            .unwrap_or(self.lanes.len() - 1)
    }

    /// Tensors for `batch` frames, and the output's shape as a run over them shows it.
    fn make_lane(&mut self, batch: usize) -> ort::Result<(Lane, Vec<usize>)> {
        let [width, height] = self.info.input_size;
        // On a GPU the input lies where the device can fetch it without a copy in between.
        let pinned = self.provider.pinned_memory(self.device_index)?;
        let pinned = pinned
            .map(|memory| Allocator::new(&self.session, memory))
            .transpose()?;
        let allocator = pinned.as_ref().unwrap_or(self.session.allocator());
        let input_shape = [batch, 3, height, width];
        let mut binding = self.session.create_binding()?;
        let input = match self.info.precision {
            Precision::F32 => Input::F32(Tensor::new(allocator, input_shape)?),
            Precision::F16 => Input::F16(Tensor::new(allocator, input_shape)?),
        };
        match &input {
            Input::F32(tensor) => binding.bind_input(&self.input_name, tensor)?,
            Input::F16(tensor) => binding.bind_input(&self.input_name, tensor)?,
        }
        let cpu = MemoryInfo::new(
            AllocationDevice::CPU,
            0,
            AllocatorType::Device,
            MemoryType::CPUOutput,
        )?;
        binding.bind_output_to_device(&self.output_name, &cpu)?;
        let outputs = self.session.run_binding(&binding)?;
        let shape: Vec<usize> = outputs[0]
            .shape()
            .iter()
            .map(|n| usize::try_from(*n).unwrap_or_default())
            .collect();
        drop(outputs);
        let output = if shape.get(2) == Some(&6) {
            Output::Any(Vec::new(), 0)
        } else {
            let allocator = self.session.allocator();
            match self.output_precision {
                Precision::F32 => {
                    let mut tensor = Tensor::<f32>::new(allocator, shape.clone())?;
                    binding.bind_output(&self.output_name, &mut tensor)?;
                    Output::F32(tensor)
                }
                Precision::F16 => {
                    let mut tensor = Tensor::<f16>::new(allocator, shape.clone())?;
                    binding.bind_output(&self.output_name, &mut tensor)?;
                    Output::F16(tensor, vec![0.0; shape.iter().product()])
                }
            }
        };
        Ok((
            Lane {
                batch,
                binding,
                input,
                output,
                padded_for: vec![None; batch],
            },
            shape,
        ))
    }
}

fn open_on(
    path: &Path,
    provider: Provider,
    options: &ModelOptions,
    environment: &Environment,
) -> ort::Result<Session> {
    let mut builder = Session::builder(environment)?
        // Spinning between frames would take the cores from the other nodes of a small robot.
        .with_intra_op_spinning(false)?;
    if options.threads > 0 {
        builder = builder.with_intra_threads(options.threads)?;
    }
    provider.register(options.device.index, &mut builder)?;
    builder.commit_from_file(path)
}

/// Precision and shape of a tensor of floats; `None` for other types.
fn floats(dtype: &ValueType) -> Option<(Precision, &[i64])> {
    match dtype {
        ValueType::Tensor {
            ty: TensorElementType::Float32,
            shape,
            ..
        } => Some((Precision::F32, &shape[..])),
        ValueType::Tensor {
            ty: TensorElementType::Float16,
            shape,
            ..
        } => Some((Precision::F16, &shape[..])),
        _ => None,
    }
}

/// What an output of `shape` means, and how many classes it tells apart; else what was expected.
fn head_of(shape: &[usize], batch: usize, names: Option<usize>) -> Result<(Head, usize), String> {
    let raw = match names {
        Some(classes) => format!(
            "[{batch}, {}, anchors] for its {classes} class names",
            4 + classes
        ),
        None => format!("[{batch}, 4 + classes, anchors]"),
    };
    let expected = || {
        format!(
            "an output of shape {raw}, or [{batch}, boxes, 6] of at most {MAX_ROWS} boxes with suppression built in"
        )
    };
    match *shape {
        [n, rows, anchors]
            if n == batch
                && rows > 4
                && anchors > 6
                // Nameless, it is told from other heads by its places, which are many more than its classes.
                && names.map_or(rows < anchors, |names| rows == 4 + names) =>
        {
            Ok((Head::Raw { anchors }, rows - 4))
        }
        [n, rows, 6] if n == batch && rows <= MAX_ROWS => Ok((Head::Boxes, names.unwrap_or(80))),
        _ => Err(expected()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_told_apart_by_their_shape() {
        assert_eq!(
            head_of(&[1, 84, 8400], 1, Some(80)),
            Ok((Head::Raw { anchors: 8400 }, 80))
        );
        assert_eq!(
            head_of(&[2, 13, 2100], 2, None),
            Ok((Head::Raw { anchors: 2100 }, 9))
        );
        assert_eq!(
            head_of(&[1, 6, 2100], 1, Some(2)),
            Ok((Head::Raw { anchors: 2100 }, 2))
        );
        assert_eq!(head_of(&[1, 300, 6], 1, Some(80)), Ok((Head::Boxes, 80)));
        for (shape, names) in [
            (&[1, 84, 8400][..], Some(8)),
            (&[1, 1000], None),
            (&[1, 116, 8400], Some(80)),
            // YOLOv5, and an end-to-end head with masks.
            (&[1, 25200, 85], None),
            (&[1, 300, 38], None),
            // YOLOv5 and YOLOX with a single class.
            (&[1, 25200, 6], Some(1)),
            (&[1, 8400, 6], None),
        ] {
            assert!(
                head_of(shape, 1, names).is_err_and(|expected| expected.contains("anchors")),
                "{shape:?}"
            );
        }
    }
}
