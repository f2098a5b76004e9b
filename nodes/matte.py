"""Matte: a picture and tri-masks in, one alpha matte per person out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from comfy_api.latest import io
from torch import Tensor

from ..instmatt_core.matting.closed_form import ClosedForm, solve_or_keep, solve_trimaps
from . import host, models
from .show import show
from .tensors import pictures
from .values import Guides, Mattes, check_fit


def matte_people(images: list[Tensor], guides: Guides, model: models.Managed | None) -> Mattes:
    """Mattes by the model, or by closed-form matting without one."""
    system = None if model is None else model.for_job(models.MATTE)
    solve = solver(system)
    report = host.progress(len(images))
    alphas = []
    for i, (image, people, trimaps) in enumerate(zip(images, guides.people.frames, guides.trimaps, strict=True)):
        step = report(i)
        if solve:
            alphas.append(solve_or_keep(image, trimaps.clone(), people.masks, solve, step))
        else:
            alphas.append(system(image, people, step))
    return Mattes.of(alphas, guides.people, {"matting": ClosedForm.name if system is None else system.name})


def solver(system: Any) -> Callable[..., Tensor] | None:
    """What makes mattes of trimaps: a system that takes them, closed form without one, nothing for systems that take masks."""
    return solve_trimaps if system is None else getattr(system, "solve_trimaps", None)


def outputs(images: list[Tensor], mattes: Mattes) -> io.NodeOutput:
    """Mattes as the outputs that Matte, Refine and End-to-End Matte share."""
    batch, listed = host.each_and_all(mattes.maps, mattes.tracked)
    return io.NodeOutput(mattes, batch, listed, ui=show(images, mattes))


MATTE_OUTPUTS = [
    host.MattesSocket.Output("mattes", tooltip="One alpha matte per person, for Refine, Composite and Score Mattes"),
    io.Mask.Output("masks", tooltip="The mattes as a MASK batch. With nobody in the picture, what follows is skipped"),
    io.Mask.Output("mask_list", tooltip="The mattes as a list: nodes after it run once for each person", is_output_list=True),
]


class Matte(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="InstMattMatte",
            display_name="Matte",
            category="InstMatt",
            description="Computes each person's alpha matte. Without a model: closed-form matting, which needs no download.",
            search_aliases=["alpha matte", "matting", "cut out", "remove background", "closed form"],
            inputs=[
                io.Image.Input("image", tooltip="The picture the people were found in"),
                host.TriMasksSocket.Input("tri_masks", tooltip="From Tri-Mask"),
                host.ModelSocket.Input("model", optional=True, tooltip="An InstMatt or SIM model; left open, closed-form matting is used"),
            ],
            outputs=MATTE_OUTPUTS,
            has_intermediate_output=True,
        )

    @classmethod
    def execute(cls, image: Tensor, tri_masks: Guides, model: models.Managed | None = None) -> io.NodeOutput:
        images = pictures(image)
        check_fit(images, tri_masks.people)
        return outputs(images, matte_people(images, tri_masks, model))
