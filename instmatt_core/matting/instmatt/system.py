"""InstMatt as a step of the pipeline: a picture and people in, their mattes out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ...errors import GuidanceError
from ...guidance import tri_masks
from ...instances import InstanceMasks, TriMasks, share
from ..conventions import dtype_of, normalise
from . import paper, tiles
from .fusion import fuse
from .inference import FastRefiner, Generator, refine_pass
from .network import build
from .padding import crop, pad
from .windows import choose, disagreement, duplicates, window_side

CHANGED = 0.01  # an instance whose target moved further than this in a pass is refined again
PASSES = {"default": 3, "paper": 2}


@dataclass(frozen=True)
class TriMattes:
    """What :meth:`InstMatt.tri_matte` made, on the padded picture.

    Attributes:
        alphas: ``(K, 3, H, W)``: target, reference, background.
        unknown: bool ``(K, H, W)``, where the refiner's word counts.
        features: K maps ``(32, H, W)``.
        image: ``(3, H, W)``, normalised.
        size: height and width of the picture without its margin.
    """

    alphas: Tensor
    unknown: Tensor
    features: list[Tensor]
    image: Tensor
    size: tuple[int, int]

    @property
    def targets(self) -> Tensor:
        """Alphas ``(K, h, w)`` of the picture without its margin."""
        return crop(self.alphas[:, 0], self.size).cpu()


class InstMatt:
    """Matting step; call it with a picture and people. May be called from several threads.

    Args:
        state: the network's state dict, with the authors' keys.
        compat: "paper" repeats the authors' inference script to the last accident; docs/instmatt.md lists the differences.
        device: where the network runs.
        memory_mb: larger pictures, or more people, than fit into about this much memory are matted in overlapping tiles.
        max_side: in "paper", the long side in px to which the script shrinks larger pictures. Otherwise nothing is shrunk.
        precision: "float32", or "bfloat16" or "float16" for most of the first stage. "auto" is float32: with the others some percent of
            the undecided pixels move by more than two levels of 255.

    Raises:
        UsageError: an option is not known.
        WeightsError: the state dict is of another network.
    """

    name = "instmatt"

    def __init__(
        self,
        state: Mapping[str, Tensor],
        *,
        compat: str = "default",
        device: str | torch.device = "cpu",
        memory_mb: int = tiles.MEMORY_MB,
        max_side: int = paper.MAX_SIDE,
        precision: str = "auto",
    ):
        dtype = dtype_of(precision, compat)
        network = build(state).to(device)
        self.compat, self.device, self.memory_mb, self.max_side = compat, torch.device(device), memory_mb, max_side
        self._generator = Generator(network, dtype)
        self._refiner = FastRefiner(network.refiner)

    def __call__(self, image: Tensor, instances: InstanceMasks, progress: Callable[[float], None] = lambda share: None) -> Tensor:
        """Alphas ``(K, H, W)`` of ``image (3, H, W)``."""
        if instances.size != tuple(image.shape[1:]):
            raise GuidanceError(f"the masks are {instances.size}, the picture is {tuple(image.shape[1:])} (height, width)")
        if not len(instances):
            return instances.masks
        if self.compat == "paper":
            return self._as_published(image, instances, progress)
        guides = tri_masks(sharpen(instances)).tri
        windows = tiles.plan(instances.size, len(instances), self.memory_mb)
        return share(tiles.stitch(image, guides, windows, self._matte, progress))

    def tri_matte(self, image: Tensor, guides: TriMasks, progress: Callable[[float], None] = lambda share: None) -> TriMattes:
        """The first stage: each instance by itself, from ``image (3, H, W)`` and everyone's tri-masks."""
        if guides.tri.shape[2:] != image.shape[1:]:
            raise GuidanceError(f"the tri-masks are {tuple(guides.tri.shape[2:])}, the picture is {tuple(image.shape[1:])} (height, width)")
        return self._tri_matte(image, guides.tri, progress)

    def refine(self, start: TriMattes, alphas: Tensor | None = None, progress: Callable[[float], None] = lambda share: None) -> Tensor:
        """The second stage: everyone's mattes correct each other; returns alphas ``(K, h, w)``.

        Args:
            start: what :meth:`tri_matte` made of the same people.
            alphas: ``(K, h, w)``, mattes from elsewhere to refine instead of the first stage's own.
        """
        if alphas is not None:
            if alphas.shape != start.targets.shape:
                raise GuidanceError(f"the mattes are {tuple(alphas.shape)}, the first stage's {tuple(start.targets.shape)}")
            start = replace(start, alphas=pad(paper.tri_masks(share(alphas))).to(self.device))
        return crop(self._refine(start, progress)[:, 0], start.size).cpu()

    def _matte(self, image: Tensor, guides: Tensor, progress: Callable[[float], None]) -> Tensor:
        first = self._tri_matte(image, guides, lambda done: progress(0.5 * done))
        return self.refine(first, None, lambda done: progress(0.5 + 0.5 * done))

    def _as_published(self, image: Tensor, instances: InstanceMasks, progress: Callable[[float], None]) -> Tensor:
        small, masks = paper.shrink(image, instances.masks, self.max_side)
        return paper.finish(self._matte(small, paper.tri_masks(masks), progress), instances.size)

    def _tri_matte(self, image: Tensor, guides: Tensor, progress: Callable[[float], None]) -> TriMattes:
        picture = pad(normalise(image)).to(self.device)
        alphas, where, features = [], [], []
        with torch.inference_mode():
            for k, guide in enumerate(guides):
                made = self._generator(picture, pad(guide).to(self.device))
                fused, finest = fuse(made.os1, made.os4, made.os8)
                alphas.append(fused)
                where.append(finest)
                features.append(made.feature[0])
                progress((k + 1) / len(guides))
            return TriMattes(torch.cat(alphas), torch.cat(where), features, picture, (image.shape[1], image.shape[2]))

    def _refine(self, start: TriMattes, progress: Callable[[float], None]) -> Tensor:
        with torch.inference_mode():
            good = ~duplicates(start.alphas[:, 0])
            if not good.any():
                return start.alphas
            side = window_side(len(good), (start.image.shape[1], start.image.shape[2]))
            windows = choose(disagreement(start.alphas).cpu().numpy(), side)
            alphas = start.alphas[good]
            features = [f for f, keep in zip(start.features, good.tolist(), strict=True) if keep]
            active = torch.ones(len(alphas), dtype=torch.bool, device=alphas.device)
            passes = PASSES[self.compat]
            for index in range(passes):
                done = index / passes

                def report(part: float, done: float = done) -> None:
                    progress(done + part / passes)

                change = refine_pass(self._refiner, start.image, alphas, features, windows, side, active, report)
                active = change > CHANGED
                if not active.any():
                    break
            result = start.alphas.clone()
            result[good] = torch.where(start.unknown[good][:, None], alphas, result[good])
        progress(1.0)
        return result


def sharpen(instances: InstanceMasks) -> InstanceMasks:
    """The masks as the network was trained on: a pixel is somebody's or nobody's, the strongest mask over one half wins."""
    best, winner = instances.masks.max(0)
    own = torch.arange(len(instances))[:, None, None] == winner
    return replace(instances, masks=(own & (best > 0.5)).float())
