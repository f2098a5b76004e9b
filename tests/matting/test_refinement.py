"""What brings mattes to full size: person by person, or everyone at once."""

from __future__ import annotations

import torch
from torch import Tensor

from instmatt_core.matting.refinement import closed_form, one_by_one, together


def test_one_by_one_leaves_who_has_no_sure_pixels() -> None:
    image, alphas = torch.rand(3, 8, 12), torch.rand(3, 8, 12)
    trimaps = torch.full((3, 8, 12), 0.5)
    trimaps[0, :, :3] = trimaps[1, :, 9:] = 0
    trimaps[0, :, 9:] = 1
    asked: list[Tensor] = []

    def solve(picture: Tensor, trimap: Tensor) -> Tensor:
        assert picture is image
        asked.append(trimap)
        return 0 * trimap + 0.25

    refined = one_by_one(solve)(image, trimaps, alphas)
    assert [torch.equal(t, trimaps[0]) for t in asked] == [True]
    assert (refined[0] == 0.25).all()
    torch.testing.assert_close(refined[1:], alphas[1:])


def test_together_sees_everyones_mattes() -> None:
    image, alphas = torch.rand(3, 8, 12), torch.rand(2, 8, 12)
    refined = together(lambda picture, mattes: mattes.flip(0) if picture is image else mattes)(image, torch.zeros(2, 8, 12), alphas)
    torch.testing.assert_close(refined, alphas.flip(0))


def test_closed_form_follows_colours() -> None:
    image, trimaps = torch.zeros(3, 24, 30), torch.full((1, 24, 30), 0.5)
    image[:, :, :17] = 0.9
    trimaps[:, :, :8], trimaps[:, :, 22:] = 1, 0
    refined = closed_form(image, trimaps, torch.zeros(1, 24, 30))
    assert refined[0, 12, 14] > 0.9
    assert refined[0, 12, 20] < 0.1
