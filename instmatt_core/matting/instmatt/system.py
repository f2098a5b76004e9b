"""InstMatt as a step of the pipeline: a picture and people in, their mattes out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ...detect.geometry import iou, overlaps
from ...errors import GuidanceError, UsageError
from ...guidance import sharpen, steepened, tri_masks, tri_masks_of
from ...image import resize
from ...instances import InstanceMasks, TriMasks, share, share_, take
from ...threads import spread
from ...windows import around, mask_boxes
from ..cleanup import seconded, without_haze, without_specks
from ..conventions import dtype_of, normalise
from ..upsampling import carry
from . import paper
from .areas import Area, round_what, strips, widened
from .fusion import LEAST, MOST, fuse_coarse
from .inference import FULL_HALO, Generator
from .network import activate, build, enlarge
from .padding import crop, pad
from .refinement import FastRefiner, areas_of_visits, refine_pass
from .shelf import FileMap, Shelf
from .windows import choose, disagreement, duplicates, window_side

MEMORY_MB = 400
FULL_BYTES = 700  # that the full-size step takes for each pixel of a strip
ROWS = (32, 96)  # of a strip of the full-size step: at least, and at most, since larger maps cost more in fresh memory than halos do
COARSE = 2  # the other steps take this many times less
AROUND = 24  # px round what the refiner may change where features are made; the refiner looks 4 px further in each visit
CHANGED = 0.01  # an instance whose target moved further than this in a pass is refined again
PASSES = {"default": 3, "paper": 2}
CARRY_RADIUS = 3  # of the windows that carry mattes to the picture's size
BAND, CLOSED_FORM = 2, 0.65  # px round the soft edge of a person matted apart in which closed form has a say, too; and how much of it
REACH = 0.1  # of a person's size: farther than this from the mask, what is faint is taken for haze
SPECK = 0.01  # of a person matted apart: smaller pieces beside the mask, as a share of the largest piece, are taken for noise
SAME = 0.7  # IoU of two masks, and of their boxes, from which on they are of one person
ENLARGED = 2  # times at most that the window of a person matted apart is enlarged to the working side
SURROUNDINGS, LEAST_SURROUNDINGS = 0.35, 48  # round a person matted apart: share of the box's longer side, and at least so many px


@dataclass(frozen=True)
class TriMattes:
    """What :meth:`InstMatt.tri_matte` made, on the padded picture.

    Attributes:
        alphas: ``(K, 3, H, W)``: target, reference, background.
        unknown: bool ``(K, H, W)``, where the refiner's word counts.
        features: K maps ``(C, H, W)``; in "default", zeros far from ``unknown``.
        image: ``(3, H, W)``, normalised.
        size: height and width of the picture without its margin.
    """

    alphas: Tensor
    unknown: Tensor
    features: list[Tensor | FileMap]
    image: Tensor
    size: tuple[int, int]

    @property
    def targets(self) -> Tensor:
        """Alphas ``(K, h, w)`` of the picture without its margin."""
        return crop(self.alphas[:, 0], self.size).cpu()


class InstMatt:
    """Matting step; call it with a picture and people. May be called from several threads.

    Args:
        state: the network's state dict, with the authors' keys; of any size, see :class:`.config.InstMattConfig`. Without a refiner's
            tensors the first stage's mattes are the result.
        compat: "paper" repeats the authors' inference script to the last accident; docs/instmatt.md lists the differences.
        device: where the network runs.
        memory_mb: about how much memory working maps may take; what does not fit waits in temporary files. With less than some 100
            bytes for each pixel it takes what it needs. The result is the same with any budget.
        max_side: in "paper", the long side in px to which the script shrinks larger pictures.
        working_side: in "default", matte each person apart, in a window round the mask, whose long side is shrunk to so many px, or
            enlarged, but at most :data:`ENLARGED` times; where masks are torn, the network is told so; closed form has a say in the
            edges, and the picture's colours carry the matte to the picture's size. For weights without a refiner. None mattes everyone
            in the whole picture as it is.
        precision: "float32", or "bfloat16" or "float16" for most of the first stage. "auto" is float32: with the others some percent of
            the undecided pixels move by more than two levels of 255.

    Raises:
        UsageError: an option is not known, or working_side is given with a refiner, which needs everyone.
        WeightsError: the state dict is of another network.
    """

    name = "instmatt"

    def __init__(
        self,
        state: Mapping[str, Tensor],
        *,
        compat: str = "default",
        device: str | torch.device = "cpu",
        memory_mb: int = MEMORY_MB,
        max_side: int = paper.MAX_SIDE,
        working_side: int | None = None,
        precision: str = "auto",
    ):
        dtype = dtype_of(precision, compat)
        network = build(state).to(device)
        self.compat, self.device, self.memory_mb = compat, torch.device(device), memory_mb
        self.max_side, self.working_side = max_side, working_side
        self._generator = Generator(network, dtype)
        self._refiner = FastRefiner(network.refiner) if network.config.refiner else None
        if working_side and self._refiner:
            raise UsageError("working_side mattes each person apart, and these weights refine everyone together; leave it out")

    def __call__(self, image: Tensor, instances: InstanceMasks, progress: Callable[[float], None] = lambda share: None) -> Tensor:
        """Alphas ``(K, H, W)`` of ``image (3, H, W)``. In "default", who has no pixel in the masks gets an empty matte; with a
        ``working_side`` so does whose mask is nearly the same as an earlier one."""
        if instances.size != tuple(image.shape[1:]):
            raise GuidanceError(f"the masks are {instances.size}, the picture is {tuple(image.shape[1:])} (height, width)")
        if not len(instances):
            return instances.masks
        if self.compat == "paper":
            return self._as_published(image, instances, progress)
        if self.working_side:
            return share_(self._one_by_one(image, instances, self.working_side, progress))
        seen = sharpen(instances)
        there = seen.masks.flatten(1).any(1)
        alphas = torch.zeros_like(instances.masks)
        if there.any():
            alphas[there] = self._matte(image, tri_masks(take(seen, there)).tri, progress)
        return share(settled(alphas))

    def _one_by_one(self, image: Tensor, instances: InstanceMasks, side: int, progress: Callable[[float], None]) -> Tensor:
        alphas = torch.zeros_like(instances.masks)
        boxes = mask_boxes(instances.masks)
        kept = once(instances.masks, boxes)

        def matte(own: int) -> None:
            k = kept[own]
            rows, columns = around(boxes[k], instances.size, SURROUNDINGS, LEAST_SURROUNDINGS)
            picture = image[:, rows, columns]
            size = (picture.shape[1], picture.shape[2])
            working = working_size(size, side)
            seen = resize(picture, working)
            masks = steepened(resize(instances.masks[:, rows, columns][kept], working))
            if (masks[own] >= 0.5).any():
                guide = tri_masks_of(torch.stack((masks[own], masks.sum(0) - masks[own])))[:1]
                alpha = settled(self._matte(seen, guide, lambda done: None)[0])
                alpha = without_haze(seconded(seen, alpha, BAND, CLOSED_FORM), masks[own], REACH)
                if working != size:
                    alpha = carry(picture, seen, alpha, CARRY_RADIUS)
                alphas[k, rows, columns] = settled(without_specks(alpha, SPECK, instances.masks[k, rows, columns]))

        for own, _ in enumerate(spread(matte, range(len(kept)), self.device)):
            progress((own + 1) / len(kept))
        return alphas

    def guides(self, instances: InstanceMasks) -> TriMasks:
        """The tri-masks that the network is told, in "default", of masks as a detector draws them."""
        return TriMasks(tri_masks_of(steepened(instances.masks))) if self.working_side else tri_masks(sharpen(instances))

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
            start = replace(start, alphas=pad(tri_masks_of(share(alphas))).to(self.device))
        return crop(self._refine(start, progress), start.size).cpu()

    def refine_mattes(self, image: Tensor, alphas: Tensor, progress: Callable[[float], None] = lambda share: None) -> Tensor:
        """Mattes from elsewhere ``(K, H, W)``, corrected by each other on the first stage's features."""
        if alphas.shape[1:] != image.shape[1:]:
            raise GuidanceError(f"the mattes are {tuple(alphas.shape[1:])}, the picture is {tuple(image.shape[1:])} (height, width)")
        self._check_refiner()
        if not len(alphas):
            return alphas
        people = InstanceMasks(alphas, mask_boxes(alphas), torch.ones(len(alphas)))
        first = self._tri_matte(image, self.guides(people).tri, lambda done: progress(0.6 * done))
        return share(settled(self.refine(first, alphas, lambda done: progress(0.6 + 0.4 * done))))

    def _matte(self, image: Tensor, guides: Tensor, progress: Callable[[float], None]) -> Tensor:
        if self._refiner is None:
            return self._tri_matte(image, guides, progress).targets
        first = self._tri_matte(image, guides, lambda done: progress(0.6 * done))
        return self.refine(first, None, lambda done: progress(0.6 + 0.4 * done))

    def _as_published(self, image: Tensor, instances: InstanceMasks, progress: Callable[[float], None]) -> Tensor:
        small, masks = paper.shrink(image, instances.masks, self.max_side)
        return paper.finish(self._matte(small, paper.tri_masks(masks), progress), instances.size)

    def _tri_matte(self, image: Tensor, guides: Tensor, progress: Callable[[float], None]) -> TriMattes:
        picture = pad(normalise(image)).to(self.device)
        size = (picture.shape[1], picture.shape[2])
        whole = Area(slice(0, size[0]), slice(0, size[1]))
        budget = self.memory_mb * 1e6 / 2  # one half for the maps at work, the other for those that wait
        rows = strip_rows(size, budget)
        shelf = Shelf(budget, self.device)
        at2, at4 = self._generator.config.widths[:2]
        with torch.inference_mode():
            alphas = picture.new_empty(len(guides), 3, *size)
            unknown = torch.empty(len(guides), *size, dtype=torch.bool, device=self.device)
            quarters = []
            for k, guide in enumerate(guides):
                made = self._generator.coarse(picture, pad(guide).to(self.device), COARSE * rows)
                fused, finest = fuse_coarse(activate(enlarge(made.os4, 4)), activate(enlarge(made.os8, 8)))
                alphas[k], unknown[k] = fused[0], finest[0]
                quarters.append(shelf.new(at4, (size[0] // 4, size[1] // 4)))
                quarters[k][whole.at(4).index] = made.at4[0]
                progress(0.7 * (k + 1) / len(guides))
            areas = self._areas(unknown, rows)
            features = []
            for k, (guide, quarter) in enumerate(zip(guides, quarters, strict=True)):
                padded = pad(guide).to(self.device)
                features.append(shelf.new(at2, size))
                for area in areas:
                    seen = area.grown(FULL_HALO, size).at(4)
                    os1, feature = self._generator.full(picture, padded, quarter[seen.index][None], area)
                    features[k][area.index] = feature[0]
                    here = alphas[k][area.index]
                    here.copy_(torch.where(unknown[k][area.index], activate(os1)[0], here))
                progress(0.7 + 0.3 * (k + 1) / len(guides))
        return TriMattes(alphas, unknown, features, picture, (image.shape[1], image.shape[2]))

    def _areas(self, unknown: Tensor, rows: int) -> list[Area]:
        """Where the full-size step runs: round what is unknown of anyone; the paper looks at the rest, too."""
        size = (unknown.shape[1], unknown.shape[2])
        if self.compat == "paper":
            return list(strips(size, rows))
        whole = Area(slice(0, size[0]), slice(0, size[1]))
        return round_what(widened(unknown.any(0), AROUND), whole, rows, 2 * FULL_HALO, 4)

    @property
    def refines(self) -> bool:
        """Whether the weights have the second stage."""
        return self._refiner is not None

    def _check_refiner(self) -> FastRefiner:
        if self._refiner is None:
            raise UsageError("these weights are of InstMatt's first stage only and cannot refine; take the authors' InstMatt, or SIM")
        return self._refiner

    def _refine(self, start: TriMattes, progress: Callable[[float], None]) -> Tensor:
        refiner = self._check_refiner()
        with torch.inference_mode():
            good = ~duplicates(start.alphas[:, 0])
            targets = start.alphas[:, 0].clone()
            if not good.any():
                progress(1.0)
                return targets
            side = window_side(len(good), (start.image.shape[1], start.image.shape[2]))
            windows = choose(disagreement(start.alphas).cpu().numpy(), side)
            alphas, unknown = start.alphas[good], start.unknown[good]
            features = [f for f, keep in zip(start.features, good.tolist(), strict=True) if keep]
            counted = None if self.compat == "paper" else unknown
            wanted = torch.ones_like(unknown[0]) if counted is None else unknown.any(0)
            visits = areas_of_visits(wanted, windows, side, PASSES[self.compat])
            active = torch.ones(len(alphas), dtype=torch.bool, device=alphas.device)
            for index, areas in enumerate(visits):

                def report(part: float, index: int = index) -> None:
                    progress((index + part) / len(visits))

                change = refine_pass(refiner, start.image, alphas, features, areas, active, counted, report)
                active = change > CHANGED
                if not active.any():
                    break
            targets[good] = torch.where(unknown, alphas[:, 0], targets[good])
        progress(1.0)
        return targets


def strip_rows(size: tuple[int, int], budget: float) -> int:
    """Rows of a strip that takes about ``budget`` bytes; strips are about equally high."""
    most = max(ROWS[0], min(ROWS[1], int(budget / (FULL_BYTES * size[1]))))
    return -(-size[0] // -(-size[0] // most) // 32) * 32


def working_size(size: tuple[int, int], side: int) -> tuple[int, int]:
    """Height and width at which a window of ``size`` is matted: the longer one ``side`` px, but at most :data:`ENLARGED` times its own."""
    ratio = min(ENLARGED, side / max(size))
    return max(1, round(size[0] * ratio)), max(1, round(size[1] * ratio))


def once(masks: Tensor, boxes: Tensor) -> list[int]:
    """Which of ``masks (K, H, W)``, in ``boxes (K, 4)``, to matte: of some that are nearly the same, hence of one person, the first."""
    near = overlaps(boxes, boxes) > SAME
    kept: list[int] = []
    for k in range(len(masks)):
        if not any(near[k, i] and iou(masks[k] > 0.5, masks[i] > 0.5) > SAME for i in kept):
            kept.append(k)
    return kept


def settled(alphas: Tensor) -> Tensor:
    """Alphas that count as decided become exactly 0 or 1, which the network itself never says."""
    return alphas.where(alphas >= LEAST, 0).where(alphas <= MOST, 1)
