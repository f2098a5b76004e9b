"""The second stage at work: shared work done once, and only where the result is used."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...convolution import conv2d
from .areas import Area, round_what, widened
from .decoder import SLOPE
from .network import activate
from .refiner import Refiner
from .shelf import FileMap

RIM = 10  # px at a window's edge that the refiner leaves alone
REACH = 4  # px that its convolutions reach out
BAND = 150  # rows that are computed at a time, where not the whole window is wanted


class FastRefiner(nn.Module):
    """:class:`Refiner` without repeating for everyone what is the same for all.

    The merge's first convolution is linear in what ``split`` returns, so that what everyone adds to everyone is convolved once;
    and the backgrounds, of which only the mean counts, are averaged before they are convolved.
    """

    def __init__(self, refiner: Refiner):
        super().__init__()
        bias = refiner.split.bias
        first, _, second = refiner.merge.children()
        assert isinstance(first, nn.Conv2d)
        assert isinstance(second, nn.Conv2d)
        assert bias is not None
        target, reference, _, _ = first.weight.split(3 * [refiner.split.out_channels // 3] + [3], 1)
        self.split = nn.ModuleList(_plain(w, b) for w, b in zip(refiner.split.weight.chunk(3), bias.chunk(3), strict=True))
        self.own = _plain(torch.cat((2 * target - reference, reference), 1), None)
        self.shared = _plain(first.weight, first.bias)
        self.second = _plain(second.weight, second.bias)
        self.head = _plain(refiner.head.weight, refiner.head.bias)

    def forward(self, image: Tensor, alphas: Tensor, features: Sequence[Tensor]) -> Tensor:
        """As :meth:`Refiner.forward`; one instance after the other, which keeps the maps in the processor's cache."""
        count = len(alphas)
        target, reference, background = self.split
        own, backs = [], torch.zeros_like(features[0])
        for f, (t, r, b) in zip(features, alphas, strict=True):
            own.append(torch.cat((conv2d((f * t)[None], target), conv2d((f * r)[None], reference)), 1))
            backs.addcmul_(f, b, value=1 / count)
        targets, references = sum(own[1:], own[0]).chunk(2, 1)
        everyone = (references / max(count - 1, 1) - targets, targets, conv2d(backs[None], background), image[None])
        shared = conv2d(torch.cat(everyone, 1).contiguous(memory_format=torch.channels_last), self.shared)
        logits = []
        for part in own:
            merged = F.leaky_relu_(conv2d(part, self.own, add=shared), SLOPE)
            logits.append(conv2d(conv2d(merged, self.second), self.head))
        return torch.cat(logits)


def _plain(weight: Tensor, bias: Tensor | None) -> nn.Conv2d:
    """A 3 x 3 convolution for inference."""
    conv = nn.Conv2d(weight.shape[1], weight.shape[0], 3, padding=1, bias=bias is not None, device="meta")
    conv.weight = nn.Parameter(weight.detach().clone(memory_format=torch.channels_last), requires_grad=False)
    if bias is not None:
        conv.bias = nn.Parameter(bias.detach().clone(), requires_grad=False)
    return conv


def areas_of_visits(wanted: Tensor, windows: Sequence[tuple[int, int]], side: int, passes: int) -> list[list[list[Area]]]:
    """What to compute in each visit of a window, by pass and window, so that in the end all that is wanted is right.

    A visit's result depends on what is there at most :data:`REACH` px away, so that what earlier visits must make right is found
    going backwards from the last one.

    Args:
        wanted: bool ``(H, W)``; not changed.
    """
    wanted = wanted.clone()
    visits: list[list[list[Area]]] = [[[] for _ in windows] for _ in range(passes)]
    for areas in reversed(visits):
        for index, (top, left) in reversed(list(enumerate(windows))):
            whole = Area(slice(top, top + side), slice(left, left + side))
            inner = Area(slice(top + RIM, top + side - RIM), slice(left + RIM, left + side - RIM))
            areas[index] = round_what(wanted, inner, BAND, 4 * REACH)
            made = torch.zeros_like(wanted[whole.index])
            made[inner.within(whole).index] = wanted[inner.index]
            wanted[whole.index] |= widened(made, REACH)
    return visits


def refine_pass(
    refiner: Callable[[Tensor, Tensor, Sequence[Tensor]], Tensor],
    image: Tensor,
    alphas: Tensor,
    features: Sequence[Tensor | FileMap],
    visits: Sequence[Sequence[Area]],
    written: Tensor,
    counted: Tensor | None = None,
    report: Callable[[float], None] = lambda share: None,
) -> Tensor:
    """Visit every window once, in place: later windows see what earlier ones wrote.

    Args:
        image: ``(3, H, W)``, normalised.
        alphas: ``(K, 3, H, W)`` tri-mattes; overwritten.
        features: K maps ``(C, H, W)``.
        visits: for each window the areas to refine, in order; they lie at least :data:`REACH` px from the map's edges.
        written: bool ``(K,)``, whose tri-mattes to overwrite; the others are context.
        counted: bool ``(K, H, W)``, where changes count; everywhere if None.

    Returns:
        ``(K,)``: the largest change of each target.
    """
    change = alphas.new_zeros(len(alphas))
    size = (image.shape[1], image.shape[2])
    for index, areas in enumerate(visits):
        results = []
        for area in areas:
            seen = area.grown(REACH, size)
            logits = refiner(image[seen.index], alphas[seen.index], [f[seen.index] for f in features])
            results.append(activate(logits[area.within(seen).index]))
        for area, new in zip(areas, results, strict=True):
            here = alphas[area.index]
            moved = (new[:, 0] - here[:, 0]).abs() * written[:, None, None]
            if counted is not None:
                moved *= counted[area.index]
            change = torch.maximum(change, moved.flatten(1).amax(1))
            here[written] = new[written]
        report((index + 1) / len(visits))
    return change
