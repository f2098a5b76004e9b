"""What the library takes for which error."""

from __future__ import annotations

import pytest
import torch

from instmatt_core.errors import out_of_memory


def test_running_out_of_memory_in_torch() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(10**15)
    assert out_of_memory(caught.value)
    assert out_of_memory(MemoryError())
    assert out_of_memory(RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 4000000 bytes."))
    assert not out_of_memory(RuntimeError("shapes differ"))
    assert not out_of_memory(ValueError("out of memory"))
