"""The two BlazePose networks as ordinary torch modules.

Layer tables of MediaPipe's ``pose_detection`` (MobileNet-like encoder, three-level pyramid, 2254 anchors) and
``pose_landmark_heavy`` (encoder, segmentation decoder, landmark encoder). Batch norms were folded by the publisher, so every
convolution has a bias. The published files are read by ``weights/tensorflow_lite.py``, which walks the convolutions in the
order in which ``forward`` calls them: keep that order when editing.

Parts of the landmark network that this project does not use (heat maps, world landmarks) are left out.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...convolution import conv2d


class Conv(nn.Conv2d):
    """Convolution with bias and TFLite's padding, optionally followed by ReLU6.

    Args:
        same_end: for stride 2, pad like TFLite's SAME on an even-sized map (one extra row and column at the end);
            otherwise pad k//2 on every side.
    """

    def __init__(self, inp: int, out: int, k: int = 1, stride: int = 1, groups: int = 1, relu6: bool = False, same_end: bool = False):
        super().__init__(inp, out, k, stride, 0 if same_end else k // 2, groups=groups)
        self.relu6, self.same_end = relu6, same_end

    def forward(self, x: Tensor) -> Tensor:
        if self.same_end:
            x = F.pad(x, (0, 1, 0, 1))
        return conv2d(x, self, "hardtanh", (0.0, 6.0)) if self.relu6 else conv2d(x, self)


def depthwise(c: int, k: int = 3, stride: int = 1, relu6: bool = False, same_end: bool = False) -> Conv:
    return Conv(c, c, k, stride, groups=c, relu6=relu6, same_end=same_end)


class InvertedResidual(nn.Module):
    """Expand 1x1, depthwise, project 1x1; identity skip where the shapes allow."""

    def __init__(self, inp: int, out: int, hidden: int, k: int = 3, stride: int = 1):
        super().__init__()
        self.expand = Conv(inp, hidden, relu6=True)
        self.spatial = depthwise(hidden, k, stride, relu6=True)
        self.project = Conv(hidden, out)
        self.skip = stride == 1 and inp == out

    def forward(self, x: Tensor) -> Tensor:
        y = self.project(self.spatial(self.expand(x)))
        return x + y if self.skip else y


class Separable(nn.Sequential):
    """Depthwise 3x3, then 1x1."""

    def __init__(self, inp: int, out: int, mid_relu6: bool, relu6: bool):
        super().__init__(depthwise(inp, relu6=mid_relu6), Conv(inp, out, relu6=relu6))


class Residual(nn.Module):
    """relu6(skip + separable(x)); stride 2 halves by max pooling on the skip and zero-fills its new channels."""

    def __init__(self, inp: int, out: int | None = None, stride: int = 1, mid_relu6: bool = True):
        super().__init__()
        out = out or inp
        self.spatial = depthwise(inp, stride=stride, relu6=mid_relu6, same_end=stride == 2)
        self.pointwise = Conv(inp, out)
        self.stride, self.extra = stride, out - inp

    def forward(self, x: Tensor) -> Tensor:
        y = self.pointwise(self.spatial(x))
        if self.stride == 2:
            x = F.max_pool2d(x, 2)
        if self.extra:
            x = F.pad(x, (0, 0, 0, 0, 0, self.extra))
        return F.relu6(x + y)


def upsample(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


def depth_to_space(x: Tensor) -> Tensor:
    """TFLite's order: channels are (row, column, depth), unlike ``pixel_shuffle``."""
    b, c, h, w = x.shape
    return x.view(b, 2, 2, c // 4, h, w).permute(0, 3, 4, 1, 5, 2).reshape(b, c // 4, 2 * h, 2 * w)


def _chain(specs: list[tuple[int, int, int, int, int]]) -> nn.Sequential:
    return nn.Sequential(*(InvertedResidual(*s) for s in specs))


class PoseDetector(nn.Module):
    """Person detector.

    Input ``(B, 3, 224, 224)`` in [-1, 1]. Output: scores as logits ``(B, 2254)`` and raw boxes ``(B, 2254, 12)`` in units of
    1/224 of the side, relative to the anchors of :func:`anchor_centres`.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(Conv(3, 24, 3, 2, relu6=True), depthwise(24, relu6=True), Conv(24, 16))
        self.stage8 = nn.Sequential(
            *_chain([(16, 24, 64, 3, 2), (24, 24, 144, 3, 1), (24, 40, 144, 5, 2), (40, 40, 240, 5, 1)]),
            Conv(40, 240, relu6=True),
        )
        self.lateral8 = Separable(40, 96, mid_relu6=False, relu6=True)
        self.to16 = nn.Sequential(depthwise(240, 3, 2, relu6=True), Conv(240, 80))
        self.stage16 = nn.Sequential(
            *_chain(
                [(80, 80, 480, 3, 1)] * 2 + [(80, 112, 480, 5, 1)] + [(112, 112, 672, 5, 1)] * 2,
            ),
            Conv(112, 672, relu6=True),
        )
        self.lateral16 = Separable(112, 192, mid_relu6=False, relu6=True)
        self.to32 = nn.Sequential(depthwise(672, 5, 2, relu6=True), Conv(672, 192))
        self.stage32 = nn.Sequential(*_chain([(192, 192, 1152, 5, 1)] * 3), Conv(192, 1152, relu6=True), depthwise(1152, relu6=True))
        self.down16 = Conv(1152, 192, relu6=True)
        self.merge16 = nn.Sequential(*(Residual(192, mid_relu6=False) for _ in range(2)))
        self.down8 = Conv(192, 96, relu6=True)
        self.merge8 = nn.Sequential(*(Residual(96, mid_relu6=False) for _ in range(2)))
        self.heads = nn.ModuleList()
        for c, anchors in ((24, 2), (48, 2), (288, 6)):
            score = nn.Sequential(depthwise(c, stride=2), Conv(c, anchors))
            box = nn.Sequential(depthwise(c, stride=2), Conv(c, anchors * 12))
            self.heads.append(nn.ModuleDict({"score": score, "box": box}))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = self.stage8[:-1](self.stem(x))
        wide8 = self.stage8[-1](x)
        side8 = self.lateral8(x)
        x = self.stage16[:-1](self.to16(wide8))
        wide16 = self.stage16[-1](x)
        side16 = self.lateral16(x)
        p32 = self.stage32(self.to32(wide16))
        p16 = self.merge16(side16 + self.down16(upsample(p32)))
        p8 = self.merge8(side8 + self.down8(upsample(p16)))
        scores, boxes = [], []
        for level, head in zip((p8, p16, p32), self.heads, strict=True):
            level = depth_to_space(level)
            scores.append(head["score"](level).permute(0, 2, 3, 1).flatten(1))  # type: ignore[index]
            boxes.append(head["box"](level).permute(0, 2, 3, 1).reshape(len(x), -1, 12))  # type: ignore[index]
        return torch.cat(scores, 1), torch.cat(boxes, 1)


def anchor_centres() -> Tensor:
    """``(2254, 2)`` x, y of the detector's anchors, relative to the square, in the order of its outputs."""
    rows = []
    for size, per_cell in ((28, 2), (14, 2), (7, 6)):
        centre = (torch.arange(size) + 0.5) / size
        y, x = torch.meshgrid(centre, centre, indexing="ij")
        rows.append(torch.stack((x, y), -1).view(-1, 1, 2).expand(-1, per_cell, 2).reshape(-1, 2))
    return torch.cat(rows)


class PoseLandmarks(nn.Module):
    """Landmarks, presence and segmentation of the one person in a crop.

    Input ``(B, 3, 256, 256)`` in [0, 1]. Output: landmarks ``(B, 39, 5)`` (x, y in crop pixels, z, visibility and presence
    logits), presence ``(B,)`` in [0, 1], segmentation logits ``(B, 256, 256)``.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(Conv(3, 24, 3, 2, relu6=True), depthwise(24, relu6=True), Conv(24, 24))
        self.expand2 = Conv(24, 96, relu6=True)
        self.side2 = Separable(24, 8, True, True)
        self.to4 = nn.Sequential(depthwise(96, 3, 2, relu6=True), Conv(96, 32))
        self.stage4 = _chain([(32, 32, 128, 3, 1), (32, 32, 192, 3, 1), (32, 32, 192, 3, 1)])
        self.expand4 = Conv(32, 192, relu6=True)
        self.side4 = Separable(32, 48, True, True)
        self.to8 = nn.Sequential(depthwise(192, 5, 2, relu6=True), Conv(192, 56))
        self.stage8 = _chain([(56, 56, 336, 5, 1)] * 3)
        self.expand8 = Conv(56, 336, relu6=True)
        self.side8 = Separable(56, 48, True, True)
        self.landmark_side8 = Separable(56, 96, True, True)
        self.to16 = nn.Sequential(depthwise(336, 3, 2, relu6=True), Conv(336, 112))
        self.stage16 = _chain([(112, 112, 672, 3, 1)] * 5 + [(112, 160, 672, 5, 1)] + [(160, 160, 960, 5, 1)] * 5)
        self.expand16 = Conv(160, 960, relu6=True)
        self.side16 = Separable(160, 48, True, True)
        self.landmark_side16 = Separable(160, 192, True, True)
        self.to32 = nn.Sequential(depthwise(960, 5, 2, relu6=True), Conv(960, 272))
        self.stage32 = nn.Sequential(*_chain([(272, 272, 1632, 5, 1)] * 7), Conv(272, 1632, relu6=True), depthwise(1632, relu6=True))
        self.side32 = Separable(1632, 48, True, True)
        self.segment4 = Separable(48, 8, True, True)
        self.segment2 = nn.Sequential(Residual(8), Residual(8))
        self.segment1 = nn.Sequential(Residual(8), Residual(8))
        self.segment = Conv(8, 1, 3)
        self.landmark8 = _residuals(48, 96, 6)
        self.landmark16 = _residuals(96, 192, 7)
        self.landmark32 = _residuals(192, 288, 7)
        self.landmark_side32 = Separable(1632, 288, True, True)
        self.landmark128 = nn.Sequential(*_residuals(288, 288, 7), *_residuals(288, 288, 7))
        self.landmarks = nn.Conv2d(288, 195, 2)
        self.presence = nn.Conv2d(288, 1, 2)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x = self.stem(x)
        wide = self.expand2(x)
        side2 = self.side2(x)
        x = self.stage4(self.to4(wide))
        wide = self.expand4(x)
        side4 = self.side4(x)
        x = self.stage8(self.to8(wide))
        wide = self.expand8(x)
        side8, landmark_side8 = self.side8(x), self.landmark_side8(x)
        x = self.stage16(self.to16(wide))
        wide = self.expand16(x)
        side16, landmark_side16 = self.side16(x), self.landmark_side16(x)
        x32 = self.stage32(self.to32(wide))

        x = upsample(self.side32(x32)) + side16
        x = upsample(x) + side8
        x4 = upsample(x) + side4
        landmark = self.landmark8[0](x4)
        x = upsample(self.segment4(x4)) + side2
        x = self.segment1(upsample(self.segment2(x)))
        segmentation = self.segment(x)[:, 0]

        landmark = self.landmark8[1:](landmark) + landmark_side8
        landmark = self.landmark16(landmark) + landmark_side16
        landmark = self.landmark32(landmark) + self.landmark_side32(x32)
        landmark = self.landmark128(landmark)
        points = self.landmarks(landmark).view(-1, 39, 5)
        return points, torch.sigmoid(self.presence(landmark).flatten()), segmentation


def _residuals(inp: int, out: int, count: int) -> nn.Sequential:
    """One halving block, then ``count`` blocks of the same size."""
    return nn.Sequential(Residual(inp, out, stride=2), *(Residual(out) for _ in range(count)))
