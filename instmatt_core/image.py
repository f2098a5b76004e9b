"""Reading, writing and resizing pictures.

In the core a picture is a float32 RGB tensor ``(3, H, W)`` in [0, 1], not premultiplied.
"""

from __future__ import annotations

import contextlib
import math
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import torch
from torch import Tensor

from .errors import ImageError

if TYPE_CHECKING:
    from PIL import Image

SUFFIXES = frozenset([".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".heic", ".heif", ".avif"])
MAX_PIXELS = 100_000_000
ORIENTATION = 0x0112  # the EXIF tag
LOWEST, HIGHEST = -0.01, 1.5  # a float picture beyond these is not in [0, 1]; what resampling overshoots is


@dataclass(frozen=True)
class Picture:
    """A decoded file: ``image (3, H, W)`` and remarks on what reading it had to decide."""

    image: Tensor
    notes: tuple[str, ...] = ()


def read_picture(path: str | os.PathLike[str], *, max_pixels: int = MAX_PIXELS, ground: float = 1.0) -> Picture:
    """Decode a picture file, upright, as RGB.

    Reads 8 and 16 bit, grey, palette, CMYK and transparency; the first frame of an animation; EXIF rotation is applied.

    Args:
        path: the file.
        max_pixels: larger pictures are refused.
        ground: the grey that transparency is laid over, 1 is white.

    Raises:
        ImageError: missing, empty, truncated, not to be read, not a picture, no decoder, not between 0 and 1 where its values are
            floats, or more than ``max_pixels`` (told before decoding).
    """
    path = Path(path)
    notes = []
    with _opened(path, max_pixels) as source:
        if (frames := getattr(source, "n_frames", 1)) > 1:
            if source.format != "MPO":  # a photograph, and the camera's own extras
                notes.append(f"{frames} {'pages' if source.format == 'TIFF' else 'frames'}, using the first")
            source.seek(0)
        if source.has_transparency_data:
            notes.append("transparency laid over white")
        if _is_deep_colour(path, source):
            turned = 1 if source.format == "TIFF" else source.getexif().get(ORIENTATION, 1)  # OpenCV turns TIFFs itself
            return Picture(_read_deep_colour(path, turned, ground), tuple(notes))
        try:
            return Picture(from_pil(source, ground), tuple(notes))
        except ImageError as error:
            raise ImageError(f"{path}: {error}") from None


def read_size(path: str | os.PathLike[str], *, max_pixels: int = MAX_PIXELS) -> tuple[int, int]:
    """Height and width that :func:`read_picture` would give, from the file's header alone.

    Raises:
        ImageError: as there; damage further into the file is not seen.
    """
    with _opened(Path(path), max_pixels) as source:
        width, height = source.size
        if source.format == "TIFF":  # PIL's size is that before or after turning, by its version
            tags = source.tag_v2  # type: ignore[attr-defined]
            width, height, turned = tags[256], tags[257], tags.get(ORIENTATION, 1) >= 5
        else:  # PIL decodes a whole PNG to look for an orientation behind the pixels; there is hardly ever one
            turned = (source.format != "PNG" or "exif" in source.info) and source.getexif().get(ORIENTATION, 1) >= 5
    return (width, height) if turned else (height, width)


@contextlib.contextmanager
def _opened(path: Path, max_pixels: int) -> Iterator[Image.Image]:
    """The file with its header read; whatever goes wrong with it inside the block becomes an ImageError."""
    from PIL import UnidentifiedImageError

    try:
        size = path.stat().st_size
    except OSError as error:
        raise ImageError(f"{path}: {error.strerror or error}") from error
    if path.is_dir():
        raise ImageError(f"{path}: is a folder, not a picture")
    if size == 0:
        raise ImageError(f"{path}: the file is empty")
    try:
        with _open_unlimited(path) as source:
            width, height = source.size
            if width * height > max_pixels:
                raise ImageError(
                    f"{path}: {width} x {height} px is more than the limit of {max_pixels / 1e6:.0f} megapixels; shrink it first"
                )
            yield source
    except UnidentifiedImageError:
        hint = " (install pillow-heif to read it)" if path.suffix.lower() in {".heic", ".heif"} else ""
        raise ImageError(f"{path}: not a picture in a format this installation can read{hint}") from None
    except (ImageError, MemoryError):
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None:  # the system's; those of decoders have no number
            raise ImageError(f"{path}: cannot be read ({error.strerror})") from error
        raise ImageError(f"{path}: damaged or incomplete picture ({error})") from error


def read_image(path: str | os.PathLike[str]) -> Tensor:
    """The picture alone, ``(3, H, W)``; see :func:`read_picture`."""
    return read_picture(path).image


def read_matte(path: str | os.PathLike[str]) -> Tensor:
    """A grey matte or mask file as ``(H, W)`` in [0, 1], 8 or 16 bit; colour is averaged, what is transparent is 0."""
    image = read_picture(path, ground=0.0).image
    if torch.equal(image[0], image[1]) and torch.equal(image[0], image[2]):
        return image[0]  # exactly value / 255, which the mean of three equal floats is not
    return image.mean(0)


def _open_unlimited(path: Path) -> Image.Image:
    """PIL's own bomb check stops at half of our limit or warns; ours runs on the header, before any decoding."""
    import warnings

    from PIL import Image

    if path.suffix.lower() in {".heic", ".heif"}:
        with contextlib.suppress(ImportError):  # without it the file is no known picture, which says what to install
            from pillow_heif import register_heif_opener

            register_heif_opener()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        try:
            return Image.open(path)
        except Image.DecompressionBombError:
            raise ImageError(f"{path}: far more than the limit of {MAX_PIXELS / 1e6:.0f} megapixels; shrink it first") from None


def _is_deep_colour(path: Path, source: Image.Image) -> bool:
    """16-bit RGB, which PIL would silently cut to 8 bit."""
    if source.format == "PNG":
        with path.open("rb") as file:
            header = file.read(26)
        return header[24] == 16 and header[25] in (2, 6)
    return source.format == "TIFF" and max(source.tag_v2.get(258, (8,))) == 16 and source.mode in ("RGB", "RGBA")  # type: ignore[attr-defined]


UPRIGHT: dict[int, Callable[[np.ndarray], np.ndarray]] = {  # by EXIF orientation
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, 3),
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: np.rot90,
}


def _read_deep_colour(path: Path, orientation: int, ground: float) -> Tensor:
    data = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)
    if data is None or data.ndim != 3 or data.dtype != np.uint16:
        raise ImageError(f"{path}: damaged or incomplete 16-bit picture")
    rgba = data[..., [2, 1, 0, *range(3, data.shape[2])]].astype(np.float32) / 65535.0
    return _opaque(UPRIGHT[orientation](rgba) if orientation in UPRIGHT else rgba, ground)


def _opaque(rgba: np.ndarray, ground: float = 1.0) -> Tensor:
    """``(H, W, 3 or 4)`` float in [0, 1] to ``(3, H, W)``, laid over a grey."""
    rgb = rgba[..., :3]
    if rgba.shape[2] == 4:
        rgb = rgb * rgba[..., 3:] + ground * (1 - rgba[..., 3:])
    return torch.from_numpy(np.ascontiguousarray(rgb.transpose(2, 0, 1), dtype=np.float32))


def from_pil(image: Image.Image, ground: float = 1.0) -> Tensor:
    """Any PIL picture as ``(3, H, W)``, turned upright by its EXIF as files are.

    Args:
        image: of mode F, in [0, 1]; of mode I, 16 bit; of any other mode.
        ground: the grey that transparency is laid over, 1 is white.

    Raises:
        ImageError: values of mode F or I are not in that range, or those of mode I may as well be 8 bit.
    """
    from PIL import ImageOps

    sixteen = image.mode.startswith("I;16") or image.format == "PNG"  # older versions of PIL give 16-bit PNGs as mode I
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I") or image.mode == "F":
        grey = np.asarray(image, dtype=np.float32)
        if image.mode == "F":
            _check_floats(grey)
        elif not sixteen:
            _check_mode_i(grey)
        grey = grey / (1.0 if image.mode == "F" else 65535.0)
        return _opaque(np.repeat(np.clip(grey, 0, 1)[..., None], 3, 2))
    mode = "RGBA" if image.has_transparency_data else "RGB"
    return _opaque(np.asarray(image.convert(mode), dtype=np.float32) / 255.0, ground)


def _check_floats(values: np.ndarray | Tensor) -> None:
    if 0 in values.shape:
        raise ImageError(f"the picture has no pixels: {tuple(values.shape)}")
    low, high = float(values.min()), float(values.max())
    if not (math.isfinite(low) and math.isfinite(high)):
        raise ImageError("the picture holds values that are not finite")
    if high > HIGHEST:
        kind = "uint8" if high < 256 else "uint16"
        raise ImageError(f"values reach {high:g}, those of a float picture 1; divide by {np.iinfo(kind).max} or pass {kind}")
    if low < LOWEST:
        raise ImageError(f"values begin at {low:g}, those of a float picture at 0; scale them to [0, 1]")


def _check_mode_i(values: np.ndarray) -> None:
    low, high = float(values.min(initial=0)), float(values.max(initial=0))
    if 0 < high <= 255:
        raise ImageError(f"a PIL picture of mode I whose values reach {high:g} may be 8 or 16 bit; convert it to L or I;16")
    if low < 0 or high > 65535:
        raise ImageError(f"values of mode I are from 0 to 65535, these from {low:g} to {high:g}; scale them and convert to I;16")


def as_image(source: Any) -> Tensor:
    """A path, PIL picture, numpy array or tensor as float32 ``(3, H, W)`` in [0, 1].

    PIL pictures are turned upright by their EXIF, as files are; arrays made of them have none, and stay as they are. Arrays are
    ``(H, W)``, ``(H, W, 1)``, ``(H, W, 3)`` or ``(H, W, 4)``, uint8, uint16 or floats in [0, 1]; tensors are ``(3, H, W)`` or
    ``(1, 3, H, W)`` floats in [0, 1].

    Raises:
        ImageError: a file cannot be read; another shape or type; floats that are not finite or clearly outside [0, 1].
    """
    if isinstance(source, str | os.PathLike):
        return read_image(source)
    if isinstance(source, Tensor):
        image = source[0] if source.ndim == 4 and len(source) == 1 else source
        if image.ndim != 3 or image.shape[0] != 3 or not image.is_floating_point():
            raise ImageError(f"a tensor must be float (3, H, W) in [0, 1]; this is {source.dtype} {tuple(source.shape)}")
        image = image.detach().to("cpu", torch.float32)
        _check_floats(image)
    elif isinstance(source, np.ndarray):
        array = source[..., None] if source.ndim == 2 else source
        if array.ndim != 3 or array.shape[2] not in (1, 3, 4):
            raise ImageError(f"an array must be (H, W), (H, W, 3) or (H, W, 4); this is {source.shape}")
        if not (array.dtype in (np.uint8, np.uint16, bool) or np.issubdtype(array.dtype, np.floating)):
            raise ImageError(f"an array must be uint8, uint16 or float in [0, 1]; this is {array.dtype}")
        scale = np.iinfo(array.dtype).max if np.issubdtype(array.dtype, np.integer) else 1
        array = array.astype(np.float32) / scale
        if scale == 1:
            _check_floats(array)
        image = _opaque(np.repeat(array, 3, 2) if array.shape[2] == 1 else array)
    elif hasattr(source, "convert") and hasattr(source, "mode"):
        image = from_pil(source)
    else:
        raise ImageError(f"cannot read a picture from {type(source).__name__}; give a path, PIL picture, array or tensor")
    if 0 in image.shape:
        raise ImageError(f"the picture has no pixels: {tuple(image.shape)}")
    return image.clamp(0, 1)


def to_uint8(image: Tensor) -> np.ndarray:
    """``(C, H, W)`` or ``(H, W)`` in [0, 1] to channels-last uint8, rounded."""
    array = (image.clamp(0, 1) * 255).round().to(torch.uint8).cpu()
    return array.permute(1, 2, 0).numpy() if array.ndim == 3 else array.numpy()


def write_png(path: str | os.PathLike[str], image: Tensor, *, depth: int = 8) -> None:
    """Write a picture as PNG, atomically; folders are made.

    Args:
        path: the file.
        image: float ``(H, W)`` grey, ``(3, H, W)`` RGB or ``(4, H, W)`` RGBA (straight alpha) in [0, 1].
        depth: 8 or 16 bits.

    Raises:
        ImageError: another shape or type, or the file cannot be written; nothing is left behind.
    """
    check_depth(depth)
    if image.ndim not in (2, 3) or (image.ndim == 3 and len(image) not in (3, 4)) or 0 in image.shape or not image.is_floating_point():
        raise ImageError(f"{path}: a PNG is made of float (H, W), (3, H, W) or (4, H, W), not {image.dtype} {tuple(image.shape)}")
    peak = 2**depth - 1
    array = (image.clamp(0, 1) * peak).round_().cpu().numpy().astype(np.uint16 if depth == 16 else np.uint8)
    if array.ndim == 3:
        array = array[[2, 1, 0, *range(3, len(array))]].transpose(1, 2, 0)
    ok, data = cv2.imencode(".png", np.ascontiguousarray(array))
    if not ok:
        raise ImageError(f"{path}: could not be encoded as PNG")
    write_bytes(path, data.tobytes())


def check_depth(depth: int) -> None:
    """Bits of a PNG.

    Raises:
        ImageError: neither 8 nor 16.
    """
    if depth not in (8, 16):
        raise ImageError(f"depth must be 8 or 16 bits, not {depth}")


def write_bytes(path: str | os.PathLike[str], data: bytes) -> None:
    """Write a whole file or nothing: to a temporary neighbour first, then renamed over the target."""
    path = Path(path)
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".instmatt-")
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except OSError as error:
        if temporary and os.path.exists(temporary):
            os.unlink(temporary)
        raise ImageError(f"{path}: cannot be written ({error.strerror or error})") from error


def check_writable(folder: str | os.PathLike[str]) -> None:
    """See that a folder, which need not exist yet, can be written; nothing is left behind.

    Raises:
        ImageError: it cannot.
    """
    folder = Path(folder)
    try:
        existing = next((path for path in (folder, *folder.parents) if path.exists()), folder)
        with tempfile.TemporaryFile(dir=existing):
            pass
    except OSError as error:
        raise ImageError(f"{folder}: cannot be written ({error.strerror or error})") from error


def resize(image: Tensor, size: Sequence[int]) -> Tensor:
    """``(C, H, W)`` or ``(H, W)`` to ``size = (H, W)``: area averaging when it shrinks, bilinear when it grows."""
    height, width = size
    if tuple(image.shape[-2:]) == (height, width):
        return image
    channels = image if image.ndim == 3 else image[None]
    method = cv2.INTER_AREA if height * width < image.shape[-2] * image.shape[-1] else cv2.INTER_LINEAR
    result = torch.empty(len(channels), height, width, dtype=image.dtype)
    for made, plane in zip(result.numpy(), channels.cpu().numpy(), strict=True):  # one at a time: all at once would be there twice
        made[:] = cv2.resize(np.ascontiguousarray(plane), (width, height), interpolation=method)
    return result if image.ndim == 3 else result[0]


def fit(size: tuple[int, int], max_side: int | None) -> tuple[int, int]:
    """``(H, W)`` shrunk so that neither side exceeds ``max_side``; never enlarged."""
    if not max_side or max(size) <= max_side:
        return size
    ratio = max_side / max(size)
    return max(1, round(size[0] * ratio)), max(1, round(size[1] * ratio))
