"""End-to-End Matte: a picture in, everyone's mattes out, without a detector."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from comfy_api.latest import io
from torch import Tensor

from ..instmatt_core.instances import InstanceMasks, InstanceMattes
from ..instmatt_core.matting.refinement import Refine, closed_form, one_by_one, together
from ..instmatt_core.tracking import track as track_people
from . import host, models
from .matte import MATTE_OUTPUTS, outputs
from .tensors import pictures
from .values import Mattes, numbered


class EndToEndMatte(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="InstMattEndToEndMatte",
            display_name="End-to-End Matte",
            category="InstMatt",
            description="E2E-HIM: all people's mattes in one pass, with no detector and no trimap. Needs an E2E-HIM model.",
            search_aliases=["e2e-him", "end to end", "human instance matting", "matte without trimap"],
            inputs=[
                io.Image.Input("image", tooltip="One picture, several photos, or the frames of a video"),
                host.ModelSocket.Input("model", tooltip="An E2E-HIM model, from Load Matting Model"),
                host.ModelSocket.Input(
                    "detail",
                    optional=True,
                    tooltip="InstMatt with its refiner or SIM, for soft edges of large pictures; left open, closed-form matting is used",
                ),
                io.Boolean.Input("track", default=False, tooltip="For video: a person keeps number and colour from frame to frame"),
            ],
            outputs=MATTE_OUTPUTS,
            has_intermediate_output=True,
        )

    @classmethod
    def execute(cls, image: Tensor, model: models.Managed, track: bool, detail: models.Managed | None = None) -> io.NodeOutput:
        images = pictures(image)
        system = model.for_job(models.END_TO_END)
        system.refine = closed_form if detail is None else refiner(detail.for_job(models.REFINE, beside=model))
        report = host.progress(len(images))
        frames = [system(picture, report(i)) for i, picture in enumerate(images)]
        return outputs(images, Mattes(numbered(tracked(frames) if track else frames), tracked=track))


def refiner(system: Any) -> Refine:
    """What brings mattes to full size with a system of its own."""
    return one_by_one(system.alpha) if hasattr(system, "alpha") else together(system.refine_mattes)


def tracked(frames: list[InstanceMattes]) -> list[InstanceMattes]:
    """Mattes in one order through a video, as people are."""
    people = track_people([InstanceMasks(frame.alphas, frame.boxes, frame.scores) for frame in frames])
    return [replace(frame, alphas=p.masks, boxes=p.boxes, scores=p.scores) for frame, p in zip(frames, people, strict=True)]
