"""Measures an ONNX detector on a folder of frames.

    python3 evaluate.py maze_yolov8.onnx FRAMES [--disturbed] [--confidence 0.4] [--json] [--draw DIR]

mAP50 and mAP50-95 come from pycocotools, at the network's input size. Precision, recall and
confusions are counted at one confidence with IoU 0.5: what a robot that acts on a box meets.
"""

import argparse
import ast
import contextlib
import csv
import io
import json
import time
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

import frames
from postprocess import box_iou, detections


def coco_metrics(data: frames.Frames, found: list[np.ndarray]) -> dict[str, float]:
    """mAP50, mAP50-95 and mAP50 by class of `found` (boxes [K, 6] per picture, low scores included)."""
    truth = COCO()
    annotations = [
        {"image_id": i, "category_id": int(c), "bbox": [l, t, r - l, b - t], "area": (r - l) * (b - t), "iscrowd": 0}
        for i, boxes in enumerate(data.boxes)
        for c, l, t, r, b in boxes.tolist()
    ]
    for number, annotation in enumerate(annotations, start=1):
        annotation["id"] = number
    truth.dataset = {
        "images": [{"id": i} for i in range(len(data.boxes))],
        "annotations": annotations,
        "categories": [{"id": i, "name": name} for i, name in enumerate(data.names)],
    }
    results = [
        {"image_id": i, "category_id": int(c), "bbox": [l, t, r - l, b - t], "score": score}
        for i, boxes in enumerate(found)
        for l, t, r, b, score, c in boxes.tolist()
    ]
    if not results:
        return {"mAP50": 0.0, "mAP50-95": 0.0}
    with contextlib.redirect_stdout(io.StringIO()):
        truth.createIndex()
        run = COCOeval(truth, truth.loadRes(results), "bbox")
        run.evaluate()
        run.accumulate()
    precision = run.eval["precision"][:, :, :, 0, -1]  # [IoU, recall, class], all areas, most boxes

    def mean(values: np.ndarray) -> float:
        values = values[values > -1]
        return round(float(values.mean()), 4) if values.size else float("nan")

    metrics = {"mAP50": mean(precision[0]), "mAP50-95": mean(precision)}
    return metrics | {name: mean(precision[0, :, i]) for i, name in enumerate(data.names)}


def confusion(data: frames.Frames, found: list[np.ndarray], confidence: float) -> np.ndarray:
    """Counts `[classes + 1, classes + 1]` of (true class, found class) at IoU >= 0.5; the last row
    counts boxes where nothing is, the last column objects that were missed."""
    nothing = len(data.names)
    table = np.zeros((nothing + 1, nothing + 1), int)
    for boxes, seen in zip(data.boxes, found):
        free = np.ones(len(boxes), bool)
        for box in seen[seen[:, 4] >= confidence]:
            ious = box_iou(box[:4], boxes[:, 1:]) * free if len(boxes) else np.zeros(0)
            # Of the objects under the box one of its own class is meant, if there is one.
            ious = ious + (ious >= 0.5) * (boxes[:, 0] == box[5])
            if len(ious) and ious.max() >= 0.5:
                match = ious.argmax()
                free[match] = False
                table[int(boxes[match, 0]), int(box[5])] += 1
            else:
                table[nothing, int(box[5])] += 1
        for missed in boxes[free]:
            table[int(missed[0]), nothing] += 1
    return table


def rates(table: np.ndarray, names: list[str]) -> dict[str, dict[str, float]]:
    """Precision and recall by class, and of all, from a confusion table."""

    def row(hits: int, said: int, there: int) -> dict[str, float]:
        return {
            "precision": round(float(hits / said), 4) if said else float("nan"),
            "recall": round(float(hits / there), 4) if there else float("nan"),
            "objects": int(there),
        }

    hits = np.diag(table)[:-1]
    said, there = table[:, :-1].sum(axis=0), table[:-1].sum(axis=1)
    by_class = {name: row(hits[i], said[i], there[i]) for i, name in enumerate(names)}
    return by_class | {"all": row(hits.sum(), said.sum(), there.sum())}


def hard_share(folder: Path) -> float | None:
    """The share of boxes smaller than 32 x 32 pixels of the picture, or of objects partly hidden by
    others; None where no `boxes.csv` tells."""
    rows = [row for table in sorted(folder.rglob("boxes.csv")) for row in csv.DictReader(table.open())]
    if not rows:
        return None

    def hard(row: dict[str, str]) -> bool:
        left, upper, right, lower = (float(row[side]) for side in ("left", "upper", "right", "lower"))
        return (right - left) * (lower - upper) < 32**2 or float(row["visible"]) < 0.95

    return round(sum(map(hard, rows)) / len(rows), 4)


class Model:
    """An ONNX file of the YOLOv8 layout on one core of the CPU."""

    def __init__(self, path: Path):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        meta = self.session.get_modelmeta().custom_metadata_map
        self.names = list(ast.literal_eval(meta["names"]).values())
        self.size = ast.literal_eval(meta["imgsz"])[0]

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """The output `[4 + classes, A]` for one letterboxed RGB image."""
        tensor = np.ascontiguousarray(image.transpose(2, 0, 1)[None], np.float32) / 255
        return self.session.run(None, {self.session.get_inputs()[0].name: tensor})[0][0]


def draw(image: np.ndarray, truth: np.ndarray, seen: np.ndarray, names: list[str], path: Path) -> None:
    """Writes the picture with true boxes in white and found ones in red, twice its size."""
    canvas = cv2.resize(cv2.cvtColor(image, cv2.COLOR_RGB2BGR), None, fx=2, fy=2)
    for box in truth[:, 1:]:
        cv2.rectangle(canvas, *(tuple(int(v) * 2 for v in corner) for corner in (box[:2], box[2:])), (255,) * 3, 1)
    for box in seen:
        corner = (int(box[0]) * 2, int(box[1]) * 2)
        cv2.rectangle(canvas, corner, (int(box[2]) * 2, int(box[3]) * 2), (0, 0, 255), 1)
        text = f"{names[int(box[5])]} {box[4]:.2f}"
        cv2.putText(canvas, text, (corner[0], max(12, corner[1] - 3)), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (0, 0, 255), 1)
    cv2.imwrite(str(path), canvas)


def evaluate(model: Model, data: frames.Frames, confidence: float, drawings: Path | None) -> dict:
    """All figures of `model` on `data`."""
    if model.names != data.names:
        raise SystemExit(f"the model's classes {model.names} are not those of the frames {data.names}")
    found, times = [], []
    for i, image in enumerate(data.images):
        start = time.perf_counter()
        output = model(image)
        times.append(time.perf_counter() - start)
        found.append(detections(output, confidence=0.001))
        if drawings:
            seen = found[-1][found[-1][:, 4] >= confidence]
            draw(image, data.boxes[i], seen, data.names, drawings / f"{i:05}.png")
    table = confusion(data, found, confidence)
    empty = [seen for boxes, seen in zip(data.boxes, found) if len(boxes) == 0]
    return {
        "frames": len(data.images),
        "objects": sum(len(boxes) for boxes in data.boxes),
        "map": coco_metrics(data, found),
        "confidence": confidence,
        "rates": rates(table, data.names),
        "confusion": table.tolist(),
        "frames_without_objects": len(empty),
        "frames_without_objects_but_boxes": sum(bool((seen[:, 4] >= confidence).any()) for seen in empty),
        "inference_ms": {"median": round(1e3 * float(np.median(times)), 2), "least": round(1e3 * min(times), 2)},
    }


def show(figures: dict, names: list[str]) -> None:
    """Prints the figures as tables."""
    hard = figures["hard_share"]
    hidden = "" if hard is None else f", {hard:.0%} of them under 32x32 pixels or partly hidden"
    print(f"{figures['frames']} frames, {figures['objects']} objects{hidden}")
    print(f"mAP50 {figures['map']['mAP50']}, mAP50-95 {figures['map']['mAP50-95']}")
    print(f"one core: {figures['inference_ms']} ms")
    print(
        f"frames without objects: {figures['frames_without_objects']}, "
        f"of these with boxes: {figures['frames_without_objects_but_boxes']}"
    )
    print(f"\nat confidence {figures['confidence']}:")
    print(f"{'class':12}{'AP50':>8}{'precision':>11}{'recall':>8}{'objects':>9}")
    for name, row in figures["rates"].items():
        precision = figures["map"].get(name, figures["map"]["mAP50"])
        print(f"{name:12}{precision:8.3f}{row['precision']:11.3f}{row['recall']:8.3f}{row['objects']:9}")
    print("\ntrue class by row, found class by column")
    print(" " * 12 + "".join(f"{name[:7]:>8}" for name in [*names, "(none)"]))
    for name, row in zip([*names, "(none)"], figures["confusion"]):
        print(f"{name:12}" + "".join(f"{count:8}" for count in row))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("frames", type=Path, help="folder of labelled frames")
    parser.add_argument("--confidence", type=float, default=0.4, help="for precision and recall (default: %(default)s)")
    parser.add_argument("--most", type=int, help="only the first so many frames")
    parser.add_argument("--disturbed", action="store_true", help="with motion blur, noise and changed light")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--draw", type=Path, help="folder for the frames with boxes drawn in")
    options = parser.parse_args()
    model = Model(options.model)
    data = frames.load(options.frames, model.size, options.most, options.disturbed)
    if options.draw:
        options.draw.mkdir(parents=True, exist_ok=True)
    figures = evaluate(model, data, options.confidence, options.draw) | {"hard_share": hard_share(options.frames)}
    if options.json:
        print(json.dumps(figures))
    else:
        show(figures, model.names)


if __name__ == "__main__":
    main()
