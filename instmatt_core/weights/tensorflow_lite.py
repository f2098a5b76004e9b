"""BlazePose's published TensorFlow Lite files as state dicts of our networks, without running anything that they ask for."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import WeightsError

if TYPE_CHECKING:
    from torch import Tensor, nn

IDENTIFIER = b"TFL3"  # at byte 4
UNUSED = {(39, 48, 1, 1), (117, 288, 2, 2)}  # kernels of the heads that our networks leave out: heat maps, world landmarks
# what the reader raises for a file that is cut short or altered
DAMAGE = (struct.error, ValueError, TypeError, IndexError, KeyError, AttributeError, AssertionError, OverflowError, MemoryError)


def read_blazepose(path: Path) -> dict[str, Tensor]:
    """The state dict of ``PoseDetector`` or ``PoseLandmarks``, whichever has as many convolutions as the file.

    File and network run their convolutions in the same order, so they are paired in that order; shapes are for the caller to check.

    Raises:
        WeightsError: the package tflite is missing, the file is damaged, or not of these networks.
    """
    import torch

    from ..convolution import in_order
    from ..detect.blazepose.networks import PoseDetector, PoseLandmarks

    try:
        found = [pair for pair in convolutions(path.read_bytes()) if pair[0].shape not in UNUSED]
    except DAMAGE as error:
        raise WeightsError(f"{path}: damaged, or not a TensorFlow Lite file of convolutions ({type(error).__name__})") from error
    networks: list[tuple[nn.Module, int]] = [(PoseDetector(), 224), (PoseLandmarks(), 256)]
    for network, side in networks:
        names = in_order(network, side)
        if len(names) == len(found):
            parts = (
                (f"{name}.{part}", torch.from_numpy(np.array(value, np.float32)))
                for name, pair in zip(names, found, strict=True)
                for part, value in zip(("weight", "bias"), pair, strict=True)
            )
            return dict(parts)
    raise WeightsError(f"{path}: {len(found)} convolutions, which is neither of BlazePose's two networks")


def convolutions(content: bytes) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Kernels, in torch's layout, and biases of a file's convolutions, in the order of execution.

    Raises:
        WeightsError: the package tflite is missing.
    """
    try:
        from tflite import BuiltinOperator, Model
    except ImportError as error:
        raise WeightsError("to read TensorFlow Lite files, the package tflite is needed: pip install tflite") from error
    model = Model.GetRootAsModel(content, 0)
    graph = model.Subgraphs(0)
    makers = {graph.Operators(i).Outputs(0): graph.Operators(i) for i in range(graph.OperatorsLength())}

    def kind(operator: Any) -> int:
        code = model.OperatorCodes(operator.OpcodeIndex())
        return max(code.BuiltinCode(), code.DeprecatedBuiltinCode())

    def value(index: int) -> np.ndarray:
        """A constant, also one that is widened or filled up when the file is run."""
        while index in makers:
            assert kind(makers[index]) in (BuiltinOperator.DEQUANTIZE, BuiltinOperator.DENSIFY)
            index = makers[index].Inputs(0)
        return _stored(graph.Tensors(index), model)

    for i in range(graph.OperatorsLength()):
        operator = graph.Operators(i)
        if kind(operator) in (BuiltinOperator.CONV_2D, BuiltinOperator.DEPTHWISE_CONV_2D):
            kernel, bias = value(operator.Inputs(1)), value(operator.Inputs(2))
            apart = kind(operator) == BuiltinOperator.DEPTHWISE_CONV_2D
            yield kernel.transpose(3, 0, 1, 2) if apart else kernel.transpose(0, 3, 1, 2), bias


def _stored(tensor: Any, model: Any) -> np.ndarray:
    """What a file holds of a tensor; of kernels without their zeros, as these files have them, only the last side is sparse."""
    from tflite import DimensionType, TensorType

    kinds = {TensorType.FLOAT32: np.float32, TensorType.FLOAT16: np.float16}
    values = model.Buffers(tensor.Buffer()).DataAsNumpy().view(kinds[tensor.Type()])
    shape, sparsity = tensor.ShapeAsNumpy(), tensor.Sparsity()
    if sparsity is None:
        return values.reshape(shape)
    *rows, last = (sparsity.DimMetadata(i) for i in range(sparsity.DimMetadataLength()))
    assert [row.Format() for row in rows] == [DimensionType.DENSE] * len(rows)
    assert last.Format() == DimensionType.SPARSE_CSR
    assert (sparsity.TraversalOrderAsNumpy() == np.arange(len(shape))).all()
    starts, columns = _whole_numbers(last, "ArraySegments"), _whole_numbers(last, "ArrayIndices")
    dense = np.zeros((len(starts) - 1, shape[-1]), values.dtype)
    dense[np.repeat(np.arange(len(dense)), np.diff(starts)), columns] = values
    return dense.reshape(shape)


def _whole_numbers(dimension: Any, which: str) -> np.ndarray:
    """One of the two lists of a sparse dimension, stored in one of three widths."""
    import tflite

    width = getattr(dimension, f"{which}Type")()
    name = {getattr(tflite.SparseIndexVector, n): n for n in ("Int32Vector", "Uint16Vector", "Uint8Vector")}[width]
    vector, table = getattr(tflite, name)(), getattr(dimension, which)()
    vector.Init(table.Bytes, table.Pos)
    numbers: np.ndarray = vector.ValuesAsNumpy().astype(np.int64)
    return numbers
