"""The page, and how it is served safely."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any

import gradio as gr
from starlette.middleware import Middleware

from . import api, matte_tab, score_tab, steps_tab
from .models import Models
from .results import Shelf

TITLE = "instmatt"
INTRODUCTION = "# instmatt\nA photo of several people goes in. One precise matte per person comes out, ready to composite."
QUEUE = 40  # waiting jobs; more are turned away with a message
MAX_FILE_SIZE = "25mb"
SWEEP_SECONDS, KEEP_SECONDS = 600, 3600
SESSIONS = 200
# The browser itself then refuses whatever would come from, or go to, another host.
CONTENT_POLICY = (
    "default-src 'self' data: blob: 'unsafe-inline' 'unsafe-eval'; connect-src 'self' data: blob:; object-src 'none'; base-uri 'self'"
)


def app(models: Models | None = None) -> gr.Blocks:
    """The demo; serve it with ``app().launch(**settings())``.

    Args:
        models: what to offer; everything there is by default.
    """
    models, shelf = models or Models(), Shelf()
    with gr.Blocks(title=TITLE, analytics_enabled=False, delete_cache=(SWEEP_SECONDS, KEEP_SECONDS)) as page:
        gr.Markdown(INTRODUCTION, elem_id="introduction")
        with gr.Tabs():
            with gr.Tab("Matte"):
                photo = matte_tab.build(models, shelf)
            with gr.Tab("Step by step"):
                steps_tab.build(models, shelf, photo)
            with gr.Tab("Score"):
                score_tab.build(shelf)
        api.build(models, shelf)
    return page.queue(max_size=QUEUE)


def settings() -> dict[str, Any]:
    """What ``launch`` needs: this machine only, nothing of the server readable, size limits, the looks."""
    return {
        "server_name": "127.0.0.1",
        "share": False,
        "allowed_paths": [],
        "max_file_size": MAX_FILE_SIZE,
        "state_session_capacity": SESSIONS,
        "ssr_mode": False,
        "mcp_server": False,
        "run_history": False,
        "enable_monitoring": False,
        "strict_cors": True,
        "footer_links": ["api"],
        "theme": theme(),
        "css_paths": Path(__file__).with_name("style.css"),
        "app_kwargs": {"middleware": [Middleware(OwnHostOnly)]},
    }


def theme() -> gr.themes.Base:
    """Greys alone, so that the only colours are the picture's; the fonts are the system's."""
    return gr.themes.Base(
        primary_hue="slate",
        neutral_hue="slate",
        radius_size="lg",
        font=["system-ui", "sans-serif"],
        font_mono=["ui-monospace", "monospace"],
    ).set(
        body_text_color_subdued="*neutral_500",
        block_info_text_color="*neutral_500",
        button_primary_background_fill="*neutral_800",
        button_primary_background_fill_hover="*neutral_700",
        button_primary_background_fill_dark="*neutral_200",
        button_primary_background_fill_hover_dark="*neutral_50",
        button_primary_text_color="white",
        button_primary_text_color_dark="*neutral_900",
        checkbox_background_color_selected="*neutral_700",
        checkbox_background_color_selected_dark="*neutral_400",
        block_border_width="1px",
        block_label_border_width="0px",
    )


class OwnHostOnly:
    """ASGI middleware that adds the content policy, and headers that keep browsers from guessing types or telling referrers."""

    HEADERS = (
        (b"content-security-policy", CONTENT_POLICY.encode()),
        (b"x-content-type-options", b"nosniff"),
        (b"referrer-policy", b"no-referrer"),
    )

    def __init__(self, app: Callable[..., Awaitable[None]]):
        self.app = app

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Callable[..., Awaitable[None]]) -> None:
        """Pass a request on; the answer's start gets the headers."""

        async def with_headers(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), *self.HEADERS]
            await send(message)

        await self.app(scope, receive, with_headers)
