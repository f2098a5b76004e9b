"""The choice of detector and matting: what is missing stands beside the name, how to get it below."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

import gradio as gr

from instmatt_core.pipeline import END_TO_END

from .jobs import public
from .models import Models

FINDS, NEEDLESS = "Finds the people", "Not needed: this matting finds the people itself"


def chooser(models: Models, mattings: Sequence[str]) -> tuple[gr.Dropdown, gr.Dropdown]:
    """Lay out and wire detector and matting; looks anew at what is missing with every choice, and when the page is opened."""
    detector = gr.Dropdown(models.choices(models.detectors), value=models.detectors[0], label="Detector", info=FINDS)
    matting = gr.Dropdown(models.choices(mattings), value=next(iter(mattings), None), label="Matting", info="Makes each person's matte")
    notice = gr.HTML(visible=False, padding=False, elem_classes="notice")

    def look(chosen: str, matter: str) -> dict[Any, Any]:
        whole = matter in END_TO_END
        lacks = [lack.how for name in ([matter] if whole else [chosen, matter]) for lack in models.lacks(name)]
        return {
            detector: gr.Dropdown(models.choices(models.detectors), interactive=not whole, info=NEEDLESS if whole else FINDS),
            matting: gr.Dropdown(models.choices(mattings)),
            notice: gr.HTML("".join(map(as_html, lacks)), visible=bool(lacks)),
        }

    gr.on(None, look, [detector, matting], [detector, matting, notice], queue=False, show_progress="hidden", api_visibility="private")
    return detector, matting


def as_html(how: str) -> str:
    """Sentences as paragraphs, indented lines as code."""
    lines = [escape(line) for line in public(how).splitlines()]
    return "".join(f"<code>{line.strip()}</code>" if line.startswith("  ") else f"<p>{line}</p>" for line in lines)
