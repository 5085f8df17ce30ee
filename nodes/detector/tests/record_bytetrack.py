#!/usr/bin/env python3
"""Records which numbers the published ByteTrack gives to boxes: `record_bytetrack.py CHECKOUT > bytetrack.json`.

CHECKOUT is a copy of its repository (recorded: commit d1bf0191adff59bc8fcfeaa0b33d3d1642552a99); numpy, scipy, torch and lap are needed.
Two things are otherwise than there: boxes have no pixel more at their ends, for these are no whole numbers; and a lost
track that it has marked as removed is taken out at once, not one frame later.

JSON: sequences of frames of boxes [x1, y1, x2, y2, confidence, number or null].
"""

import json
import sys
import types

import numpy as np

SEQUENCES, FRAMES, SIZE = 4, 200, (640, 480)


def overlaps(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Intersection over union of each of `a` [N, 4] with each of `b` [M, 4]."""
    upper, lower = np.maximum(a[:, None, :2], b[None, :, :2]), np.minimum(a[:, None, 2:], b[None, :, 2:])
    both = np.clip(lower - upper, 0, None).prod(axis=2)
    area_a, area_b = ((boxes[:, 2:] - boxes[:, :2]).prod(axis=1) for boxes in (a, b))
    return both / (area_a[:, None] + area_b[None] - both)


def world(rng: np.random.Generator):
    """Frames of boxes, highest confidence first: things that move, pale, hide and are seen twice, and some that are none."""
    places, sizes = ([50, 50], [590, 430]), ([20, 30], [120, 160])
    things = [
        {
            "place": rng.uniform(*places),
            "velocity": rng.uniform(-6, 6, 2),
            "size": rng.uniform(*sizes),
            "phase": rng.uniform(0, 2 * np.pi),
            "pace": rng.uniform(0.05, 0.4),
            "hidden": 0,
        }
        for _ in range(rng.integers(3, 9))
    ]
    for _ in range(FRAMES):
        boxes = []

        def see(middle, size, confidence):
            boxes.append([*(middle - size / 2), *(middle + size / 2), min(confidence, 0.99)])

        for thing in things:
            thing["place"] = thing["place"] + thing["velocity"]
            outside = [not 20 < at < side - 20 for at, side in zip(thing["place"], SIZE)]
            thing["velocity"][outside] *= -1
            thing["phase"] += thing["pace"]
            if thing["hidden"]:
                thing["hidden"] -= 1
                continue
            if rng.random() < 0.03:
                thing["hidden"] = int(rng.integers(1, 45))
                continue
            confidence = 0.52 + 0.43 * np.sin(thing["phase"]) + rng.normal(0, 0.05)
            if confidence < 0.08:
                continue
            middle = thing["place"] + rng.normal(0, 1.5, 2)
            size = thing["size"] * (1 + rng.normal(0, 0.03, 2))
            see(middle, size, confidence)
            if rng.random() < 0.05:
                see(middle + rng.normal(0, 6, 2), size, confidence * rng.uniform(0.5, 1))
        if rng.random() < 0.2:
            see(rng.uniform(*places), rng.uniform(*sizes), rng.uniform(0.1, 0.9))
        rounded = [[*(round(float(side), 2) for side in box[:4]), round(float(box[4]), 3)] for box in boxes]
        yield sorted(rounded, key=lambda box: -box[4])


def main() -> None:
    np.float = float  # As numpy called it then.
    sys.modules["cython_bbox"] = types.SimpleNamespace(bbox_overlaps=overlaps)
    sys.path.insert(0, sys.argv[1])
    from yolox.tracker.basetrack import BaseTrack, TrackState
    from yolox.tracker.byte_tracker import BYTETracker, STrack

    def remember(name: str) -> None:
        """Makes a track remember the box that it was seen in last."""
        original = getattr(STrack, name)

        def method(self, first, *rest, **named):
            self.seen = self if name == "activate" else first
            return original(self, first, *rest, **named)

        setattr(STrack, name, method)

    for name in ("activate", "update", "re_activate"):
        remember(name)
    sequences = []
    for seed in range(SEQUENCES):
        BaseTrack._count = 0
        # The defaults of its tools/demo_track.py.
        tracker = BYTETracker(types.SimpleNamespace(track_thresh=0.5, track_buffer=30, match_thresh=0.8, mot20=False))
        sequence = []
        for boxes in world(np.random.default_rng(seed)):
            tracks = tracker.update(np.array(boxes, float).reshape(-1, 5), (1, 1), (1, 1))
            tracker.lost_stracks = [track for track in tracker.lost_stracks if track.state != TrackState.Removed]
            numbers = [None] * len(boxes)
            for track in (track for track in tracks if track.frame_id == tracker.frame_id):
                own = [*track.seen._tlwh[:2], track.seen.score]
                (index,) = (i for i, box in enumerate(boxes) if np.allclose([*box[:2], box[4]], own))
                numbers[index] = track.track_id
            sequence.append([[*box, number] for box, number in zip(boxes, numbers)])
        sequences.append(sequence)
    frames = (",\n".join(json.dumps(frame, separators=(",", ":")) for frame in sequence) for sequence in sequences)
    print("[[" + "],\n[".join(frames) + "]]")


if __name__ == "__main__":
    main()
