"""Second tab: the chain step by step, so that one sees where an error starts, and can mend it by painting on the trimap."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
import torch
from torch import Tensor

from instmatt_core.compositing import estimate_foreground, over, overlay, person_colour
from instmatt_core.guidance import tri_masks, trimaps
from instmatt_core.image import fit, read_picture, resize, to_uint8
from instmatt_core.instances import InstanceMasks, InstanceMattes, share
from instmatt_core.matting.closed_form import ClosedForm
from instmatt_core.progress import Progress, stage
from instmatt_core.windows import mask_boxes

from .chooser import chooser
from .jobs import ONE_AT_A_TIME, run
from .models import Models
from .photo import photo_input
from .results import EXPIRED, MAX_PIXELS, NOBODY, Shelf
from .stages import WATCHABLE, Work
from .trimap_view import BRUSHES, paintable, painted, rgb

SIDE = 1024  # px: what can be painted on with comfort
PAPER = rgb("#3f6f8f")[:, None, None] / 255  # behind the composite
FILE = "people.npz"


@dataclass(frozen=True)
class Found:
    """A small picture and its people, kept on disk between the steps."""

    folder: Path

    @classmethod
    def save(cls, folder: Path, image: Tensor, people: InstanceMasks) -> Found:
        """Write them into an empty folder."""
        heads = torch.full((len(people), 3), torch.nan) if people.heads is None else people.heads
        masks = (people.masks * 255).round().byte()
        np.savez(folder / FILE, image=to_uint8(image), masks=masks, boxes=people.boxes, scores=people.scores, heads=heads)
        return cls(folder)

    def load(self) -> tuple[Tensor, InstanceMasks]:
        """Picture ``(3, H, W)`` and people.

        Raises:
            gr.Error: they have been removed meanwhile.
        """
        try:
            with np.load(self.folder / FILE) as arrays:
                a = {name: torch.from_numpy(arrays[name]) for name in arrays.files}
        except OSError:
            raise gr.Error(EXPIRED, print_exception=False) from None
        return a["image"].permute(2, 0, 1) / 255, InstanceMasks(a["masks"] / 255, a["boxes"], a["scores"], a["heads"])


def build(models: Models, shelf: Shelf, first_photo: gr.Image) -> None:
    """Lay the tab out and wire it; ``first_photo`` of the first tab is taken over."""
    mattings = [name for name in models.mattings if name in WATCHABLE]
    begin = WATCHABLE[mattings[0]]
    defaults = ClosedForm()
    found, base = gr.State(), gr.State()  # the people; the trimap as computed, before painting
    with gr.Row(equal_height=False):
        with gr.Column(scale=4, min_width=320, elem_classes="controls"):
            photo = photo_input(label="Photo", sources=["upload", "clipboard"], height=300, elem_id="steps-photo")
            find = gr.Button("Find people", variant="primary", elem_id="find")
            person = gr.Radio(label="Person", visible=False, elem_id="person")
            detector, matting = chooser(models, mattings)
            with gr.Column(visible=begin.has_band) as sliders:
                band = gr.Slider(
                    0.005, 0.12, defaults.band, step=0.005, label="Band", info="Half its width, as a share of the person's size"
                )
                hair = gr.Slider(
                    0, 1.5, defaults.hair, step=0.05, label="Hair", info="Extra width round the head, as a share of its radius"
                )
        with gr.Column(scale=7, min_width=320, elem_classes="outcome", visible=False) as stages:
            with gr.Row():
                with stage_column():
                    gr.Markdown("**Masks** what the detector found")
                    masks = picture("masks")
                with stage_column():
                    gr.Markdown("**Tri-mask** the person in colour, the others white")
                    tri_mask = picture("tri-mask")
            with stage_column():
                trimap_says = gr.Markdown(begin.trimap)
                editor = gr.ImageEditor(
                    show_label=False,
                    type="numpy",
                    format="png",
                    image_mode="RGBA",
                    sources=[],
                    transforms=[],
                    layers=False,
                    brush=gr.Brush(default_size=14, colors=list(BRUSHES), default_color="#f59e0b", color_mode="fixed"),
                    height=520,
                    elem_id="trimap",
                )
                solve = gr.Button("Matte from this", variant="primary", elem_id="solve")
            with gr.Row():
                with stage_column(visible=begin.has_tri_mattes) as first_stage:
                    gr.Markdown("**Tri-matte** each person alone; colours as above")
                    tri_matte = picture("tri-matte")
                with stage_column():
                    matte_says = gr.Markdown(begin.matte)
                    matte = picture("step-matte")
                with stage_column():
                    gr.Markdown("**Composite** without the old background's colour")
                    composite = picture("composite")

    nothing: dict[Any, Any] = {tri_matte: None, matte: None, composite: None}

    async def find_people(path: str | None, detector: str, progress: gr.Progress = gr.Progress()) -> Any:  # noqa: B008
        if path is None:
            raise gr.Error("Choose a photo first.", print_exception=False)
        image, people = await run(lambda report: detect(models, Path(path), detector, report), progress, Path(path).parent)
        names = [(f"Person {k + 1}", k) for k in range(len(people))]
        if not names:
            gr.Info(NOBODY)
        return {
            found: Found.save(shelf.new(), image, people),
            masks: coloured(image, people),
            person: gr.Radio(names, value=0 if names else None, visible=bool(names)),
            stages: gr.Column(visible=bool(names)),
        }

    def guide(found: Found | None, person: int | None, band: float, hair: float) -> dict[Any, Any]:
        if found is None or person is None:
            return {tri_mask: None, base: None, editor: None, **nothing}
        image, people = found.load()
        trimap = trimaps(people, band=band, hair=hair)[person]
        return {tri_mask: tri_picture(tri_masks(people).tri[person], person), base: trimap, editor: paintable(image, trimap), **nothing}

    async def solve_painted(
        found: Found | None,
        person: int | None,
        base: Tensor | None,
        value: Any,
        matting: str,
        progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> dict[Any, Any]:
        if found is None or person is None or base is None:
            raise gr.Error("Find people first.", print_exception=False)
        work = Work(*found.load(), person, base, painted(value, base))
        seen = await run(lambda report: WATCHABLE[matting].solve(models.matting(matting), work, report), progress)
        return {
            tri_mask: tri_picture(seen.tri_mask, person),
            tri_matte: None if seen.tri_matte is None else tri_picture(seen.tri_matte, person),
            matte: to_uint8(seen.alpha),
            composite: to_uint8(over(estimate_foreground(work.image, seen.alpha), seen.alpha, PAPER)),
        }

    def forget() -> dict[Any, Any]:
        return {
            **dict.fromkeys([found, base, masks, tri_mask, editor]),
            person: gr.Radio([], value=None, visible=False),
            stages: gr.Column(visible=False),
            **nothing,
        }

    def adapt(matting: str) -> dict[Any, Any]:
        now = WATCHABLE[matting]
        return {
            sliders: gr.Column(visible=now.has_band),
            first_stage: gr.Column(visible=now.has_tri_mattes),
            trimap_says: now.trimap,
            matte_says: now.matte,
            **nothing,
        }

    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    matting.input(adapt, matting, [sliders, first_stage, trimap_says, matte_says, *nothing], **quiet)
    job = find.click(find_people, [photo, detector], [found, masks, person, stages], api_visibility="private", **ONE_AT_A_TIME)
    guided: dict[str, Any] = {"fn": guide, "inputs": [found, person, band, hair], "outputs": [tri_mask, base, editor, *nothing], **quiet}
    late = [job, job.success(**guided), gr.on([person.input, band.release, hair.release], **guided)]
    late.append(
        solve.click(solve_painted, [found, person, base, editor, matting], [tri_mask, *nothing], api_visibility="private", **ONE_AT_A_TIME)
    )
    outdated = [found, base, masks, person, stages, tri_mask, editor, *nothing]
    # not photo.change: the page sends that too when the tab is first shown, perhaps after a click on Find
    photo.input(forget, None, outdated, cancels=late, queue=False, **quiet)
    first_photo.change(lambda path: {photo: path, **forget()}, first_photo, [photo, *outdated], cancels=late, queue=False, **quiet)


def stage_column(visible: bool = True) -> gr.Column:
    """A stage's heading, which the style sheet numbers, and what is under it."""
    return gr.Column(min_width=280, elem_classes="step", visible=visible)


def picture(elem_id: str) -> gr.Image:
    """What a stage made."""
    return gr.Image(show_label=False, interactive=False, format="png", buttons=["download", "fullscreen"], elem_id=elem_id)


def detect(models: Models, photo: Path, detector: str, progress: Progress) -> tuple[Tensor, InstanceMasks]:
    """A photo at painting size and its people."""
    image = read_picture(photo, max_pixels=MAX_PIXELS).image
    image = resize(image, fit((image.shape[1], image.shape[2]), SIDE))
    progress("loading the detector", 0.0)
    return image, models.detector(detector)(image, stage(progress, "finding people", 0.0, 1.0))


def coloured(image: Tensor, people: InstanceMasks) -> np.ndarray:
    """The masks as the first tab shows mattes."""
    masks = share(people.masks)
    return to_uint8(overlay(image, InstanceMattes(masks, mask_boxes(masks), people.scores)))


def tri_picture(tri: Tensor, person: int) -> np.ndarray:
    """A tri-mask or tri-matte ``(3, H, W)``: target in the person's colour, reference white, background black."""
    target, reference, _ = tri
    return to_uint8((target * torch.tensor(person_colour(person))[:, None, None] + reference).clamp(0, 1))
