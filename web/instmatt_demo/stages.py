"""What the second tab does between masks and composite, for the matting systems that can be watched at work."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from instmatt_core.guidance import BACKGROUND, FOREGROUND, tells_enough, tri_masks
from instmatt_core.instances import InstanceMasks, share
from instmatt_core.matting.closed_form import solve_trimap
from instmatt_core.matting.instmatt.padding import crop
from instmatt_core.matting.instmatt.system import settled
from instmatt_core.progress import Progress, stage


@dataclass(frozen=True)
class Work:
    """One person of a picture.

    Attributes:
        image: ``(3, H, W)``.
        people: as the detector found them.
        person: which of them.
        trimap: ``(H, W)`` as computed.
        painted: the same with the user's corrections.
    """

    image: Tensor
    people: InstanceMasks
    person: int
    trimap: Tensor
    painted: Tensor


@dataclass(frozen=True)
class Seen:
    """What there is to see of one person.

    Attributes:
        tri_mask: ``(3, H, W)``: target, reference, background.
        tri_matte: the same of the first stage; None where there is no such stage.
        alpha: ``(H, W)``, the matte.
    """

    tri_mask: Tensor
    tri_matte: Tensor | None
    alpha: Tensor


def closed_form(system: Any, work: Work, progress: Progress) -> Seen:
    """The trimap's band, solved."""
    progress("matting", 0.0)
    people = corrected(work)
    alpha = solve_trimap(work.image, work.painted) if tells_enough(work.painted) else people.masks[work.person]
    return Seen(tri_masks(people).tri[work.person], None, alpha)


def instmatt(system: Any, work: Work, progress: Progress) -> Seen:
    """Both stages of an :class:`~instmatt_core.matting.instmatt.InstMatt`; with nothing painted, what it makes of the picture by itself."""
    if not system.refines:
        return instmatt_compact(system, work, progress)
    guides = system.guides(corrected(work))
    first = system.tri_matte(work.image, guides, stage(progress, "tri-mattes", 0.0, 0.6))
    alphas = share(settled(system.refine(first, None, stage(progress, "refining", 0.6, 1.0))))
    return Seen(guides.tri[work.person], crop(first.alphas[work.person], first.size).cpu(), alphas[work.person])


def instmatt_compact(system: Any, work: Work, progress: Progress) -> Seen:
    """An :class:`~instmatt_core.matting.instmatt.InstMatt` of one stage."""
    people = corrected(work)
    alphas = system(work.image, people, stage(progress, "matting", 0.0, 1.0))
    return Seen(system.guides(people).tri[work.person], None, alphas[work.person])


@dataclass(frozen=True)
class Watchable:
    """A matting system in the second tab: ``solve(system, work, progress)``, and what to say of its trimap and its matte."""

    solve: Callable[[Any, Work, Progress], Seen]
    has_band: bool
    has_tri_mattes: bool
    trimap: str
    matte: str


CORRECTION = "**Correction** Paint where the mask is wrong: white is the person, dark is not, amber takes a stroke back."
WATCHABLE = {
    "closed-form": Watchable(
        closed_form,
        has_band=True,
        has_tri_mattes=False,
        trimap="**Trimap** The person is clear, amber is solved, the background dark. Paint to correct it.",
        matte="**Matte** closed form, in the band only",
    ),
    "instmatt-compact": Watchable(
        instmatt_compact,
        has_band=False,
        has_tri_mattes=False,
        trimap=CORRECTION,
        matte="**Matte** of a network that may correct the mask",
    ),
    "instmatt": Watchable(
        instmatt,
        has_band=False,
        has_tri_mattes=True,
        trimap=CORRECTION,
        matte="**Refined** everyone's mattes correct each other",
    ),
}


def corrected(work: Work) -> InstanceMasks:
    """The masks with what was painted: white is this person's and nobody else's, dark is not theirs, amber stays as it was."""
    masks, changed = work.people.masks.clone(), work.painted != work.trimap
    masks[:, changed & (work.painted == FOREGROUND)] = 0.0
    masks[work.person, changed & (work.painted == FOREGROUND)] = 1.0
    masks[work.person, changed & (work.painted == BACKGROUND)] = 0.0
    return replace(work.people, masks=masks)
