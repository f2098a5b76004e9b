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
from instmatt_core.instances import InstanceMasks, InstanceMattes, mask_boxes, share
from instmatt_core.matting.closed_form import ClosedForm, solve_trimap
from instmatt_core.progress import Progress, stage

from .jobs import ONE_AT_A_TIME, run
from .models import Models
from .photo import photo_input
from .results import EXPIRED, MAX_PIXELS, NOBODY, Shelf
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
    defaults = ClosedForm()
    found, base = gr.State(), gr.State()  # the people; the trimap as computed, before painting
    with gr.Row(equal_height=False):
        with gr.Column(scale=4, min_width=320, elem_classes="controls"):
            photo = photo_input(label="Photo", sources=["upload", "clipboard"], height=300, elem_id="steps-photo")
            detector = gr.Dropdown(models.detectors, value=models.detectors[0], label="Detector", visible=len(models.detectors) > 1)
            find = gr.Button("Find people", variant="primary", elem_id="find")
            person = gr.Radio(label="Person", visible=False, elem_id="person")
            band = gr.Slider(0.005, 0.12, defaults.band, step=0.005, label="Band", info="Half its width, as a share of the person's size")
            hair = gr.Slider(0, 1.5, defaults.hair, step=0.05, label="Hair", info="Extra width round the head, as a share of its radius")
        with gr.Column(scale=7, min_width=320, elem_classes="outcome", visible=False) as stages:
            with gr.Row():
                masks = step("1  Masks", "what the detector found", "masks")
                tri = step("2  Tri-mask", "the person in colour, the others white, background black", "tri-mask")
            with gr.Column(elem_classes="step"):
                gr.Markdown("**3  Trimap**: the person is clear, amber is solved, the background dark. Paint to correct it.")
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
                solve = gr.Button("Matte from this trimap", variant="primary", elem_id="solve")
            with gr.Row():
                matte = step("4  Matte", "closed form, in the band only", "step-matte")
                composite = step("5  Composite", "with the old background's colour removed", "composite")

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
            matte: None,
            composite: None,
        }

    def guide(found: Found | None, person: int | None, band: float, hair: float) -> dict[Any, Any]:
        if found is None or person is None:
            return {tri: None, base: None, editor: None}
        image, people = found.load()
        trimap = trimaps(people, band=band, hair=hair)[person]
        return {tri: tri_picture(people, person), base: trimap, editor: paintable(image, trimap)}

    async def solve_painted(found: Found | None, base: Tensor | None, value: Any, progress: gr.Progress = gr.Progress()) -> Any:  # noqa: B008
        if found is None or base is None:
            raise gr.Error("Find people first.", print_exception=False)
        image, _ = found.load()
        alpha = await run(lambda report: solve_trimap(image, painted(value, base)), progress)
        return to_uint8(alpha), to_uint8(over(estimate_foreground(image, alpha), alpha, PAPER))

    first_photo.change(lambda path: path, first_photo, photo, show_progress="hidden", api_visibility="private")
    shown = [found, masks, person, stages, matte, composite]
    job = find.click(find_people, [photo, detector], shown, api_visibility="private", **ONE_AT_A_TIME)
    guided: dict[str, Any] = {
        "fn": guide,
        "inputs": [found, person, band, hair],
        "outputs": [tri, base, editor],
        "api_visibility": "private",
        "show_progress": "hidden",
    }
    job.success(**guided)
    gr.on([person.input, band.release, hair.release], **guided)
    solve.click(solve_painted, [found, base, editor], [matte, composite], api_visibility="private", **ONE_AT_A_TIME)


def step(title: str, explanation: str, elem_id: str) -> gr.Image:
    """One stage's picture under its heading."""
    with gr.Column(min_width=280, elem_classes="step"):
        gr.Markdown(f"**{title}**: {explanation}")
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


def tri_picture(people: InstanceMasks, person: int) -> np.ndarray:
    """A tri-mask: target in the person's colour, reference white, background black."""
    target, reference, _ = tri_masks(people).tri[person]
    return to_uint8(target * torch.tensor(person_colour(person))[:, None, None] + reference)
