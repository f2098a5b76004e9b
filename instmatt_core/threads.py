"""How many threads torch may use, in company."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def torch_threads_kept() -> Iterator[None]:
    """Give torch back the number of threads it had.

    numba, which pymatting runs on, changes it in the OpenMP library that both use, when it is imported or when it runs first.
    """
    import torch

    threads = torch.get_num_threads()
    try:
        yield
    finally:
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)
