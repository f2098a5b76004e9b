"""E2E-HIM as a step of the pipeline: a picture in, the mattes of everyone in it out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ...guidance import UNKNOWN
from ...image import resize
from ...instances import InstanceMattes, share_
from ..conventions import dtype_of, normalise
from ..refinement import Refine, closed_form
from . import paper
from .inference import People, find_people, prepare
from .network import build

SIDE = 640  # the network was trained on pictures of SIDE x SIDE px
STEP = 32


class E2EHIM:
    """End-to-end system; call it with a picture. May be called from several threads.

    Args:
        state: the network's state dict, with the authors' keys.
        compat: "default" keeps the picture's shape, refines at full size and keeps the promises of :class:`InstanceMattes`. "paper"
            repeats the authors' evaluation script: squashed to 640 x 640, 8-bit mattes in the network's own order, which may overlap.
        precision: "float32", "bfloat16" or "float16" of convolutions and linear layers; "auto" is float32, since with the others a
            few percent of the uncertain pixels move by more than two levels of 255.
        device: where the network runs.
        refine: in "default", what makes the alphas of the unknown bands on a picture larger than the network sees, see
            :mod:`instmatt_core.matting.refinement`; None to enlarge the network's own.
        backbone: a name in ``backbones.BACKBONES``.

    Raises:
        UsageError: an option is not known.
        WeightsError: the state dict is of another network.
    """

    name = "e2e-him"

    def __init__(
        self,
        state: Mapping[str, Tensor],
        *,
        compat: str = "default",
        precision: str = "auto",
        device: str | torch.device = "cpu",
        refine: Refine | None = closed_form,
        backbone: str = "swin-t",
    ):
        dtype = dtype_of(precision, compat)
        self.compat, self.refine, self.device = compat, refine, torch.device(device)
        self._network = prepare(build(state, backbone), dtype).to(self.device)

    def __call__(self, image: Tensor, progress: Callable[[float], None] = lambda share: None) -> InstanceMattes:
        """Mattes of everyone in ``image (3, H, W)``, RGB in [0, 1], at its own size."""
        return self.batch([image], progress)[0]

    def batch(self, images: Sequence[Tensor], progress: Callable[[float], None] = lambda share: None) -> list[InstanceMattes]:
        """Mattes of each of several pictures; those that the network sees at one size are computed together."""
        seen = [paper.squash(image) if self.compat == "paper" else resize(image, network_size(image.shape[1:])) for image in images]
        people: dict[int, People] = {}
        for size in {s.shape for s in seen}:
            alike = [index for index, s in enumerate(seen) if s.shape == size]
            people.update(zip(alike, self._find([seen[index] for index in alike]), strict=True))
            progress(0.7 * len(people) / len(images))
        results = []
        for index, image in enumerate(images):
            results.append(paper.mattes(image, people[index]) if self.compat == "paper" else self._mattes(image, people[index]))
            progress(0.7 + 0.3 * (index + 1) / len(images))
        return results

    def _find(self, images: list[Tensor]) -> list[People]:
        with torch.inference_mode():
            return find_people(self._network, normalise(torch.stack(images).to(self.device)))

    def _mattes(self, image: Tensor, people: People) -> InstanceMattes:
        size = (image.shape[1], image.shape[2])
        trimaps, alphas = torch.zeros(2, len(people.scores), *size)
        for k, (logits, alpha) in enumerate(zip(people.trimaps, people.alphas, strict=True)):
            trimaps[k] = trimap_of(logits, size)
            alphas[k] = torch.where(trimaps[k] == UNKNOWN, resize(alpha, size), trimaps[k])
        enlarged = size[0] * size[1] > people.alphas.shape[1] * people.alphas.shape[2]
        if self.refine is not None and enlarged and len(alphas):
            alphas = torch.where(trimaps == UNKNOWN, self.refine(image, trimaps, alphas), alphas)
        return InstanceMattes.from_alphas(share_(alphas.clamp_(0, 1)), people.scores, {"matting": self.name})


def network_size(size: Sequence[int]) -> tuple[int, int]:
    """Height and width for the network: about 640 x 640 px in the shape of ``size``, multiples of 32."""
    ratio = SIDE / (size[0] * size[1]) ** 0.5
    height, width = (max(STEP, round(side * ratio / STEP) * STEP) for side in size)
    return height, width


def trimap_of(logits: Tensor, size: tuple[int, int]) -> Tensor:
    """The likeliest class of ``logits (3, h, w)`` enlarged to ``size``, as a trimap of 0, 0.5, 1."""
    full = F.interpolate(logits[None], size=size, mode="bilinear", align_corners=False)[0]
    return full.argmax(0).float() / 2
