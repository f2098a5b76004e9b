"""The library's own errors: each message says what was wrong, with which file, and what to do."""

from __future__ import annotations

OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "not enough memory")  # torch on GPUs, on Linux, on Windows


class InstMattError(Exception):
    """Base of every error that this library raises on purpose."""


class ImageError(InstMattError):
    """A picture could not be read or written, or has a shape that makes no sense."""


class GuidanceError(InstMattError):
    """Masks, tri-masks or trimaps do not fit the picture."""


class DataError(InstMattError):
    """A data set is not laid out in a known way, or lacks files."""


class WeightsError(InstMattError):
    """Weights are missing, damaged, or of another network."""


class UsageError(InstMattError):
    """An option does not exist or does not go with another."""


def out_of_memory(error: BaseException) -> bool:
    """Whether that is what happened: torch says it by a RuntimeError, on a CPU as on a GPU."""
    said = isinstance(error, RuntimeError) and any(words in str(error) for words in OUT_OF_MEMORY)
    return said or isinstance(error, MemoryError)


class Cancelled(InstMattError):
    """The caller's progress callback asked to stop."""
