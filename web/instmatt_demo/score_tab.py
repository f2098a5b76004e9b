"""Third tab: an uploaded result against uploaded truth, scored as ``instmatt evaluate`` does."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Sequence
from html import escape
from pathlib import Path, PurePosixPath
from typing import Any

import gradio as gr

from instmatt_core.errors import ImageError
from instmatt_core.metrics.evaluation import Evaluation, evaluate_folders
from instmatt_core.metrics.page import page
from instmatt_core.metrics.report import Table, tables
from instmatt_core.progress import Progress
from instmatt_core.saving import is_numbered

from .jobs import ONE_AT_A_TIME, run
from .results import Shelf

MAX_FILES = 400
MAX_UNPACKED = 500_000_000  # bytes
HOW = (
    "Give mattes as `00.png`, `01.png`, ... of one picture, or a ZIP with a folder of them for each picture (the HIM2K layout, "
    "as this page's own downloads have it). Both sides need the same picture names."
)


def build(shelf: Shelf) -> None:
    """Lay the tab out and wire it."""
    gr.Markdown(HOW)
    with gr.Row(equal_height=False):
        with gr.Column(scale=4, min_width=320, elem_classes="controls"):
            result = gr.File(label="Result", file_count="multiple", file_types=[".png", ".zip"], elem_id="result", height=150)
            truth = gr.File(label="Truth", file_count="multiple", file_types=[".png", ".zip"], elem_id="truth", height=150)
            protocol = gr.Radio(
                [("Fair", "default"), ("As published", "published")], value="default", label="Edge cases", info="docs/metrics.md lists them"
            )
            button = gr.Button("Score", variant="primary", elem_id="score")
        with gr.Column(scale=7, min_width=320, elem_classes="outcome"):
            report = gr.HTML("", elem_id="report", min_height=240)
            download = gr.DownloadButton("Download the full report (HTML)", visible=False, elem_id="report-file")

    async def score(result: list[str] | None, truth: list[str] | None, protocol: str, progress: gr.Progress = gr.Progress()) -> Any:  # noqa: B008
        if not result or not truth:
            raise gr.Error("Choose both a result and the truth.", print_exception=False)
        folder = shelf.new()
        hidden = (folder, *(Path(path).parent for path in (*result, *truth)))
        evaluation = await run(lambda report: evaluate(result, truth, protocol, folder, report), progress, *hidden)
        file = folder / "report.html"
        return as_html(evaluation), gr.DownloadButton(value=str(file), visible=True)

    button.click(score, [result, truth, protocol], [report, download], api_visibility="private", **ONE_AT_A_TIME)


def evaluate(result: Sequence[str], truth: Sequence[str], protocol: str, folder: Path, progress: Progress) -> Evaluation:
    """Unpack both into ``folder``, score them, write ``report.html`` there.

    Raises:
        ImageError: no mattes, damaged ones, or more than this page takes.
    """
    sides = [folder / "result", folder / "truth"]
    for side, files in zip(sides, (result, truth), strict=True):
        unpack([Path(file) for file in files], side)
    evaluation = evaluate_folders(*sides, protocol=protocol, progress=progress)
    (folder / "report.html").write_text(page(evaluation, "Result against truth", per_image=True), "utf-8")
    for side in sides:
        shutil.rmtree(side)
    return evaluation


def unpack(files: Sequence[Path], folder: Path) -> None:
    """Lay out uploads as ``folder/<picture>/NN.png``; loose files are one picture's.

    Raises:
        ImageError: a ZIP is damaged or holds more than this page takes.
    """
    folder.mkdir()
    for file in files:
        if file.suffix.lower() == ".zip":
            try:
                with zipfile.ZipFile(file) as archive:
                    _extract(archive, file.name, folder)
            except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:  # RuntimeError: it has a password
                raise ImageError(f"{file.name}: not a ZIP that can be read ({error})") from error
        else:
            (folder / "picture").mkdir(exist_ok=True)
            shutil.copyfile(file, folder / "picture" / file.name)


def _extract(archive: zipfile.ZipFile, name: str, folder: Path) -> None:
    """Only ``.../NN.png``; a ZIP that has ``alphas`` (this page's downloads do) counts from there."""
    wanted = [i for i in archive.infolist() if is_numbered(i.filename)]
    if any("alphas" in PurePosixPath(i.filename).parts for i in wanted):
        wanted = [i for i in wanted if "alphas" in PurePosixPath(i.filename).parts]
    if len(wanted) > MAX_FILES or sum(i.file_size for i in wanted) > MAX_UNPACKED:
        raise ImageError(f"{name}: more than {MAX_FILES} mattes or {MAX_UNPACKED // 10**6} MB; use instmatt evaluate for whole data sets")
    for info in wanted:
        parts = PurePosixPath(info.filename).parts
        below = parts[parts.index("alphas") + 1 :] if "alphas" in parts else parts
        target = folder.joinpath(*below) if len(below) > 1 else folder / "picture" / below[-1]
        if not target.resolve().is_relative_to(folder.resolve()):
            raise ImageError(f"{name}: {info.filename} leads out of the archive")
        target.parent.mkdir(parents=True, exist_ok=True)
        with archive.open(info) as source, target.open("wb") as copy:
            shutil.copyfileobj(source, copy)


def as_html(evaluation: Evaluation) -> str:
    """IMQ and the other tables, what the reader must know first."""
    notes = "".join(f"<p class='note'>{escape(note)}</p>" for note in evaluation.notes())
    return f"<p>{escape(evaluation.headline())}</p>{notes}" + "".join(_table(table) for table in tables(evaluation))


def _table(table: Table) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in table.header)
    rows = "".join(
        f"<tr class='{kind}'>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>"
        for kind, some in (("measured", table.rows), ("quoted", table.quoted))
        for row in some
    )
    return (
        f"<h3>{escape(table.title)}</h3><div class='wide'><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
        f"<p class='caption'>{escape(table.caption)}</p>"
    )
