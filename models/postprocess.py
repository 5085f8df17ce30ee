"""From the network's output to boxes, as the detector does it: confidence, then class-wise NMS."""

import numpy as np


def box_iou(one: np.ndarray, many: np.ndarray) -> np.ndarray:
    """IoU of a box [4] with each of `many` [K, 4]."""
    overlap = np.minimum(one[2:], many[:, 2:]) - np.maximum(one[:2], many[:, :2])
    overlap = overlap.clip(min=0).prod(axis=1)
    areas = (many[:, 2:] - many[:, :2]).prod(axis=1)
    return overlap / np.maximum((one[2:] - one[:2]).prod() + areas - overlap, 1e-9)


def detections(output: np.ndarray, confidence: float = 0.25, iou: float = 0.7, most: int = 300) -> np.ndarray:
    """Boxes `[K, 6]` (left, top, right, bottom in input pixels, score, class), best first, from one
    picture's `[4 + classes, A]`."""
    scores = output[4:]
    classes = scores.argmax(axis=0)
    best = scores.max(axis=0)
    order = np.flatnonzero(best > confidence)
    order = order[np.argsort(-best[order], kind="stable")]
    centre, half = output[:2, order].T, output[2:4, order].T / 2
    found = np.column_stack([centre - half, centre + half, best[order], classes[order]])
    kept = []
    while len(found) and len(kept) < most:
        first, found = found[0], found[1:]
        kept.append(first)
        repeats = (found[:, 5] == first[5]) & (box_iou(first[:4], found[:, :4]) > iou)
        found = found[~repeats]
    return np.asarray(kept, np.float32).reshape(-1, 6)
