"""The library's front door."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

import instmatt_core
from instmatt_core.cli.matte import EXAMPLE
from instmatt_core.errors import Cancelled, GuidanceError, UsageError
from instmatt_core.weights import load_weights


def test_every_kind_of_picture_gives_the_same(example: torch.Tensor) -> None:
    pipeline = instmatt_core.Pipeline(device="cpu")
    pil = Image.open(EXAMPLE)
    results = [pipeline(x, max_side=320).alphas for x in (EXAMPLE, pil, np.asarray(pil), example)]
    assert len(results[0]) == 2
    for other in results[1:]:
        torch.testing.assert_close(other, results[0])


def test_mattes_keep_the_promises(example: torch.Tensor, tmp_path: Path) -> None:
    stages: list[float] = []
    mattes = instmatt_core.matte(example, device="cpu", progress=lambda name, share: stages.append(share))
    assert mattes.size == tuple(example.shape[1:])
    assert mattes.alphas.dtype == torch.float32
    assert mattes.alphas.min() >= 0
    assert mattes.alphas.sum(0).max() <= 1 + 1e-5
    assert stages == sorted(stages)
    assert stages[-1] == 1.0
    assert [p.name for p in mattes.save(tmp_path)] == ["00.png", "01.png", "people.json"]
    for cutout, alpha in zip(mattes.cutouts(example), mattes.alphas, strict=True):
        torch.testing.assert_close(cutout[3], alpha)


def test_cancel(example: torch.Tensor) -> None:
    with pytest.raises(Cancelled):
        instmatt_core.matte(example, device="cpu", progress=lambda name, share: share < 0.3)


def test_masks_instead_of_a_detector(example: torch.Tensor) -> None:
    masks = torch.zeros(3, *example.shape[1:])
    masks[0, 200:500, 600:800] = 1
    masks[1, 200:500, 100:300] = 1  # the third is empty
    mattes = instmatt_core.matte(example, masks=masks, device="cpu")
    assert len(mattes) == 2
    assert mattes.boxes[0, 0] < mattes.boxes[1, 0]
    assert len(instmatt_core.matte(example, masks=masks[:0], device="cpu")) == 0
    with pytest.raises(GuidanceError, match="masks are"):
        instmatt_core.matte(example, masks=masks[:, :50], device="cpu")


def test_given_masks_stay_as_they_are(example: torch.Tensor) -> None:
    masks = torch.zeros(2, *example.shape[1:])
    masks[:, 200:500, 100:300] = 1  # both claim all of it
    people = instmatt_core.InstanceMasks.from_masks(masks)
    before = people.masks.clone()
    mattes = instmatt_core.matte(example, masks=people, matting=lambda image, instances, progress: instances.masks, device="cpu")
    assert len(mattes) == 0  # each has one half, so that neither is above it
    torch.testing.assert_close(people.masks, before, rtol=0, atol=0)


def test_threads_share_one_pipeline(example: torch.Tensor) -> None:
    pipeline = instmatt_core.Pipeline(device="cpu")
    results: list[torch.Tensor] = []
    threads = [threading.Thread(target=lambda: results.append(pipeline(example, max_side=256).alphas)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 3
    for other in results[1:]:
        torch.testing.assert_close(other, results[0])


def test_unknown_names() -> None:
    with pytest.raises(UsageError, match="blazepose"):
        instmatt_core.Pipeline(detector="nobody")
    with pytest.raises(UsageError, match="cannot be used"):
        instmatt_core.Pipeline(device="xpu:7")


def test_import_and_help_are_light() -> None:
    code = (
        "import sys, instmatt_core; from instmatt_core.cli.main import main\n"
        "try: main(['matte', '--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'pymatting', 'gradio', 'cv2', 'scipy', 'huggingface_hub'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_public_names_exist() -> None:
    for name in instmatt_core.__all__:
        assert getattr(instmatt_core, name) is not None


def test_end_to_end_systems_take_no_masks(monkeypatch: pytest.MonkeyPatch) -> None:
    from instmatt_core import pipeline

    def everyone(image: torch.Tensor, progress: Any) -> instmatt_core.InstanceMattes:
        alphas = torch.zeros(2, *image.shape[1:])
        alphas[0, :, 6:], alphas[1, :, :3] = 0.9, 0.8
        return instmatt_core.InstanceMattes(alphas, torch.zeros(2, 4), torch.tensor([0.7, 0.6]))

    monkeypatch.setitem(pipeline.END_TO_END, "everyone", lambda options: everyone)
    chain = instmatt_core.Pipeline(matting="everyone", device="cpu")
    mattes = chain(torch.rand(3, 8, 10))
    assert mattes.scores.tolist() == pytest.approx([0.6, 0.7])  # left to right
    with pytest.raises(instmatt_core.UsageError, match="takes no masks"):
        chain(torch.rand(3, 8, 10), masks=torch.ones(1, 8, 10))


def test_options_reach_the_matting_system() -> None:
    with pytest.raises(instmatt_core.UsageError, match="closed-form has no weights"):
        instmatt_core.Pipeline(matting="closed-form", weights="instmatt", device="cpu").load()
    with pytest.raises(instmatt_core.WeightsError, match="instmatt weights convert"):
        instmatt_core.Pipeline(matting="instmatt", device="cpu").load()


def test_the_user_picks_what_refines_an_end_to_end_system(monkeypatch: pytest.MonkeyPatch) -> None:
    """The names reach the steps they stand for, with weights of their own."""
    from instmatt_core import pipeline
    from instmatt_core.matting import refinement

    asked: list[Any] = []

    class System:
        def __init__(self, *states: Any, **options: Any):
            self.options = options

        def alpha(self, image: torch.Tensor, trimap: torch.Tensor) -> torch.Tensor:
            return torch.full_like(trimap, 0.125)

        def refine_mattes(self, image: torch.Tensor, alphas: torch.Tensor) -> torch.Tensor:
            return 0.5 * alphas

    def load_weights(spec: str, *, system: str, **how: Any) -> dict[str, torch.Tensor]:
        asked.append((spec, system))
        return {}

    for place in ("matting.e2e_him.E2EHIM", "matting.sim.SIM", "matting.instmatt.InstMatt"):
        monkeypatch.setattr(f"instmatt_core.{place}", System)
    monkeypatch.setattr("instmatt_core.weights.load_weights", load_weights)

    def refine_of(**options: Any) -> Any:
        asked.clear()
        system = pipeline.Pipeline(matting="e2e-him", weights="mine", device="cpu", **options).load().matting
        assert asked.pop() == ("mine", "e2e-him")
        return system.options["refine"]

    trimaps, alphas = (torch.tensor([0, middle, 1]).expand(1, 3, 3) for middle in (0.5, 0.25))
    assert refine_of() is refine_of(refine="closed-form") is refinement.closed_form
    assert refine_of(refine="none") is None
    assert refine_of(compat="paper") is None
    assert refine_of(refine="sim", refine_weights="other")(torch.zeros(3, 3, 3), trimaps, alphas)[0, 0, 1] == 0.125
    assert asked == [("other", "sim"), ("sim-classifier", "sim-classifier")]
    torch.testing.assert_close(refine_of(refine="instmatt")(torch.zeros(3, 3, 3), trimaps, alphas), 0.5 * alphas)
    assert asked == [("instmatt", "instmatt")]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"matting": "e2e-him", "refine": "magic"}, "refine is one of closed-form, none, sim, instmatt"),
        ({"matting": "instmatt", "refine": "sim"}, "refine is for end-to-end systems"),
        ({"refine_weights": "sim"}, "refine is for end-to-end systems"),
        ({"matting": "e2e-him", "refine_weights": "sim"}, "refine=closed-form has no weights"),
        ({"matting": "e2e-him", "refine": "none", "compat": "paper"}, "the paper's way refines nothing"),
    ],
)
def test_what_cannot_refine_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        instmatt_core.Pipeline(device="cpu", **options).load()


def test_sim_without_weights() -> None:
    with pytest.raises(instmatt_core.WeightsError, match=r"(?s)sim.*instmatt weights convert"):
        instmatt_core.Pipeline(matting="sim", device="cpu").load()


def test_the_compact_network_is_in_the_package(example: torch.Tensor) -> None:
    found = instmatt_core.matte(example, matting="instmatt-compact", device="cpu")
    assert len(found) == 2
    assert found.info["matting"] == "instmatt-compact"
    assert (found.alphas == 0).float().mean() > 0.5  # what is nobody's is nobody's at all
    assert (found.alphas == 1).flatten(1).any(1).all()
    assert ((found.alphas > 0.1) & (found.alphas < 0.9)).flatten(1).float().mean(1).min() > 1e-3  # soft edges
    for wrong in ({"weights": "instmatt"}, {"compat": "paper"}):
        with pytest.raises(UsageError, match="its own weights"):
            instmatt_core.Pipeline(matting="instmatt-compact", device="cpu", **wrong).load()


def test_a_file_with_semantics_is_used_as_the_bundled_one(example: torch.Tensor, tmp_path: Path) -> None:
    save_file(load_weights("instmatt-compact", system="instmatt"), tmp_path / "mine.safetensors", {"system": "instmatt"})
    mine, bundled = (
        instmatt_core.matte(example, device="cpu", max_side=320, **options)
        for options in ({"matting": "instmatt", "weights": tmp_path / "mine.safetensors"}, {})
    )
    assert torch.equal(mine.alphas, bundled.alphas)


def hollow(image: torch.Tensor, people: instmatt_core.InstanceMasks, progress: Any) -> torch.Tensor:
    """A matting step that gives the masks back, but loses whoever is less than 20 px high."""
    return people.masks * (people.masks.sum(1).amax(1) >= 20)[:, None, None]


def blocks(*places: tuple[int, int]) -> torch.Tensor:
    """Masks of 60 x 80 px: one of 10 px width for each left edge and height; none of height 0."""
    masks = torch.zeros(len(places), 60, 80)
    for mask, (left, height) in zip(masks, places, strict=True):
        mask[:height, left : left + 10] = 1
    return masks


def test_whose_mask_a_matte_was_made_of() -> None:
    pipeline = instmatt_core.Pipeline(matting=hollow, device="cpu")
    picture, masks = torch.rand(3, 60, 80), blocks((60, 40), (30, 0), (20, 10), (5, 40))
    mattes = pipeline(picture, masks=masks)
    assert mattes.sources == (3, 0)
    assert [person["mask"] for person in mattes.describe()["people"]] == [3, 0]
    assert mattes.info["notes"] == ["mask 1 left out: nowhere above one half", "mask 2 left out: nowhere above one half as a matte"]
    whole = pipeline(picture, masks=masks[[0, 3]])
    assert whole.sources == (1, 0)
    assert "notes" not in whole.info
    detected = instmatt_core.InstanceMasks(masks[[3, 0]], torch.zeros(2, 4), torch.ones(2))
    assert pipeline(picture, masks=detected).sources == (0, 1)
    assert pipeline(picture, masks=detected, max_side=40).sources == (0, 1)
    assert instmatt_core.Pipeline(lambda image, progress: detected, hollow, "cpu")(picture).sources is None


def test_masks_come_in_many_forms() -> None:
    pipeline, picture, masks = instmatt_core.Pipeline(matting=hollow, device="cpu"), torch.rand(3, 60, 80), blocks((5, 40), (60, 40))
    grey = (masks.numpy() * 255).astype(np.uint8)
    for given in (
        masks.numpy(),
        masks.half(),
        masks > 0.5,
        masks.to(torch.uint8),
        masks.long(),
        grey,
        torch.from_numpy(grey),
        grey.astype(np.uint16) * 257,
        list(masks),
        [grey[0], masks[1]],
        tuple(masks.numpy() > 0.5),
    ):
        torch.testing.assert_close(pipeline(picture, masks=given).alphas, masks)
    assert len(pipeline(picture, masks=[])) == len(pipeline(picture, masks=masks[:0])) == 0
    for given, message in (
        ("masks", "tensors or arrays of numbers, not str"),
        ([[0, 1]], "not list"),
        (np.array([["a"]]), "not ndarray"),
        (masks[0], r"must be \(K, H, W\)"),
        ([masks[0], masks[1, :5]], "of one size"),
        (masks * 255, "reach 255"),
        (masks.long() * 7, "int64 and reach 7"),
        (masks * torch.nan, "not finite"),
        (torch.zeros_like(masks), "show nobody"),
        (instmatt_core.InstanceMasks.from_masks(torch.zeros_like(masks)), "show nobody"),
    ):
        with pytest.raises(GuidanceError, match=message):
            pipeline(picture, masks=given)


def test_a_soft_grey_mask_keeps_its_greys() -> None:
    people = instmatt_core.InstanceMasks.from_masks((blocks((5, 40)) * 200).byte())
    assert people.masks.max() == pytest.approx(200 / 255)


def test_saving_again_leaves_nothing_of_before(tmp_path: Path) -> None:
    picture, alphas = torch.rand(3, 60, 80), blocks((0, 40), (20, 40), (40, 40))
    made = [instmatt_core.InstanceMattes.from_alphas(alphas[:n], torch.ones(n), {}) for n in (3, 1)]
    files = made[0].save(tmp_path, kinds=("alpha", "cutout", "overlay"), image=picture)
    assert {p.name for p in tmp_path.iterdir()} == {p.name for p in files}
    assert len(files) == 8
    (tmp_path / "07.png").write_text("somebody's")
    with pytest.raises(instmatt_core.ImageError, match="the picture is"):
        made[1].save(tmp_path, kinds=("overlay",), image=picture[:, :5])
    with pytest.raises(instmatt_core.ImageError, match="depth"):
        made[1].save(tmp_path, depth=12)
    for kinds, message in ((("cutout",), "give it as image"), (("masks",), "called masks; there is alpha, cutout, overlay")):
        with pytest.raises(UsageError, match=message):
            made[1].save(tmp_path, kinds=kinds)
    assert len(list(tmp_path.iterdir())) == 9  # what cannot be done touches nothing
    made[1].save(tmp_path)
    assert {p.name for p in tmp_path.iterdir()} == {"00.png", "people.json", "07.png"}


def test_an_interrupted_save_does_not_pass_for_a_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alphas = blocks((0, 40), (20, 40))
    mattes = instmatt_core.InstanceMattes.from_alphas(alphas, torch.ones(2), {})
    mattes.save(tmp_path)

    def full(path: Path, *_: object, **__: object) -> None:
        raise instmatt_core.ImageError(f"{path}: cannot be written (No space left on device)")

    monkeypatch.setattr("instmatt_core.image.write_png", full)
    with pytest.raises(instmatt_core.ImageError, match="No space"):
        mattes.save(tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_record_s_other_names_are_not_removed(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    for name in ("mine.txt", "out/mine.txt", "mine.png"):
        (tmp_path / name).touch()
    (tmp_path / "out" / "people.json").write_text('{"people": [{"alpha": "../mine.png"}, {"alpha": "mine.txt"}, {"cutout": ".."}]}')
    alphas = blocks((0, 40))
    instmatt_core.InstanceMattes.from_alphas(alphas, torch.ones(1), {}).save(tmp_path / "out")
    assert all((tmp_path / name).exists() for name in ("mine.txt", "out/mine.txt", "mine.png"))


def test_options_and_sizes_that_do_not_exist() -> None:
    with pytest.raises(UsageError, match="no option is called foo; there is weights, compat"):
        instmatt_core.Pipeline(foo=1)
    for side in (0, -5):
        with pytest.raises(UsageError, match="above 0"):
            instmatt_core.matte(torch.rand(3, 60, 80), masks=blocks((0, 40)), max_side=side, device="cpu")


def test_metrics_come_with_the_package() -> None:
    code = "import instmatt_core; assert instmatt_core.metrics.mad and 'metrics' in dir(instmatt_core)"
    subprocess.run([sys.executable, "-c", code], check=True)
