"""ComfyUI's tensors in all the shapes they come in."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import pytest
import torch

Part = Callable[[str], ModuleType]


@pytest.mark.parametrize("shape", [(2, 6, 8, 3), (2, 6, 8, 4), (2, 6, 8, 1), (6, 8, 3)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_pictures(part: Part, shape: tuple[int, ...], dtype: torch.dtype) -> None:
    image = torch.rand(shape).to(dtype)
    found = part("nodes.tensors").pictures(image)
    assert len(found) == (shape[0] if len(shape) == 4 else 1)
    for picture in found:
        assert picture.dtype == torch.float32
        assert picture.shape == (3, 6, 8)
    first = image.reshape(-1, 6, 8, shape[-1])[0]
    torch.testing.assert_close(found[0][0], first[..., 0].float())


def test_the_image_stays_as_it_was(part: Part) -> None:
    image = (3 * torch.rand(1, 3, 6, 8) - 1).movedim(1, -1)  # as core's upscaling leaves it: channels first in memory, beyond [0, 1]
    before = image.clone()
    (found,) = part("nodes.tensors").pictures(image)
    assert torch.equal(image, before)
    assert float(found.min()) >= 0
    assert float(found.max()) <= 1


def test_odd_images_are_refused(part: Part) -> None:
    tensors, error = part("nodes.tensors"), part("instmatt_core.errors").ImageError
    for image in (torch.zeros(2, 3, 6, 8), torch.zeros(0, 6, 8, 3), torch.full((1, 2, 2, 3), torch.nan)):
        with pytest.raises(error):
            tensors.pictures(image)


@pytest.mark.parametrize("shape", [(6, 8), (1, 6, 8), (1, 1, 6, 8), (1, 6, 8, 1)])
def test_masks(part: Part, shape: tuple[int, ...]) -> None:
    mask = torch.rand(shape)
    torch.testing.assert_close(part("nodes.tensors").masks(mask).flatten(), mask.flatten())
    assert part("nodes.tensors").masks(mask, (12, 16)).shape == (1, 12, 16)
    with pytest.raises(part("instmatt_core.errors").ImageError):
        part("nodes.tensors").masks(torch.zeros(1, 2, 3, 4, 5))


def test_an_empty_batch_of_masks_is_nobody(part: Part) -> None:
    assert part("nodes.tensors").masks(torch.zeros(0, 6, 8), (12, 16)).shape == (0, 12, 16)


def test_image_batch_is_the_inverse(part: Part) -> None:
    image = torch.rand(2, 6, 8, 3)
    torch.testing.assert_close(part("nodes.tensors").image_batch(part("nodes.tensors").pictures(image)), image)


def test_boxes_there_and_back(part: Part) -> None:
    tensors = part("nodes.tensors")
    boxes = [torch.tensor([[1.0, 2, 11, 22], [0, 0, 5, 5]]), torch.zeros(0, 4)]
    value = tensors.boxes_of(boxes, [torch.tensor([0.9, 0.5]), torch.zeros(0)])
    assert value[0][0] == {"x": 1, "y": 2, "width": 10, "height": 20, "label": "person", "score": pytest.approx(0.9)}
    for before, after in zip(boxes, tensors.read_boxes(value, 2), strict=True):
        torch.testing.assert_close(after, before)


def test_boxes_of_core_nodes(part: Part) -> None:
    tensors, error = part("nodes.tensors"), part("instmatt_core.errors").ImageError
    box = {"x": 1, "y": 2, "width": 3, "height": 4}
    dog = {**box, "label": "dog"}
    for value in (box, [box], [[box]], [box, dog]):
        for found in tensors.read_boxes(value, 2):
            assert found.tolist() == [[1, 2, 4, 6]]
    for label in ("Person", "", None, 0):
        assert [len(f) for f in tensors.read_boxes([{**box, "label": label}], 1)] == [1]
    assert [len(f) for f in tensors.read_boxes([], 2)] == [0, 0]
    for value in (7, [{"x": 1}], [[box], [box], [box]], dog):
        with pytest.raises(error):
            tensors.read_boxes(value, 2)
