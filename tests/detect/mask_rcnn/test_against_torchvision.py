"""ROIAlign and suppression against torchvision's compiled ones, where torchvision is installed."""

from __future__ import annotations

import pytest
import torch

from instmatt_core.detect.geometry import suppress
from instmatt_core.detect.mask_rcnn.sampling import roi_align

ops = pytest.importorskip("torchvision.ops", reason="needs torchvision", exc_type=ImportError)


def random_boxes(count: int, width: float, height: float) -> torch.Tensor:
    generator = torch.Generator().manual_seed(count)
    corners = torch.rand(count, 2, 2, generator=generator) * torch.tensor([width, height])
    return torch.cat((corners.amin(1), corners.amax(1)), 1)


@pytest.mark.parametrize("bins", [7, 14])
def test_roi_align(bins: int) -> None:
    features = torch.randn(16, 50, 76, generator=torch.Generator().manual_seed(bins), dtype=torch.float64)
    boxes = random_boxes(200, 76, 50).double()
    theirs = ops.roi_align(features[None], [boxes], bins, sampling_ratio=-1, aligned=True)
    torch.testing.assert_close(roi_align(features, boxes, bins), theirs, rtol=0, atol=1e-9)


@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.7])
def test_suppress(threshold: float) -> None:
    boxes = random_boxes(2000, 800, 600)
    generator = torch.Generator().manual_seed(0)
    scores, groups = torch.rand(2000, generator=generator), torch.randint(0, 5, (2000,), generator=generator)
    kept = suppress(boxes, scores, groups, threshold)
    assert kept.tolist() == ops.batched_nms(boxes, scores, groups, threshold).tolist()
    assert len(kept) < 2000
