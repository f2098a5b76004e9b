"""First tab: a photograph in, each person cut out."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
import torch
from PIL import ImageColor
from torch import Tensor

from instmatt_core.cli.matte import EXAMPLE
from instmatt_core.errors import InstMattError
from instmatt_core.image import read_picture, to_uint8
from instmatt_core.layers import cover

from .chooser import chooser
from .jobs import ONE_AT_A_TIME, friendly, run
from .models import Models
from .photo import photo_input
from .preview import Preview
from .results import MAX_PIXELS, NOBODY, Result, Shelf, make

TOGGLE = "Click a person in the picture, or here, to leave them out or bring them back"
COLOUR, UPLOAD, BLUR = "Colour", "Picture", "Blur"


def build(models: Models, shelf: Shelf) -> gr.Image:
    """Lay the tab out and wire it; returns the photo's component, which other tabs may listen to."""
    result = gr.State()
    with gr.Row(equal_height=False):
        with gr.Column(scale=4, min_width=320, elem_classes="controls"):
            photo = photo_input(
                label="Photo",
                sources=["upload", "clipboard", "webcam"],
                height=340,
                elem_id="photo",
                placeholder="Drop a photo here, paste it, or click to choose one",
            )
            button = gr.Button("Matte", variant="primary", size="lg", elem_id="matte")
            cancel = gr.Button("Cancel", variant="stop", size="lg", visible=False, elem_id="cancel")
            gr.Examples([[str(EXAMPLE)]], [photo], label="Or try this one")
            with gr.Accordion("Settings", open=False):
                detector, matting = chooser(models, models.mattings)
                side = gr.Radio(
                    list(models.sides),
                    value=models.side,
                    label="Working size",
                    info="Mattes always have the photo's own size",
                )
        with gr.Column(scale=7, min_width=320, elem_classes="outcome"):
            overlay = gr.Image(
                label="People",
                interactive=False,
                format="png",
                buttons=["download", "fullscreen"],
                elem_id="overlay",
            )
            kept = gr.CheckboxGroup(label="Shown", info=TOGGLE, visible=False, elem_id="kept")
            with gr.Column(visible=False) as outcome:
                gallery = gr.Gallery(
                    label="Cut-outs",
                    format="png",
                    columns=3,
                    fit_columns=False,
                    height="auto",
                    object_fit="contain",
                    allow_preview=True,
                    buttons=["download", "fullscreen"],
                    elem_id="cutouts",
                )
                archive = gr.DownloadButton("Download everything (ZIP)", elem_id="archive")
                with gr.Accordion("On another background", open=True):
                    with gr.Row(elem_id="backgrounds"):
                        kind = gr.Radio([COLOUR, BLUR, UPLOAD], value=COLOUR, show_label=False, container=False, min_width=220)
                        colour = gr.ColorPicker("#3f6f8f", label="Colour", show_label=False, container=False, min_width=60)
                    backdrop = photo_input(label="Background", sources=["upload", "clipboard"], visible=False, height=180)
                    slider = gr.ImageSlider(show_label=False, format="jpeg", interactive=False, elem_id="slider", max_height=560)
                with gr.Accordion("One matte at full size", open=False):
                    chosen = gr.Radio(label="Person", elem_id="chosen")
                    alpha = gr.Image(
                        label="Alpha", interactive=False, format="png", image_mode="L", buttons=["download", "fullscreen"], elem_id="alpha"
                    )
                with gr.Accordion("Scores and boxes", open=False):
                    table = gr.Dataframe(headers=["person", "score, %", "x0", "y0", "x1", "y1"], interactive=False, elem_id="scores")

    async def start(path: str | None, detector: str, matting: str, side: str, progress: gr.Progress = gr.Progress()) -> Any:  # noqa: B008
        if path is None:
            raise gr.Error("Choose a photo first.", print_exception=False)
        photo = Path(path)
        made = await run(lambda report: make(models, shelf, photo, detector, matting, models.sides[side], report), progress, photo.parent)
        if not made.people:
            gr.Info(NOBODY)
        return made

    def show(made: Result, *look: Any) -> dict[Any, Any]:
        people = list(range(made.people))
        choices = [(f"Person {k + 1}", k) for k in people]
        return {
            kept: gr.CheckboxGroup(choices, value=people, visible=bool(people)),
            outcome: gr.Column(visible=bool(people)),
            archive: str(made.archive),
            chosen: gr.Radio(choices, value=0 if people else None),
            alpha: str(made.alpha(0)) if people else None,
            table: rows(made),
            **redraw(made, people, *look),
        }

    def forget() -> dict[Any, Any]:
        return {
            **dict.fromkeys([result, archive, alpha, table, *drawn]),
            kept: gr.CheckboxGroup([], value=[], visible=False),
            outcome: gr.Column(visible=False),
            chosen: gr.Radio([], value=None),
            button: gr.Button(visible=True),
            cancel: gr.Button(visible=False),
        }

    def redraw(made: Result, people: Sequence[int], *look: Any) -> dict[Any, Any]:
        preview = made.preview()
        return {
            overlay: preview.overlay(people),
            gallery: [(str(made.cropped(k)), f"Person {k + 1}") for k in sorted(people)],
            slider: compose(preview, people, *look),
        }

    def recompose(made: Result | None, people: Sequence[int], *look: Any) -> Any:
        return compose(made.preview(), people, *look) if made else None

    def toggle(made: Result | None, people: list[int], kind: str, colour: str, backdrop: str | None, click: gr.SelectData) -> Any:
        person = made.preview().at(*click.index) if made else None
        if made is None or person is None:
            return {kept: gr.skip()}
        people = sorted({*people} ^ {person})
        return {kept: people, **redraw(made, people, kind, colour, backdrop)}

    look = [kind, colour, backdrop]
    drawn = [overlay, gallery, slider]
    everything = [kept, outcome, archive, chosen, alpha, table, *drawn]
    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}

    begin = button.click(lambda: (gr.Button(visible=False), gr.Button(visible=True)), None, [button, cancel], queue=False, **quiet)
    job = begin.then(
        start,
        [photo, detector, matting, side],
        result,
        show_progress="full",
        show_progress_on=overlay,
        api_visibility="private",
        **ONE_AT_A_TIME,
    )
    shown = job.success(show, [result, *look], everything, **quiet)
    idle = lambda: (gr.Button(visible=True), gr.Button(visible=False))  # noqa: E731
    job.success(idle, None, [button, cancel], queue=False, **quiet)
    job.failure(idle, None, [button, cancel], queue=False, **quiet)
    cancel.click(idle, None, [button, cancel], cancels=[job], queue=False, **quiet)

    clicked = overlay.select(toggle, [result, kept, *look], [kept, *drawn], **quiet)
    ticked = kept.input(redraw, [result, kept, *look], drawn, **quiet)
    late = [job, shown, clicked, ticked]  # what is under way must not bring the old photo's people back
    photo.change(forget, None, [result, *everything, button, cancel], cancels=late, queue=False, **quiet)
    chosen.input(lambda made, person: str(made.alpha(person)), [result, chosen], alpha, **quiet)
    kind.input(lambda kind: (gr.ColorPicker(visible=kind == COLOUR), gr.Image(visible=kind == UPLOAD)), kind, [colour, backdrop], **quiet)
    gr.on([kind.input, colour.change, backdrop.change], recompose, [result, kept, *look], slider, **quiet)
    return photo


def compose(preview: Preview, people: Sequence[int], kind: str, colour: str, backdrop: str | None) -> tuple[np.ndarray, np.ndarray]:
    """Before and after: the photo, and those people on the chosen background."""
    if kind == BLUR:
        behind = preview.blurred()
    elif kind == UPLOAD and backdrop:
        try:
            behind = cover(read_picture(backdrop, max_pixels=MAX_PIXELS).image, preview.size)
        except InstMattError as error:
            raise friendly(error, Path(backdrop).parent) from error
    else:
        behind = plain(colour)
    return to_uint8(preview.image), preview.over(people, behind)


def plain(colour: str) -> Tensor:
    """``(3, 1, 1)`` of what Gradio's colour picker gives, ``#rrggbb`` or ``rgba(r, g, b, a)``, or of a colour's name.

    Raises:
        gr.Error: it is none.
    """
    number = re.fullmatch(r"rgba?\(\s*([\d.]+)[\s,]+([\d.]+)[\s,]+([\d.]+).*\)", colour.strip())
    try:
        values = [float(part) for part in number.groups()] if number else list(ImageColor.getrgb(colour.strip())[:3])
    except ValueError:
        raise gr.Error(f'"{colour}" is no colour; write it as #rrggbb', print_exception=False) from None
    return (torch.tensor(values)[:, None, None] / 255).clamp(0, 1)


def rows(made: Result) -> list[list[Any]]:
    """People as a table: number, score in percent, box in px."""
    people = json.loads(made.people_json.read_text("utf-8"))["people"]
    return [[p["index"] + 1, round(100 * p["score"], 1), *(round(v) for v in p["box"])] for p in people]
