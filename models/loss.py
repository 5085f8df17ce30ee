"""What the network learns by: which anchors answer for which object, and how wrong they are.

Anchors are assigned by task alignment (TOOD, arXiv:2108.07755): those whose class score and box
agree best with an object are its positives. Classes are trained with binary cross entropy against
the alignment, boxes with complete IoU (arXiv:1911.08287) and distribution focal loss
(arXiv:2006.04388).

`N` is the batch, `A` the anchors, `M` the most objects in a picture. Boxes are (left, top, right,
bottom) in input pixels.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from yolov8 import BINS, STRIDES, anchors, decode_distances

BOX_GAIN, CLASS_GAIN, DISTANCE_GAIN = 7.5, 0.5, 1.5
# Alignment of an anchor with an object: score ** ALPHA * iou ** BETA.
ALPHA, BETA = 0.5, 6.0
POSITIVES_PER_OBJECT = 10
# Objects narrower than this (pixels) also get the anchors close by: else one that lies between
# the cell centres would have none.
LEAST_SIDE = 1.5 * STRIDES[0]


@dataclass
class Targets:
    """The objects of a batch, padded to the same number: `boxes` [N, M, 4], `classes` [N, M], `present` [N, M]."""

    boxes: Tensor
    classes: Tensor
    present: Tensor

    def to(self, device: str) -> "Targets":
        """The same on `device`."""
        return self._each(lambda part: part.to(device, non_blocking=True))

    def pin_memory(self) -> "Targets":
        """The same in memory that a GPU reads by itself."""
        return self._each(Tensor.pin_memory)

    def _each(self, change: Callable[[Tensor], Tensor]) -> "Targets":
        return Targets(change(self.boxes), change(self.classes), change(self.present))


@dataclass
class Assignment:
    """For each anchor: whether it answers for an object, that object's box, and its wanted class scores."""

    positive: Tensor  # [N, A] bool
    boxes: Tensor  # [N, A, 4]
    scores: Tensor  # [N, A, classes]


def complete_iou(a: Tensor, b: Tensor) -> Tensor:
    """IoU less a penalty for centres that lie apart and for unlike aspect ratios; broadcasts over `[..., 4]`."""
    tiny = 1e-7
    a_size = (a[..., 2:] - a[..., :2]).clamp(min=tiny)
    b_size = (b[..., 2:] - b[..., :2]).clamp(min=tiny)
    overlap = (torch.minimum(a[..., 2:], b[..., 2:]) - torch.maximum(a[..., :2], b[..., :2])).clamp(min=0)
    overlap = overlap.prod(-1)
    iou = overlap / (a_size.prod(-1) + b_size.prod(-1) - overlap + tiny)
    hull = torch.maximum(a[..., 2:], b[..., 2:]) - torch.minimum(a[..., :2], b[..., :2])
    apart = (a[..., :2] + a[..., 2:] - b[..., :2] - b[..., 2:]).square().sum(-1) / 4
    angle = torch.atan(a_size[..., 0] / a_size[..., 1]) - torch.atan(b_size[..., 0] / b_size[..., 1])
    unlike = 4 / math.pi**2 * angle.square()
    with torch.no_grad():
        weight = unlike / (1 - iou + unlike + tiny)
    return iou - apart / (hull.square().sum(-1) + tiny) - weight * unlike


@torch.no_grad()
def assign(scores: Tensor, boxes: Tensor, centres: Tensor, targets: Targets) -> Assignment:
    """Task-aligned assignment of `scores` [N, A, classes] and `boxes` [N, A, 4] at `centres` [A, 2]."""
    batch, count, classes = scores.shape
    middle = (targets.boxes[..., :2] + targets.boxes[..., 2:]) / 2
    half = ((targets.boxes[..., 2:] - targets.boxes[..., :2]) / 2).clamp(min=LEAST_SIDE / 2)
    inside = ((centres - middle.unsqueeze(2)).abs() < half.unsqueeze(2)).all(-1)  # [N, M, A]
    inside &= targets.present.unsqueeze(2)

    overlap = complete_iou(targets.boxes.unsqueeze(2), boxes.unsqueeze(1)).clamp(min=0) * inside
    of_class = targets.classes.unsqueeze(2).expand(-1, -1, count)
    score = scores.transpose(1, 2).gather(1, of_class)
    alignment = score.pow(ALPHA) * overlap.pow(BETA)

    # While the boxes are still poor many alignments are 0: a trace of nearness breaks the tie.
    near = 1 / (1 + (centres - middle.unsqueeze(2)).square().sum(-1))
    ranked = (alignment + 1e-9 * near) * inside
    best = ranked.topk(min(POSITIVES_PER_OBJECT, count), dim=2)
    candidate = torch.zeros_like(inside).scatter_(2, best.indices, best.values > 0)

    # An anchor wanted by several objects answers for the one that its box overlaps most.
    wanted = torch.where(candidate, overlap + 1e-9 * near, -1.0)
    owner = wanted.argmax(1)  # [N, A]
    positive = candidate.any(1)
    owned = F.one_hot(owner, targets.boxes.shape[1]).transpose(1, 2).bool() & candidate

    alignment = alignment * owned
    best_alignment = alignment.amax(2, keepdim=True)
    best_overlap = (overlap * owned).amax(2, keepdim=True)
    quality = (alignment / (best_alignment + 1e-9) * best_overlap).amax(1)  # [N, A]
    owned_class = targets.classes.gather(1, owner)
    wanted_scores = F.one_hot(owned_class, classes) * (quality * positive).unsqueeze(-1)
    owned_boxes = targets.boxes.gather(1, owner.unsqueeze(-1).expand(-1, -1, 4))
    return Assignment(positive, owned_boxes, wanted_scores)


def distance_loss(sides: Tensor, distances: Tensor) -> Tensor:
    """Cross entropy of the two bins on either side of each true distance. `sides` [P, 4, BINS] raw,
    `distances` [P, 4] in strides; gives [P]."""
    distances = distances.clamp(0, BINS - 1.01)
    lower = distances.floor().long()
    share = distances - lower
    logs = sides.log_softmax(-1)
    below = logs.gather(-1, lower.unsqueeze(-1)).squeeze(-1)
    above = logs.gather(-1, lower.unsqueeze(-1) + 1).squeeze(-1)
    return -(below * (1 - share) + above * share).mean(-1)


def detection_loss(sides: Tensor, logits: Tensor, targets: Targets, height: int, width: int) -> dict[str, Tensor]:
    """The parts of the loss, already weighted, of raw network outputs for pictures of `height` x `width`."""
    centres, strides = (part.to(sides.device) for part in anchors(height, width))
    distances = decode_distances(sides).transpose(1, 2) * strides
    boxes = torch.cat([centres - distances[..., :2], centres + distances[..., 2:]], dim=-1)
    logits = logits.transpose(1, 2)
    found = assign(logits.detach().sigmoid(), boxes.detach(), centres, targets)

    total = found.scores.sum().clamp(min=1)
    class_loss = F.binary_cross_entropy_with_logits(logits, found.scores, reduction="sum") / total
    positive = found.positive
    weight = found.scores[positive].sum(-1)
    box_loss = ((1 - complete_iou(boxes[positive], found.boxes[positive])) * weight).sum() / total

    at = centres.expand_as(boxes[..., :2])[positive]
    stride = strides.expand(boxes.shape[0], -1, 1)[positive]
    wanted = torch.cat([at - found.boxes[positive][:, :2], found.boxes[positive][:, 2:] - at], dim=-1) / stride
    raw = sides.transpose(1, 2)[positive].reshape(-1, 4, BINS)
    distance = (distance_loss(raw, wanted) * weight).sum() / total
    return {"box": BOX_GAIN * box_loss, "class": CLASS_GAIN * class_loss, "distance": DISTANCE_GAIN * distance}
