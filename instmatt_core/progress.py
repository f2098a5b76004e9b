"""How long work reports itself: ``callback(stage, share)`` with share in [0, 1]; returning False asks it to stop."""

from __future__ import annotations

from collections.abc import Callable

from .errors import Cancelled

Progress = Callable[[str, float], "bool | None"]


def silent(stage: str, share: float) -> None:
    """The callback that shows nothing."""


def stage(callback: Progress, name: str, start: float, end: float) -> Callable[[float], None]:
    """A step's own 0..1 mapped into ``start..end`` of the whole.

    Raises (when called):
        Cancelled: the callback returned False.
    """

    def report(share: float) -> None:
        if callback(name, start + (end - start) * share) is False:
            raise Cancelled(f"cancelled while {name}")

    return report
