"""Arrays come through whole; everything else is refused."""

from __future__ import annotations

import builtins
import codecs
import contextlib
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from instmatt_core.errors import WeightsError
from instmatt_core.weights.numpy_pickle import load_arrays

kinds = st.one_of(hnp.floating_dtypes(), hnp.integer_dtypes(), hnp.unsigned_integer_dtypes(), hnp.boolean_dtypes())


@given(hnp.arrays(kinds, hnp.array_shapes(min_dims=0)), st.integers(2, pickle.HIGHEST_PROTOCOL), st.booleans())
def test_arrays_come_through(tmp_path_factory: pytest.TempPathFactory, array: np.ndarray, protocol: int, transposed: bool) -> None:
    array = array.T if transposed else array
    path = tmp_path_factory.mktemp("a") / "a.pkl"
    path.write_bytes(pickle.dumps({"a": [array, 1, "text"]}, protocol=protocol))
    read = load_arrays(path)["a"]
    np.testing.assert_array_equal(read[0], array)
    assert read[0].shape == array.shape
    assert read[1:] == [1, "text"]


class Calls:
    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> Any:
        return self.call


class Alters(Calls):
    """Reduces to a call whose result gets a state."""

    def __reduce__(self) -> Any:
        return (*self.call, ({"x": 1}, {"y": 2}))


HOSTILE = {
    "builtin": Calls(builtins.eval, "1+1"),
    "getattr": Calls(getattr, np.ndarray, "tofile"),
    "file": Calls(np.memmap, "a"),
    "loader": Calls(np.load, "a"),
    "codec": Calls(codecs.encode, "abc", "rot13"),
    "objects": np.array([1, {}], dtype=object),
    "records": np.zeros(2, dtype=[("a", "f4")]),
    "text": np.array(["a"]),
    "dates": np.zeros(2, "M8[s]"),
    "type": np.dtype("f4"),
    "class": np.ndarray,
    "altered": Alters(np.dtype, "f4"),
    "scalar": np.float32(1),
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_everything_else_is_refused(name: str, protocol: int, tmp_path: Path) -> None:
    (tmp_path / "a.pkl").write_bytes(pickle.dumps([HOSTILE[name]], protocol=protocol))
    with pytest.raises(WeightsError, match="refused"):
        load_arrays(tmp_path / "a.pkl")


@given(st.binary(max_size=200))
@example(b"\x96" + (2**40).to_bytes(8, "little"))  # so long a bytearray
def test_noise_is_refused_or_harmless(tmp_path_factory: pytest.TempPathFactory, noise: bytes) -> None:
    path = tmp_path_factory.mktemp("a") / "a.pkl"
    path.write_bytes(b"\x80\x04" + noise)
    with contextlib.suppress(WeightsError):  # and no other error
        load_arrays(path)


def test_python_2_wrote_text_for_bytes(tmp_path: Path) -> None:
    """Its arrays hold their bytes as a string that is decoded as latin1."""
    array = np.array([1.5, -2.0], "<f4")
    raw = array.tobytes()
    body = (
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
        b"(K\x01K\x02\x85cnumpy\ndtype\nU\x02f4K\x00K\x01\x87R(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89"
        + b"U"
        + bytes([len(raw)])
        + raw
        + b"tb."
    )
    (tmp_path / "a.pkl").write_bytes(body)
    np.testing.assert_array_equal(load_arrays(tmp_path / "a.pkl"), array)
