"""Mask R-CNN's layers; the names are those of detectron2's state dict (307 tensors, 44,343,216 parameters)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from ...weights.check import load_strictly

CLASSES = 80  # COCO's; person is the first
ANCHORS = 3  # at each place of each level: one of each ratio
EPS = 1e-5  # of the norms


class FrozenNorm(nn.Module):
    """Batch norm with fixed statistics; it exists only to receive them, see :func:`fold_norms`."""

    weight: Tensor
    bias: Tensor
    running_mean: Tensor
    running_var: Tensor

    def __init__(self, channels: int):
        super().__init__()
        for name in ("weight", "bias", "running_mean", "running_var"):
            self.register_buffer(name, torch.ones(channels))


class NormedConv(nn.Conv2d):
    """A convolution followed by a frozen norm."""

    norm: FrozenNorm

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1):
        super().__init__(inputs, outputs, kernel, stride, kernel // 2, bias=False)
        self.norm = FrozenNorm(outputs)


class Stem(nn.Module):
    """To a quarter of the size, 64 channels."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = NormedConv(3, 64, 7, 2)

    def forward(self, x: Tensor) -> Tensor:
        return F.max_pool2d(F.relu_(self.conv1(x)), 3, 2, 1)


class Bottleneck(nn.Module):
    """A residual block with the stride in its first convolution, as in the original ResNet."""

    def __init__(self, inputs: int, middle: int, stride: int):
        super().__init__()
        self.conv1 = NormedConv(inputs, middle, 1, stride)
        self.conv2 = NormedConv(middle, middle, 3)
        self.conv3 = NormedConv(middle, 4 * middle, 1)
        self.shortcut = NormedConv(inputs, 4 * middle, 1, stride) if inputs != 4 * middle else None

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv3(F.relu_(self.conv2(F.relu_(self.conv1(x)))))
        return F.relu_(y + (x if self.shortcut is None else self.shortcut(x)))


class ResNet50(nn.Module):
    """The bottom-up path: features at strides 4, 8, 16, 32."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = Stem()
        inputs = 64
        for level, blocks in zip((2, 3, 4, 5), (3, 4, 6, 3), strict=True):
            middle = 16 << level
            stage = []
            for index in range(blocks):
                stage.append(Bottleneck(inputs, middle, 2 if level > 2 and index == 0 else 1))
                inputs = 4 * middle
            self.add_module(f"res{level}", nn.Sequential(*stage))

    def forward(self, x: Tensor) -> list[Tensor]:
        features = [self.stem(x)]
        for level in (2, 3, 4, 5):
            features.append(self.get_submodule(f"res{level}")(features[-1]))
        return features[1:]


class FeaturePyramid(nn.Module):
    """FPN (Lin et al., CVPR 2017): p2 to p6, 256 channels at strides 4 to 64."""

    def __init__(self) -> None:
        super().__init__()
        self.bottom_up = ResNet50()
        for level in (2, 3, 4, 5):
            self.add_module(f"fpn_lateral{level}", nn.Conv2d(64 << level, 256, 1))
            self.add_module(f"fpn_output{level}", nn.Conv2d(256, 256, 3, padding=1))

    def forward(self, x: Tensor) -> list[Tensor]:
        levels: list[Tensor] = []
        above: Tensor | None = None
        for level, features in reversed(list(zip((2, 3, 4, 5), self.bottom_up(x), strict=True))):
            here = self.get_submodule(f"fpn_lateral{level}")(features)
            above = here if above is None else here + F.interpolate(above, scale_factor=2.0, mode="nearest")
            levels.insert(0, self.get_submodule(f"fpn_output{level}")(above))
        return [*levels, F.max_pool2d(levels[-1], 1, 2)]


class ProposalHead(nn.Module):
    """The region proposal network's layers, shared by all levels."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(256, 256, 3, padding=1)
        self.objectness_logits = nn.Conv2d(256, ANCHORS, 1)
        self.anchor_deltas = nn.Conv2d(256, 4 * ANCHORS, 1)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """``(1, 256, H, W)`` to logits ``(H * W * 3,)`` and deltas ``(H * W * 3, 4)``."""
        x = F.relu_(self.conv(features))
        deltas = self.anchor_deltas(x)[0].unflatten(0, (ANCHORS, 4))
        return self.objectness_logits(x)[0].permute(1, 2, 0).flatten(), deltas.permute(2, 3, 0, 1).flatten(0, 2)


class BoxHead(nn.Module):
    """Two fully connected layers on 7 x 7 features."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1 = nn.Linear(256 * 7 * 7, 1024)
        self.fc2 = nn.Linear(1024, 1024)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu_(self.fc2(F.relu_(self.fc1(x.flatten(1)))))


class BoxPredictor(nn.Module):
    """Class logits ``(N, 81)``, background last, and a box refinement for each class ``(N, 320)``."""

    def __init__(self) -> None:
        super().__init__()
        self.cls_score = nn.Linear(1024, CLASSES + 1)
        self.bbox_pred = nn.Linear(1024, 4 * CLASSES)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.cls_score(x), self.bbox_pred(x)


class MaskHead(nn.Module):
    """14 x 14 features to mask logits ``(N, 80, 28, 28)``."""

    def __init__(self) -> None:
        super().__init__()
        for index in (1, 2, 3, 4):
            self.add_module(f"mask_fcn{index}", nn.Conv2d(256, 256, 3, padding=1))
        self.deconv = nn.ConvTranspose2d(256, 256, 2, 2)
        self.predictor = nn.Conv2d(256, CLASSES, 1)

    def forward(self, x: Tensor) -> Tensor:
        for index in (1, 2, 3, 4):
            x = F.relu_(self.get_submodule(f"mask_fcn{index}")(x))
        return self.predictor(F.relu_(self.deconv(x)))


class Network(nn.Module):
    """All layers; :mod:`.inference` says how they work together."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = FeaturePyramid()
        self.proposal_generator = nn.ModuleDict({"rpn_head": ProposalHead()})
        self.roi_heads = nn.ModuleDict({"box_head": BoxHead(), "box_predictor": BoxPredictor(), "mask_head": MaskHead()})


def build(state: Mapping[str, Tensor]) -> Network:
    """The network with detectron2's weights, ready for inference.

    Raises:
        WeightsError: listing all tensors that are missing, unexpected or of another shape.
    """
    network = Network()
    load_strictly(network, state, "mask-rcnn")
    fold_norms(network)
    return network.eval().requires_grad_(False).to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def fold_norms(network: nn.Module) -> None:
    """Put the norms into the convolutions before them: the same function, with fewer steps."""
    for conv in network.modules():
        if isinstance(conv, NormedConv):
            n = conv.norm
            conv.weight, conv.bias = fuse_conv_bn_weights(conv.weight, None, n.running_mean, n.running_var, EPS, n.weight, n.bias)
            del conv.norm
