"""Labelled pictures: reading them as the detector does, and varying them for training.

A folder of frames is what `turtlebot-maze sim frames` writes, or holds several such: pictures,
beside each (or under `labels/` instead of `images/`) a `.txt` with one line `class x y width height`
per object (centre and size as fractions of the picture), and `classes.txt` with one name a line.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

GREY = 114
PICTURE_TYPES = {".png", ".jpg", ".jpeg"}


@dataclass
class Frames:
    """Letterboxed RGB `images` [N, size, size, 3] and, per picture, `boxes` [M, 5]: class, left, top,
    right, bottom in letterboxed pixels."""

    images: np.ndarray
    boxes: list[np.ndarray]
    names: list[str]
    paths: list[Path]


def letterbox(picture: np.ndarray, size: int) -> tuple[np.ndarray, float, tuple[int, int]]:
    """Scales to fit a `size` square with bilinear interpolation and centres on grey.
    Also gives the scale and the left and top margins, in pixels."""
    height, width = picture.shape[:2]
    scale = min(size / height, size / width)
    new_width, new_height = round(width * scale), round(height * scale)
    if (new_width, new_height) != (width, height):
        picture = cv2.resize(picture, (new_width, new_height), interpolation=cv2.INTER_LINEAR)
    left = round((size - new_width) / 2 - 0.1)
    top = round((size - new_height) / 2 - 0.1)
    square = np.full((size, size, 3), GREY, np.uint8)
    square[top : top + new_height, left : left + new_width] = picture
    return square, scale, (left, top)


def label_path(picture: Path) -> Path:
    """The file with the labels of `picture`."""
    if picture.parent.name == "images":
        return picture.parent.parent / "labels" / f"{picture.stem}.txt"
    return picture.with_suffix(".txt")


def class_names(folder: Path) -> list[str]:
    """The names in `classes.txt` of a folder of frames, or of the folders below it if they agree."""
    lists = {path.read_text() for path in folder.rglob("classes.txt")}
    if len(lists) != 1:
        raise SystemExit(f"{folder}: {len(lists)} different lists of classes (classes.txt), wanted one")
    return [line.strip() for line in lists.pop().splitlines() if line.strip()]


def picture_paths(folder: Path) -> list[Path]:
    """All pictures of a folder of frames, in a fixed order."""
    paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in PICTURE_TYPES and label_path(p).is_file())
    if not paths:
        raise SystemExit(f"{folder}: no labelled pictures; make some with `turtlebot-maze sim frames`")
    return paths


def read_rgb(path: Path) -> np.ndarray:
    """A picture as 8-bit RGB."""
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if picture is None:
        raise SystemExit(f"{path}: not a picture that OpenCV reads")
    return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)


def _other_light(rng: np.random.Generator) -> np.ndarray:
    """What each level becomes in other light, `[256, 3]`: brightness, contrast and colour of the light changed."""
    gain, gamma = rng.uniform(0.5, 1.4), np.exp(rng.uniform(-0.4, 0.4))
    light = gain * rng.uniform([0.85, 1.0, 0.85], [1.15, 1.0, 1.15])
    return 255 * (np.arange(256)[:, None] / 255) ** gamma * light


def disturb(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The picture as a camera on a turning robot takes it in other light: smeared sideways by up to 2 % of
    its width, noise of up to 14 levels, brightness, contrast and colour of the light changed."""
    length = int(rng.integers(1, picture.shape[1] // 50 + 1))
    picture = cv2.blur(picture, (length, 1))
    levels = _other_light(rng)[picture, np.arange(3)]
    levels += rng.normal(0, rng.uniform(4, 14), picture.shape)
    return levels.round().clip(0, 255).astype(np.uint8)


def _read_one(path: Path, size: int, disturbance: np.random.Generator | None) -> tuple[np.ndarray, np.ndarray]:
    picture = read_rgb(path)
    if disturbance is not None:
        picture = disturb(picture, disturbance)
    square, scale, (left, top) = letterbox(picture, size)
    rows = [[float(v) for v in line.split()] for line in label_path(path).read_text().splitlines() if line.strip()]
    labels = np.asarray(rows, np.float32).reshape(-1, 5)
    extent = np.array([picture.shape[1], picture.shape[0]], np.float32) * scale
    centre, half = labels[:, 1:3] * extent + (left, top), labels[:, 3:5] * extent / 2
    return square, np.concatenate([labels[:, :1], centre - half, centre + half], axis=1).astype(np.float32)


def load(folder: Path, size: int, most: int | None = None, disturbed: bool = False) -> Frames:
    """Reads a folder of frames (at most the first `most`) into memory: 0.3 MB a picture at 320 x 320.
    `disturbed`: each by `disturb`, always in the same way."""
    paths = picture_paths(folder)[:most]
    images = np.empty((len(paths), size, size, 3), np.uint8)
    boxes = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        generators = [np.random.default_rng(i) if disturbed else None for i in range(len(paths))]
        read = pool.map(lambda path, disturbance: _read_one(path, size, disturbance), paths, generators)
        for i, (square, labels) in enumerate(read):
            images[i] = square
            boxes.append(labels)
    return Frames(images, boxes, class_names(folder), paths)


def vary(
    picture: np.ndarray, boxes: np.ndarray, width: int, height: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """A random view of `picture` (scaled, shifted, mirrored; light, colour, noise and sharpness changed)
    of `width` x `height` pixels, with the boxes that are still in it."""
    scale = float(np.exp(rng.uniform(np.log(0.7), np.log(1.4))))
    mirror = -1.0 if rng.random() < 0.5 else 1.0
    size = picture.shape[0]
    if width < size * 0.8 and len(boxes) and rng.random() < 0.85:
        # A small view: mostly of an object, anywhere in it.
        box = boxes[rng.integers(len(boxes))]
        look_at = (box[1:3] + box[3:5]) / 2 + rng.uniform(-0.4, 0.4, 2) * (width, height) / scale
    elif width < size * 0.8:
        look_at = rng.uniform(0.2, 0.8, 2) * size
    else:
        look_at = size / 2 + rng.uniform(-0.15, 0.15, 2) * size
    # Little of what lies beyond the picture.
    reach = np.minimum(np.array([width, height]) / 2 / scale - size * 0.05, size / 2)
    look_at = np.clip(look_at, reach, size - reach)
    # view = matrix * picture, pixel centres at whole numbers + 0.5
    offset = np.array([width / 2 - mirror * scale * look_at[0], height / 2 - scale * look_at[1]])
    shift = 0.5 * (np.array([mirror, 1.0]) * scale - 1)
    matrix = np.array([[mirror * scale, 0, offset[0] + shift[0]], [0, scale, offset[1] + shift[1]]])
    view = cv2.warpAffine(picture, matrix, (width, height), flags=cv2.INTER_LINEAR, borderValue=(GREY,) * 3)

    moved = boxes.copy()
    xs = boxes[:, [1, 3]] * mirror * scale + offset[0]
    moved[:, [1, 3]] = np.sort(xs, axis=1)
    moved[:, [2, 4]] = boxes[:, [2, 4]] * scale + offset[1]
    area = np.prod(moved[:, 3:] - moved[:, 1:3], axis=1)
    moved[:, [1, 3]] = moved[:, [1, 3]].clip(0, width)
    moved[:, [2, 4]] = moved[:, [2, 4]].clip(0, height)
    sides = moved[:, 3:] - moved[:, 1:3]
    kept = (sides.min(axis=1, initial=np.inf) >= 3) & (np.prod(sides, axis=1) > 0.25 * area)
    return _vary_light(view, rng), moved[kept]


def _vary_light(view: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    # Objects, walls and floors come in any colour: a hue says little.
    hue, saturation = rng.normal(0, 20), rng.uniform(0.5, 1.4)
    hsv = cv2.cvtColor(view, cv2.COLOR_RGB2HSV)
    steps = np.arange(256, dtype=np.float32)
    hsv[..., 0] = cv2.LUT(hsv[..., 0], ((steps + hue) % 180).astype(np.uint8))
    hsv[..., 1] = cv2.LUT(hsv[..., 1], (steps * saturation).clip(0, 255).astype(np.uint8))
    view = cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)
    view = cv2.LUT(view, _other_light(rng).clip(0, 255).astype(np.uint8)[None])
    if rng.random() < 0.3:
        # As from a turning robot: smeared sideways.
        view = cv2.blur(view, (int(rng.integers(2, 9)), 1))
    elif rng.random() < 0.2:
        view = cv2.GaussianBlur(view, (3, 3), rng.uniform(0.3, 1.0))
    if rng.random() < 0.5:
        noise = np.empty(view.shape, np.int16)
        cv2.setRNGSeed(int(rng.integers(2**31)))
        cv2.randn(noise, (0, 0, 0), (float(rng.uniform(1, 12)),) * 3)
        view = cv2.add(view, noise, dtype=cv2.CV_8U)
    return view
