"""The libraries beside torch leave its number of threads alone; people are worked on at once."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, get_ident
from time import sleep

import pytest
import torch

from instmatt_core.threads import spread, torch_threads_kept

PROGRAM = """
import torch
from instmatt_core.compositing import estimate_foreground
from instmatt_core.matting.closed_form import solve_trimap

torch.set_num_threads(1)
image, trimap = torch.rand(3, 64, 64), torch.zeros(64, 64)
trimap[20:44, 20:44] = 0.5
trimap[24:40, 24:40] = 1
{call}
assert torch.get_num_threads() == 1, torch.get_num_threads()
"""


@pytest.mark.parametrize("call", ["solve_trimap(image, trimap)", "estimate_foreground(image, trimap)"])
def test_torch_keeps_its_number_of_threads(call: str) -> None:
    # A process of its own: numba starts its threads once.
    program = PROGRAM.format(call=call)
    subprocess.run([sys.executable, "-c", program], env={**os.environ, "NUMBA_NUM_THREADS": "2", "OMP_NUM_THREADS": "2"}, check=True)


@pytest.fixture
def four_threads() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(4)
    yield
    torch.set_num_threads(threads)


CPU = torch.device("cpu")


@pytest.mark.usefixtures("four_threads")
def test_people_share_the_threads_and_come_in_order() -> None:
    together = Barrier(2, timeout=60)

    def work(item: int) -> tuple[int, int]:
        together.wait()  # there are two at once, or this breaks
        return item, torch.get_num_threads()

    assert list(spread(work, range(2), CPU)) == [(0, 2), (1, 2)]
    assert torch.get_num_threads() == 4
    assert run_in_new_thread(torch.get_num_threads) == 4
    assert list(spread(lambda i: i, range(9), CPU)) == list(range(9))


@pytest.mark.usefixtures("four_threads")
def test_what_uses_pymatting_leaves_the_threads() -> None:
    def work(_: int) -> None:
        with torch_threads_kept():
            torch.set_num_threads(3)

    list(spread(work, range(2), CPU))
    assert torch.get_num_threads() == 4
    assert run_in_new_thread(torch.get_num_threads) == 4


@pytest.mark.usefixtures("four_threads")
def test_an_error_passes_and_nothing_more_is_begun() -> None:
    begun = []

    def work(item: int) -> None:
        begun.append(item)
        if item == 0:
            raise ValueError("number 0")
        sleep(0.01)

    with pytest.raises(ValueError, match="number 0"):
        list(spread(work, range(1000), CPU))
    assert len(begun) < 1000
    assert torch.get_num_threads() == 4


@pytest.mark.usefixtures("four_threads")
@pytest.mark.parametrize("mode", [False, True])
def test_the_inference_mode_is_the_callers(mode: bool) -> None:
    with torch.inference_mode(mode):
        here = torch.zeros(2)

        def work(item: int) -> bool:
            here[item] = 1
            return torch.zeros(1).is_inference()

        assert list(spread(work, range(2), CPU)) == [mode, mode]
    assert here.tolist() == [1, 1]


@pytest.mark.usefixtures("four_threads")
@pytest.mark.parametrize(("items", "device"), [(1, CPU), (2, torch.device("meta"))])
def test_one_or_another_device_stays_in_this_thread(items: int, device: torch.device) -> None:
    assert set(spread(lambda _: get_ident(), range(items), device)) == {get_ident()}


def run_in_new_thread(work: Callable[[], int]) -> int:
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(work).result()
