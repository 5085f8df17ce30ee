#!/usr/bin/env python3
"""Small ONNX graphs that stand for YOLO exports which are not to be had: `make_models.py OUT`.

Each sees one object: class 1 ("cup"), box 10 20 50 80 in the input's pixels, with the mean of its frame as confidence,
so that a white frame gives 1 and frames of one batch can be told apart. Needs numpy and onnx.
"""

import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

NAMES = "{0: 'ball', 1: 'cup', 2: \"baker's box\"}"
CLASSES, ANCHORS = 3, 21
CENTRE = (30, 50, 40, 60)
CORNERS = (10, 20, 50, 80)


def raw_output():
    """What is constant in [1, 4 + classes, anchors], and where the confidence goes."""
    constant = np.zeros((1, 4 + CLASSES, ANCHORS), np.float32)
    constant[0, :4, 5] = CENTRE
    confidence = np.zeros_like(constant)
    confidence[0, 4 + 1, 5] = 1
    return constant, confidence


def boxes_output():
    """The same for [1, boxes, 6]."""
    constant = np.zeros((1, 300, 6), np.float32)
    constant[0, 0] = (*CORNERS, 0, 1)
    confidence = np.zeros_like(constant)
    confidence[0, 0, 4] = 1
    return constant, confidence


def save(path, shape, output, half=False, quantised=False, metadata=None, outputs=1, type=None, slow=False, mixed=False):
    dtype, onnx_type = (np.float16, TensorProto.FLOAT16) if half else (np.float32, TensorProto.FLOAT)
    input_type = onnx_type
    constant, confidence = (part.astype(dtype) for part in output)
    axes = np.arange(1, len(shape), dtype=np.int64)
    weights = [
        numpy_helper.from_array(constant, "constant"),
        numpy_helper.from_array(confidence, "confidence"),
        numpy_helper.from_array(axes, "axes"),
        numpy_helper.from_array(np.array([-1, 1, 1], np.int64), "column"),
    ]
    nodes, source = [], "images"
    if type is not None:
        nodes.append(helper.make_node("Cast", ["images"], ["cast"], to=onnx_type))
        source = "cast"
    if quantised:
        weights += [
            numpy_helper.from_array(np.array(1 / 255, np.float32), "scale"),
            numpy_helper.from_array(np.array(0, np.uint8), "zero"),
        ]
        nodes += [
            helper.make_node("QuantizeLinear", [source, "scale", "zero"], ["quantised"]),
            helper.make_node("DequantizeLinear", ["quantised", "scale", "zero"], ["dequantised"]),
        ]
        source = "dequantised"
    nodes += [
        helper.make_node("ReduceMean", [source, "axes"], ["own_mean" if slow else "mean"]),
        helper.make_node("Reshape", ["mean", "column"], ["means"]),
        helper.make_node("Mul", ["means", "confidence"], ["scaled"]),
        helper.make_node("Add", ["scaled", "constant"], ["output0"]),
    ]
    if slow:
        # As much work as a small network's, which adds nothing.
        weights += [
            numpy_helper.from_array(np.zeros((64, 3, 3, 3), np.float32), "widen"),
            numpy_helper.from_array(np.zeros((64, 64, 3, 3), np.float32), "work"),
        ]
        mean = next(index for index, node in enumerate(nodes) if node.op_type == "ReduceMean")
        nodes[mean + 1 : mean + 1] = [
            helper.make_node("Conv", [source, "widen"], ["wide"], pads=[1, 1, 1, 1]),
            helper.make_node("Conv", ["wide", "work"], ["worked"], pads=[1, 1, 1, 1]),
            helper.make_node("ReduceMean", ["worked", "axes"], ["nothing"]),
            helper.make_node("Add", ["own_mean", "nothing"], ["mean"]),
        ]
    if mixed:
        onnx_type = TensorProto.FLOAT
        nodes[-1].output[0] = "halves"
        nodes.append(helper.make_node("Cast", ["halves"], ["output0"], to=onnx_type))
    results = [helper.make_tensor_value_info("output0", onnx_type, [shape[0], *constant.shape[1:]])]
    if outputs == 2:
        nodes.append(helper.make_node("Identity", ["output0"], ["output1"]))
        results.append(helper.make_tensor_value_info("output1", onnx_type, [shape[0], *constant.shape[1:]]))
    inputs = [helper.make_tensor_value_info("images", type or input_type, shape)]
    graph = helper.make_graph(nodes, "stand-in", inputs, results, weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    entries = {"names": NAMES, "stride": "32", "task": "detect"} if metadata is None else metadata
    helper.set_model_props(model, entries)
    onnx.checker.check_model(model)
    onnx.save(model, path)


def save_brittle(path, shape):
    """Sees nothing, and fails on a white frame: looks up whether it is one in a table without that row."""
    weights = [
        numpy_helper.from_array(np.zeros((1, 4 + CLASSES, ANCHORS), np.float32), "table"),
        numpy_helper.from_array(np.array([0, 1, 2, 3], np.int64), "axes"),
        numpy_helper.from_array(np.array(0.99, np.float32), "white"),
        numpy_helper.from_array(np.array([0], np.int64), "first"),
    ]
    nodes = [
        helper.make_node("ReduceMean", ["images", "axes"], ["mean"], keepdims=0),
        helper.make_node("Greater", ["mean", "white"], ["is_white"]),
        helper.make_node("Cast", ["is_white"], ["index"], to=TensorProto.INT64),
        helper.make_node("Unsqueeze", ["index", "first"], ["indices"]),
        helper.make_node("Gather", ["table", "indices"], ["output0"]),
    ]
    inputs = [helper.make_tensor_value_info("images", TensorProto.FLOAT, shape)]
    results = [helper.make_tensor_value_info("output0", TensorProto.FLOAT, [1, 4 + CLASSES, ANCHORS])]
    graph = helper.make_graph(nodes, "brittle", inputs, results, weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    helper.set_model_props(model, {"names": NAMES, "task": "detect"})
    onnx.checker.check_model(model)
    onnx.save(model, path)


def save_crowd(path, shape, half=False, metadata=None, suppressed=False):
    """A raw head that sees hundreds of overlapping boxes of three classes in any picture: random weights, boxes within
    the first 120 pixels either way. Or one that says of itself that they are suppressed."""
    dtype, onnx_type = (np.float16, TensorProto.FLOAT16) if half else (np.float32, TensorProto.FLOAT)
    random = np.random.default_rng(4)
    rows, stride = 4 + CLASSES, 8
    weights = [
        numpy_helper.from_array((random.normal(0, 1, (rows, 3, stride, stride)) / stride).astype(dtype), "weights"),
        numpy_helper.from_array(np.array([[[120]] * 4 + [[1]] * CLASSES], dtype), "scale"),
        numpy_helper.from_array(np.array([0, 0, -1], np.int64), "shape"),
    ]
    nodes = [
        helper.make_node("Conv", ["images", "weights"], ["map"], strides=[stride, stride]),
        helper.make_node("Reshape", ["map", "shape"], ["rows"]),
        helper.make_node("Sigmoid", ["rows"], ["shares"]),
        helper.make_node("Mul", ["shares", "scale"], ["output0"]),
    ]
    inputs = [helper.make_tensor_value_info("images", onnx_type, shape)]
    results = [helper.make_tensor_value_info("output0", onnx_type, [shape[0], rows, "anchors"])]
    if suppressed:
        nodes[-1].output[0] = "raw"
        weights += [
            numpy_helper.from_array(np.array([2, 2, 1, 1, 1]), "parts"),
            numpy_helper.from_array(np.array(CLASSES, dtype), "classes"),
            numpy_helper.from_array(np.array(0.4, dtype), "inside"),
        ]
        nodes += [
            helper.make_node("Transpose", ["raw"], ["places"], perm=[0, 2, 1]),
            helper.make_node("Split", ["places", "parts"], ["far", "large", "confidence", "class", "rest"], axis=2),
            helper.make_node("Mul", ["far", "inside"], ["corner"]),
            helper.make_node("Mul", ["large", "inside"], ["size"]),
            helper.make_node("Add", ["corner", "size"], ["opposite"]),
            helper.make_node("Mul", ["class", "classes"], ["of_classes"]),
            helper.make_node("Floor", ["of_classes"], ["index"]),
            helper.make_node("Concat", ["corner", "opposite", "confidence", "index"], ["output0"], axis=2),
        ]
        results = [helper.make_tensor_value_info("output0", onnx_type, [shape[0], "boxes", 6])]
    graph = helper.make_graph(nodes, "crowd", inputs, results, weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    helper.set_model_props(model, metadata or {"names": NAMES, "task": "detect"})
    onnx.checker.check_model(model)
    onnx.save(model, path)


def main():
    out = Path(sys.argv[1])
    free = ["batch", 3, "height", "width"]
    said = {"names": NAMES, "stride": "32", "task": "detect", "imgsz": "[96, 160]"}
    save(out / "fixed.onnx", [1, 3, 96, 160], raw_output())
    save(out / "free.onnx", free, raw_output(), metadata=said)
    save(out / "half.onnx", [1, 3, 96, 160], raw_output(), half=True)
    save(out / "mixed.onnx", [1, 3, 96, 160], raw_output(), half=True, mixed=True)
    save(out / "half_boxes.onnx", free, boxes_output(), half=True, metadata=said)
    save(out / "quantised.onnx", [1, 3, 96, 160], raw_output(), quantised=True)
    save(out / "batch_of_four.onnx", [4, 3, 96, 160], raw_output())
    save(out / "boxes.onnx", [1, 3, 96, 160], boxes_output())
    save(out / "slow.onnx", [1, 3, 96, 160], raw_output(), slow=True)
    save(out / "slow_batch.onnx", [4, 3, 96, 160], raw_output(), slow=True)
    save_brittle(out / "brittle.onnx", [1, 3, 96, 160])
    save(out / "tiny.onnx", [1, 3, 32, 32], raw_output())
    save(out / "nameless.onnx", [1, 3, 96, 160], raw_output(), metadata={})
    save_crowd(out / "crowd.onnx", [1, 3, 96, 160])
    save_crowd(out / "crowd_free.onnx", free, metadata=said)
    save_crowd(out / "crowd_half.onnx", [1, 3, 96, 160], half=True)
    save_crowd(out / "crowd_rows.onnx", [1, 3, 96, 160], suppressed=True)
    # Not for this program: each is refused with what was expected and what was found.
    four = {"names": "{0: 'a', 1: 'b', 2: 'c', 3: 'd'}"}
    save(out / "refused_names.onnx", [1, 3, 96, 160], raw_output(), metadata=four)
    save(out / "refused_task.onnx", [1, 3, 96, 160], raw_output(), metadata={"names": NAMES, "task": "segment"})
    save(out / "refused_grey.onnx", [1, 1, 96, 160], raw_output())
    save(out / "refused_bytes.onnx", [1, 3, 96, 160], raw_output(), type=TensorProto.UINT8)
    save(out / "refused_outputs.onnx", [1, 3, 96, 160], raw_output(), outputs=2)
    classes = (np.zeros((1, 1, 1000), np.float32),) * 2
    save(out / "refused_classes.onnx", [1, 3, 96, 160], classes, metadata={"names": NAMES})


if __name__ == "__main__":
    main()
