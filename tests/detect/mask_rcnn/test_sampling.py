"""ROIAlign and pasting against slow literal versions."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from instmatt_core.detect.mask_rcnn.sampling import paste, roi_align


def bilinear(plane: torch.Tensor, y: float, x: float) -> torch.Tensor:
    """One sample of ``(C, H, W)``: 0 beyond a cell from the rim, the rim's value up to there."""
    height, width = plane.shape[1:]
    if not (-1 <= y <= height and -1 <= x <= width):
        return torch.zeros(len(plane), dtype=plane.dtype)
    y, x = min(max(y, 0.0), height - 1.0), min(max(x, 0.0), width - 1.0)
    top, left = int(y), int(x)
    bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
    dy, dx = y - top, x - left
    upper = plane[:, top, left] * (1 - dx) + plane[:, top, right] * dx
    lower = plane[:, bottom, left] * (1 - dx) + plane[:, bottom, right] * dx
    return upper * (1 - dy) + lower * dy


def literal_roi_align(features: torch.Tensor, boxes: torch.Tensor, bins: int) -> torch.Tensor:
    result = torch.zeros(len(boxes), len(features), bins, bins, dtype=features.dtype)
    for n, (x0, y0, x1, y1) in enumerate(boxes.tolist()):
        height, width = (y1 - y0) / bins, (x1 - x0) / bins
        down, across = math.ceil(height), math.ceil(width)
        for i in range(bins):
            for j in range(bins):
                for s in range(down):
                    for t in range(across):
                        y, x = y0 - 0.5 + (i + (s + 0.5) / down) * height, x0 - 0.5 + (j + (t + 0.5) / across) * width
                        result[n, :, i, j] += bilinear(features, y, x) / (down * across)
    return result


@pytest.mark.parametrize("bins", [7, 14])
def test_roi_align_is_the_mean_of_its_samples(bins: int) -> None:
    generator = torch.Generator().manual_seed(bins)
    features = torch.randn(3, 21, 34, generator=generator, dtype=torch.float64)
    corners = torch.rand(40, 2, 2, generator=generator, dtype=torch.float64) * torch.tensor([34.0, 21.0])
    boxes = torch.cat((corners.amin(1), corners.amax(1)), 1)
    rim = [[0, 0, 34, 21], [0, 0, 0.3, 0.2], [33.9, 20.9, 34, 21], [0, 3, 34, 3.1], [-4, -5, 8, 9], [30, 15, 40, 30], [2, 2, 9, 9]]
    boxes = torch.cat((boxes, torch.tensor(rim, dtype=torch.float64)))
    torch.testing.assert_close(roi_align(features, boxes, bins), literal_roi_align(features, boxes, bins), rtol=0, atol=1e-9)


def test_roi_align_without_boxes() -> None:
    assert roi_align(torch.ones(5, 8, 8), torch.zeros(0, 4), 7).shape == (0, 5, 7, 7)


def test_paste_samples_the_stretched_mask() -> None:
    generator = torch.Generator().manual_seed(3)
    height, width = 50, 70
    for box in ([10.2, 5.5, 40.9, 33.3], [0.0, 0.0, 70.0, 50.0], [65.5, 44.0, 70.0, 50.0], [3.0, 3.0, 4.5, 48.0]):
        mask = torch.rand(28, 28, generator=generator, dtype=torch.float64)
        x0, y0, x1, y1 = box
        x = (torch.arange(width, dtype=torch.float64) + 0.5 - x0) / (x1 - x0) * 2 - 1
        y = (torch.arange(height, dtype=torch.float64) + 0.5 - y0) / (y1 - y0) * 2 - 1
        grid = torch.stack((x.expand(height, -1), y[:, None].expand(-1, width)), -1)[None]
        expected = F.grid_sample(mask[None, None], grid, align_corners=False)[0, 0]
        torch.testing.assert_close(paste(mask, torch.tensor(box, dtype=torch.float64), (height, width)), expected, rtol=0, atol=1e-5)
