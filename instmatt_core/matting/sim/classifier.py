"""The patch classifier: which of twenty classes of matting pattern (hair, fur, net, smoke, ...) a patch shows, and where."""

from __future__ import annotations

from collections.abc import Mapping

import torch.nn.functional as F
from torch import Tensor, nn

from ...weights.check import load_strictly
from ..residual import residual_layer

CLASSES = 20
UNKNOWN_LEVEL = 128 / 255  # of the trimap as the network was trained; elsewhere it is 0 or 1


class Classifier(nn.Module):
    """ResNet-50 on picture and trimap, with the authors' state-dict keys, which are torchvision's."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(4, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64)
        self.layer1 = residual_layer(64, 256, 3)
        self.layer2 = residual_layer(256, 512, 4, stride=2)
        self.layer3 = residual_layer(512, 1024, 6, stride=2)
        self.layer4 = residual_layer(1024, 2048, 3, stride=2)
        self.fc = nn.Linear(2048, CLASSES)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Of ``(B, 4, H, W)``, normalised RGB and the trimap: logits ``(B, 20)`` and class activation maps ``(B, 20, H/32, W/32)``."""
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        features = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(features.mean((2, 3))), activation_maps(features, self.fc)


def activation_maps(features: Tensor, fc: nn.Linear) -> Tensor:
    """What each place contributes to each logit, without the bias (class activation maps, Zhou et al., CVPR 2016)."""
    return F.conv2d(features, fc.weight[..., None, None])


def build_classifier(state: Mapping[str, Tensor]) -> Classifier:
    """The classifier with these weights, in evaluation mode.

    Raises:
        WeightsError: the state dict is of another network; the message lists what differs.
    """
    classifier = Classifier()
    load_strictly(classifier, state, "sim-classifier")
    return classifier.eval()
