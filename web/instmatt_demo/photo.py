"""An image component that hands on the uploaded file itself."""

from __future__ import annotations

from typing import Any

import gradio as gr
from gradio.data_classes import ImageData


class Photo(gr.Image):
    """Gives functions the path of the upload, unopened: decoding, with its limits and messages, is the library's business."""

    is_template = True  # the browser takes it for what it is built on

    def preprocess(self, payload: ImageData | None) -> str | None:
        """The path; inline data is written to a file first."""
        if payload is None or payload.path is None or (payload.url or "").startswith("data:"):
            return super().preprocess(payload)  # type: ignore[return-value]
        return payload.path


def photo_input(**options: Any) -> Photo:
    """Such a component; ``options`` are those of :class:`gradio.Image`."""
    return Photo(type="filepath", image_mode=None, **options)
