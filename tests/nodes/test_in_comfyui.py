"""The pack in a real ComfyUI: every node, every example workflow, and what goes wrong for users."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import comfyui
import numpy as np
import pytest
import torch
from comfyui import ComfyUI
from deterministic_weights import deterministic_state
from PIL import Image
from safetensors.torch import save_file

import instmatt_core
from instmatt_core.cli.matte import EXAMPLE
from instmatt_core.detect.people import People
from instmatt_core.matting.cleanup import clean_edges
from instmatt_core.matting.e2e_him import E2EHIM
from instmatt_core.matting.instmatt import InstMatt
from instmatt_core.matting.sim import SIM

ROOT = Path(__file__).parent.parent.parent
WORKFLOWS = sorted((ROOT / "example_workflows").glob("*.json"))
GOLDEN = ROOT / "tests" / "matting"


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ComfyUI]:
    found = comfyui.find()
    if found is None:
        pytest.skip("needs a ComfyUI: INSTMATT_COMFYUI and INSTMATT_COMFYUI_PYTHON name one, INSTMATT_COMFYUI_BUILD=1 makes one")
    base = tmp_path_factory.mktemp("comfyui")
    running = ComfyUI(*found, base)
    try:
        fill(base, found[1])
        yield running
    finally:
        running.stop()


def fill(base: Path, python: Path) -> None:
    """Input files and a model with made-up weights."""
    (base / "models" / "instmatt").mkdir()
    picture = Image.open(EXAMPLE)
    picture.save(base / "input" / "example.png")
    picture.resize((240, 160)).save(base / "input" / "small.png")
    Image.new("RGB", (320, 200), (40, 90, 60)).save(base / "input" / "nobody.png")
    painted = picture.convert("RGBA")  # MaskEditor makes what is painted transparent
    alpha = np.full((picture.height, picture.width), 255, np.uint8)
    alpha[100:640, 60:420] = 0
    alpha[100:640, 540:820] = 0
    painted.putalpha(Image.fromarray(alpha))
    painted.save(base / "input" / "painted.png")
    sim, classifier = sim_states()
    made_up = {"made_up": instmatt_state(), "made_up_e2e": e2e_him_state(), "made_up_sim": sim, "sim-classifier": classifier}
    stated = {"made_up_sim": {"system": "sim"}}  # as converted files say
    for name, state in made_up.items():
        path = base / "models" / "instmatt" / f"{name}.safetensors"
        save_file({k: v.contiguous() for k, v in state.items()}, path, stated.get(name))
    subprocess.run([python, "-c", VIDEO, str(EXAMPLE), str(base / "input" / "video.mp4")], check=True)


def instmatt_state() -> dict[str, torch.Tensor]:
    return deterministic_state(json.loads((GOLDEN / "instmatt" / "golden" / "manifest.json").read_text("utf-8")))


def sim_states() -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """Of the matting network and of the classifier."""
    first, second = (
        json.loads((GOLDEN / "sim" / "golden" / f"{name}.json").read_text("utf-8")) for name in ("manifest", "manifest_classifier")
    )
    return deterministic_state(first), deterministic_state(second)


def e2e_him_state() -> dict[str, torch.Tensor]:
    """Weights that take every query for a person."""
    state = deterministic_state(json.loads((GOLDEN / "e2e_him" / "golden" / "manifest.json").read_text("utf-8")))
    return {**state, "globalfcnum.layers.1.bias": state["globalfcnum.layers.1.bias"] + torch.tensor([0.0, 99.0])}


VIDEO = """
import sys
import av, numpy
from PIL import Image
picture = numpy.asarray(Image.open(sys.argv[1]).resize((240, 160)))
with av.open(sys.argv[2], "w") as file:
    stream = file.add_stream("h264", rate=25)
    stream.width, stream.height, stream.pix_fmt = 240, 160, "yuv420p"
    for step in range(3):
        file.mux(stream.encode(av.VideoFrame.from_ndarray(numpy.roll(picture, 3 * step, 1), format="rgb24")))
    file.mux(stream.encode())
"""


@pytest.fixture(scope="session")
def info(server: ComfyUI) -> dict[str, Any]:
    return dict(server.get("/object_info"))


def node(kind: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": kind, "inputs": inputs}


def matte_chain(picture: str, **settings: Any) -> dict[str, Any]:
    """Every step, from a file to its cut-outs."""
    return {
        "load": node("LoadImage", image=picture),
        "detect": node("InstMattDetectPeople", image=["load", 0], detector="ensemble", max_people=20, track=False),
        "guide": node(
            "InstMattTriMask", image=["load", 0], people=["detect", 0], band=settings.get("band", 0.025), hair=0.25, painted_person=1
        ),
        "matte": node("InstMattMatte", image=["load", 0], tri_masks=["guide", 0]),
        "composite": node(
            "InstMattComposite",
            image=["load", 0],
            mattes=["matte", 0],
            fill="green",
            show=settings.get("show", "all"),
            order="",
            placement="",
        ),
        "save": node("SaveImage", images=["composite", 1], filename_prefix=settings.get("prefix", "chain")),
        "look": node("PreviewImage", images=["composite", 0]),
    }


def pictures(server: ComfyUI, saved: list[dict[str, str]]) -> list[np.ndarray]:
    return [np.asarray(Image.open(server.file(file))) for file in saved]


def as_saved(picture: torch.Tensor) -> np.ndarray:
    """``(C, H, W)`` or ``(H, W)`` as Save Image writes it: cut off, not rounded."""
    array = (picture.clamp(0, 1) * 255).to(torch.uint8).numpy()
    return array if array.ndim == 2 else array.transpose(1, 2, 0)


def assert_same_picture(found: np.ndarray, expected: np.ndarray) -> None:
    """Equal but for rounding: the host may have another torch."""
    assert found.shape == expected.shape
    difference = np.abs(found.astype(int) - expected.astype(int))
    assert difference.mean() < 0.1
    assert np.mean(difference > 2) < 0.002


def test_every_node_is_there_and_explains_itself(info: dict[str, Any]) -> None:
    ours = {name: entry for name, entry in info.items() if name.startswith("InstMatt")}
    assert len(ours) == 11
    for name, entry in ours.items():
        assert entry["category"] == "InstMatt"
        assert entry["description"]
        assert len(entry["search_aliases"]) >= 3
        assert all(entry["output_tooltips"]), name
        for part in ("required", "optional"):
            for widget, spec in entry["input"].get(part, {}).items():
                assert spec[1].get("tooltip"), f"{name}.{widget}"


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_example_workflows_run(server: ComfyUI, info: dict[str, Any], path: Path) -> None:
    prompt = comfyui.to_prompt(json.loads(path.read_text("utf-8")), info)
    if path.name.startswith("04"):
        next(n for n in prompt.values() if n["class_type"] == "LoadImage")["inputs"]["image"] = "painted.png"
    result = server.run(prompt)
    assert result.status == "success", result.error
    saved = [key for key, n in prompt.items() if n["class_type"] in ("SaveImage", "SaveVideo", "PreviewImage")]
    for key in saved:
        assert result.outputs[key]["images"], key
        assert all(server.file(file).stat().st_size > 0 for file in result.outputs[key]["images"])
    if path.name.startswith("04"):
        assert [len(result.outputs[key]["images"]) for key in saved] == [2, 1]  # two painted pieces, one box


def test_pixels_are_the_librarys(server: ComfyUI, example: torch.Tensor) -> None:
    result = server.run(
        {
            **matte_chain("example.png", prefix="pixels"),
            "one": node("InstMattMattePeople", image=["load", 0], track=False),
            "save_one": node("SaveImage", images=["one", 1], filename_prefix="one"),
        }
    )
    assert result.status == "success", result.error
    for key, matting in (("save_one", "instmatt-compact"), ("save", "closed-form")):
        mattes = instmatt_core.matte(example, matting=matting, device="cpu")
        found = pictures(server, result.outputs[key]["images"])
        assert len(found) == len(mattes) == 2
        for picture, cutout in zip(found, mattes.cutouts(example), strict=True):
            visible = picture[..., 3:] > 0  # colour under no alpha is nobody's business
            assert_same_picture(picture * visible, as_saved(cutout) * visible)
    (composite,) = pictures(server, result.outputs["look"]["images"])
    green = torch.tensor([0, 0.69, 0.25])[:, None, None]
    expected = sum(c[3] * c[:3] for c in mattes.cutouts(example)) + (1 - mattes.alphas.sum(0)) * green
    assert_same_picture(composite[..., :3], as_saved(expected))


def test_the_same_graph_is_cached_and_a_slider_runs_only_what_follows(server: ComfyUI) -> None:
    assert server.run(matte_chain("small.png")).status == "success"
    again = server.run(matte_chain("small.png"))
    assert {"load", "guide", "matte", "composite"} <= again.cached
    moved = server.run(matte_chain("small.png", band=0.03))
    assert "load" in moved.cached
    assert not {"guide", "matte", "composite"} & moved.cached


def test_nobody(server: ComfyUI) -> None:
    result = server.run(
        {
            **matte_chain("nobody.png", show="1"),
            "select": node("InstMattSelectPeople", people=["detect", 0], rule="largest", numbers="all", amount=1, invert=False),
            "refine": node("InstMattRefine", image=["load", 0], mattes=["matte", 0], edge=3, specks=0.01),
            "refined": node("InstMattComposite", image=["load", 0], mattes=["refine", 0], fill="white", show="all", order="", placement=""),
            "one": node("InstMattMattePeople", image=["load", 0], track=True),
            "overlay": node("PreviewImage", images=["one", 4]),
            "count": node("PreviewAny", source=["one", 5]),
            "look_refined": node("PreviewImage", images=["refined", 0]),
            "never": node("SaveImage", images=["one", 2], filename_prefix="never"),
        }
    )
    assert result.status == "success", result.error
    assert result.outputs["count"]["text"] == ["0"]
    assert len(result.outputs["look"]["images"]) == 1
    assert not result.outputs.get("save", {}).get("images")
    assert not result.outputs.get("never", {}).get("images")


def test_numbers_stay_when_somebody_is_left_out(server: ComfyUI) -> None:
    one = {"fill": "white", "order": "", "placement": ""}
    prompt = {
        "load": node("LoadImage", image="small.png"),
        "all": node("InstMattMattePeople", image=["load", 0], track=False),
        "select": node("InstMattSelectPeople", people=["all", 0], rule="numbers", numbers="2", amount=1, invert=False),
        "after": node("InstMattComposite", image=["load", 0], mattes=["select", 0], show="2", **one),
        "before": node("InstMattComposite", image=["load", 0], mattes=["all", 0], show="2", **one),
        **{f"look_{name}": node("SaveImage", images=[name, 0], filename_prefix=name) for name in ("after", "before")},
    }
    result = server.run(prompt)
    assert result.status == "success", result.error
    after, before = (pictures(server, result.outputs[f"look_{name}"]["images"])[0] for name in ("after", "before"))
    assert_same_picture(after, before)
    prompt["after"]["inputs"]["show"] = "1"
    result = server.run(prompt)
    assert result.status == "error"
    assert "no person 1; people here are 2" in str(result.error)


def test_twenty_people_masks_of_another_size_and_a_list(server: ComfyUI) -> None:
    people = {f"mask{i}": node("SolidMask", value=1.0, width=8, height=60) for i in range(2)}  # two masks of another size than the picture
    prompt = {
        "load": node("LoadImage", image="small.png"),
        **people,
        "full": node("SolidMask", value=0.0, width=120, height=80),
        "a": node("MaskComposite", destination=["full", 0], source=["mask0", 0], x=10, y=10, operation="add"),
        "b": node("MaskComposite", destination=["full", 0], source=["mask1", 0], x=80, y=10, operation="add"),
        "batch": node("MaskToImage", mask=["a", 0]),
        "batch2": node("MaskToImage", mask=["b", 0]),
        "both": node("ImageBatch", image1=["batch", 0], image2=["batch2", 0]),
        "ten": node("RepeatImageBatch", image=["both", 0], amount=10),
        "masks": node("ImageToMask", image=["ten", 0], channel="red"),
        "people": node("InstMattMasksToPeople", image=["load", 0], masks=["masks", 0], split=False, track=False),
        "again": node("InstMattMasksToPeople", image=["load", 0], masks=["people", 2], split=False, track=False),
        "count": node("PreviewAny", source=["again", 4]),
        "guide": node("InstMattTriMask", image=["load", 0], people=["again", 0], band=0.025, hair=0.25, painted_person=1),
        "matte": node("InstMattMatte", image=["load", 0], tri_masks=["guide", 0]),
        "scores": node("InstMattScoreMattes", mattes=["matte", 0], truth=["people", 1]),
    }
    result = server.run(prompt)
    assert result.status == "success", result.error
    assert result.outputs["count"]["text"] == ["20"]
    assert "missed" in result.outputs["scores"]["text"][0]


def test_a_model_of_the_folder(server: ComfyUI, example: torch.Tensor) -> None:
    prompt = {
        **matte_chain("small.png", prefix="model"),
        "model": node("InstMattLoadMattingModel", weights="made_up.safetensors", system="instmatt"),
        "refine": node("InstMattRefine", image=["load", 0], mattes=["matte", 0], model=["model", 0], edge=0, specks=0.0),
        "masks": node("MaskToImage", mask=["matte", 1]),
        "save_masks": node("SaveImage", images=["masks", 0], filename_prefix="masks"),
        "refined": node("MaskToImage", mask=["refine", 1]),
        "save_refined": node("PreviewImage", images=["refined", 0]),
    }
    prompt["matte"]["inputs"]["model"] = ["model", 0]
    result = server.run(prompt)
    assert result.status == "success", result.error
    small = instmatt_core.read_image(server.base / "input" / "small.png")
    system = InstMatt(instmatt_state())
    mattes = instmatt_core.Pipeline(matting=system, device="cpu")(small)
    found = pictures(server, result.outputs["save_masks"]["images"])
    assert len(found) == len(mattes)
    for picture, alpha in zip(found, mattes.alphas, strict=True):
        assert_same_picture(picture[..., 0], as_saved(alpha))


def test_end_to_end(server: ComfyUI) -> None:
    result = server.run(
        {
            "load": node("LoadImage", image="small.png"),
            "model": node("InstMattLoadMattingModel", weights="made_up_e2e.safetensors", system="e2e-him"),
            "matte": node("InstMattEndToEndMatte", image=["load", 0], model=["model", 0], track=False),
            "masks": node("MaskToImage", mask=["matte", 1]),
            "save": node("SaveImage", images=["masks", 0], filename_prefix="end_to_end"),
        }
    )
    assert result.status == "success", result.error
    mattes = E2EHIM(e2e_him_state())(instmatt_core.read_image(server.base / "input" / "small.png"))
    found = pictures(server, result.outputs["save"]["images"])
    assert len(found) == len(mattes) > 0
    for picture, alpha in zip(found, mattes.alphas, strict=True):
        assert_same_picture(picture[..., 0], as_saved(alpha))


def test_sim(server: ComfyUI) -> None:
    prompt = {
        "load": node("LoadImage", image="small.png"),
        "model": node("InstMattLoadMattingModel", weights="made_up_sim.safetensors", system="auto"),
        "whole": node("InstMattLoadMattingModel", weights="made_up_e2e.safetensors", system="e2e-him"),
        "detect": node("InstMattDetectPeople", image=["load", 0], detector="people", max_people=20, track=False),
        "guide": node("InstMattTriMask", image=["load", 0], people=["detect", 0], band=0.025, hair=0.25, painted_person=1),
        "matte": node("InstMattMatte", image=["load", 0], tri_masks=["guide", 0], model=["model", 0]),
        "refine": node("InstMattRefine", image=["load", 0], mattes=["matte", 0], model=["model", 0], edge=3, specks=0.0),
        "large": node("ImageScaleBy", image=["load", 0], upscale_method="bilinear", scale_by=3.0),
        "end_to_end": node("InstMattEndToEndMatte", image=["large", 0], model=["whole", 0], detail=["model", 0], track=False),
    }
    for name in ("matte", "refine", "end_to_end"):
        prompt[f"{name}_masks"] = node("MaskToImage", mask=[name, 1])
        prompt[f"{name}_save"] = node("SaveImage", images=[f"{name}_masks", 0], filename_prefix=name)
    result = server.run(prompt)
    assert result.status == "success", result.error
    sim = SIM(*sim_states())
    image = instmatt_core.read_image(server.base / "input" / "small.png")
    alphas = sim(image, People()(image))
    for name, expected in (("matte", alphas), ("refine", clean_edges(image, alphas, band=3, speck=0.0, solve=sim.solve_trimaps))):
        saved = pictures(server, result.outputs[f"{name}_save"]["images"])
        assert len(saved) == len(expected) > 0
        for picture, alpha in zip(saved, expected, strict=True):
            assert_same_picture(picture[..., 0], as_saved(alpha))
    assert result.outputs["end_to_end_save"]["images"]


def test_a_model_for_another_job_is_refused(server: ComfyUI) -> None:
    result = server.run(
        {
            "load": node("LoadImage", image="small.png"),
            "model": node("InstMattLoadMattingModel", weights="made_up.safetensors", system="instmatt"),
            "matte": node("InstMattEndToEndMatte", image=["load", 0], model=["model", 0], track=False),
            "look": node("MaskPreview", mask=["matte", 1]),
        }
    )
    assert result.status == "error"
    assert "End-to-End Matte takes a model of E2E-HIM; InstMatt is for Matte and Refine" in result.error


def test_missing_weights_say_how_to_get_them(server: ComfyUI) -> None:
    result = server.run(
        {
            "load": node("LoadImage", image="small.png"),
            "model": node("InstMattLoadMattingModel", weights="e2e-him", system="auto"),
            "matte": node("InstMattEndToEndMatte", image=["load", 0], model=["model", 0], track=False),
            "look": node("MaskPreview", mask=["matte", 1]),
        }
    )
    assert result.status == "error"
    assert "weights convert" in result.error


def test_detectors(server: ComfyUI) -> None:
    def detect(name: str) -> comfyui.Result:
        return server.run(
            {
                "load": node("LoadImage", image="example.png"),
                "detect": node("InstMattDetectPeople", image=["load", 0], detector=name, max_people=20, track=False),
            }
        )

    (preview,) = detect("people").outputs["detect"]["instmatt"]
    assert [person["number"] for person in preview["people"]] == [1, 2]
    assert "weights convert" in detect("mask-rcnn").error


def test_mistyped_numbers_are_refused_before_anything_runs(server: ComfyUI) -> None:
    with pytest.raises(AssertionError, match="is not the number of a person"):
        server.queue(matte_chain("small.png", show="the tall one"))


def test_texts_may_come_from_other_nodes(server: ComfyUI) -> None:
    prompt = matte_chain("small.png", prefix="linked") | {"text": node("PrimitiveString", value="1")}
    prompt["composite"]["inputs"] |= {"show": ["text", 0], "order": ["text", 0]}
    result = server.run(prompt)
    assert result.status == "success", result.error
    assert len(result.outputs["save"]["images"]) == 1


def test_a_person_who_is_not_there(server: ComfyUI) -> None:
    assert "there is no person 7; people here are 1, 2" in server.run(matte_chain("example.png", show="7")).error


def test_interrupt(server: ComfyUI) -> None:
    prompt = matte_chain("example.png", band=0.031)
    prompt["large"] = node("ImageScaleBy", image=["load", 0], upscale_method="bilinear", scale_by=2.5)
    for key in ("detect", "guide", "matte", "composite"):
        prompt[key]["inputs"]["image"] = ["large", 0]
    queued = server.queue(prompt)
    while not server.get("/queue")["queue_running"]:
        time.sleep(0.05)
    time.sleep(1)
    server.post("/interrupt", {})
    result = server.result(queued)
    assert result.interrupted
    assert not result.outputs.get("look")
    assert server.run(matte_chain("small.png")).status == "success"  # and it goes on working


@pytest.fixture(scope="module")
def page(server: ComfyUI, browser: Any) -> Any:
    """ComfyUI's frontend in the browser, with what it writes to the console gathered in ``page.console``."""
    page = browser.new_page(viewport={"width": 1600, "height": 1000})
    page.console = []
    page.on("console", lambda message: page.console.append(f"{message.type}: {message.text} {message.location.get('url')}"))
    page.on("pageerror", lambda error: page.console.append(f"pageerror: {error}"))
    page.goto(server.url)
    page.wait_for_function("!!window.LiteGraph?.registered_node_types?.InstMattSelectPeople", timeout=120_000)
    return page


def test_template_browser(page: Any, tmp_path: Path) -> None:
    page.wait_for_timeout(3000)
    page.keyboard.press("Escape")  # the template browser greets a new user
    page.get_by_text("Templates").first.click()
    page.get_by_text("instmatt").first.click()
    page.screenshot(path=tmp_path / "templates.png")
    page.get_by_text("01 Cut out everyone").first.click()
    page.wait_for_function("window.app.graph.nodes.some((n) => n.type === 'InstMattMattePeople')", timeout=20_000)


def test_in_the_browser(server: ComfyUI, page: Any, tmp_path: Path) -> None:
    workflow = json.loads(next(p for p in WORKFLOWS if p.name.startswith("02")).read_text("utf-8"))
    page.evaluate("workflow => window.app.loadGraphData(workflow)", workflow)
    page.evaluate("window.app.queuePrompt(0)")
    page.wait_for_function("document.querySelectorAll('.instmatt-stage path').length >= 10", timeout=300_000)
    page.evaluate(
        """() => {
            const node = window.app.graph.nodes.find((n) => n.type === "InstMattSelectPeople")
            const { canvas } = window.app
            canvas.ds.scale = 1
            canvas.ds.offset = [600 - node.pos[0], 200 - node.pos[1]]
            canvas.setDirty(true, true)
        }"""
    )
    page.wait_for_timeout(1500)
    numbers = (
        """() => window.app.graph.nodes.find((n) => n.type === "InstMattSelectPeople").widgets.find((w) => w.name === "numbers").value"""
    )
    assert page.evaluate(numbers) == "all"
    for number, expected in ((2, "all but 2"), (1, "none"), (2, "2"), (1, "all")):
        label = page.locator(f"[data-person='{number}'].instmatt-clickable")
        box = label.bounding_box()
        page.mouse.click(box["x"] + box["width"] / 2, box["y"] + 0.75 * box["height"])
        page.wait_for_timeout(300)
        assert page.evaluate(numbers) == expected
        page.screenshot(path=tmp_path / f"chosen_{expected}.png")
    page.evaluate("window.app.canvas.selectNode(window.app.graph.nodes.find((n) => n.type === 'InstMattSelectPeople'))")
    page.get_by_test_id("info-button").first.click()
    page.get_by_text("Click a person in the preview").last.wait_for(timeout=20_000)
    page.screenshot(path=tmp_path / "help.png")
    ours = [line for line in page.console if "instmatt" in line.lower() or line.startswith("pageerror")]
    ours = [line for line in ours if not line.endswith("/en.md")]  # the frontend asks for help by language first
    assert not ours, ours
    print(f"screenshots: {tmp_path}", file=sys.stderr)
