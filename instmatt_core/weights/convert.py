"""Authors' checkpoints to safetensors, without running anything that a checkpoint asks for."""

from __future__ import annotations

import datetime
import os
import pickle
import re
import struct
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import __version__
from ..errors import WeightsError
from . import tensorflow_lite
from .catalogue import AuthorsFile, Weights, entry_of
from .check import manifest, require, shapes_of, systems
from .store import sha256_of

if TYPE_CHECKING:
    from torch import Tensor

_LEGACY_TORCH = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."  # how torch.save began before it wrote zip files
_SAFE_TORCH = (2, 6)  # torch.load(weights_only=True) could be tricked into running code before (CVE-2025-32434)
# tensors of authors' files that follow from the others' settings, and that our networks compute
COMPUTED = {"mask-rcnn": re.compile(r"proposal_generator\.anchor_generator\.cell_anchors\.\d+|pixel_(mean|std)")}
# what torch.load raises, beside its own refusals, for a file that is cut short or altered
DAMAGE = (RuntimeError, EOFError, ValueError, TypeError, LookupError, AttributeError, AssertionError, struct.error, zipfile.BadZipFile)


@dataclass(frozen=True)
class Converted:
    """What became of a file."""

    path: Path
    system: str
    tensors: int
    notes: tuple[str, ...] = ()


def convert(source: Path, output: Path, *, system: str | None = None, overwrite: bool = False) -> Converted:
    """Write the weights of an authors' checkpoint as safetensors.

    Args:
        source: the authors' file: ``torch.save``'s formats, a pickle of numpy arrays, safetensors, or TensorFlow Lite (BlazePose).
        output: ends in ``.safetensors``. It appears only when it is complete.
        system: which network it is for; None recognises it by the keys.

    Raises:
        WeightsError: the file is refused, unreadable, not of a known network, or its tensors are not that network's (all that
            differ are listed); or ``output`` exists or cannot be written.
    """
    if output.suffix != ".safetensors":
        raise WeightsError(f"{output}: the converted file's name must end in .safetensors")
    if output.exists() and not overwrite:
        raise WeightsError(f"{output}: exists already; use --overwrite to replace it")
    if system is not None:
        manifest(system)  # an unknown system is reported before a large file is read
    state = _tensors(read_checkpoint(source), source)
    system, state = recognise(state, source, system)
    state = {key: value for key, value in state.items() if not (system in COMPUTED and COMPUTED[system].fullmatch(key))}
    expected = manifest(system)
    require({key: shape for key, (_, shape) in expected.items()}, shapes_of(state), system, f"{source}: the tensors")
    state = {key: _as_type(value, expected[key][0]) for key, value in state.items()}
    spoiled = sorted(key for key, value in state.items() if not value.isfinite().all())
    if spoiled:
        raise WeightsError(f"{source}: these tensors hold NaN or infinity: {', '.join(spoiled)}; the file is damaged")
    entry = entry_of(system)
    digest = sha256_of(source)
    _write(state, output, _metadata(source, system, entry, digest))
    return Converted(output, system, len(state), _notes(entry, digest))


def read_checkpoint(path: Path) -> Any:
    """Whatever the file holds, read without running anything it asks for.

    Raises:
        WeightsError: no such file, a format that is not known, or a file that asks for more than tensors and arrays.
    """
    try:
        with path.open("rb") as file:
            head = file.read(len(_LEGACY_TORCH))
        if path.suffix == ".safetensors":
            from safetensors import SafetensorError
            from safetensors.torch import load_file

            try:
                return load_file(path)
            except SafetensorError as error:
                raise WeightsError(f"{path}: not a safetensors file, or damaged ({error})") from error
        if head[4:8] == tensorflow_lite.IDENTIFIER:  # behind which there may be a zip file
            return tensorflow_lite.read_blazepose(path)
        if zipfile.is_zipfile(path) or head == _LEGACY_TORCH:
            return _load_torch(path)
        if head[:1] == b"\x80":
            from .numpy_pickle import load_arrays

            return load_arrays(path)
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read ({error.strerror or error})") from error
    raise WeightsError(
        f"{path}: neither a torch checkpoint, nor a pickle, nor safetensors, nor TensorFlow Lite; was the download complete?"
    )


class _Number:
    """Stands in for numpy's scalars and their types, which trainers leave in checkpoints; its value is not wanted."""

    def __init__(self, *_: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        pass


def _load_torch(path: Path) -> Any:
    import torch

    version = tuple(int(part) for part in torch.__version__.split(".")[:2])
    if version < _SAFE_TORCH:
        raise WeightsError(
            f"{path}: reading it safely needs torch 2.6 or later and this is torch {torch.__version__} (CVE-2025-32434);"
            " convert it in another environment, safetensors are read by any torch"
        )
    packages = ("numpy.core.multiarray.", "numpy._core.multiarray.")
    numbers: list[Any] = [(_Number, f"{package}scalar") for package in packages]
    numbers += [(_Number, "numpy.dtype"), *((_Number, f"numpy.dtypes.{kind}DType") for kind in ("Float32", "Float64", "Int64"))]
    try:
        with torch.serialization.safe_globals(numbers):
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        asked = re.search(r"GLOBAL (\S+)", str(error))
        why = f"it asks for {asked[1]}" if asked else "it is no plain state dict"
        raise WeightsError(f"{path}: refused, the file is damaged or holds more than tensors ({why}); nothing of it was run") from error
    except DAMAGE as error:
        said = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise WeightsError(f"{path}: damaged, or not a torch checkpoint ({said})") from error


def _tensors(held: Any, source: Path) -> dict[str, Tensor]:
    """The state dict inside what a checkpoint holds: itself, or its entry ``state_dict`` (InstMatt, SIM) or ``model`` (detectron2)."""
    import numpy as np
    import torch

    for wrapper in ("state_dict", "model"):
        if isinstance(held, Mapping) and isinstance(held.get(wrapper), Mapping):
            held = held[wrapper]
    if not isinstance(held, Mapping):
        raise WeightsError(f"{source}: holds no dictionary of tensors but a {type(held).__name__}")
    state = {}
    for key, value in held.items():
        if isinstance(value, np.ndarray):
            value = torch.from_numpy(value.astype(value.dtype.newbyteorder("="), order="C"))
        if not (isinstance(key, str) and isinstance(value, torch.Tensor)):
            raise WeightsError(f"{source}: {key!r} is a {type(value).__name__}, not a tensor")
        state[key] = value.detach()
    return state


def recognise(state: Mapping[str, Tensor], source: Path, system: str | None = None) -> tuple[str, dict[str, Tensor]]:
    """The system whose keys fit best, and the state dict without a prefix such as ``module.``.

    Raises:
        WeightsError: no system has half of the keys.
    """
    plain = dict(state)
    stripped = {key.partition(".")[2]: value for key, value in state.items()}
    best: tuple[float, str, dict[str, Tensor]] = (-1.0, "", {})
    for name in [system] if system else systems():
        expected = manifest(name).keys()
        for keys in (plain, stripped):
            best = max(best, (len(expected & keys.keys()) / len(expected), name, keys), key=lambda candidate: candidate[0])
    share, name, keys = best
    if share < 0.5 and system is None:
        raise WeightsError(
            f"{source}: not recognised; {len(state)} tensors, such as {', '.join(list(state)[:3])}, and at most {share:.0%} of the keys of"
            f" any of {', '.join(systems())}; with --system NAME every difference is listed"
        )
    return name, keys


def _as_type(value: Tensor, kind: str) -> Tensor:
    import torch

    return value.to(torch.int64 if kind == "int64" else torch.float32, copy=True).contiguous()  # a copy shares no storage


def _metadata(source: Path, system: str, entry: Weights | None, digest: str) -> dict[str, str]:
    return {
        "system": system,
        "architecture": entry.architecture if entry else "",
        "licence": entry.licence.name if entry else "",
        "source_file": source.name,
        "source_page": entry.source.page if entry and isinstance(entry.source, AuthorsFile) else "",
        "source_sha256": digest,
        "date": datetime.datetime.now(datetime.timezone.utc).date().isoformat(),
        "converter": f"instmatt {__version__}",
    }


def _notes(entry: Weights | None, digest: str) -> tuple[str, ...]:
    known = entry.source.sha256 if entry and isinstance(entry.source, AuthorsFile) else None
    if known is None:
        return ("no checksum of the authors' file is known, so only its keys, shapes and values were checked",)
    if known == digest:
        return ("the authors' file has the sha256 that the catalogue knows",)
    return (f"not the file that the catalogue knows: its sha256 is {digest}, that one's is {known}",)


def _write(state: dict[str, Tensor], output: Path, metadata: dict[str, str]) -> None:
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=output.parent, prefix=".converting-") as folder:
            partial = Path(folder) / output.name
            save_file(state, partial, metadata=metadata)
            os.replace(partial, output)
    except (OSError, SafetensorError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise WeightsError(f"{output}: cannot be written ({reason})") from error
