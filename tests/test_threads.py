"""The libraries beside torch leave its number of threads alone."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

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
