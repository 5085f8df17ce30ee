//! YOLO detection on ONNX Runtime: Zenoh frames in, Zenoh detections out; also on photos. No ROS.
//!
//! A frame's way: [`pieces`] reads Zenoh's slices in place, [`rows`] gives the picture's rows whatever its
//! [`encoding`], [`preprocess`] writes them into the input tensor (where [`letterbox`] says, with the loops of
//! [`kernels`]), [`model`] runs the network, [`boxes`] reads its output. [`pipeline`] is all of that in one;
//! [`mod@serve`] puts Zenoh around it, with [`tracker`] to tell which boxes are the same object and [`position`] to tell
//! where they are. [`device`] and [`batch`] say where and how many at a time.

mod annotate;
pub mod batch;
pub mod bench;
pub mod boxes;
pub mod cli;
pub mod device;
pub mod encoding;
pub mod kernels;
pub mod letterbox;
pub mod metadata;
pub mod model;
pub mod model_file;
pub mod onnx_runtime;
pub mod photo;
pub mod pieces;
pub mod pipeline;
pub mod position;
pub mod preprocess;
pub mod rows;
pub mod serve;
pub mod tracker;
