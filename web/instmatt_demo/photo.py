"""An image component that hands on the uploaded file itself."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import gradio as gr
from gradio.data_classes import ImageData


def photo_input(**options: Any) -> Any:
    """A ``gradio.Image`` that gives functions the path of the upload, unopened.

    Decoding, with its limits and messages, is the library's business. (Changed on the component itself, since Gradio writes a
    stub file next to the source of any subclass.)

    Args:
        options: those of :class:`gradio.Image`.
    """
    component: Any = gr.Image(type="filepath", image_mode=None, **options)
    component.preprocess = partial(_path, component.preprocess)
    return component


def _path(otherwise: Callable[[ImageData | None], Any], payload: ImageData | None) -> Any:
    inline = payload is not None and (payload.path is None or (payload.url or "").startswith("data:"))
    return otherwise(payload) if payload is None or inline else payload.path
