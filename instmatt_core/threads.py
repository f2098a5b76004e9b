"""How many threads torch may use, and work that is done for several people at once."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Barrier
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import torch

MOST = 4  # at once; each takes memory of its own
PATIENCE = 60  # s that threads wait for each other to begin, should one be interrupted

Item = TypeVar("Item")
Result = TypeVar("Result")


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


def spread(work: Callable[[Item], Result], items: Sequence[Item], device: torch.device) -> Iterator[Result]:
    """``map(work, items)``; on the CPU several at once, each with its share of torch's threads.

    A network that looks at one person has layers too small to keep several threads busy. What is left is not begun if ``work`` fails or
    nobody asks for more results.
    """
    import torch

    threads = torch.get_num_threads()
    at_once = min(len(items), threads, MOST) if device.type == "cpu" else 1
    if at_once < 2:
        yield from map(work, items)
        return
    begun, inference = Barrier(at_once + 1, timeout=PATIENCE), torch.is_inference_mode_enabled()

    def begin() -> None:
        torch.get_num_threads()  # the first call sets it to what other threads have
        torch.set_num_threads(threads // at_once)  # of this thread, and of those that use torch first after now
        begun.wait()

    def run(item: Item) -> Result:
        with torch.inference_mode(inference):
            return work(item)

    pool = ThreadPoolExecutor(at_once, "instmatt", begin)
    try:
        results = deque(pool.submit(run, item) for item in items)
        begun.wait()
        torch.set_num_threads(threads)
        while results:
            yield results.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(threads)  # a worker may have run into torch_threads_kept
