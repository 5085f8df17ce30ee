#!/usr/bin/env python3
"""The detector's reference: what its tests and measurements compare it with.

Needs numpy, opencv and onnxruntime, and no other detector: the steps are those of Ultralytics' predictor with
rect=False (letterbox, bilinear resize, 0 to 1, confidence, class-wise suppression), written out with OpenCV and NumPy.

  reference.py letterbox OUT SIDE WxH...      random pictures: OUT/WxH.rgb, and OUT/WxH.box, the input's bytes
  reference.py encodings OUT                  pictures in ROS's encodings: OUT/cases.json, OUT/*.raw, OUT/*.rgb
  reference.py photos OUT PHOTO               a photo and pictures made of it, as PNG: OUT/*.png
  reference.py detect MODEL PICTURE...        JSON: by picture, [{class_id, confidence, bbox}]
  reference.py time MODEL WxH [PROVIDER GPU]  one JSON line for each input line, see `time_steps`
"""

import json
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import onnxruntime as ort

CONFIDENCE, IOU, MOST = 0.25, 0.7, 300
GREY = 114
PROVIDERS = {"TensorRT": "TensorrtExecutionProvider", "CUDA": "CUDAExecutionProvider", "CPU": "CPUExecutionProvider"}


def letterbox(picture, width, height):
    """The picture at its place in the network's input: pixels, scale and margins."""
    h, w = picture.shape[:2]
    gain = min(height / h, width / w)
    new_w, new_h = round(w * gain), round(h * gain)
    pad_w, pad_h = (width - new_w) / 2, (height - new_h) / 2
    if (w, h) != (new_w, new_h):
        picture = cv2.resize(picture, (new_w, new_h), interpolation=cv2.INTER_LINEAR)
    top, bottom = round(pad_h - 0.1), round(pad_h + 0.1)
    left, right = round(pad_w - 0.1), round(pad_w + 0.1)
    picture = cv2.copyMakeBorder(picture, top, bottom, left, right, cv2.BORDER_CONSTANT, value=(GREY,) * 3)
    return picture, gain, (left, top)


def tensor(bgr):
    """Blue, green, red bytes to the network's input."""
    planes = np.ascontiguousarray(bgr[..., ::-1].transpose(2, 0, 1)[None])
    return planes.astype(np.float32) / 255


def suppress(boxes, scores):
    """Greedy suppression of one class; indices of what stays, by falling score."""
    x1, y1, x2, y2 = boxes.T
    areas = (x2 - x1) * (y2 - y1)
    order, kept = np.argsort(-scores, kind="stable"), []
    while order.size:
        i, rest = order[0], order[1:]
        kept.append(i)
        w = np.minimum(x2[i], x2[rest]) - np.maximum(x1[i], x1[rest])
        h = np.minimum(y2[i], y2[rest]) - np.maximum(y1[i], y1[rest])
        common = np.maximum(w, 0) * np.maximum(h, 0)
        order = rest[common <= IOU * (areas[i] + areas[rest] - common)]
    return kept


def boxes_of(output, gain, margins, size):
    """[class, confidence, x1, y1, x2, y2] in the picture's pixels, from one frame's output."""
    if output.shape[-1] == 6:  # suppression is built in
        found = [(int(row[5]), row[4], row[:4]) for row in output if row[4] > CONFIDENCE]
    else:
        best = output[4:].max(0)
        at = np.flatnonzero(best > CONFIDENCE)
        x, y, w, h = output[:4, at]
        boxes = np.stack([x - w / 2, y - h / 2, x + w / 2, y + h / 2], 1)
        classes, scores = output[4:, at].argmax(0), best[at]
        found = []
        for c in np.unique(classes):
            mine = np.flatnonzero(classes == c)
            found += [(int(c), scores[mine[i]], boxes[mine[i]]) for i in suppress(boxes[mine], scores[mine])]
    found = sorted(found, key=lambda one: -one[1])[:MOST]
    limits = np.array([size[0], size[1]] * 2)
    result = []
    for class_id, confidence, box in found:
        box = np.clip((box - np.array(margins * 2)) / gain, 0, limits)
        result.append({"class_id": class_id, "confidence": float(confidence), "bbox": [float(v) for v in box]})
    return result


def open_model(path, threads=0, provider="CPU", gpu=0):
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    wanted = {"device_id": gpu} if provider != "CPU" else {}
    if provider == "TensorRT":
        wanted["trt_fp16_enable"] = True
    session = ort.InferenceSession(path, options, providers=[(PROVIDERS[provider], wanted)])
    if session.get_providers()[0] != PROVIDERS[provider]:  # It falls back by itself, and only warns.
        sys.exit(f"this onnxruntime does not compute on {provider}")
    shape = session.get_inputs()[0].shape
    side = json.loads(session.get_modelmeta().custom_metadata_map.get("imgsz", "[640, 640]"))
    height, width = (n if isinstance(n, int) else side[i] for i, n in enumerate(shape[2:]))
    dtype = np.float16 if "float16" in session.get_inputs()[0].type else np.float32
    return session, width, height, dtype


def detect(model, pictures):
    session, width, height, dtype = open_model(model)
    name, batch = session.get_inputs()[0].name, session.get_inputs()[0].shape[0]
    answers = {}
    for path in pictures:
        picture = cv2.imread(path)
        boxed, gain, margins = letterbox(picture, width, height)
        frames = tensor(boxed).astype(dtype)
        if isinstance(batch, int) and batch > 1:
            frames = np.repeat(frames, batch, 0)
        output = session.run(None, {name: frames})[0][0].astype(np.float32)
        answers[path] = boxes_of(output, gain, margins, picture.shape[1::-1])
    print(json.dumps(answers))


def write_letterboxes(out, side, sizes):
    random = np.random.default_rng(7)
    for size in sizes:
        w, h = map(int, size.split("x"))
        rgb = random.integers(0, 256, (h, w, 3), np.uint8)
        rgb.tofile(out / f"{size}.rgb")
        letterbox(rgb, side, side)[0].tofile(out / f"{size}.box")


def picture_of(random, w, h):
    """A picture with asymmetric colours: smooth red, other blue, noisy green, so that no two channels can be swapped."""
    y, x = np.mgrid[0:h, 0:w]
    red = x * 255 // max(w - 1, 1)
    green = random.integers(0, 256, (h, w))
    blue = 40 + y * 100 // max(h - 1, 1)
    return np.stack([red, green, blue], -1).astype(np.uint8)


def yuv_to_rgb(y, u, v):
    """OpenCV's fixed-point BT.601 for planes of the same size: for the layouts that OpenCV does not read."""
    y, u, v = y.astype(np.int64), u.astype(np.int64) - 128, v.astype(np.int64) - 128
    y, half = np.maximum(y - 16, 0) * 1220542, 1 << 19
    r, g, b = y + half + 1673527 * v, y + half - 852492 * v - 409993 * u, y + half + 2116026 * u
    return np.clip(np.stack([r, g, b], -1) >> 20, 0, 255).astype(np.uint8)


def write_encodings(out):
    random = np.random.default_rng(11)
    cases = []

    def case(encoding, w, h, rows, rgb, wide=False, tail=None, pad=0):
        """rows: bytes of the rows, one array row each; also written with padding and, when wide, big-endian."""
        for padding in {0, pad}:
            for big in (False, True) if wide else (False,):
                block = rows.astype(">u2" if big else "<u2") if wide else rows
                block = np.ascontiguousarray(block).view(np.uint8).reshape(len(rows), -1)
                step = block.shape[1] + padding
                data = np.pad(block, ((0, 0), (0, padding)), constant_values=77)
                parts = [data.tobytes()]
                if tail is not None:
                    wanted = step * (2 if encoding == "nv24" else 1)
                    parts.append(np.pad(tail, ((0, 0), (0, wanted - tail.shape[1]))).tobytes())
                name = f"{encoding}_{w}x{h}_{padding}_{'be' if big else 'le'}"
                (out / f"{name}.raw").write_bytes(b"".join(parts))
                np.ascontiguousarray(rgb).tofile(out / f"{name}.rgb")
                cases.append({"name": name, "encoding": encoding, "width": w, "height": h, "step": step, "big": big})

    for w, h in ((64, 48), (38, 21)):
        rgb = picture_of(random, w, h)
        grey = rgb[..., 1]
        alpha = np.dstack([rgb, random.integers(0, 256, (h, w), np.uint8)])
        case("rgb8", w, h, rgb.reshape(h, -1), rgb, pad=5)
        case("bgr8", w, h, rgb[..., ::-1].reshape(h, -1), rgb, pad=5)
        case("rgba8", w, h, alpha.reshape(h, -1), rgb, pad=4)
        case("bgra8", w, h, alpha[..., [2, 1, 0, 3]].reshape(h, -1), rgb, pad=4)
        case("mono8", w, h, grey, np.dstack([grey] * 3), pad=3)
        deep = random.integers(0, 65536, (h, w)).astype(np.uint16)
        shallow = ((deep.astype(np.uint32) + 128) // 257).astype(np.uint8)
        case("mono16", w, h, deep, np.dstack([shallow] * 3), wide=True, pad=6)
        deep = random.integers(0, 65536, (h, w, 3)).astype(np.uint16)
        shallow = ((deep.astype(np.uint32) + 128) // 257).astype(np.uint8)
        case("rgb16", w, h, deep.reshape(h, -1), shallow, wide=True, pad=6)
        # ROS names the first two pixels of the first row, OpenCV those one row and one column further.
        for pattern, code in (
            ("rggb", cv2.COLOR_BayerBG2RGB),
            ("grbg", cv2.COLOR_BayerGB2RGB),
            ("gbrg", cv2.COLOR_BayerGR2RGB),
            ("bggr", cv2.COLOR_BayerRG2RGB),
        ):
            mosaic = np.empty((h, w), np.uint8)
            for i, colour in enumerate(pattern):
                mosaic[i // 2 :: 2, i % 2 :: 2] = rgb[i // 2 :: 2, i % 2 :: 2, "rgb".index(colour)]
            demosaiced = cv2.cvtColor(mosaic, code)
            case(f"bayer_{pattern}8", w, h, mosaic, demosaiced, pad=2)
            case(f"bayer_{pattern}16", w, h, mosaic.astype(np.uint16) * 257, demosaiced, wide=True, pad=2)
        packed = random.integers(0, 256, (h, w, 2), np.uint8)
        case("yuv422", w, h, packed.reshape(h, -1), cv2.cvtColor(packed, cv2.COLOR_YUV2RGB_UYVY), pad=4)
        case("yuv422_yuy2", w, h, packed.reshape(h, -1), cv2.cvtColor(packed, cv2.COLOR_YUV2RGB_YUY2), pad=4)
        luma = random.integers(0, 256, (h, w), np.uint8)
        half = random.integers(0, 256, ((h + 1) // 2, w), np.uint8)
        first, second = (np.repeat(np.repeat(half[:, i::2], 2, 0), 2, 1)[:h] for i in (0, 1))
        for name, u, v, code in (
            ("nv12", first, second, cv2.COLOR_YUV2RGB_NV12),
            ("nv21", second, first, cv2.COLOR_YUV2RGB_NV21),
        ):
            converted = yuv_to_rgb(luma, u, v)
            if h % 2 == 0:  # OpenCV reads even heights only
                assert (converted == cv2.cvtColor(np.vstack([luma, half]), code)).all(), name
            case(name, w, h, luma, converted, tail=half, pad=4)
        full = random.integers(0, 256, (h, 2 * w), np.uint8)
        case("nv24", w, h, luma, yuv_to_rgb(luma, full[:, ::2], full[:, 1::2]), tail=full, pad=4)
    (out / "cases.json").write_text(json.dumps(cases))


def write_photos(out, photo):
    picture = cv2.imread(photo)
    random = np.random.default_rng(3)
    h, w = picture.shape[:2]
    noise = random.normal(0, 12, picture.shape)
    made = {
        "original": picture,
        "mirrored": picture[:, ::-1],
        "vga": cv2.resize(picture[h // 8 : h // 8 + w * 3 // 4], (640, 480), interpolation=cv2.INTER_AREA),
        "qvga": cv2.resize(picture[h // 8 : h // 8 + w * 3 // 4], (320, 240), interpolation=cv2.INTER_AREA),
        "hd": cv2.resize(picture[h // 4 : h // 4 + w * 9 // 16], (1280, 720), interpolation=cv2.INTER_CUBIC),
        "odd": cv2.resize(picture, (517, 803), interpolation=cv2.INTER_AREA),
        "noisy": np.clip(picture + noise, 0, 255).astype(np.uint8),
        "dark": (picture * 0.4).astype(np.uint8),
        "crop": picture[:, : w // 2],
    }
    for name, pixels in made.items():
        cv2.imwrite(str(out / f"{name}.png"), pixels)


def time_steps(model, size, provider="CPU", gpu="0"):
    """Times of each step in ms, with one thread: pre, write (the input written once), infer, post. The frame's bytes, blue,
    green, red, come first on standard input."""
    cv2.setNumThreads(1)
    session, width, height, dtype = open_model(model, 1, provider, int(gpu))
    w, h = map(int, size.split("x"))
    frame = np.frombuffer(sys.stdin.buffer.read(3 * w * h), np.uint8).reshape(h, w, 3)
    name, batch = session.get_inputs()[0].name, session.get_inputs()[0].shape[0]
    filled = np.empty((1, 3, height, width), dtype)
    steps = ("pre", "write", "infer", "post")
    for line in sys.stdin.buffer:  # one line, one run: the caller interleaves its own
        t0 = time.perf_counter()
        boxed, gain, margins = letterbox(frame, width, height)
        # OpenCV's own way, faster than `tensor`; it differs in the last bit.
        frames = cv2.dnn.blobFromImage(boxed, 1 / 255, swapRB=True).astype(dtype, copy=False)
        t1 = time.perf_counter()
        if isinstance(batch, int) and batch > 1:
            frames = np.repeat(frames, batch, 0)
        t2 = time.perf_counter()
        output = session.run(None, {name: frames})[0][0]
        t3 = time.perf_counter()
        boxes_of(output, gain, margins, (w, h))
        t4 = time.perf_counter()
        filled.fill(0.5)
        t5 = time.perf_counter()
        times = (t1 - t0, t5 - t4, t3 - t2, t4 - t3)
        print(json.dumps({step: time * 1e3 for step, time in zip(steps, times)}), flush=True)


def main():
    command, *args = sys.argv[1:] or ["help"]
    if command == "letterbox":
        write_letterboxes(Path(args[0]), int(args[1]), args[2:])
    elif command == "encodings":
        write_encodings(Path(args[0]))
    elif command == "photos":
        write_photos(Path(args[0]), args[1])
    elif command == "detect":
        detect(args[0], args[1:])
    elif command == "time":
        time_steps(*args)
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
