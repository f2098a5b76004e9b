"""Reading every odd picture, refusing every bad one with one clear line."""

from __future__ import annotations

import errno
import struct
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from instmatt_core.errors import ImageError
from instmatt_core.image import (
    ORIENTATION,
    as_image,
    check_writable,
    fit,
    from_pil,
    read_image,
    read_matte,
    read_picture,
    read_size,
    resize,
    write_png,
)

RED = (200, 40, 10)


def flat(mode: str, colour: object, size: tuple[int, int] = (6, 4)) -> Image.Image:
    return Image.new(mode, size, colour)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.tif", "a.webp", "ünïcödé 人.png"])
def test_rgb(tmp_path: Path, name: str) -> None:
    flat("RGB", RED).save(tmp_path / name, **({"lossless": True} if name.endswith("webp") else {}))
    image = read_image(tmp_path / name)
    assert image.shape == (3, 4, 6)
    torch.testing.assert_close(image[:, 0, 0], torch.tensor(RED) / 255)


@pytest.mark.parametrize(
    ("mode", "colour", "expected"),
    [
        ("L", 51, (0.2, 0.2, 0.2)),
        ("1", 1, (1, 1, 1)),
        ("I;16", 13107, (0.2, 0.2, 0.2)),
        ("RGBA", (255, 0, 0, 0), (1, 1, 1)),
        ("RGBA", (255, 0, 0, 51), (1, 0.8, 0.8)),
        ("LA", (0, 255), (0, 0, 0)),
    ],
)
def test_modes(tmp_path: Path, mode: str, colour: object, expected: tuple[float, ...]) -> None:
    flat(mode, colour).save(tmp_path / "a.png")
    torch.testing.assert_close(read_image(tmp_path / "a.png")[:, 1, 1], torch.tensor(expected, dtype=torch.float32))


def test_palette_and_cmyk(tmp_path: Path) -> None:
    flat("RGB", RED).quantize(4).save(tmp_path / "p.png")
    flat("CMYK", (0, 255, 255, 0)).save(tmp_path / "c.jpg")
    torch.testing.assert_close(read_image(tmp_path / "p.png")[:, 0, 0], torch.tensor(RED) / 255, atol=0.01, rtol=0)
    torch.testing.assert_close(read_image(tmp_path / "c.jpg")[:, 0, 0], torch.tensor([1.0, 0, 0]), atol=0.03, rtol=0)


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_sixteen_bit_colour_keeps_its_depth(tmp_path: Path, suffix: str) -> None:
    values = np.array([100, 30000, 65535], np.uint16)
    data = cv2.imencode(f".{suffix}", np.broadcast_to(values[::-1], (4, 6, 3)).copy())[1]
    (tmp_path / f"a.{suffix}").write_bytes(data.tobytes())
    torch.testing.assert_close(read_image(tmp_path / f"a.{suffix}")[:, 0, 0], torch.tensor(values / 65535).float())


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    flat("RGB", RED).save(tmp_path / "a.jpg", exif=exif)
    assert read_image(tmp_path / "a.jpg").shape == ((3, 6, 4) if orientation > 4 else (3, 4, 6))


def test_animation_uses_its_first_frame_and_says_so(tmp_path: Path) -> None:
    flat("RGB", RED).save(tmp_path / "a.gif", save_all=True, append_images=[flat("RGB", (0, 0, 255))])
    picture = read_picture(tmp_path / "a.gif")
    assert "first" in picture.notes[0]
    assert picture.image[0, 0, 0] > 0.7


def test_bad_files_are_explained(tmp_path: Path) -> None:
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "text.jpg").write_text("hello")
    (tmp_path / "photo.heic").write_bytes(b"\0\0\0\x18ftypheic" + b"\0" * 40)
    flat("RGB", RED, (200, 200)).save(tmp_path / "whole.jpg")
    (tmp_path / "cut.jpg").write_bytes((tmp_path / "whole.jpg").read_bytes()[:-200])
    for name, words in {
        "missing.jpg": "No such file",
        "empty.jpg": "empty",
        "text.jpg": "not a picture",
        "photo.heic": "pillow-heif",
        "cut.jpg": "damaged or incomplete",
    }.items():
        with pytest.raises(ImageError, match=words) as caught:
            read_image(tmp_path / name)
        assert "\n" not in str(caught.value)
        assert name in str(caught.value)
    with pytest.raises(ImageError, match="folder"):
        read_image(tmp_path)


def test_huge_pictures_are_refused_before_decoding(tmp_path: Path) -> None:
    flat("1", 0, (20000, 20000)).save(tmp_path / "huge.png")
    with pytest.raises(ImageError, match="limit of 100 megapixels"):
        read_image(tmp_path / "huge.png")


def test_arrays_and_tensors() -> None:
    assert as_image(np.zeros((4, 6), np.uint8)).shape == (3, 4, 6)
    assert as_image(np.full((4, 6, 3), 65535, np.uint16)).max() == 1
    assert as_image(torch.zeros(1, 3, 4, 6)).shape == (3, 4, 6)
    for bad in (torch.zeros(4, 6), np.zeros((4, 6, 7)), torch.full((3, 2, 2), torch.nan), np.zeros((0, 3, 3)), 5):
        with pytest.raises(ImageError):
            as_image(bad)


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("channels", [0, 3, 4])
def test_png_round_trip(tmp_path: Path, depth: int, channels: int) -> None:
    image = torch.rand((channels, 5, 7) if channels else (5, 7))
    write_png(tmp_path / "a.png", image, depth=depth)
    stored = cv2.imread(str(tmp_path / "a.png"), cv2.IMREAD_UNCHANGED)
    assert stored.dtype == (np.uint16 if depth == 16 else np.uint8)
    expected = image if not channels else image[[2, 1, 0, *range(3, channels)]].permute(1, 2, 0)
    np.testing.assert_allclose(stored / (2**depth - 1), expected.numpy(), atol=0.51 / (2**depth - 1))


def test_failed_write_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ImageError, match="cannot be written"):
        write_png(tmp_path / "file" / "a.png", torch.zeros(2, 2))
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_sizes() -> None:
    assert fit((4000, 3000), 1000) == (1000, 750)
    assert fit((40, 30), 1000) == (40, 30)
    assert resize(torch.rand(3, 10, 20), (5, 8)).shape == (3, 5, 8)
    assert resize(torch.rand(0, 10, 20), (5, 8)).shape == (0, 5, 8)
    many = torch.rand(20, 6, 6)
    torch.testing.assert_close(resize(many, (12, 12))[13], resize(many[13], (12, 12)))


def test_read_matte(tmp_path: Path) -> None:
    write_png(tmp_path / "m.png", torch.tensor([[0.0, 0.25], [0.5, 1.0]]), depth=16)
    torch.testing.assert_close(read_matte(tmp_path / "m.png"), torch.tensor([[0.0, 0.25], [0.5, 1.0]]), atol=1e-4, rtol=0)


def test_a_grey_matte_is_exactly_its_values(tmp_path: Path) -> None:
    """Metrics compare mattes with thresholds such as 153 / 255: the last digit counts."""
    eight, sixteen = np.arange(256, dtype=np.uint8).reshape(16, 16), np.arange(65536, dtype=np.uint16).reshape(256, 256)
    for name, values in (("8.png", eight), ("16.png", sixteen)):
        cv2.imwrite(str(tmp_path / name), values)
        expected = values.astype(np.float32) / np.float32(np.iinfo(values.dtype).max)
        np.testing.assert_array_equal(read_matte(tmp_path / name).numpy(), expected)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["jpg", "png", "webp"])
def test_size_from_the_header_is_that_of_the_picture(tmp_path: Path, orientation: int, suffix: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"x.{suffix}"
    Image.new("RGB", (30, 20)).save(path, exif=exif)
    assert read_size(path) == read_image(path).shape[1:] == ((20, 30) if orientation < 5 else (30, 20))


def test_size_of_what_is_no_picture(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_text("no picture")
    Image.new("L", (64, 64)).save(tmp_path / "large.png")
    for path, message in ((tmp_path / "x.png", "not a picture"), (tmp_path, "is a folder"), (tmp_path / "gone.png", "No such file")):
        with pytest.raises(ImageError, match=message):
            read_size(path)
    with pytest.raises(ImageError, match="more than the limit"):
        read_size(tmp_path / "large.png", max_pixels=4000)


def turned(data: bytes, suffix: str, orientation: int) -> bytes:
    """A PNG or TIFF file as OpenCV writes it, with an EXIF orientation."""
    if suffix == ".png":
        exif = Image.Exif()
        exif[ORIENTATION] = orientation
        body = b"eXIf" + exif.tobytes().removeprefix(b"Exif\0\0")
        return data[:33] + struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body)) + data[33:]
    (start,) = struct.unpack("<I", data[4:8])
    (count,) = struct.unpack("<H", data[start : start + 2])
    tags = [data[at : at + 12] for at in range(start + 2, start + 2 + 12 * count, 12)]
    tags = [tag for tag in tags if tag[:2] != struct.pack("<H", ORIENTATION)] + [struct.pack("<HHIHH", ORIENTATION, 3, 1, orientation, 0)]
    tags.sort(key=lambda tag: struct.unpack("<H", tag[:2]))
    directory = struct.pack("<H", len(tags)) + b"".join(tags) + data[start + 2 + 12 * count :][:4]
    data += b"\0" * (len(data) % 2)
    return data[:4] + struct.pack("<I", len(data)) + data[8:] + directory


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_sixteen_bits_are_turned_as_eight_are(tmp_path: Path, suffix: str, orientation: int) -> None:
    deep = np.random.default_rng(0).integers(0, 256, (4, 7, 3)).astype(np.uint16) * 257
    found = []
    for name, values in (("deep", deep), ("shallow", (deep >> 8).astype(np.uint8))):
        path = tmp_path / (name + suffix)
        path.write_bytes(turned(cv2.imencode(suffix, values)[1].tobytes(), suffix, orientation))
        found.append(read_picture(path).image)
        assert read_size(path) == tuple(found[-1].shape[1:])
    torch.testing.assert_close(*found)
    assert found[0].shape == ((3, 4, 7) if orientation < 5 else (3, 7, 4))


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_what_is_transparent_in_a_mask_is_nobody(tmp_path: Path, mode: str) -> None:
    mask = Image.new(mode, (30, 20))
    mask.paste((255,) * len(mode), (5, 5, 15, 15))
    mask.save(tmp_path / "mask.png")
    assert read_matte(tmp_path / "mask.png").sum() == 100
    picture = read_picture(tmp_path / "mask.png")
    assert picture.notes == ("transparency laid over white",)
    assert picture.image.min() == 1


def test_sixteen_bit_transparency_is_told(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((4, 4, 4), np.uint16))
    assert read_picture(tmp_path / "a.png").notes == ("transparency laid over white",)


def test_a_camera_s_extras_are_no_animation(tmp_path: Path) -> None:
    first, second = (Image.new("RGB", (8, 6), colour) for colour in ("red", "blue"))
    first.save(tmp_path / "a.jpg", format="MPO", save_all=True, append_images=[second])
    picture = read_picture(tmp_path / "a.jpg")
    assert picture.notes == ()
    assert picture.image[0].mean() > 0.9


def test_whatever_a_decoder_raises_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.new("RGB", (8, 6)).save(tmp_path / "a.png")

    def broken(*_: object) -> None:
        raise IndexError("index out of range")

    monkeypatch.setattr("PIL.ImageOps.exif_transpose", broken)
    with pytest.raises(ImageError, match="damaged"):
        read_picture(tmp_path / "a.png")


def test_tensors_of_a_graph_and_wide_integers() -> None:
    assert not as_image(torch.rand(3, 4, 5, requires_grad=True)).requires_grad
    with pytest.raises(ImageError, match="int64"):
        as_image(np.full((4, 6, 3), 200))


def test_a_pil_picture_is_turned_as_its_file_is(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    noise = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.jpg", exif=exif)
    with Image.open(tmp_path / "a.jpg") as opened:
        torch.testing.assert_close(as_image(opened), as_image(tmp_path / "a.jpg"), atol=0, rtol=0)
        assert as_image(opened).shape == (3, 30, 20)


@pytest.mark.parametrize("kind", [np.asarray, torch.from_numpy, Image.fromarray])
def test_floats_that_are_not_from_0_to_1_are_refused(kind: Any) -> None:
    def picture(low: float, high: float) -> Any:
        values = np.linspace(low, high, 48, dtype=np.float32).reshape(6, 8)
        return kind(np.repeat(values[None], 3, 0) if kind is torch.from_numpy else values)

    for low, high, message in (
        (0, 255, "values reach 255, .*divide by 255 or pass uint8"),
        (0, 65535, "divide by 65535 or pass uint16"),
        (-1, 1, "values begin at -1, .*scale them"),
        (0, np.nan, "not finite"),
    ):
        with pytest.raises(ImageError, match=message):
            as_image(picture(low, high))
    overshot = as_image(picture(-0.005, 1.2))
    assert (overshot.min(), overshot.max()) == (0, 1)


def test_a_float_file_that_is_not_from_0_to_1_is_named(tmp_path: Path) -> None:
    Image.fromarray(np.full((4, 6), 255, np.float32)).save(tmp_path / "a.tif")
    with pytest.raises(ImageError, match=r"a\.tif: values reach 255"):
        read_image(tmp_path / "a.tif")


def test_sixteen_bit_grey_and_mode_i(tmp_path: Path) -> None:
    values = np.linspace(0, 200, 24).reshape(4, 6).astype(np.uint16)  # a dark picture is no 8-bit one
    cv2.imwrite(str(tmp_path / "dark.png"), values)
    expected = torch.from_numpy(values / 65535).float().expand(3, -1, -1)
    torch.testing.assert_close(read_image(tmp_path / "dark.png"), expected)
    with Image.open(tmp_path / "dark.png") as opened:
        torch.testing.assert_close(as_image(opened), expected)
    wide = Image.fromarray(values.astype(np.int32) * 300)
    assert wide.mode == "I"
    torch.testing.assert_close(from_pil(wide), torch.from_numpy(values * 300.0 / 65535).float().expand(3, -1, -1))
    assert from_pil(Image.new("I", (6, 4))).max() == 0
    for colour, message in ((200, "may be 8 or 16 bit; convert it to L or I;16"), (70000, "from 0 to 70000"), (-5, "from -5")):
        with pytest.raises(ImageError, match=message):
            from_pil(Image.new("I", (6, 4), colour))


def test_a_file_that_may_not_be_read_is_not_called_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.new("RGB", (8, 6)).save(tmp_path / "a.png")

    def forbidden(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("PIL.Image.open", forbidden)
    for read in (read_picture, read_size):
        with pytest.raises(ImageError, match=r"a\.png: cannot be read \(Permission denied\)"):
            read(tmp_path / "a.png")


def test_what_is_no_png_is_refused(tmp_path: Path) -> None:
    for bad in (torch.zeros(1, 4, 6), torch.zeros(2, 3, 4, 6), torch.zeros(4, 6, dtype=torch.uint8), torch.zeros(3, 0, 6)):
        with pytest.raises(ImageError, match="a PNG is made of float"):
            write_png(tmp_path / "a.png", bad)
    assert not list(tmp_path.iterdir())


def test_whether_a_folder_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    check_writable(tmp_path / "new" / "newer")
    for bad in ("file", "file/new", "x" * 300):
        with pytest.raises(ImageError, match="cannot be written"):
            check_writable(tmp_path / bad)
    assert [p.name for p in tmp_path.iterdir()] == ["file"]
