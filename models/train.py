"""Trains the network on a folder of frames within a given time: from nothing, or on from an earlier
checkpoint or an exported model.

    python3 train.py --train FRAMES --val FRAMES --minutes 90 --out maze.pt
    python3 train.py --train FRAMES --val FRAMES --minutes 40 --start maze_yolov8.onnx --learning-rate 1e-3 --out better.pt

On a GPU one process trains, and one a core makes the views for it. On a CPU a process a core trains,
each on one thread with a network of its own. Every few steps each meets the others in the middle, at
weights that lie in shared memory, without waiting for them (elastic averaging, arXiv:1412.6651, with
all of the way gone at once): where cores are shared with other work no one waits for the slowest. The
learning rate follows the clock, so that a slower machine ends as soon with fewer rounds. The weights
kept are a running mean of those visited; they are written every few minutes, so that `export.py` can
make a model of them at any time.
"""

import argparse
import copy
import math
import os
import time
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor, multiprocessing, nn
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

import frames
from evaluate import coco_metrics
from export import load_checkpoint, load_exported, save_checkpoint
from loss import Targets, detection_loss
from postprocess import detections
from yolov8 import Exported, YoloV8

# Until this share of the time small views of the objects, which cost a quarter of a whole picture; then whole pictures.
VIEWS_UNTIL = 0.65
VIEW_SIDE, VIEWS = 224, 16  # pixels; in a batch
WHOLE_BATCH = 8
# A GPU is hardly busier with whole pictures: no small views.
GPU_BATCH = 64
LAST_LEARNING_RATE = 0.01  # as a part of the highest
WARM_UP = 0.03
WEIGHT_DECAY = 0.02
EMA_STEPS = 400
MEET_STEPS = 8


class Average:
    """An exponential running mean of a network's weights, over about the last `EMA_STEPS` steps."""

    def __init__(self, network: nn.Module):
        self.network = copy.deepcopy(network).eval().requires_grad_(False)
        self.steps = 0

    def update(self, network: nn.Module) -> None:
        self.steps += 1
        keep = min(1 - 1 / EMA_STEPS, self.steps / (self.steps + 20))
        mine = self.network.state_dict()
        for name, value in network.state_dict().items():
            if value.dtype.is_floating_point:
                mine[name].lerp_(value, 1 - keep)


class Views(IterableDataset):
    """Batches of random views of the pictures `[N, 3, H, W]` in 0..255 and what is to be found in them, for a learner
    (`rank`) or by a worker for one. Ends with the time."""

    def __init__(self, data: frames.Frames, options: argparse.Namespace, start: float, rank: int = 0):
        self.data, self.options, self.start, self.rank = data, options, start, rank

    def __iter__(self):
        worker = get_worker_info()
        rng = np.random.default_rng([self.options.seed, worker.id if worker else self.rank])
        left = np.empty(0, int)
        while (progress := progress_of(self.options, self.start)) < 1:
            width, height, batch = batch_shape(progress, self.options)
            if len(left) < batch:
                left = rng.permutation(len(self.data.images))
            chosen, left = left[:batch], left[batch:]
            yield batch_of(self.data, chosen, width, height, rng)


def batch_of(
    data: frames.Frames, chosen: np.ndarray, width: int, height: int, rng: np.random.Generator
) -> tuple[Tensor, Targets]:
    """Random views of the chosen pictures."""
    views = [frames.vary(data.images[i], data.boxes[i], width, height, rng) for i in chosen]
    images = torch.from_numpy(np.stack([view for view, _ in views])).permute(0, 3, 1, 2)
    most = max(1, max(len(boxes) for _, boxes in views))
    padded = torch.zeros(len(views), most, 5)
    present = torch.zeros(len(views), most, dtype=torch.bool)
    for i, (_, boxes) in enumerate(views):
        padded[i, : len(boxes)] = torch.from_numpy(boxes)
        present[i, : len(boxes)] = True
    return images, Targets(padded[..., 1:], padded[..., 0].long(), present)


def learners(options: argparse.Namespace) -> int:
    """How many processes train."""
    return 1 if options.device == "cuda" else options.processes


def progress_of(options: argparse.Namespace, start: float) -> float:
    """The part of the time that is over."""
    return (time.monotonic() - start) / (options.minutes * 60)


def learning_rate(progress: float) -> float:
    """As a part of the highest: rises for `WARM_UP`, then falls as half a cosine. `progress` from 0 to 1."""
    if progress < WARM_UP:
        return progress / WARM_UP
    fall = (progress - WARM_UP) / (1 - WARM_UP)
    return LAST_LEARNING_RATE + (1 - LAST_LEARNING_RATE) * (1 + math.cos(math.pi * fall)) / 2


def optimizer_of(network: nn.Module) -> torch.optim.Optimizer:
    """AdamW; no decay for biases and normalisation."""
    parameters = list(network.parameters())
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": WEIGHT_DECAY},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, betas=(0.9, 0.98))


@torch.no_grad()
def measure(network: nn.Module, data: frames.Frames) -> dict[str, float]:
    """The figures of `evaluate.py` for a network that is not exported yet."""
    size, device = data.images.shape[1], next(network.parameters()).device
    model = Exported(network, size, size).eval().to(device)
    found = []
    for image in data.images:
        output = model(torch.from_numpy(image).to(device).permute(2, 0, 1).unsqueeze(0).float() / 255)
        found.append(detections(output[0].cpu().numpy(), confidence=0.001, iou=0.7))
    return coco_metrics(data, found)


class Meeting:
    """Weights in shared memory, at which the processes' networks meet."""

    def __init__(self, network: nn.Module):
        self.weights = {name: value.clone().share_memory_() for name, value in self.floats(network)}
        self.lock = multiprocessing.get_context("fork").Lock()

    @staticmethod
    def floats(network: nn.Module) -> list[tuple[str, Tensor]]:
        return [(name, value) for name, value in network.state_dict().items() if value.dtype.is_floating_point]

    def join(self, network: nn.Module) -> None:
        """Puts both the network and what is shared in the middle between them."""
        with self.lock:
            for name, value in self.floats(network):
                value.copy_(self.weights[name].lerp_(value, 0.5))


def batch_shape(progress: float, options: argparse.Namespace) -> tuple[int, int, int]:
    """Width, height and number of the views in a batch."""
    # Pictures are wider than high: little of the grey above and below.
    whole = options.size, -(-options.size * 3 // 4 // 32) * 32
    if options.device == "cuda":
        return *whole, GPU_BATCH
    return (VIEW_SIDE, VIEW_SIDE, VIEWS) if progress < VIEWS_UNTIL else (*whole, WHOLE_BATCH)


def learn(
    options: argparse.Namespace,
    rank: int,
    network: YoloV8,
    meeting: Meeting,
    start: float,
    data: frames.Frames,
    val: frames.Frames,
) -> None:
    """One process's part, until the time is over; the first also reports and keeps the running mean."""
    torch.manual_seed(options.seed + rank)
    network = copy.deepcopy(network).to(options.device, memory_format=torch.channels_last).train()
    average = Average(network)
    optimizer = optimizer_of(network)
    views = Views(data, options, start, rank)
    on_gpu = options.device == "cuda"
    if on_gpu:
        views = DataLoader(views, batch_size=None, num_workers=options.processes, pin_memory=True)
    step = seen = 0
    next_report, recent = options.report_minutes, []
    for images, targets in views:
        progress = progress_of(options, start)
        minutes = progress * options.minutes
        images, targets = images.to(options.device, non_blocking=True), targets.to(options.device)
        batch, _, height, width = images.shape
        for group in optimizer.param_groups:
            group["lr"] = options.learning_rate * learning_rate(min(1, progress))
        with torch.autocast("cuda", torch.bfloat16, enabled=on_gpu):
            sides, logits = network(images.float().div(255).contiguous(memory_format=torch.channels_last))
        parts = detection_loss(sides.float(), logits.float(), targets, height, width)
        optimizer.zero_grad(set_to_none=True)
        sum(parts.values()).backward()
        nn.utils.clip_grad_norm_(network.parameters(), 10.0)
        optimizer.step()
        step, seen = step + 1, seen + batch
        if learners(options) > 1 and step % MEET_STEPS == 0:
            meeting.join(network)
        if rank > 0:
            continue
        average.update(network)
        recent.append(torch.stack(list(parts.values())).detach())
        if step % 100 == 0:
            means = ", ".join(f"{name} {value:.3f}" for name, value in zip(parts, torch.stack(recent).mean(0).tolist()))
            rounds = seen * learners(options) / len(data.images)
            print(f"{minutes:.1f} min, step {step}, {rounds:.1f} rounds, {width}x{height}: {means}", flush=True)
            recent = []
        if minutes >= next_report:
            save_checkpoint(options.out, average.network, data.names, options.size)
            print(f"{minutes:.1f} min: {measure(average.network, val)}", flush=True)
            next_report = minutes + options.report_minutes
    print(f"process {rank}: {seen / len(data.images):.1f} rounds", flush=True)
    if rank == 0:
        save_checkpoint(options.out, average.network, data.names, options.size)
        print(f"end: {measure(average.network, val)}", flush=True)


def train(options: argparse.Namespace) -> None:
    # One thread a process, and from the start: what waits for a thread hangs when that has not lived on in a fork.
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    torch.manual_seed(options.seed)
    data = frames.load(options.train, options.size)
    val = frames.load(options.val, options.size, options.val_frames)
    print(f"{len(data.images)} training frames, {len(val.images)} to measure by, classes {data.names}", flush=True)
    network = YoloV8(len(data.names))
    if options.start:
        if options.start.suffix == ".onnx":
            some = torch.from_numpy(data.images[:: -(-len(data.images) // 64)]).permute(0, 3, 1, 2).float() / 255
            network, names, _ = load_exported(options.start, some)
        else:
            network, names, _ = load_checkpoint(options.start)
        if names != data.names:
            raise SystemExit(f"{options.start}: its classes {names} are not those of the frames {data.names}")
    meeting, start = Meeting(network), time.monotonic()
    # Forked, so that all read the same frames.
    fork = multiprocessing.get_context("fork")
    others = [
        fork.Process(target=learn, args=(options, rank, network, meeting, start, data, val), daemon=True)
        for rank in range(1, learners(options))
    ]
    for process in others:
        process.start()
    learn(options, 0, network, meeting, start, data, val)
    for process in others:
        process.join()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", type=Path, required=True, help="folder of training frames")
    parser.add_argument("--val", type=Path, required=True, help="folder of frames to measure by")
    parser.add_argument("--out", type=Path, required=True, help="checkpoint to write (.pt)")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu", help="what trains (default: %(default)s)")
    parser.add_argument("--processes", type=int, default=os.cpu_count(), help="(default: one a core, %(default)s)")
    parser.add_argument("--minutes", type=float, default=90, help="time to train for (default: %(default)s)")
    parser.add_argument("--start", type=Path, help="checkpoint or exported model to go on from (default: random weights)")
    parser.add_argument("--learning-rate", type=float, default=2e-3, help="the highest (default: %(default)s)")
    parser.add_argument("--size", type=int, default=416, help="side of the square input, pixels")
    parser.add_argument("--seed", type=int, default=1, help="seed of weights and variations")
    parser.add_argument("--val-frames", type=int, default=200, help="measure by at most so many frames while training")
    parser.add_argument("--report-minutes", type=float, default=6, help="time between checkpoints")
    train(parser.parse_args())


if __name__ == "__main__":
    main()
