"""The page in a real browser, headless: what a user does, on a desk and on a phone, in light and dark."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
from deterministic_weights import deterministic_state
from PIL import Image
from safetensors.torch import save_file

from instmatt_core import Pipeline
from instmatt_core.cli.matte import EXAMPLE

pytest.importorskip("gradio", reason="needs gradio: pip install -e '.[demo]'")

from gated_models import GatedModels
from instmatt_demo import Models

sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install playwright")
PATIENCE = 120_000  # ms
MANIFEST = Path(__file__).parent.parent / "matting" / "instmatt" / "golden" / "manifest.json"


@pytest.fixture(scope="module", autouse=True)
def patience() -> None:
    sync_api.expect.set_options(timeout=PATIENCE)


def open_page(browser: sync_api.Browser, address: str) -> sync_api.Page:
    """A page that notes where it loads from, and its faults."""
    page = browser.new_page(viewport={"width": 1280, "height": 900}, accept_downloads=True)
    page.set_default_timeout(PATIENCE)
    page.hosts, page.faults = set(), []
    page.on("request", lambda request: page.hosts.add(urlsplit(request.url).hostname))
    page.on("pageerror", lambda error: page.faults.append(str(error)))
    page.goto(address)
    return page


@pytest.fixture(scope="module")
def page(browser: sync_api.Browser, server: str) -> sync_api.Page:
    """The page with the example matted; most tests of this module use it one after another."""
    page = open_page(browser, server)
    page.set_input_files("#photo input[type=file]", EXAMPLE)
    page.wait_for_selector("#photo img")
    page.click("#matte")
    page.wait_for_selector("#cutouts img")
    return page


def test_a_downloaded_cutout_has_real_alpha(page: sync_api.Page, tmp_path: Path) -> None:
    page.click("#cutouts .thumbnail-item")
    with page.expect_download() as download:
        page.click("#cutouts a[download], #cutouts button[aria-label='Download']")
    download.value.save_as(tmp_path / "cutout.png")
    cutout = Image.open(tmp_path / "cutout.png")
    assert (cutout.format, cutout.mode) == ("PNG", "RGBA")
    alpha = np.asarray(cutout)[..., 3]
    assert alpha.min() == 0
    assert alpha.max() == 255
    assert ((alpha > 0) & (alpha < 255)).mean() > 0.001
    page.keyboard.press("Escape")


def test_the_archive_downloads(page: sync_api.Page) -> None:
    with page.expect_download() as download:
        page.click("#archive")
    assert download.value.suggested_filename == "two_people_mattes.zip"


def test_a_click_leaves_a_person_out_and_brings_them_back(page: sync_api.Page) -> None:
    def click_on_the_second() -> None:
        overlay = page.locator("#overlay img")
        box = overlay.bounding_box()
        overlay.click(position={"x": 0.7 * box["width"], "y": 0.6 * box["height"]})

    second = page.locator("#kept input").nth(1)
    assert second.is_checked()
    click_on_the_second()
    sync_api.expect(second).not_to_be_checked()
    sync_api.expect(page.locator("#cutouts .thumbnail-item")).to_have_count(1)
    sync_api.expect(page.locator("#kept input").nth(0)).to_be_checked()
    click_on_the_second()
    sync_api.expect(second).to_be_checked()
    sync_api.expect(page.locator("#cutouts .thumbnail-item")).to_have_count(2)


def check_that_it_fits(page: sync_api.Page, folder: Path) -> None:
    """Pictures of the whole tab go to the folder: on a desk and on a phone, light and dark."""
    for width, scheme in itertools.product((390, 1280), ("dark", "light")):
        page.set_viewport_size({"width": width, "height": 900})
        page.evaluate("dark => document.body.classList.toggle('dark', dark)", scheme == "dark")
        page.wait_for_timeout(500)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.screenshot(path=folder / f"{width}_{scheme}.png", full_page=True)
        shown = np.asarray(Image.open(folder / f"{width}_{scheme}.png").convert("L"))
        corner = shown[:4, :4].mean()
        assert corner < 80 if scheme == "dark" else corner > 200


def test_the_result_fits(page: sync_api.Page, tmp_path: Path) -> None:
    check_that_it_fits(page, tmp_path)


def test_a_system_that_lacks_something_says_what_and_the_page_goes_on(page: sync_api.Page) -> None:
    page.get_by_text("Settings").click()
    choose(page, "e2e-him (no weights)")
    notice = page.locator(".block.notice:visible")
    sync_api.expect(notice).to_contain_text("instmatt weights convert FILE")
    sync_api.expect(page.get_by_label("Detector").first).to_be_disabled()
    page.click("#matte")
    sync_api.expect(page.get_by_test_id("toast-text")).to_contain_text("not on this machine")
    page.get_by_test_id("toast-close").click()
    sync_api.expect(page.locator("#cancel")).not_to_be_visible()
    sync_api.expect(page.locator("#matte")).to_be_visible()
    choose(page, "closed-form")
    sync_api.expect(page.locator(".block.notice:visible")).to_have_count(0)
    sync_api.expect(page.get_by_label("Detector").first).to_be_enabled()
    page.get_by_text("Settings").click()


def choose(page: sync_api.Page, label: str) -> None:
    """A matting system by its label."""
    page.get_by_label("Matting").locator("visible=true").click()
    page.get_by_role("option", name=label, exact=True).click()


def test_painting_on_the_trimap_changes_the_matte(page: sync_api.Page, tmp_path: Path) -> None:
    page.set_viewport_size({"width": 1280, "height": 900})
    page.get_by_role("tab", name="Step by step").click()
    choose(page, "closed-form")
    page.click("#find")
    page.wait_for_selector("#tri-mask img")
    canvas = page.locator("#trimap canvas").first
    canvas.wait_for()
    page.wait_for_timeout(5000)  # the editor settles
    before = solved(page)
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    page.click("#trimap button[aria-label='Brush']")
    y = box["y"] + 0.75 * box["height"]
    page.mouse.move(box["x"] + 0.2 * box["width"], y)
    page.mouse.down()
    for step in range(10):
        page.mouse.move(box["x"] + (0.2 + 0.02 * step) * box["width"], y)
    page.mouse.up()
    page.wait_for_timeout(1000)
    after = solved(page)
    assert before != after
    check_that_it_fits(page, tmp_path)


def solved(page: sync_api.Page) -> str:
    """Press the button; the address of the new matte, which tells its content."""
    old = page.locator("#step-matte img").get_attribute("src") if page.locator("#step-matte img").count() else None
    page.click("#solve")
    page.wait_for_function("old => { const i = document.querySelector('#step-matte img'); return i && i.src !== old }", arg=old)
    return page.locator("#step-matte img").get_attribute("src") or ""


def test_a_download_scores_perfectly_against_itself(page: sync_api.Page, tmp_path: Path) -> None:
    page.get_by_role("tab", name="Matte", exact=True).click()
    with page.expect_download() as download:
        page.click("#archive")
    download.value.save_as(tmp_path / "mattes.zip")
    page.get_by_role("tab", name="Score").click()
    for side in ("result", "truth"):
        page.set_input_files(f"#{side} input[type=file]", tmp_path / "mattes.zip")
        page.wait_for_selector(f"#{side} >> text=mattes")
    page.click("#score")
    page.wait_for_selector("#report table")
    assert "100" in page.locator("#report tr.measured").first.inner_text()
    check_that_it_fits(page, tmp_path)


def test_instmatt_shows_its_two_stages(
    browser: sync_api.Browser, serve: Callable[[Models], AbstractContextManager[str]], tmp_path: Path
) -> None:
    save_file(deterministic_state(json.loads(MANIFEST.read_text("utf-8"))), tmp_path / "instmatt.safetensors")
    photo = Image.open(EXAMPLE)
    photo.thumbnail((240, 240))
    photo.save(tmp_path / "small.png")
    with serve(Models(Pipeline(matting="instmatt", weights=tmp_path / "instmatt.safetensors", device="cpu"))) as address:
        page = open_page(browser, address)
        page.get_by_role("tab", name="Step by step").click()
        page.set_input_files("#steps-photo input[type=file]", tmp_path / "small.png")
        page.wait_for_selector("#steps-photo img")
        page.click("#find")
        page.wait_for_selector("#tri-mask img")
        page.click("#solve")
        for stage in ("#tri-matte", "#step-matte", "#composite"):
            page.wait_for_selector(f"{stage} img")
        check_that_it_fits(page, tmp_path)
        choose(page, "closed-form")
        page.wait_for_selector("#tri-matte", state="detached")
        assert page.faults == []
        page.close()


def test_another_photo_takes_the_old_one_s_people_away(
    browser: sync_api.Browser, serve: Callable[[Models], AbstractContextManager[str]], tmp_path: Path
) -> None:
    photo = Image.open(EXAMPLE)
    photo.thumbnail((240, 240))
    photo.save(tmp_path / "small.png")
    results = ("#overlay img", "#kept", "#cutouts", "#archive", "#slider")
    steps = ("#masks", "#person", "#tri-mask", "#trimap", "#solve", "#step-matte", "#composite")

    def nothing_is_left(page: sync_api.Page) -> None:
        for name in (*results, *steps):
            sync_api.expect(page.locator(name).locator("visible=true")).to_have_count(0)

    with serve(Models(Pipeline(matting="closed-form", device="cpu"))) as address:
        page = open_page(browser, address)
        page.set_input_files("#photo input[type=file]", tmp_path / "small.png")
        page.wait_for_selector("#photo img")
        page.click("#matte")
        page.wait_for_selector("#cutouts img")
        page.get_by_role("tab", name="Step by step").click()
        page.wait_for_selector("#steps-photo img")
        page.click("#find")
        page.wait_for_selector("#tri-mask img")
        page.click("#solve")
        page.wait_for_selector("#step-matte img")
        for name in steps:
            sync_api.expect(page.locator(name)).to_be_visible()
        page.get_by_role("tab", name="Matte", exact=True).click()
        for name in results:  # looking at another tab takes nothing away
            sync_api.expect(page.locator(name)).to_be_visible()
        page.click("#photo button[aria-label='Remove Image']")
        nothing_is_left(page)
        page.get_by_role("tab", name="Step by step").click()
        nothing_is_left(page)
        page.set_input_files("#steps-photo input[type=file]", tmp_path / "small.png")
        page.wait_for_selector("#steps-photo img")
        page.click("#find")
        page.wait_for_selector("#tri-mask img")
        page.get_by_role("tab", name="Matte", exact=True).click()
        page.set_input_files("#photo input[type=file]", tmp_path / "small.png")
        page.wait_for_selector("#photo img")
        page.click("#matte")  # and it works again
        page.wait_for_selector("#cutouts img")
        page.click(".gallery-item")
        nothing_is_left(page)
        page.get_by_role("tab", name="Step by step").click()
        nothing_is_left(page)
        assert page.faults == []
        page.close()


@pytest.mark.parametrize("how", ["#cancel", "#photo button[aria-label='Remove Image']"])
def test_work_under_way_is_stopped_and_gives_the_button_back(
    browser: sync_api.Browser, toy: GatedModels, toy_server: str, how: str
) -> None:
    def offer() -> None:
        page.set_input_files("#photo input[type=file]", EXAMPLE)
        page.wait_for_selector("#photo img")

    page = open_page(browser, toy_server)
    offer()
    page.click("#matte")
    assert toy.waiting.wait(PATIENCE / 1000)
    page.click(how)
    sync_api.expect(page.locator("#matte")).to_be_visible()
    sync_api.expect(page.locator("#cancel")).not_to_be_visible()
    assert toy.stopped.wait(PATIENCE / 1000)
    sync_api.expect(page.locator("#cutouts")).not_to_be_visible()
    if how != "#cancel":
        sync_api.expect(page.locator("#photo img")).not_to_be_visible()
        offer()
    toy.gate.set()
    page.click("#matte")  # and it works again
    page.wait_for_selector("#cutouts img")
    sync_api.expect(page.locator("#matte")).to_be_visible()
    sync_api.expect(page.locator("#cancel")).not_to_be_visible()
    assert page.faults == []
    page.close()


def test_nothing_came_from_elsewhere_and_nothing_broke(page: sync_api.Page) -> None:
    assert page.hosts - {None} == {"127.0.0.1"}  # None: data and blob addresses
    assert page.faults == []
