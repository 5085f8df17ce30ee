"""Makes an int8 model from a float one, with frames to learn the ranges of its values from.

    python3 quantize.py maze_yolov8.onnx FRAMES maze_yolov8_int8.onnx

The convolutions are quantised (static, QDQ, a scale a channel); the decoding of boxes stays in
float: pixels and scores in one tensor would share one scale, and the scores would all become 0.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import onnx
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

import frames
from evaluate import Model


class Pictures(CalibrationDataReader):
    """Hands out letterboxed frames one by one."""

    def __init__(self, images: np.ndarray):
        self.images = iter(images)

    def get_next(self) -> dict[str, np.ndarray] | None:
        image = next(self.images, None)
        if image is None:
            return None
        return {"images": np.ascontiguousarray(image.transpose(2, 0, 1)[None], np.float32) / 255}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("frames", type=Path, help="folder of frames: training ones, not those to measure by")
    parser.add_argument("out", type=Path, help="ONNX file to write")
    parser.add_argument("--most", type=int, default=100, help="calibrate with so many frames (default: %(default)s)")
    options = parser.parse_args()
    data = frames.load(options.frames, Model(options.model).size, options.most)
    with tempfile.TemporaryDirectory() as folder:
        prepared = Path(folder) / "prepared.onnx"
        quant_pre_process(options.model, prepared, skip_symbolic_shape=True)
        quantize_static(
            prepared,
            options.out,
            Pictures(data.images),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=["Conv"],
            per_channel=True,
            # 7-bit weights: without VNNI two 8-bit products can overflow the 16 bits that they are added in.
            reduce_range=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )
    meta = {entry.key: entry.value for entry in onnx.load(options.model).metadata_props}
    model = onnx.load(options.out)
    onnx.helper.set_model_props(model, meta)
    onnx.save(model, options.out)


if __name__ == "__main__":
    main()
