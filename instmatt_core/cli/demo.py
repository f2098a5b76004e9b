"""``instmatt demo``: the web page, on this machine."""

from __future__ import annotations

import argparse
from typing import Any

from .matte import add_model_options, pipeline_of

DESCRIPTION = "The web page, on this machine. What the model options name is offered first; the page's settings list everything there is."


def register(commands: Any) -> None:
    """Add this subcommand to the parser."""
    parser = commands.add_parser("demo", help="open the web demo on this machine", description=DESCRIPTION)
    parser.add_argument("--host", default="127.0.0.1", metavar="ADDRESS", help="0.0.0.0 lets other machines in (default: %(default)s)")
    parser.add_argument("--port", type=_port, metavar="N", help="default: the first free one from 7860")
    parser.add_argument("--open", action="store_true", help="open the page in the browser")
    add_model_options(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Serve until interrupted or told to end; either way temporary files are removed."""
    import os
    import signal
    import tempfile

    from ..errors import UsageError

    try:
        from instmatt_demo import Models, app, settings
    except ModuleNotFoundError as error:
        if error.name not in ("gradio", "instmatt_demo"):
            raise
        raise UsageError(
            f'the demo needs {error.name}, which is not installed; where this project lies, run: pip install ".[demo]"'
        ) from error
    models = Models(pipeline_of(options), options.max_side)
    served = {**settings(), "server_name": options.host, "server_port": options.port, "inbrowser": options.open}
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    # Gradio's own clean-up at the end waits for visitors to leave, and gives up.
    with tempfile.TemporaryDirectory(prefix="instmatt-uploads-", ignore_cleanup_errors=True) as uploads:
        os.environ.setdefault("GRADIO_TEMP_DIR", uploads)
        try:
            app(models).launch(**served)
        except OSError as error:  # no port is free
            raise UsageError(f"cannot listen on {options.host}: {error}") from error
    return 0


def _port(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError("must be a whole number from 1 to 65535")
    return int(text)
