"""Each layout is recognised and read; what is wrong is told at once."""

from __future__ import annotations

import pickle
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from miniatures import SIZE, SQUARE, alpha, annotation, bitmap, make_him2k, picture
from PIL import Image
from torch.utils.data import DataLoader

from instmatt_core.data.dataset import open_dataset
from instmatt_core.data.layouts import LAYOUTS
from instmatt_core.data.scan import summarise
from instmatt_core.errors import Cancelled, DataError, ImageError, UsageError


@pytest.fixture
def him2k(tmp_path: Path) -> Path:
    return make_him2k(tmp_path / "HIM2K")


def kinds(root: Path, **options: object) -> dict[str, int]:
    """Problems by kind, a remark's with a question mark."""
    counts: dict[str, int] = {}
    for problem in open_dataset(root, **options).problems:
        kind = problem.kind + ("" if problem.left_out else "?")
        counts[kind] = counts.get(kind, 0) + 1
    return counts


def test_him2k(him2k: Path) -> None:
    dataset = open_dataset(him2k)
    assert (dataset.layout.name, dataset.problems) == ("him2k", ())
    assert [(e.name, e.people) for e in dataset.entries] == [("comp/a", 1), ("natural/a", 2), ("natural/b", 1)]
    sample = dataset[1]
    assert sample.name == "natural/a"
    assert sample.image.shape == (3, *SIZE)
    assert sample.image.dtype == sample.alphas.dtype == torch.float32
    assert sample.masks is None
    assert sample.alphas.flatten(1).amax(1).tolist() == pytest.approx([1, 200 / 255])
    assert [e.name for e in open_dataset(him2k, part="natural").entries] == ["natural/a", "natural/b"]


def test_masks_of_m_him2k(him2k: Path) -> None:
    sample = open_dataset(him2k, masks="masks_matched_r50")[1]
    assert sample.masks is not None
    assert sample.masks.shape == (2, *SIZE)
    elsewhere = him2k.parent / "M-HIM2K"
    elsewhere.mkdir()
    for name in ("masks_matched_r50", "masks_matched_r101"):
        (him2k / name).rename(elsewhere / name)
    with pytest.raises(DataError, match=r"several sets of masks; name one of masks_matched_r101, masks_matched_r50"):
        open_dataset(him2k, masks=elsewhere)
    with pytest.raises(DataError, match="no such folder of masks"):
        open_dataset(him2k, masks="masks_matched_r50")
    # masks a quarter of the size, as some detectors give them; one person not found; one picture without any
    alpha(elsewhere / "masks_matched_r50/natural/a/00.png", size=(SIZE[0] // 2, SIZE[1] // 2))
    (elsewhere / "masks_matched_r50/natural/a/01.png").unlink()
    shutil.rmtree(elsewhere / "masks_matched_r50/comp/a")
    dataset = open_dataset(him2k, masks=elsewhere / "masks_matched_r50")
    assert {p.kind: p.left_out for p in dataset.problems} == {
        "masks that are not as many as the alphas": False,
        "picture without masks": True,
    }
    assert dataset[0].masks is not None
    assert dataset[0].masks.shape == (1, *SIZE)


def test_i_him50k(tmp_path: Path) -> None:
    for split in ("train", "val"):
        picture(tmp_path / split / "images" / "x.jpg")
        for k in (0, 1, 10, 2):
            alpha(tmp_path / split / "alphas" / "x" / f"{k}.png", 100 + k)
    dataset = open_dataset(tmp_path)
    assert dataset.layout.name == "i-him50k"
    assert [e.name for e in dataset.entries] == ["train/x", "val/x"]
    levels = (dataset[0].alphas.flatten(1).amax(1) * 255).round().tolist()
    assert levels == [100, 101, 102, 110], "by number, not by name"
    assert [e.name for e in open_dataset(tmp_path / "train").entries] == ["x"]


@pytest.mark.parametrize(("images", "alphas", "layout"), [("image", "alpha", "rwp-636"), ("image", "matte", "ppm-100")])
def test_pairs(tmp_path: Path, images: str, alphas: str, layout: str) -> None:
    picture(tmp_path / images / "x.jpg")
    alpha(tmp_path / alphas / "x.jpg", 200)
    dataset = open_dataset(tmp_path)
    assert dataset.layout.name == layout
    assert dataset[0].alphas.shape == (1, *SIZE)
    assert dataset[0].alphas.max() == pytest.approx(200 / 255, abs=0.05)


def test_p3m_10k(tmp_path: Path) -> None:
    for images in ("train/blurred_image", "validation/P3M-500-P/blurred_image", "validation/P3M-500-NP/original_image"):
        picture(tmp_path / images / "p_1.jpg")
        alpha(tmp_path / images / "../mask/p_1.png")
        (tmp_path / images / "../trimap").mkdir()
    picture(tmp_path / "validation/P3M-500-P/original_image/p_1.jpg")  # if both are there, the anonymised one counts
    dataset = open_dataset(tmp_path)
    assert (dataset.layout.name, dataset.problems) == ("p3m-10k", ())
    assert [e.name for e in dataset.entries] == ["train/p_1", "P3M-500-NP/p_1", "P3M-500-P/p_1"]
    assert [e.image.parent.name for e in dataset.entries] == ["blurred_image", "original_image", "blurred_image"]
    for below in ("validation", "validation/P3M-500-NP"):
        assert open_dataset(tmp_path / below).layout.name == "p3m-10k"


def test_folder(tmp_path: Path) -> None:
    picture(tmp_path / "image" / "x.png")
    alpha(tmp_path / "alpha" / "x" / "00.png")
    dataset = open_dataset(tmp_path)
    assert dataset.layout.name == "folder"
    assert dataset[0].alphas.shape == (1, *SIZE)


def test_spd(tmp_path: Path) -> None:
    mask = np.zeros((6, 4), np.uint8)
    mask[1:5, 1:3] = 1
    for name in ("today.png.json", "early.json"):
        stem = name.split(".")[0]
        picture(tmp_path / "ds1" / "img" / f"{stem}.png")
        annotation(
            tmp_path / "ds1" / "ann" / name,
            [
                {"classTitle": "person_bmp", "bitmap": bitmap(mask, 20, 10), "points": {"exterior": [], "interior": []}},
                {"classTitle": "neutral", "bitmap": None, "points": {"exterior": [[0, 0]], "interior": []}},
                {"bitmap": None, **SQUARE},
                {"classTitle": "person_bmp", "bitmap": bitmap(mask, 30, 18, transparent=False)},
            ],
            tags=["not-marked-people", {"name": "train"}] if stem == "early" else [{"name": "multipart-person"}],
        )
    dataset = open_dataset(tmp_path)
    assert dataset.layout.name == "spd"
    assert [(e.name, e.people) for e in dataset.entries] == [("ds1/early", 3), ("ds1/today", 3)]
    for sample in (dataset[0], dataset[1]):
        pasted, outline, grey = sample.alphas
        assert set(sample.alphas.unique().tolist()) == {0.0, 1.0}
        assert (pasted.sum(), grey.sum()) == (8, 8)
        assert pasted[11:15, 21:23].all()
        assert grey[19:23, 31:33].all()
        assert outline[3:13, 2:12].sum() == outline.sum() == 100 - 9, "a square of 10 with a hole of 3"
    assert kinds(tmp_path) == {
        "picture tagged multipart-person: not one object per person?": 1,
        "picture tagged not-marked-people: not one object per person?": 1,
    }


def test_odd_annotations(tmp_path: Path) -> None:
    mask = np.ones((6, 4), np.uint8)
    cases = {
        "nobody": [],
        "shapeless": [{"classTitle": "person_poly", "points": {"exterior": [[1, 1], [2, 2]], "interior": []}}],
        "outside": [{"classTitle": "person_bmp", "bitmap": bitmap(mask, 34, 3)}],
        "before": [{"classTitle": "person_bmp", "bitmap": bitmap(mask[:1, :1], -2, -2)}],
        "torn": [{"classTitle": "person_bmp", "bitmap": {"origin": [0, 0], "data": "AAAA"}}],
        "good": [SQUARE],
    }
    for name, objects in cases.items():
        picture(tmp_path / "img" / f"{name}.jpg")
        annotation(tmp_path / "ann" / f"{name}.jpg.json", objects)
    picture(tmp_path / "img" / "resized.jpg", (30, 30))
    annotation(tmp_path / "ann" / "resized.jpg.json", [SQUARE])
    picture(tmp_path / "img" / "text.jpg")
    (tmp_path / "ann" / "text.jpg.json").write_text("[]")
    assert kinds(tmp_path) == {
        "annotation of nobody": 1,
        "annotation that cannot be read": 2,
        "annotation of another size than its picture": 1,
    }
    dataset = open_dataset(tmp_path)
    assert [e.name for e in dataset.entries] == ["before", "good", "outside", "torn"]
    for index, name in ((0, "before"), (2, "outside")):
        with pytest.raises(DataError, match=rf"{name}\.jpg\.json.*reaches beyond the picture"):
            dataset[index]
    with pytest.raises(DataError, match=r"torn\.jpg\.json.*damaged"):
        dataset[3]


def test_every_layout_is_tested_and_described(tmp_path: Path) -> None:
    tested = {"him2k", "i-him50k", "folder", "rwp-636", "ppm-100", "p3m-10k", "spd"}
    assert {layout.name for layout in LAYOUTS} == tested
    with pytest.raises(DataError, match="Looked for") as caught:
        open_dataset(tmp_path)
    assert all(f"  {name}: " in str(caught.value) for name in tested)
    assert "validation/*/blurred_image|validation/*/original_image/x.jpg with validation/*/mask/x.*" in str(caught.value)
    with pytest.raises(DataError, match="no such folder"):
        open_dataset(tmp_path / "gone")
    with pytest.raises(UsageError, match="there is him2k"):
        open_dataset(tmp_path, "him3k")


def test_a_named_layout_is_not_guessed(him2k: Path) -> None:
    with pytest.raises(DataError, match="rwp-636") as caught:
        open_dataset(him2k, "rwp-636")
    assert "him2k" not in str(caught.value).partition("Looked for")[2]
    with pytest.raises(DataError, match=r"no part 'night'; there is comp, natural"):
        open_dataset(him2k, part="night")


def test_all_problems_are_told_at_once(him2k: Path) -> None:
    natural, alphas = him2k / "images/natural", him2k / "alphas/natural"
    picture(natural / "alone.jpg")
    picture(natural / "empty.jpg")
    (alphas / "empty").mkdir()
    for suffix in ("jpg", "png"):
        picture(natural / f"twice.{suffix}")
    alpha(alphas / "twice/00.png")
    picture(natural / "small.jpg")
    alpha(alphas / "small/00.png", size=(8, 8))
    alpha(alphas / "small/01.png")
    picture(natural / "torn.jpg")
    alpha(alphas / "torn/00.png")
    (natural / "torn.jpg").write_bytes(b"no picture")
    picture(natural / "blank.jpg")
    alpha(alphas / "blank/00.png").write_bytes(b"")
    alpha(alphas / "nothing/00.png")
    alpha(alphas / "a/mask.png")
    picture(him2k / "images/video/x.jpg")
    (natural / "notes.txt").touch()
    (natural / ".hidden.jpg").touch()
    assert kinds(him2k) == {
        "picture without alphas": 2,
        "no alpha in the folder": 1,
        "pictures that differ in the suffix only": 2,
        "alpha of another size than its picture": 1,
        "picture that cannot be read": 1,
        "alpha that cannot be read": 1,
        "alphas without a picture?": 1,
        "picture among the alphas that is not called NN.png?": 1,
    }
    dataset = open_dataset(him2k)
    assert [e.name for e in dataset.entries] == ["comp/a", "natural/a", "natural/b"]
    assert all(len(dataset[i].alphas) == dataset.entries[i].people for i in range(3))
    with pytest.raises(DataError, match="has problems") as caught:
        open_dataset(him2k, strict=True)
    assert f"2 x picture without alphas (left out)\n    {natural / 'alone.jpg'}" in str(caught.value)
    assert "8 x 8 px instead of 36 x 24 px" in str(caught.value)


def test_summary_counts_what_it_does_not_name(him2k: Path) -> None:
    for k in range(5):
        picture(him2k / f"images/comp/more{k}.jpg")
    problems = open_dataset(him2k).problems
    assert summarise(problems).splitlines()[0] == "5 x picture without alphas (left out)"
    assert summarise(problems).splitlines()[-1].strip() == "and 2 more"
    assert len(summarise(problems, None).splitlines()) == 6
    assert summarise([]) == ""


def test_several_alphas_for_one_picture(tmp_path: Path) -> None:
    for name in ("x", "y"):
        picture(tmp_path / f"image/{name}.jpg")
        alpha(tmp_path / f"alpha/{name}.png")
    alpha(tmp_path / "alpha/x.jpg")
    assert kinds(tmp_path) == {"several alphas for one picture": 2}
    (tmp_path / "alpha/y.png").unlink()
    with pytest.raises(DataError, match="no usable picture"):
        open_dataset(tmp_path)


def test_turned_pictures_are_compared_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    (tmp_path / "image").mkdir()
    Image.new("RGB", (SIZE[0], SIZE[1])).save(tmp_path / "image/x.jpg", exif=exif)
    alpha(tmp_path / "alpha/x.png")
    dataset = open_dataset(tmp_path)
    assert dataset.problems == ()
    assert dataset[0].image.shape == (3, *SIZE)


def test_damage_behind_the_header_shows_when_read(tmp_path: Path) -> None:
    path = picture(tmp_path / "image/x.png", (200, 200))
    alpha(tmp_path / "alpha/x.png", size=(200, 200))
    path.write_bytes(path.read_bytes()[:100])
    dataset = open_dataset(tmp_path)
    with pytest.raises(ImageError, match=r"x\.png: damaged"):
        dataset[0]


def test_loads_in_other_processes(him2k: Path) -> None:
    dataset = open_dataset(him2k)
    assert pickle.loads(pickle.dumps(dataset)).entries == dataset.entries
    loader = DataLoader(dataset, batch_size=2, num_workers=1, collate_fn=list, multiprocessing_context="spawn")
    assert [sample.name for batch in loader for sample in batch] == [e.name for e in dataset.entries]


def test_checking_can_be_stopped(him2k: Path) -> None:
    shares = []
    open_dataset(him2k, progress=lambda stage, share: shares.append(share))
    assert shares == pytest.approx([1 / 3, 2 / 3, 1])
    with pytest.raises(Cancelled):
        open_dataset(him2k, progress=lambda stage, share: False)


def test_only_headers_are_read(him2k: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("decoded")

    monkeypatch.setattr(cv2, "imdecode", refuse)
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", refuse)
    assert len(open_dataset(him2k, masks="masks_matched_r50")) == 3
