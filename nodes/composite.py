"""Composite: people over a background, and each person as a cut-out."""

from __future__ import annotations

from collections.abc import Callable

import torch
from comfy_api.latest import io
from torch import Tensor

from ..instmatt_core.compositing import cutout
from ..instmatt_core.errors import UsageError
from ..instmatt_core.layers import Placement, compose, cover, place
from . import host
from .tensors import pictures
from .values import Mattes, among, check_fit, check_numbers, numbers, only
from .wording import numbers as read_numbers
from .wording import people as read_people
from .wording import placements as read_placements

FILLS = {"white": (1.0, 1.0, 1.0), "black": (0.0, 0.0, 0.0), "grey": (0.5, 0.5, 0.5), "green": (0.0, 0.69, 0.25)}
PICTURE = "the picture itself"


def cut_out(image: Tensor, alphas: Tensor, report: Callable[[float], None]) -> Tensor:
    """Each person of a picture ``(3, H, W)`` as RGBA ``(K, H, W, 4)``, straight alpha, the old background's colour removed from soft
    edges."""
    people = torch.zeros(*alphas.shape, 4)
    for k, alpha in enumerate(alphas):
        people[k] = cutout(image, alpha).permute(1, 2, 0)
        report((k + 1) / len(alphas))
    return people


class Composite(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="InstMattComposite",
            display_name="Composite People",
            category="InstMatt",
            description="Lays people over another background, and gives each of them as an RGBA cut-out with clean edges.",
            search_aliases=["composite", "replace background", "cutout", "rgba", "join image with alpha", "layers"],
            inputs=[
                io.Image.Input("image", tooltip="The picture that the mattes belong to"),
                host.MattesSocket.Input("mattes", tooltip="From Matte, Refine, Select People or Matte People"),
                io.Image.Input(
                    "background", optional=True, tooltip="What goes behind; it is scaled to fill the picture. One, or one per frame"
                ),
                io.Combo.Input("fill", options=[*FILLS, PICTURE], tooltip="What goes behind when no background is connected"),
                io.String.Input(
                    "show",
                    default="all",
                    tooltip="Who is in the picture: all, none, 1, 3-5 or all but 2. Numbers are those of the previews",
                ),
                io.String.Input(
                    "order",
                    default="",
                    tooltip="From back to front, as 2, 1, 3; those not named stay behind. Empty: as they stood in the picture",
                ),
                io.String.Input(
                    "placement",
                    default="",
                    multiline=True,
                    placeholder="2: 40, -10, 1.2",
                    tooltip="Move and scale people, one a line: number: px to the right, px down, scale (about the feet)",
                ),
            ],
            outputs=[
                io.Image.Output("image", tooltip="The people over the background"),
                io.Image.Output(
                    "cutouts",
                    tooltip="Each person as RGBA (straight alpha, old background's colour removed), as a batch. Save these as they are: "
                    "Join Image with Alpha would invert the mask",
                ),
                io.Image.Output("cutout_list", tooltip="The cut-outs as a list, one item per person", is_output_list=True),
                io.Mask.Output("masks", tooltip="Each person's alpha where the person stands now, as a batch"),
                io.Mask.Output("mask_list", tooltip="These as a list, one item per person", is_output_list=True),
            ],
        )

    @classmethod
    def validate_inputs(cls, show: str | None = None, order: str | None = None, placement: str | None = None) -> bool | str:
        try:  # None: linked to another node, and read when it runs
            read_people(show or "")
            read_numbers(order or "")
            read_placements(placement or "")
        except UsageError as error:
            return str(error)
        return True

    @classmethod
    def execute(
        cls, image: Tensor, mattes: Mattes, fill: str, show: str, order: str, placement: str, background: Tensor | None = None
    ) -> io.NodeOutput:
        images = pictures(image)
        check_fit(images, mattes)
        named, leave_out = read_people(show)
        front, moved = read_numbers(order), read_placements(placement)
        check_numbers({*named, *front, *moved}, mattes)
        behind = None if background is None else pictures(background)
        report = host.progress(len(images))
        composites, cutouts = [], []
        visible = only(mattes, lambda i: among(mattes.frames[i], named, leave_out))
        for i, (picture, frame) in enumerate(zip(images, visible.frames, strict=True)):
            people, shown = cut_out(picture, frame.alphas, report(i)), numbers(frame)
            layers = [lay(rgba.permute(2, 0, 1), moved.get(number)) for number, rgba in zip(shown, people, strict=True)]
            scene = backdrop(picture, behind[i % len(behind)] if behind else None, fill)
            composites.append(compose(layers, scene, order=stacking(shown, front, moved)))
            cutouts.append(torch.stack(layers).permute(0, 2, 3, 1) if layers else people)
        batch, listed = host.each_and_all(cutouts, mattes.tracked)
        masks, mask_list = host.each_and_all([people[..., 3] for people in cutouts], mattes.tracked)
        return io.NodeOutput(host.image_out(composites), batch, listed, masks, mask_list)


def lay(rgba: Tensor, placement: Placement | None) -> Tensor:
    """A cut-out where it was put."""
    return rgba if placement is None else place(rgba, placement)


def stacking(shown: list[int], front: list[int], moved: dict[int, Placement]) -> list[int] | None:
    """Places in ``shown``, people's numbers, from back to front; None where everyone is as in the picture, sharing its pixels."""
    if not any(number in front or number in moved for number in shown):
        return None
    ordered = [number for number in shown if number not in front] + [number for number in front if number in shown]
    return [shown.index(number) for number in ordered]


def backdrop(picture: Tensor, background: Tensor | None, fill: str) -> Tensor:
    """What goes behind the people of a picture ``(3, H, W)``."""
    if background is not None:
        return cover(background, (picture.shape[1], picture.shape[2]))
    if fill == PICTURE:
        return picture
    return torch.tensor(FILLS[fill])[:, None, None].expand_as(picture)
