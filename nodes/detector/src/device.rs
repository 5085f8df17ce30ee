//! What computes: the CPU or a GPU, through ONNX Runtime's execution providers.
//!
//! Whether a provider is there is known only when ONNX Runtime is asked for it: its library may be built without, the
//! GPU's libraries may be missing, or the GPU itself.

use std::fmt;
use std::str::FromStr;

use ort::ep::{CUDA, ExecutionProvider, TensorRT};
use ort::memory::{AllocationDevice, AllocatorType, MemoryInfo, MemoryType};
use ort::session::builder::SessionBuilder;

use crate::onnx_runtime;

/// What is asked for: `auto`, `cpu`, `cuda` or `tensorrt`, with `:N` behind it for another GPU than the first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Device {
    /// Which kind.
    pub kind: DeviceKind,
    /// Number of the GPU, from 0; without meaning for the CPU.
    pub index: i32,
}

/// A kind of [`Device`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum DeviceKind {
    /// The first that is to be had: TensorRT, CUDA, CPU.
    #[default]
    Auto,
    /// The CPU alone.
    Cpu,
    /// An NVIDIA GPU.
    Cuda,
    /// An NVIDIA GPU, with an engine built for it at the first start.
    TensorRt,
}

/// One of ONNX Runtime's execution providers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Provider {
    /// The CPU.
    Cpu,
    /// CUDA.
    Cuda,
    /// TensorRT, which leaves to CUDA what it cannot do itself.
    TensorRt,
}

impl Device {
    /// The CPU.
    pub const CPU: Self = Self {
        kind: DeviceKind::Cpu,
        index: 0,
    };

    /// In the order in which they are tried.
    pub fn providers(self) -> &'static [Provider] {
        match self.kind {
            DeviceKind::Auto => &[Provider::TensorRt, Provider::Cuda, Provider::Cpu],
            DeviceKind::Cpu => &[Provider::Cpu],
            DeviceKind::Cuda => &[Provider::Cuda],
            DeviceKind::TensorRt => &[Provider::TensorRt],
        }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.kind {
            DeviceKind::Auto => "auto",
            DeviceKind::Cpu => "cpu",
            DeviceKind::Cuda => "cuda",
            DeviceKind::TensorRt => "tensorrt",
        };
        match self.index {
            0 => f.write_str(name),
            index => write!(f, "{name}:{index}"),
        }
    }
}

impl FromStr for Device {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const EXPECTED: &str =
            "expected auto, cpu, cuda or tensorrt, a GPU's number behind it as in cuda:1";
        let (name, index) = match text.split_once(':') {
            Some((name, number)) => (name, Some(number.parse::<u16>().map_err(|_| EXPECTED)?)),
            None => (text, None),
        };
        let kind = match (name, index) {
            ("auto", _) => DeviceKind::Auto,
            ("cpu", None) => DeviceKind::Cpu,
            ("cuda", _) => DeviceKind::Cuda,
            ("tensorrt", _) => DeviceKind::TensorRt,
            _ => return Err(EXPECTED),
        };
        let index = i32::from(index.unwrap_or_default());
        Ok(Self { kind, index })
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cpu => "CPU",
            Self::Cuda => "CUDA",
            Self::TensorRt => "TensorRT",
        })
    }
}

impl Provider {
    /// Makes `builder`'s session compute here, on GPU number `index`.
    ///
    /// # Errors
    /// When the provider is not to be had; the message says why.
    pub fn register(self, index: i32, builder: &mut SessionBuilder) -> ort::Result<()> {
        let built_in = match self {
            Self::Cpu => return Ok(()),
            Self::Cuda => CUDA::is_available()?,
            Self::TensorRt => TensorRT::is_available()?,
        };
        if !built_in {
            return Err(ort::Error::new("this ONNX Runtime is built without it"));
        }
        if self == Self::TensorRt {
            // Engines take minutes to build, and are named by model, GPU and version.
            let engines = onnx_runtime::cache_folder().join("tensorrt");
            std::fs::create_dir_all(&engines).map_err(|error| {
                ort::Error::new(format!("cannot make {}: {error}", engines.display()))
            })?;
            TensorRT::default()
                .with_device_id(index)
                .with_fp16(true)
                .with_engine_cache(true)
                .with_engine_cache_path(engines.display())
                .with_timing_cache(true)
                .with_timing_cache_path(engines.display())
                .register(builder)?;
        }
        CUDA::default().with_device_id(index).register(builder)
    }

    /// The memory of GPU number `index` on the host's side, which it reads by itself; `None` for the CPU.
    ///
    /// # Errors
    /// What ONNX Runtime says.
    pub fn pinned_memory(self, index: i32) -> ort::Result<Option<MemoryInfo<'static>>> {
        if self == Self::Cpu {
            return Ok(None);
        }
        let device = AllocationDevice::CUDA_PINNED;
        MemoryInfo::new(device, index, AllocatorType::Device, MemoryType::CPUInput).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_named_as_they_are_read() {
        for text in [
            "auto",
            "cpu",
            "cuda",
            "tensorrt",
            "cuda:1",
            "tensorrt:3",
            "auto:2",
        ] {
            assert_eq!(text.parse::<Device>().unwrap().to_string(), text);
        }
        assert_eq!("cuda:0".parse::<Device>().unwrap().index, 0);
        for text in ["", "gpu", "cpu:1", "cuda:", "cuda:-1", "cuda:x"] {
            assert!(text.parse::<Device>().is_err(), "{text}");
        }
    }
}
