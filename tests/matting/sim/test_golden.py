"""Every stage equals what the authors' networks and script made; the tolerances are a few times their own rounding noise."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from instmatt_core.guidance import UNKNOWN
from instmatt_core.matting.conventions import normalise
from instmatt_core.matting.sim import SIM
from instmatt_core.matting.sim.classifier import UNKNOWN_LEVEL, build_classifier
from instmatt_core.matting.sim.clicks import click_maps, distances, known_pixels
from instmatt_core.matting.sim.inference import FastSIM
from instmatt_core.matting.sim.network import build
from instmatt_core.matting.sim.semantic_trimap import SemanticTrimap
from instmatt_core.matting.sim.system import pad


def test_stages(paper: SIM, state: Any, classifier_state: Any, case: Any) -> None:
    """Semantic trimap, click maps, and the network as written down and as it runs."""
    image, trimap = pad(case.image, always=True), pad(case.trimap, always=True)
    whole = (slice(0, trimap.shape[0]), slice(0, trimap.shape[1]))
    known = known_pixels(trimap)
    network = build(state)
    with torch.inference_mode():
        semantics = SemanticTrimap(paper._classifier, normalise(image), trimap, as_published=True)
        clicks, classes = click_maps(distances(known)), semantics.at(*whole)
        case.equals(classes, "smap_u16_sub", 2e-5)
        case.equals(clicks, "clks_u16_sub", 1e-5)
        made = network(*(maps[None] for maps in (image, known, clicks, classes)))
        fast = FastSIM(network)(image, known, clicks, classes)
    for alpha in (made.alpha[0, 0], fast):
        case.equals(alpha, "alpha_raw_f32_sub", 1e-4)
        case.equals(alpha.clamp(0, 1), "alpha_u16", 1e-4)
    case.equals(made.foreground[0], "fg_u16", 2e-5)
    case.equals(made.background[0], "bg_u16", 2e-5)
    case.equals(made.attention[0], "attn_u16", 2e-5)
    first = semantics.windows[0]
    seen = torch.cat((normalise(image), torch.where(trimap == UNKNOWN, UNKNOWN_LEVEL, trimap)[None]))[None, :, first.rows, first.columns]
    logits, maps = build_classifier(classifier_state)(seen)
    torch.testing.assert_close(maps[0], first.maps, atol=2e-5, rtol=0)
    torch.testing.assert_close(logits[0], torch.from_numpy(case.data["patch0_logits"]), atol=2e-5, rtol=0)
    enlarged = F.interpolate(maps, size=seen.shape[2:], mode="bilinear")[0]
    torch.testing.assert_close(enlarged[:, ::16, ::16], torch.from_numpy(case.data["patch0_cam_sub"]), atol=1e-4, rtol=0)


def test_files(paper: SIM, case: Any) -> None:
    """The whole script, in 8 bits."""
    made = (paper.alpha(case.image, case.trimap) * 255).round().numpy().astype(int)
    difference = np.abs(made - case.data["final_u8"])
    assert difference.max() <= 1
    assert (difference > 0).mean() < 1e-3
