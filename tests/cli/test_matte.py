"""``instmatt matte`` as a user runs it."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from instmatt_core.cli import matte
from instmatt_core.cli.main import main
from instmatt_core.cli.matte import EXAMPLE, find_pictures, output_names


def test_example(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["matte", "--example", "-o", str(tmp_path), "--save", "alpha,cutout,overlay", "--json"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1
    record = json.loads(lines[0])
    folder = tmp_path / "two_people"
    assert json.loads((folder / "people.json").read_text()).items() <= record.items()
    assert {p.name for p in folder.iterdir()} == {*("00.png", "01.png", "00_cutout.png", "01_cutout.png", "overlay.png", "people.json")}
    alphas = [cv2.imread(str(folder / p["alpha"]), cv2.IMREAD_UNCHANGED) for p in record["people"]]
    assert all(a.ndim == 2 and a.dtype == np.uint8 and a.max() == 255 for a in alphas)
    assert sum(a.astype(int) for a in alphas).max() <= 256
    cutout = cv2.imread(str(folder / "01_cutout.png"), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(cutout[..., 3], alphas[1])


def test_nothing_is_overwritten_unasked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copy(EXAMPLE, tmp_path / "p.jpg")
    masks = tmp_path / "masks"
    masks.mkdir()
    height, width = cv2.imread(str(EXAMPLE)).shape[:2]
    mask = np.zeros((height, width), np.uint8)
    mask[200:500, 500:800] = 255
    cv2.imwrite(str(masks / "00.png"), mask)
    command = ["matte", str(tmp_path / "p.jpg"), "-o", str(tmp_path / "out"), "--masks", str(masks)]
    assert main([*command, "--save", "alpha,overlay"]) == 0
    (tmp_path / "out/p/mine.txt").write_text("keep")
    before = (tmp_path / "out/p/00.png").stat().st_mtime_ns
    assert main(command) == 1
    assert "--overwrite" in capsys.readouterr().err
    assert (tmp_path / "out/p/00.png").stat().st_mtime_ns == before
    assert main([*command, "--overwrite"]) == 0
    assert {p.name for p in (tmp_path / "out/p").iterdir()} == {"00.png", "people.json", "mine.txt"}


def test_one_bad_file_does_not_stop_the_rest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Image.new("RGB", (64, 48), (90, 90, 90)).save(tmp_path / "grey.png")
    Image.new("RGB", (1, 1)).save(tmp_path / "dot.png")
    (tmp_path / "bad.jpg").write_text("no picture")
    assert main(["matte", str(tmp_path), str(tmp_path / "gone"), "-o", str(tmp_path / "out"), "--json"]) == 1
    captured = capsys.readouterr()
    records = {Path(r["image"]).name: r for r in map(json.loads, captured.out.splitlines())}
    assert records["grey.png"]["people"] == records["dot.png"]["people"] == []
    assert "not a picture" in records["bad.jpg"]["error"]
    assert "gone: no such file" in captured.err


@pytest.mark.parametrize(
    "arguments",
    [
        ["matte"],
        ["matte", "-o", "x"],
        ["matte", "a.jpg", "--example", "-o", "x"],
        ["matte", "a.jpg", "-o", "x", "--detector", "nobody"],
        ["matte", "a.jpg", "-o", "x", "--save", "everything"],
        ["matte", "a.jpg", "-o", "x", "--max-side", "0"],
        ["dance"],
    ],
)
def test_wrong_usage(arguments: list[str]) -> None:
    try:
        status = main(arguments)
    except SystemExit as error:
        status = int(error.code or 0)
    assert status == 2


def test_same_stems_do_not_collide() -> None:
    paths = [Path("a/p.jpg"), Path("b/P.png"), Path("c/p.jpg"), Path("d/p.jpg")]
    assert output_names(paths) == ["p", "P.png", "p.jpg", "p-2"]


def test_unwritable_output(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    Image.new("RGB", (64, 48)).save(tmp_path / "a.png")
    assert main(["matte", str(tmp_path / "a.png"), "-o", str(tmp_path / "file")]) == 1
    assert "cannot be written" in capsys.readouterr().err


def test_unwritable_output_is_told_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.delattr(matte, "pipeline_of")  # models are not even loaded
    assert main(["matte", "--example", "-o", str(tmp_path / "file" / "out")]) == 1
    assert "file/out: cannot be written" in capsys.readouterr().err


def test_one_unwritable_folder_does_not_stop_the_rest(people: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (people / "out").mkdir()
    (people / "out" / "a").touch()
    assert main(["matte", str(people), "-o", str(people / "out"), "--masks", str(people / "masks"), *QUICK]) == 1
    assert "a: cannot be written" in capsys.readouterr().err
    assert (people / "out" / "b" / "people.json").exists()


def test_a_missing_detector_is_told_once(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INSTMATT_HOME", str(tmp_path / "home"))
    for name in ("a", "b"):
        Image.new("RGB", (64, 48)).save(tmp_path / f"{name}.png")
    assert main(["matte", str(tmp_path), "-o", str(tmp_path / "out"), "--detector", "mask-rcnn"]) == 1
    assert capsys.readouterr().err.count("weights convert") == 1


@pytest.mark.skipif(sys.platform != "linux", reason="other systems' names are text")
def test_a_name_that_is_no_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = os.fsdecode(b"caf\xe9.png")
    Image.new("RGB", (64, 48), (90, 90, 90)).save(tmp_path / name)
    assert main(["matte", str(tmp_path / name), "-o", str(tmp_path / "out")]) == 0
    assert "caf\\udce9.png: 0 people" in capsys.readouterr().out
    assert json.loads((tmp_path / "out" / Path(name).stem / "people.json").read_text())["image"] == str(tmp_path / name)


def test_refine_is_for_end_to_end_systems(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["matte", "--example", "-o", str(tmp_path), "--refine", "sim"]) == 2
    assert "refine is for end-to-end systems (e2e-him)" in capsys.readouterr().err
    assert main(["matte", "--example", "-o", str(tmp_path), "--matting", "e2e-him", "--refine-weights", "other"]) == 2
    assert "refine=closed-form has no weights" in capsys.readouterr().err


QUICK = ["--matting", "closed-form"]


def mask(path: Path, left: int = 10, value: int = 255) -> None:
    """A mask of a picture of 64 x 48 px."""
    path.parent.mkdir(parents=True, exist_ok=True)
    grey = np.zeros((48, 64), np.uint8)
    grey[8:40, left : left + 12 if value else left] = value
    cv2.imwrite(str(path), grey)


@pytest.fixture
def people(tmp_path: Path) -> Path:
    """Pictures ``a.png`` and ``b.png`` with masks in ``masks/a`` and ``masks/b``."""
    for name in ("a", "b"):
        Image.effect_noise((64, 48), 40).convert("RGB").save(tmp_path / f"{name}.png")
        mask(tmp_path / "masks" / name / "00.png")
    return tmp_path


def matted(folder: Path, *arguments: object) -> dict[str, list[object]]:
    """The masks that people.json names, by the picture's folder, after running the command."""
    assert main(["matte", *map(str, arguments), "-o", str(folder), "--overwrite", *QUICK]) == 0
    return {p.parent.name: [person["mask"] for person in json.loads(p.read_text())["people"]] for p in sorted(folder.glob("*/people.json"))}


def test_whose_mask_is_which(people: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mask(people / "masks/a/00.png", 40)
    mask(people / "masks/a/01.png", 25, value=0)
    mask(people / "masks/a/02.png", 10, value=1)
    assert matted(people / "out", people / "a.png", "--masks", people / "masks" / "a") == {"a": ["02.png", "00.png"]}
    notes = ["mask 02.png: 0 and 1 taken for black and white", "mask 01.png left out: nowhere above one half"]
    assert json.loads((people / "out/a/people.json").read_text())["notes"] == notes
    assert all(note in capsys.readouterr().err for note in notes[:1])


def test_masks_of_nobody_are_an_error(people: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mask(people / "masks/a/00.png", value=0)
    assert main(["matte", str(people), "-o", str(people / "out"), "--masks", str(people / "masks"), *QUICK]) == 1
    assert f"{people / 'masks' / 'a'}: every mask is empty" in capsys.readouterr().err
    assert (people / "out/b/people.json").exists()


def test_where_masks_are_looked_for(people: Path) -> None:
    masks = people / "masks"
    mask(masks / "05.png")
    assert matted(people / "one", people / "a.png", "--masks", masks) == {"a": ["00.png"]}  # not 05.png beside the folders
    assert matted(people / "two", people, "--masks", masks) == {"a": ["00.png"], "b": ["00.png"]}
    shutil.rmtree(masks / "a")
    assert matted(people / "one", people / "a.png", "--masks", masks) == {"a": ["05.png"]}


def test_pictures_of_one_name_do_not_share_masks(people: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (people / "more").mkdir()
    shutil.copy(people / "a.png", people / "more")
    command = [
        "matte",
        str(people / "a.png"),
        str(people / "more/a.png"),
        "-o",
        str(people / "out"),
        "--masks",
        str(people / "masks"),
        *QUICK,
    ]
    assert main(command) == 1
    assert f"{people / 'masks' / 'a.png'}: no such folder of masks" in capsys.readouterr().err
    mask(people / "masks/a.png/07.png")
    assert matted(people / "out", *command[1:3], "--masks", people / "masks") == {"a": ["00.png"], "a.png": ["07.png"]}


def test_hidden_files_are_no_pictures(people: Path) -> None:
    (people / "._a.png").write_bytes(b"what a Mac leaves behind")
    assert [p.name for p in find_pictures(people)] == ["a.png", "b.png"]


def test_what_the_system_refuses_does_not_stop_the_rest(
    people: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    listed, exists = Path.iterdir, Path.exists

    def iterdir(path: Path) -> object:
        if path.name == "secret":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return listed(path)

    def exists_but(path: Path, **options: bool) -> bool:
        if path.parent.name == "a":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return exists(path, **options)

    (people / "secret").mkdir()
    monkeypatch.setattr(Path, "iterdir", iterdir)
    monkeypatch.setattr(Path, "exists", exists_but)
    paths = [str(people / "secret"), str(people / ("x" * 300)), str(people / "a.png"), str(people / "b.png")]
    assert main(["matte", *paths, "-o", str(people / "out"), "--masks", str(people / "masks"), *QUICK]) == 1
    told = capsys.readouterr().err
    assert "secret: cannot be read (Permission denied)" in told
    assert "File name too long" in told
    assert "people.json: Permission denied" in told
    assert exists(people / "out/b/people.json")


def test_a_folder_of_masks_that_may_not_be_read(people: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def forbidden(path: Path) -> object:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "iterdir", forbidden)
    assert main(["matte", str(people / "a.png"), "-o", str(people / "out"), "--masks", str(people / "masks"), *QUICK]) == 1
    assert f"{people / 'masks' / 'a'}: cannot be read (Permission denied)" in capsys.readouterr().err


def test_an_error_of_the_system_is_explained_anywhere(
    people: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", "models")

    monkeypatch.setattr(matte, "pipeline_of", lambda *_, **__: refused())
    assert main(["matte", "--example", "-o", str(people / "out")]) == 1
    assert capsys.readouterr().err == "instmatt: models: Permission denied\n"


@pytest.mark.skipif(sys.platform == "win32", reason="pipes break otherwise there")
@pytest.mark.parametrize("arguments", [("weights", "where"), ("matte", "--detector", "help")], ids=" ".join)
def test_nobody_reads_the_output(arguments: tuple[str, ...]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "instmatt_core", *arguments]
    result = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, cwd=Path(matte.__file__).parent.parent.parent)
    os.close(writer)
    assert (result.returncode, result.stderr) == (141, "")
