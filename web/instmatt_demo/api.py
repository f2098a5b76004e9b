"""The documented endpoint ``/matte``, for ``gradio_client`` and anything that speaks HTTP; docs/demo.md shows its use."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import gradio as gr

from .jobs import ONE_AT_A_TIME, run
from .models import Models
from .photo import photo_input
from .results import Result, Shelf, make

DESCRIPTION = (
    "One alpha matte per person of a photo. max_side: longest side in px to work at, None for all pixels; mattes have the photo's size. "
    "An end-to-end matting takes no notice of the detector. "
    "Returns the grey mattes left to right, the straight-alpha RGBA cut-outs, a ZIP of everything in the HIM2K layout, and people.json."
)


def build(models: Models, shelf: Shelf) -> None:
    """Register the endpoint; it shows nothing on the page."""

    async def matte(
        photo: str | None,
        detector: str,
        matting: str,
        max_side: float | None,
        progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> tuple[list[str], list[str], str, dict[str, Any]]:
        if photo is None:
            raise gr.Error("No photo was given.", print_exception=False)
        path, side = Path(photo), int(max_side) if max_side else None
        made: Result = await run(lambda report: make(models, shelf, path, detector, matting, side, report), progress, path.parent)
        people = range(made.people)
        return (
            [str(made.alpha(k)) for k in people],
            [str(made.cutout(k)) for k in people],
            str(made.archive),
            json.loads(made.people_json.read_text("utf-8")),
        )

    with gr.Column(visible=False):
        inputs = [
            photo_input(label="photo"),
            gr.Dropdown(models.detectors, value=models.detectors[0], label="detector"),
            gr.Dropdown(models.mattings, value=models.mattings[0], label="matting"),
            gr.Number(models.sides[models.side], minimum=32, precision=0, label="max_side"),
        ]
        outputs = [
            gr.File(file_count="multiple", label="alphas"),
            gr.File(file_count="multiple", label="cutouts"),
            gr.File(label="archive"),
            gr.JSON(label="people"),
        ]
        gr.Button().click(
            matte,
            inputs,
            outputs,
            api_name="matte",
            api_description=DESCRIPTION,
            **ONE_AT_A_TIME,
        )
