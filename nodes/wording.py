"""What users type: people by number, orders, placements. Numbers start at 1, as in the preview."""

from __future__ import annotations

import re

from ..instmatt_core.errors import UsageError
from ..instmatt_core.layers import Placement

MOST = 9999  # the largest number of a person
NUMBER = r"[-+]?\d*\.?\d+"


def numbers(text: str) -> list[int]:
    """ "2, 4-6" as indices from 0, in the order typed, each once.

    Raises:
        UsageError: something that is no number.
    """
    found: list[int] = []
    for part in re.split(r"[,\s]+", re.sub(r"\s*-\s*", "-", text.strip())):
        if not part:
            continue
        match = re.fullmatch(r"(\d+)(?:-(\d+))?", part)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
        if not (1 <= first <= MOST and 1 <= last <= MOST):
            raise UsageError(f'"{part}" is not the number of a person; write, for instance, 1, 3-5')
        found += range(first - 1, last) if first <= last else range(first - 1, last - 2, -1)
    return list(dict.fromkeys(found))


def people(text: str) -> tuple[list[int], bool]:
    """ "all", "none", "1, 3" or "all but 2": indices, and whether they are those to leave out.

    Raises:
        UsageError: something else.
    """
    words = text.strip().lower()
    if words in ("", "all"):
        return [], True
    if words == "none":
        return [], False
    if words.startswith("all but"):
        return numbers(words.removeprefix("all but")), True
    return numbers(words), False


def placements(text: str) -> dict[int, Placement]:
    """One person a line, "2: 40, -10" or "2: 40, -10, 1.2": number, px to the right, px down, scale.

    Raises:
        UsageError: a line that is none, with an example.
    """
    found: dict[int, Placement] = {}
    for line in filter(None, (line.strip() for line in text.splitlines())):
        match = re.fullmatch(rf"(\d+)\s*:\s*({NUMBER})[,\s]+({NUMBER})(?:[,\s]+({NUMBER}))?", line)
        if not match or int(match[1]) < 1 or (match[4] and float(match[4]) <= 0):
            raise UsageError(
                f'"{line}" places nobody; write "number: right, down" or "number: right, down, scale", as in "2: 40, -10, 1.2"'
            )
        found[int(match[1]) - 1] = Placement(float(match[2]), float(match[3]), float(match[4] or 1))
    return found
