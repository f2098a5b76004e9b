"""An evaluation as one HTML page that needs nothing else: tables, histograms, the worst instances with their error maps."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from pathlib import Path

import cv2
import numpy as np

from .errors import SUPPORT
from .evaluation import Evaluation, Scored, read_mattes
from .imq import SCORES, THRESHOLDS
from .report import NAMES, Table, tables

WORST = 20
MARGIN = 12  # px round the crop
SIDE = 320  # px, of a shown matte at most
BINS = 20
STYLE = """
:root { color-scheme: light dark; --line: #8886; --quiet: light-dark(#666, #aaa); --bar: #3b76c4; }
body { font: 15px/1.45 system-ui, sans-serif; max-width: 1080px; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin-bottom: .2rem; overflow-wrap: anywhere; } h2 { font-size: 1.15rem; margin: 2.2rem 0 .4rem; }
table { border-collapse: collapse; } .wide { overflow-x: auto; }
th, td { padding: .25rem .8rem; text-align: right; border-bottom: 1px solid var(--line); font-variant-numeric: tabular-nums; }
th:first-child { text-align: left; font-weight: normal; } thead th, thead th:first-child { font-weight: 600; }
.quoted { font-style: italic; color: var(--quiet); } p.caption, figcaption { color: var(--quiet); font-size: .9rem; margin: .4rem 0; }
.histograms { display: flex; flex-wrap: wrap; gap: 1rem; } .histograms svg { width: 200px; }
.worst { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(400px, 100%), 1fr)); gap: 1.2rem 2rem; }
figure { margin: 0; max-width: 560px; } figure div { display: flex; gap: 4px; align-items: flex-start; }
figure img { width: calc((100% - 8px) / 3); outline: 1px solid var(--line); background: #000; }
figcaption b { color: CanvasText; overflow-wrap: anywhere; }
.scale { display: inline-block; width: 8rem; height: .7rem; vertical-align: middle; margin: 0 .4rem; outline: 1px solid var(--line); }
"""


@dataclass(frozen=True)
class Instance:
    """A person of the ground truth with the prediction assigned to it, or either alone.

    ``mad`` is over the union of supports, infinite where the two do not count as matched; ``area`` is of the support in px.
    """

    picture: str
    pred: Path | None
    truth: Path | None
    iou: float
    mad: float
    area: int

    @property
    def verdict(self) -> str:
        """What happened to this person, in words."""
        if self.pred is None:
            return "missed"
        if self.truth is None:
            return "extra: nobody is there in the ground truth"
        if math.isinf(self.mad):
            return f"IoU {self.iou:.3f}, below {THRESHOLDS[0]}: counts as missed and extra"
        return f"IoU {self.iou:.3f}, MAD {self.mad:.4f}"


def page(evaluation: Evaluation, title: str, *, per_image: bool = False) -> str:
    """The whole page as text; reads the mattes of the worst instances again."""
    shown = [_table(table) for table in tables(evaluation, per_image=per_image)]
    parts = [
        f"<h1>{escape(title)}</h1>",
        f"<p>{escape(evaluation.headline())}</p>",
        *(f"<p><strong>Note:</strong> {escape(note)}.</p>" for note in evaluation.notes()),
        *shown[:3],
        _histograms(evaluation),
        _worst(evaluation),
        *shown[3:],  # of each picture: as long as the set is large
    ]
    head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
    return (
        f'<!doctype html>\n<html lang="en">\n<head>{head}<title>{escape(title)}</title><style>{STYLE}</style></head>\n<body>\n'
        + "\n".join(parts)
        + "\n</body>\n</html>\n"
    )


def worst_instances(evaluation: Evaluation, limit: int = WORST) -> list[Instance]:
    """First whoever was missed or made up at IoU 0.5, the largest before, then the mattes with the greatest MAD."""
    instances = [i for picture in evaluation.pictures for i in _instances(picture)]
    return sorted(instances, key=lambda i: (-i.mad, -i.area, i.picture))[:limit]


def _instances(picture: Scored) -> Iterator[Instance]:
    if picture.match is None:
        return
    name, preds, truths, match = picture.task.name, picture.task.pred or (), picture.task.truth, picture.match
    pairs = [pair for pair in match.pairs if pair.iou > 0]
    for pair in pairs:
        mad = pair.errors["mad"] if pair.iou >= THRESHOLDS[0] else math.inf
        yield Instance(name, preds[pair.pred], truths[pair.truth], pair.iou, mad, match.truth_areas[pair.truth])
    for index in sorted(set(range(len(preds))) - {pair.pred for pair in pairs}):
        yield Instance(name, preds[index], None, 0.0, math.inf, match.pred_areas[index])
    for index in sorted(set(range(len(truths))) - {pair.truth for pair in pairs}):
        yield Instance(name, None, truths[index], 0.0, math.inf, match.truth_areas[index])


def _table(table: Table) -> str:
    def row(cells: tuple[str, ...], kind: str = "") -> str:
        return f'<tr{kind}><th scope="row">{escape(cells[0])}</th>' + "".join(f"<td>{escape(c)}</td>" for c in cells[1:]) + "</tr>"

    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in table.header)
    body = "".join(map(row, table.rows)) + "".join(row(cells, ' class="quoted"') for cells in table.quoted)
    return (
        f'<h2>{escape(table.title)}</h2>\n<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
        f'<p class="caption">{escape(table.caption)}</p>'
    )


def _histograms(evaluation: Evaluation) -> str:
    matched = [pair for match in evaluation.matches for pair in match.pairs if pair.iou >= THRESHOLDS[0]]
    charts = "".join(_histogram(NAMES[name], [100 * pair.score(name) for pair in matched]) for name in SCORES)
    caption = f"How many of the {len(matched)} matched instances (IoU {THRESHOLDS[0]}) reach which score, in percent, by error."
    return f'<h2>Scores of the matched instances</h2><div class="histograms">{charts}</div><p class="caption">{caption}</p>'


def _histogram(name: str, scores: list[float]) -> str:
    counts, edges = np.histogram(scores, bins=BINS, range=(0, 100))
    peak = max(int(counts.max()), 1)
    bars = "".join(
        f'<rect x="{left * 2:.0f}" y="{120 - 100 * n / peak:.1f}" width="9" height="{100 * n / peak:.1f}"><title>'
        f"{left:.0f} to {right:.0f}: {n}</title></rect>"
        for n, left, right in zip(counts.tolist(), edges[:-1], edges[1:], strict=True)
    )
    ticks = "".join(f'<text x="{2 * x}" y="136" text-anchor="{a}">{x}</text>' for x, a in ((0, "start"), (50, "middle"), (100, "end")))
    return (
        f'<svg viewBox="0 0 200 140" role="img" aria-label="Histogram of {name} scores" font-size="12" fill="currentColor">'
        f'<text x="0" y="12" font-weight="600">{name}</text><text x="200" y="12" text-anchor="end">highest bar: {counts.max()}</text>'
        f'<g fill="var(--bar)">{bars}</g><path d="M0 120.5H200" stroke="currentColor"/>{ticks}</svg>'
    )


def _worst(evaluation: Evaluation) -> str:
    worst = worst_instances(evaluation)
    figures = "\n".join(map(_figure, worst))
    scale = _source(cv2.applyColorMap(np.arange(256, dtype=np.uint8)[None], cv2.COLORMAP_INFERNO))
    return (
        f'<h2>The {len(worst)} worst instances</h2><p class="caption">Left to right: ground truth, prediction, absolute error from 0 '
        f'<img class="scale" alt="black to yellow" src="{scale}"> to 1, each cut to the person.</p><div class="worst">{figures}</div>'
    )


def _figure(instance: Instance) -> str:
    files = [path for path in (instance.truth, instance.pred) if path is not None]
    mattes = read_mattes(files)
    shown = mattes.max(0) > SUPPORT
    truth = mattes[0] if instance.truth else np.zeros_like(mattes[0])
    pred = mattes[-1] if instance.pred else np.zeros_like(mattes[0])
    crop = tuple(
        slice(max(int(line[0]) - MARGIN, 0), int(line[-1]) + MARGIN + 1) if len(line) else slice(None)
        for line in (np.flatnonzero(shown.any(axis=1)), np.flatnonzero(shown.any(axis=0)))
    )
    images = [_thumbnail(matte[crop]) for matte in (truth, pred, np.abs(truth - pred))]
    images[2] = cv2.applyColorMap(images[2], cv2.COLORMAP_INFERNO)
    kinds = ("ground truth", "prediction", "absolute error")
    row = "".join(f'<img alt="{kind}" src="{_source(image)}">' for kind, image in zip(kinds, images, strict=True))
    names = " / ".join(f"{kind} {path.name}" for kind, path in (("GT", instance.truth), ("prediction", instance.pred)) if path is not None)
    caption = f"<b>{escape(instance.picture)}</b> {escape(names)}<br>{instance.verdict}"
    return f"<figure><div>{row}</div><figcaption>{caption}</figcaption></figure>"


def _thumbnail(matte: np.ndarray) -> np.ndarray:
    ratio = min(1.0, SIDE / max(matte.shape))
    size = (max(1, round(matte.shape[1] * ratio)), max(1, round(matte.shape[0] * ratio)))
    return np.rint(255 * cv2.resize(np.ascontiguousarray(matte), size, interpolation=cv2.INTER_AREA)).astype(np.uint8)


def _source(image: np.ndarray) -> str:
    return "data:image/png;base64," + base64.b64encode(cv2.imencode(".png", image)[1].tobytes()).decode()
