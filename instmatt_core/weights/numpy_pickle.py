"""Read the numpy arrays in a pickle without running anything that the file asks for.

Pickles name functions to call. This reader knows the names that numpy writes for an array, and answers each with a stand-in of
its own, so that not even numpy's unpickling code runs; any other name is refused. Arrays are made from plain bytes and a
plain number type at the end.
"""

from __future__ import annotations

import io
import math
import pickle
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import WeightsError

_KINDS = "fiub"


class _Type:
    """Stands in for ``numpy.dtype``."""

    def __init__(self, code: str, *_: object) -> None:
        self.code, self.order = code, "<"

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.order = "<" if state[1] in ("|", "=") else state[1]

    def dtype(self) -> np.dtype[Any]:
        if not isinstance(self.code, str) or self.code[:1] not in _KINDS or self.order not in ("<", ">"):
            raise pickle.UnpicklingError(f"array of {self.code!r}, not of numbers")
        return np.dtype(self.order + self.code)


class _Array:
    """Stands in for an array: ``_reconstruct(ndarray, (0,), b'b')``, then its state."""

    def __init__(self, *_: object) -> None:
        self.value: np.ndarray | None = None

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, kind, fortran, data = state
        self.value = _array(data, kind, shape, "F" if fortran else "C")


def _buffer_array(data: bytes, kind: _Type, shape: tuple[int, ...], order: str) -> _Array:
    made = _Array()
    made.value = _array(data, kind, shape, order)
    return made


def _array(data: bytes | str, kind: _Type, shape: tuple[int, ...], order: str) -> np.ndarray:
    if isinstance(data, str):  # Python 2 wrote it
        data = data.encode("latin1")
    if not (isinstance(kind, _Type) and isinstance(data, bytes | bytearray) and order in ("C", "F")):
        raise pickle.UnpicklingError("array in a form that numpy does not write")
    return np.frombuffer(data, kind.dtype(), count=math.prod(shape)).reshape(shape, order=order)  # type: ignore[call-overload]


def _latin1(text: str, encoding: str) -> bytes:
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"text encoded as {encoding!r}")
    return text.encode("latin1")


class _Admitted:
    """A callable that the file can call and cannot alter."""

    __slots__ = ("function",)

    def __init__(self, function: Any) -> None:
        self.function = function

    def __call__(self, *arguments: object) -> object:
        return self.function(*arguments)

    def __setstate__(self, state: object) -> None:
        raise pickle.UnpicklingError("the file tries to alter a function")


_NAMES = {
    "dtype": _Type,
    "ndarray": None,  # only ever an argument
    "multiarray._reconstruct": _Array,
    "numeric._frombuffer": _buffer_array,
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("_codecs", "encode"):
            return _Admitted(_latin1)
        for package in ("numpy.core.", "numpy._core.", "numpy."):
            known = f"{module}.{name}".removeprefix(package)
            if module.startswith("numpy") and known in _NAMES:
                return _Admitted(_NAMES[known])
        raise pickle.UnpicklingError(f"it asks for {module}.{name}")

    def persistent_load(self, pid: Any) -> Any:
        raise pickle.UnpicklingError("it refers to objects outside the file")


def load_arrays(path: Path) -> Any:
    """What the pickle holds (dicts, lists, tuples, plain values), its numpy arrays as read-only arrays.

    Raises:
        WeightsError: it holds or asks for anything else; nothing of it has been run.
        OSError: the file cannot be read.
    """
    data = path.read_bytes()
    damage = (pickle.UnpicklingError, EOFError, LookupError, TypeError, ValueError, AttributeError, OverflowError, RecursionError)
    impossible_lengths = (MemoryError, SystemError)
    try:
        return _unwrap(_Unpickler(io.BytesIO(data), encoding="latin1").load())
    except (*damage, *impossible_lengths) as error:
        raise WeightsError(
            f"{path}: refused, the file is damaged or holds more than numpy arrays ({error}); nothing of it was run"
        ) from error


def _unwrap(value: Any) -> Any:
    if isinstance(value, _Array):
        if value.value is None:
            raise pickle.UnpicklingError("array without contents")
        return value.value
    if isinstance(value, dict):
        return {key: _unwrap(child) for key, child in value.items()}
    if isinstance(value, list | tuple):
        return [_unwrap(child) for child in value]
    if isinstance(value, _Type | _Admitted):
        raise pickle.UnpicklingError("more than arrays")
    return value
