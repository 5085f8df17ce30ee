"""A detector of the YOLOv8 architecture, written from its published description.

Backbone of strided convolutions and C2f blocks (cross-stage partial blocks whose every
bottleneck output is kept), SPPF at its end, a PAN neck, and a decoupled anchor-free head that
predicts each side of a box as a distribution over distances (Distribution Focal Loss,
arXiv:2006.04388). The whole is described in arXiv:2304.00501, section "YOLOv8".

Boxes are in input pixels. `N` is the batch, `A` the number of anchors: the cell centres of the
three feature maps with strides 8, 16 and 32, in that order, row by row.
"""

import math

import torch
from torch import Tensor, nn

STRIDES = (8, 16, 32)
# A side of a box lies between 0 and BINS - 1 strides from its anchor.
BINS = 16

# Channels after each stride-2 convolution, and bottlenecks in the four C2f blocks of the backbone.
# YOLOv8n has (16, 32, 64, 128, 256) and (1, 2, 2, 1).
CHANNELS = (16, 24, 40, 80, 128)
DEPTHS = (1, 1, 1, 1)


class ConvBnAct(nn.Sequential):
    """Convolution, batch normalisation, SiLU."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 1, stride: int = 1):
        super().__init__(
            nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False),
            nn.BatchNorm2d(outputs, eps=1e-3, momentum=0.03),
            nn.SiLU(inplace=True),
        )


class Bottleneck(nn.Module):
    """Two 3x3 convolutions, added to their input where `shortcut` is set."""

    def __init__(self, channels: int, shortcut: bool):
        super().__init__()
        self.body = nn.Sequential(ConvBnAct(channels, channels, 3), ConvBnAct(channels, channels, 3))
        self.shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x) if self.shortcut else self.body(x)


class C2f(nn.Module):
    """Half of the channels pass straight on, the others through `depth` bottlenecks in a row;
    the output mixes the two halves and what each bottleneck gave."""

    def __init__(self, inputs: int, outputs: int, depth: int, shortcut: bool):
        super().__init__()
        half = outputs // 2
        self.enter = ConvBnAct(inputs, 2 * half)
        self.bottlenecks = nn.ModuleList(Bottleneck(half, shortcut) for _ in range(depth))
        self.leave = ConvBnAct((2 + depth) * half, outputs)

    def forward(self, x: Tensor) -> Tensor:
        parts = list(self.enter(x).chunk(2, dim=1))
        for bottleneck in self.bottlenecks:
            parts.append(bottleneck(parts[-1]))
        return self.leave(torch.cat(parts, dim=1))


class Sppf(nn.Module):
    """Spatial pyramid pooling: three 5x5 max pools in a row see 5, 9 and 13 cells."""

    def __init__(self, channels: int):
        super().__init__()
        self.enter = ConvBnAct(channels, channels // 2)
        self.pool = nn.MaxPool2d(5, stride=1, padding=2)
        self.leave = ConvBnAct(channels // 2 * 4, channels)

    def forward(self, x: Tensor) -> Tensor:
        parts = [self.enter(x)]
        for _ in range(3):
            parts.append(self.pool(parts[-1]))
        return self.leave(torch.cat(parts, dim=1))


class Head(nn.Module):
    """Separate branches for sides and classes on each of the three feature maps."""

    def __init__(self, channels: tuple[int, int, int], classes: int):
        super().__init__()

        def branch(inputs: int, width: int, outputs: int) -> nn.Sequential:
            return nn.Sequential(
                ConvBnAct(inputs, width, 3), ConvBnAct(width, width, 3), nn.Conv2d(width, outputs, 1)
            )

        width = max(32, channels[0])
        self.sides = nn.ModuleList(branch(c, width, 4 * BINS) for c in channels)
        self.classes = nn.ModuleList(branch(c, width, classes) for c in channels)
        for sides, scores, stride in zip(self.sides, self.classes, STRIDES):
            nn.init.constant_(sides[-1].bias, 1.0)
            # At first few of the cells hold an object: start from that, not from one in two.
            nn.init.constant_(scores[-1].bias, math.log(5 / classes / (640 / stride) ** 2))

    def forward(self, maps: list[Tensor]) -> tuple[Tensor, Tensor]:
        sides = [branch(x).flatten(2) for branch, x in zip(self.sides, maps)]
        scores = [branch(x).flatten(2) for branch, x in zip(self.classes, maps)]
        return torch.cat(sides, dim=2), torch.cat(scores, dim=2)


class YoloV8(nn.Module):
    """The network. Takes RGB in 0..1 as `[N, 3, H, W]` with H and W multiples of 32; gives the raw
    sides `[N, 4 * BINS, A]` and class logits `[N, classes, A]`."""

    def __init__(self, classes: int, channels: tuple[int, ...] = CHANNELS, depths: tuple[int, ...] = DEPTHS):
        super().__init__()
        c1, c2, c3, c4, c5 = channels
        d2, d3, d4, d5 = depths
        self.stem = nn.Sequential(ConvBnAct(3, c1, 3, 2), ConvBnAct(c1, c2, 3, 2), C2f(c2, c2, d2, True))
        self.stage3 = nn.Sequential(ConvBnAct(c2, c3, 3, 2), C2f(c3, c3, d3, True))
        self.stage4 = nn.Sequential(ConvBnAct(c3, c4, 3, 2), C2f(c4, c4, d4, True))
        self.stage5 = nn.Sequential(ConvBnAct(c4, c5, 3, 2), C2f(c5, c5, d5, True), Sppf(c5))
        self.up = nn.Upsample(scale_factor=2, mode="nearest")
        self.top_down4 = C2f(c5 + c4, c4, d5, False)
        self.top_down3 = C2f(c4 + c3, c3, d5, False)
        self.down3 = ConvBnAct(c3, c3, 3, 2)
        self.bottom_up4 = C2f(c3 + c4, c4, d5, False)
        self.down4 = ConvBnAct(c4, c4, 3, 2)
        self.bottom_up5 = C2f(c4 + c5, c5, d5, False)
        self.head = Head((c3, c4, c5), classes)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        p3 = self.stage3(self.stem(images))
        p4 = self.stage4(p3)
        p5 = self.stage5(p4)
        n4 = self.top_down4(torch.cat([self.up(p5), p4], dim=1))
        n3 = self.top_down3(torch.cat([self.up(n4), p3], dim=1))
        n4 = self.bottom_up4(torch.cat([self.down3(n3), n4], dim=1))
        n5 = self.bottom_up5(torch.cat([self.down4(n4), p5], dim=1))
        return self.head([n3, n4, n5])


def anchors(height: int, width: int) -> tuple[Tensor, Tensor]:
    """Cell centres `[A, 2]` (x, y) in input pixels and each cell's stride `[A, 1]`."""
    centres, strides = [], []
    for stride in STRIDES:
        ys, xs = torch.meshgrid(
            torch.arange(height // stride) + 0.5, torch.arange(width // stride) + 0.5, indexing="ij"
        )
        centres.append(torch.stack([xs, ys], dim=-1).reshape(-1, 2) * stride)
        strides.append(torch.full((xs.numel(), 1), float(stride)))
    return torch.cat(centres), torch.cat(strides)


def decode_distances(sides: Tensor) -> Tensor:
    """Raw sides `[N, 4 * BINS, A]` to expected distances (left, top, right, bottom) `[N, 4, A]`, in strides."""
    batch, _, count = sides.shape
    weights = sides.reshape(batch, 4, BINS, count).softmax(dim=2)
    bins = torch.arange(BINS, dtype=sides.dtype, device=sides.device).reshape(1, 1, BINS, 1)
    return (weights * bins).sum(dim=2)


class Exported(nn.Module):
    """The network with the output of a YOLOv8 export: `[N, 4 + classes, A]`, box centre, width and
    height in input pixels, then each class's score in 0..1."""

    def __init__(self, network: YoloV8, height: int, width: int):
        super().__init__()
        self.network = network
        centres, strides = anchors(height, width)
        self.register_buffer("centres", centres.T.unsqueeze(0).contiguous())
        self.register_buffer("strides", strides.T.unsqueeze(0).contiguous())

    def forward(self, images: Tensor) -> Tensor:
        sides, logits = self.network(images)
        distances = decode_distances(sides) * self.strides
        near, far = distances[:, :2], distances[:, 2:]
        centre = self.centres + (far - near) / 2
        return torch.cat([centre, near + far, logits.sigmoid()], dim=1)
