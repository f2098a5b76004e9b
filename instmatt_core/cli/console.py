"""Where commands print their tables."""

from __future__ import annotations

from rich import console


class Console(console.Console):
    """Prints text as it is; when nobody reads on, :func:`instmatt_core.cli.main.main` ends the command."""

    def __init__(self, width: int | None = None):
        super().__init__(width=width, highlight=False, markup=False, emoji=False)

    def on_broken_pipe(self) -> None:
        """Rich would end the program here, with status 1."""
        raise BrokenPipeError
