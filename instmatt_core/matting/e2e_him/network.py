"""E2E-HIM (Liu et al., TCSVT 2023): a picture to the tri-maps and mattes of up to twenty people in one pass."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from ...weights.check import load_strictly
from .backbones import backbone as make_backbone
from .blocks import upsample
from .decoder import Decoder
from .guidance import Guidance
from .perception import Perception


class E2EHIMNetwork(nn.Module):
    """The whole network, with the authors' state-dict keys.

    Args:
        backbone: a name in ``backbones.BACKBONES``; the authors' weights are for "swin-t".
    """

    perception: Perception
    guidance: Guidance
    decoder: Decoder

    def __init__(self, backbone: str = "swin-t"):
        super().__init__()
        pyramid = make_backbone(backbone)
        parts = {"perception": Perception(pyramid), "guidance": Guidance(pyramid.channels), "decoder": Decoder(pyramid.channels)}
        for name, part in parts.items():
            # The authors' keys name no parts: register what a part is made of, and keep the part itself out of the keys.
            self.__dict__[name] = part
            for child_name, child in part.named_children():
                self.add_module(child_name, child)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Everything about all queries, as training needs it.

        Args:
            image: ``(B, 3, H, W)``, normalised with ImageNet's mean and deviation; H and W multiples of 32.

        Returns:
            logits ``(B, 20, 2)`` of nobody and a person, alphas ``(B, 20, H, W)`` in [0, 1], tri-map logits ``(B, 20, 3, H, W)`` of
            background, unknown and foreground.
        """
        seen = self.perception(image)
        features = self.decoder(seen, self.guidance(seen))
        kernels = self.decoder.kernels(seen.queries)
        alphas = self.decoder.alphas(features, image, kernels)
        trimaps = upsample(self.decoder.trimaps(features, kernels).flatten(1, 2), 8)
        return seen.logits, alphas, trimaps.unflatten(1, kernels.trimap_bias.shape[1:])


def build(state: Mapping[str, Tensor], backbone: str = "swin-t") -> E2EHIMNetwork:
    """The network with these weights, ready for inference.

    Raises:
        WeightsError: the state dict is of another network; the message lists what differs.
    """
    network = E2EHIMNetwork(backbone)
    load_strictly(network, state, "e2e-him")
    return network.eval()
