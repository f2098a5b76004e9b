"""Composed scenes: the same by number, well formed, people kept aside kept aside."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from instmatt_core.cli.main import main
from instmatt_core.data import effects, memory, poses, synthesis
from instmatt_core.data.cutouts import is_kept_aside
from instmatt_core.data.synthesis import Composer
from instmatt_core.errors import ImageError
from instmatt_core.image import read_matte

SIZE = (96, 128)


def test_same_number_same_scene(cutouts: Path) -> None:
    a, b = (Composer([cutouts], SIZE, seed=3, real=0.3) for _ in range(2))
    for index in range(12):
        one, two = a[index], b[index]
        assert np.array_equal(one.image, two.image)
        assert np.array_equal(one.alphas, two.alphas)
        assert np.array_equal(one.unsure, two.unsure)
    assert not np.array_equal(a[0].image, a[1].image)
    assert not np.array_equal(a[0].image, Composer([cutouts], SIZE, seed=4, real=0.3)[0].image)


def test_scenes_are_well_formed(cutouts: Path) -> None:
    composer = Composer([cutouts], SIZE, real=0.3)
    counts = []
    for index in range(60):
        scene = composer[index]
        assert scene.image.shape == (*SIZE, 3)
        assert scene.image.dtype == scene.alphas.dtype == np.uint8
        assert scene.alphas.shape[1:] == scene.unsure.shape == SIZE
        assert (scene.alphas.astype(int).sum(0) <= 257).all()  # rounding
        assert not scene.unsure[(scene.alphas > 200).any(0)].any()
        counts.append(len(scene.alphas))
    assert min(counts) == 0
    assert max(counts) >= 4


def test_what_blurs_a_picture_blurs_its_alphas(monkeypatch: pytest.MonkeyPatch) -> None:
    """A white disc on black, blurred in every way: its alpha stays what the picture shows."""
    disc = (np.hypot(*(np.indices(SIZE) - 30)) < 15).astype(np.float32)
    for effect in ("recolour", "darken", "cast", "grain", "jpeg"):
        monkeypatch.setattr(effects, effect, lambda image, rng: image)
    blurred = 0
    for seed in range(60):
        image, (alpha,) = effects.photograph(np.dstack([disc] * 3), disc[None], np.random.default_rng(seed))
        np.testing.assert_allclose(image, np.dstack([alpha] * 3), atol=1e-6)
        blurred += bool(((alpha > 0.1) & (alpha < 0.9)).any())
    assert 5 < blurred < 30


def test_people_sit_side_by_side(cutouts: Path) -> None:
    """Heads at about one height, each within reach of the next; nearly every scene has more than one."""
    composer = Composer([cutouts], SIZE, seated=1)
    assert sum(len(composer[index].alphas) > 1 for index in range(20)) > 14
    for seed in range(10):
        row = composer._bench(4, np.random.default_rng(seed))
        heights = [layer.alpha.shape[0] for layer in row]
        tops, middles = [layer.corner[0] for layer in row], sorted(layer.corner[1] + layer.alpha.shape[1] / 2 for layer in row)
        assert np.ptp(tops) < 0.4 * max(heights)
        assert np.diff(middles).max() < max(heights)


def test_people_kept_aside_are_not_trained_on(cutouts: Path) -> None:
    train, aside = Composer([cutouts], SIZE), Composer([cutouts], SIZE, kept_aside=True)
    for composer, expected in ((train, False), (aside, True)):
        names = [p.stem for p in composer.people[0] + composer.backgrounds]
        assert names
        assert all(is_kept_aside(name) == expected for name in names)


def test_without_cut_outs_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="no cut-outs"):
        Composer([tmp_path], SIZE)


def test_folders_of_one_name_are_refused(single_people: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(single_people, tmp_path / single_people.name)
    arguments = ["data", "compose", str(single_people), str(tmp_path / single_people.name), "-o", str(tmp_path / "out"), "--count", "1"]
    assert main(arguments) == 2
    assert "must differ" in capsys.readouterr().err


def test_compose_writes_the_him2k_layout(single_people: Path, tmp_path: Path) -> None:
    arguments = ["data", "compose", str(single_people), "-o", str(tmp_path), "--count", "5", "--size", "96x128", "--workers", "2"]
    assert main(arguments) == 0
    images = sorted((tmp_path / "images" / "comp").iterdir())
    assert [p.name for p in images] == [f"{i:05d}.jpg" for i in range(5)]
    composer = Composer([tmp_path / "cutouts" / single_people.name], SIZE)
    for index, path in enumerate(images):
        scene = composer[index]
        assert np.abs(cv2.imread(str(path))[..., ::-1].astype(int) - scene.image).mean() < 16  # JPEG on noise
        folder = tmp_path / "alphas" / "comp" / path.stem
        written = sorted(folder.iterdir()) if folder.exists() else []
        assert [p.name for p in written] == [f"{k:02d}.png" for k in range(len(scene.alphas))]
        for file, alpha in zip(written, scene.alphas, strict=True):
            assert np.array_equal((read_matte(file).numpy() * 255).round(), alpha)


@pytest.fixture(scope="module")
def things(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of magenta squares and of magenta pictures."""
    folder = tmp_path_factory.mktemp("things")
    (folder / "things").mkdir()
    (folder / "backgrounds").mkdir()
    for i in range(20):
        cv2.imwrite(str(folder / "things" / f"object{i}.png"), np.full((40, 40, 4), (255, 0, 255, 255), np.uint8))
        cv2.imwrite(str(folder / "backgrounds" / f"b{i}.jpg"), np.full((80, 80, 3), (255, 0, 255), np.uint8))
    return folder


def test_hard_scenes_are_well_formed_and_the_same_by_number(cutouts: Path, things: Path) -> None:
    a, b = (Composer([cutouts, things], SIZE, hard=1) for _ in range(2))
    counts = []
    for index in range(60):
        scene = a[index]
        assert np.array_equal(scene.image, b[index].image)
        assert scene.image.shape == (*SIZE, 3)
        assert (scene.alphas.astype(int).sum(0) <= 257).all()
        counts.append(len(scene.alphas))
    assert counts.count(0) > 10  # only things
    assert max(counts) >= 4


def test_things_are_not_people(cutouts: Path, things: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is drawn from a folder of things shows in the picture and in nobody's alpha; some are kept aside, too."""
    monkeypatch.setattr(synthesis, "photograph", lambda image, alphas, rng: (image, alphas))
    for part in (synthesis, poses):
        monkeypatch.setattr(part, "recolour", lambda image, rng: image)
    train, aside = (Composer([cutouts, things], SIZE, hard=1, kept_aside=k) for k in (False, True))
    used = [[p.stem for p in composer.things[0] + composer.pictures] for composer in (train, aside)]
    assert len(used[0]) + len(used[1]) == 40
    assert not set(used[0]) & set(used[1])
    shown = 0
    for index in range(40):
        scene = train[index]
        red, green, blue = scene.image.astype(int).transpose(2, 0, 1)
        magenta = (np.abs(red - blue) <= 1) & (green <= 1) & (red > 20)
        shown += int(magenta.any())
        assert not (magenta & (scene.alphas > 250).any(0)).any()
    assert shown > 10


def test_drawn_people_join_the_scenes_but_are_no_photographs(cutouts: Path, tmp_path: Path) -> None:
    (tmp_path / "people").mkdir()
    sitting = np.full((60, 60, 4), (0, 255, 0, 255), np.uint8)
    sitting[-5:, 20:] = 0
    for i in range(20):
        cv2.imwrite(str(tmp_path / "people" / f"drawn{i}.png"), sitting)
    photographs = Composer([cutouts, tmp_path], SIZE, real=1)
    assert all(cutouts in path.parents for group in photographs.photographed for path in group)
    assert [photographs[index].image.shape for index in range(20)] == 20 * [(*SIZE, 3)]
    drawn = Composer([tmp_path], SIZE, real=1, hard=0.2)
    assert max(len(drawn[index].alphas) for index in range(20)) >= 3


def test_passers_by_of_a_folder_or_of_single_photographs(cutouts: Path) -> None:
    everywhere, nowhere, somewhere = (Composer([cutouts], SIZE, crowded=crowded) for crowded in ([cutouts.name], [], ["p3", "p5"]))
    shares = [np.array([composer[i].unsure.mean() for i in range(60)]) for composer in (everywhere, nowhere, somewhere)]
    assert not shares[1].any()
    assert 0 < np.count_nonzero(shares[2]) < np.count_nonzero(shares[0])
    assert (shares[2][shares[2] > 0] == shares[0][shares[2] > 0]).all()


def test_light_from_above() -> None:
    room = effects.dim_below(np.ones((50, 40, 3), np.float32), np.random.default_rng(0))
    assert (room[:3] == 1).all()
    assert (np.diff(room[:, 0, 0]) <= 0).all()
    assert room[-1].max() < 0.65


def test_scenes_of_another_run_are_not_mixed_in(single_people: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["data", "compose", str(single_people), "-o", str(tmp_path), "--size", "96x128", "--workers", "1"]
    assert main([*arguments, "--count", "3"]) == 0
    assert main([*arguments, "--count", "1"]) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert main([*arguments, "--count", "1", "--overwrite"]) == 0
    assert [path.name for path in (tmp_path / "images" / "comp").iterdir()] == ["00000.jpg"]


def test_decoded_pictures_are_kept_up_to_a_number_of_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "MOST_BYTES", 250)
    read: list[str] = []

    @memory.kept
    def decode(path: Path) -> np.ndarray:
        read.append(path.name)
        return np.zeros(100, np.uint8)

    for name in ("a", "b", "a", "c", "a", "b"):  # b goes when c comes, since a was used after it
        decode(Path(name))
    assert read == ["a", "b", "c", "b"]
