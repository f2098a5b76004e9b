"""Our own people detector: its parts literally, and what it finds."""

from __future__ import annotations

import pytest
import torch

from instmatt_core.detect.geometry import distinct, iou
from instmatt_core.detect.people import looks, parts
from instmatt_core.detect.people.detector import ALONE_SCORE, People, Seen
from instmatt_core.detect.people.looks import SAME_SHARE, CloserLook, FirstLook
from instmatt_core.detect.people.network import LAYERS, PROMPTS, PeopleNetwork, draw_masks
from instmatt_core.detect.people.parts import is_cut, is_small, spans
from instmatt_core.image import resize
from instmatt_core.instances import divide, share
from instmatt_core.windows import square_around


def test_network_shapes() -> None:
    network = PeopleNetwork().eval()
    with torch.inference_mode():
        centre, weights, features, somebody = network(torch.rand(2, 3, 64, 96))
    assert centre.shape == (2, 1, 8, 12)
    assert weights.shape == (2, sum(i * o + o for i, o in LAYERS), 8, 12)
    assert features.shape == (2, 12, 16, 24)
    assert somebody.shape == (2, 1, 16, 24)


def test_draw_masks_literally() -> None:
    """Each pixel through each person's own three layers, one by one."""
    torch.manual_seed(0)
    features, weights = torch.randn(12, 3, 4), torch.randn(2, sum(i * o + o for i, o in LAYERS))
    cells = torch.tensor([[0, 1], [1, 0]])
    drawn = draw_masks(features, weights, cells)
    assert drawn.shape == (2, 6, 8)
    for person in range(2):
        for y in range(3):
            for x in range(4):
                dy, dx = 4 * (y + 0.5) - 8 * (cells[person, 0] + 0.5), 4 * (x + 0.5) - 8 * (cells[person, 1] + 0.5)
                z = torch.cat((torch.stack((dy, dx)) / 64, features[:, y, x]))
                rest = weights[person]
                for inp, out in LAYERS:
                    kernel, bias, rest = rest[: inp * out].view(out, inp), rest[inp * out : inp * out + out], rest[inp * out + out :]
                    z = kernel @ z + bias
                    z = z if len(z) == 4 else z.relu()
                torch.testing.assert_close(drawn[person, 2 * y : 2 * y + 2, 2 * x : 2 * x + 2].flatten(), z, rtol=1e-4, atol=1e-4)


def test_nobody_has_no_mask() -> None:
    cells, weights = torch.zeros(0, 2, dtype=torch.long), torch.zeros(0, sum(i * o + o for i, o in LAYERS))
    assert draw_masks(torch.randn(12, 3, 4), weights, cells).shape == (0, 6, 8)


def test_views_and_parts_of_a_person_are_not_people() -> None:
    masks = torch.zeros(4, 1, 100, dtype=torch.bool)
    masks[0, :, :50] = masks[1, :, 5:52] = masks[2, :, 10:20] = masks[3, :, 45:90] = True
    assert distinct(masks, SAME_SHARE) == [0, 3]
    assert distinct(masks[:0], SAME_SHARE) == []


def block(y0: int, y1: int, x0: int, x1: int) -> torch.Tensor:
    mask = torch.zeros(100, 200)
    mask[y0:y1, x0:x1] = 1
    return mask


def test_the_first_look_leaves_out_specks() -> None:
    """A network that draws four pixels for each cell whose first feature is 1."""
    kernels = [torch.zeros(out, inp) for inp, out in LAYERS]
    kernels[0][0, 2] = kernels[1][0, 0] = 1
    kernels[2][:, 0] = 10
    biases = [torch.zeros(out) for _, out in LAYERS[:2]] + [torch.full((4,), -5.0)]
    weights = torch.cat([part.flatten() for layer in zip(kernels, biases, strict=True) for part in layer])
    heat = torch.zeros(1, 4, 4)
    heat[0, 1, 1] = 0.9
    for cells, people in ((5, 0), (6, 1)):  # 20 and 24 px
        features = torch.zeros(12, 8, 8)
        features[0, 0, :cells] = 1
        masks, scores = FirstLook(torch.device("cpu"))._pick(heat, weights[:, None, None].expand(-1, 4, 4), features, 10)
        assert len(masks) == len(scores) == people


def test_who_was_told_apart_in_the_whole_picture_stays_apart() -> None:
    """Two people who share 60%, a third view of one of them from a part of the picture, and nearly the same mask again."""
    masks = torch.stack((block(0, 100, 0, 50), block(0, 100, 20, 70), block(0, 90, 20, 50), block(0, 100, 1, 51)))
    detector = People()
    kept, scores = detector.settle(masks[:2], torch.tensor([0.9, 0.8]), 2)
    assert torch.equal(kept, masks[:2])
    kept, scores = detector.settle(masks, torch.tensor([0.9, 0.8, 0.7, 0.6]), 2)
    assert torch.equal(kept, masks[:2])
    kept, scores = detector.settle(masks[[0, 3]], torch.tensor([0.8, 0.9]), 2)
    assert torch.equal(kept, masks[3:])
    assert scores.tolist() == [pytest.approx(0.9)]
    assert len(detector.settle(masks[:1], torch.tensor([0.2]), 1)[0]) == 0


def test_masks_that_share_most_of_what_they_have_are_of_one_person() -> None:
    """Neither is a part of the other; the surer one stays, and who is behind them."""
    masks = torch.stack((block(0, 100, 0, 50), block(0, 100, 10, 60), block(40, 60, 30, 80)))
    for scores, kept in (((0.9, 0.8, 0.7), [0, 2]), ((0.8, 0.9, 0.7), [1, 2])):
        assert torch.equal(People().settle(masks, torch.tensor(scores), 3)[0], masks[kept])


def test_what_is_claimed_twice_is_mostly_the_surer_one_s() -> None:
    masks = torch.tensor([0.9, 0.3, 0.9, 0.0])[:, None, None] * torch.ones(4, 2, 2)
    masks[2, 0] = 0  # above, the first two claim more than there is; below, the third, too
    divided = divide(masks)
    assert (divided.sum(0) - 1).abs().max() < 1e-6
    torch.testing.assert_close(divided[:2, 0, 0], torch.tensor([0.9, 0.1]))
    assert (divided[0] > share(masks)[0]).all()
    torch.testing.assert_close(divide(masks[1:2]), masks[1:2])  # claimed once
    assert divide(torch.zeros(2, 3, 3)).eq(0).all()


def test_who_has_nearly_nothing_left_takes_nothing_from_others(monkeypatch: pytest.MonkeyPatch) -> None:
    person, ghost, other = block(0, 100, 0, 100), block(30, 80, 20, 60), block(0, 100, 80, 180)
    ghost[30:80, 100:104] = 1
    other = other * 0.6
    detector = People()
    masks, scores = torch.stack((person, ghost, other)), torch.tensor([0.9, 0.5, 0.8])
    monkeypatch.setattr(detector, "look_everywhere", lambda image, progress: (masks, scores))
    found = detector(torch.zeros(3, 100, 200))
    assert len(found) == 2
    assert found.masks[0, :, :80].min() == 1
    assert (found.masks.sum(0) <= 1.0001).all()


def test_parts_of_a_picture_overlap_and_cover_it() -> None:
    assert spans(100) == [slice(0, 45), slice(28, 73), slice(55, 100)]
    for length in range(1, 50):
        assert {i for part in spans(length) for i in range(part.start, part.stop)} == set(range(length))


def test_who_is_cut_off_by_a_part_is_a_piece() -> None:
    """The upper left part of a picture: its right and lower sides cut people, the picture's own sides do not."""
    boxes = torch.tensor([[10.0, 10, 20, 20], [0, 0, 10, 20], [80, 10, 90, 20], [10, 30, 20, 45], [0, 0, 10, 45]])
    assert is_cut(boxes[:4], (slice(0, 45), slice(0, 90)), (100, 200)).tolist() == [False, False, True, True]
    assert is_cut(boxes[:4], (slice(0, 100), slice(5, 200)), (100, 200)).tolist() == [False, True, False, False]
    assert is_small(boxes, (100, 200)).tolist() == [True, True, True, True, False]
    assert is_small(boxes[:0], (100, 200)).tolist() == []


def test_squares_round_boxes_lie_in_the_picture() -> None:
    box = torch.tensor([40.0, 30, 60, 80])
    rows, columns = square_around(box, (200, 300), 0.2)
    assert (rows, columns) == (slice(55 - 35, 55 + 35), slice(50 - 35, 50 + 35))
    assert square_around(box, (60, 300), 0.2)[0] == slice(0, 60)  # not as high as the square
    assert square_around(box, (200, 300), 0.2, 90) == (slice(10, 100), slice(5, 95))
    rows, columns = square_around(torch.tensor([280.0, 150, 299, 199]), (200, 300), 0.2)
    assert rows.stop == 200
    assert columns.stop == 300
    assert rows.stop - rows.start == columns.stop - columns.start


def test_the_closer_look_draws_whom_the_box_is_about(example: torch.Tensor) -> None:
    people, look = People()(example), CloserLook(torch.device("cpu"))
    for box, mask in zip(people.boxes, people.masks, strict=True):
        drawn, sure = look(example, box)
        assert sure > 0.3
        assert iou(drawn > 0.5, mask > 0.5) > 0.8
    _, sure = look(example, torch.tensor([0.0, 0, 60, 90]))  # sky
    assert sure < 0.2


def test_masks_tell_the_closer_look_whom_a_box_is_about(example: torch.Tensor) -> None:
    """The box is about both; by itself it tells of one at most."""
    people, look = People()(example), CloserLook(torch.device("cpu"))
    both = torch.cat((people.boxes[:, :2].amin(0), people.boxes[:, 2:].amax(0)))
    assert min(iou(look(example, both)[0] > 0.5, mask > 0.5) for mask in people.masks) < 0.5
    for own in (0, 1):
        drawn, sure = look(example, both, people.masks, own)
        assert iou(drawn > 0.5, people.masks[own] > 0.5) > 0.8
        assert sure > 0.3


@pytest.mark.parametrize(("height", "side"), [(60, 256), (130, 288), (600, 320)])  # with surroundings 84, 182 and 840 px
def test_the_closer_look_enlarges_half_again_within_bounds(monkeypatch: pytest.MonkeyPatch, height: int, side: int) -> None:
    def drawn(network: PeopleNetwork, images: torch.Tensor, prompts: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        assert images.shape == (2, 3, side, side)
        assert prompts.shape == (2, PROMPTS, side // 4, side // 4)
        return torch.ones(2, side // 2, side // 2), torch.ones(2)

    monkeypatch.setattr(looks, "draw_prompted", drawn)
    box = torch.tensor((150.0, 150, 150 + height / 3, 150 + height))
    mask, sure = CloserLook(torch.device("cpu"))(torch.rand(3, 900, 900), box)
    assert mask.shape == (900, 900)
    assert sure == 1


def test_the_closer_look_is_told_of_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Box, own mask and the others', in a picture no larger than the square that it sees."""
    look, told = CloserLook(torch.device("cpu")), []

    def draw(network: PeopleNetwork, images: torch.Tensor, prompts: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        told.append(prompts)
        return torch.zeros(2, 128, 128), torch.ones(2)

    monkeypatch.setattr(looks, "draw_prompted", draw)
    masks, box = torch.zeros(3, 64, 64), torch.tensor([8.0, 8, 60, 60])
    masks[0, :32, :32] = masks[1, 32:, :32] = masks[2, :, 32:] = 1
    for i in range(3):
        look(torch.rand(3, 64, 64), box, masks, i)
    look(torch.rand(3, 64, 64), box, masks[:1])
    look(torch.rand(3, 64, 64), box)
    for i, prompts in enumerate(told):
        assert prompts.shape == (2, 3, 64, 64)
        assert torch.equal(prompts[1], prompts[0].flip(2))
        assert prompts[0, 0, 8:60, 8:60].min() == 1
        assert torch.equal(prompts[0, 1], masks[i] if i < 3 else masks[0] * (i == 3))
        assert torch.equal(prompts[0, 2], 1 - masks[i] if i < 3 else torch.zeros(64, 64))


def test_what_a_box_adds(example: torch.Tensor) -> None:
    """Somebody of whom there is only a box is drawn; where the closer look does not see what was seen at first, nobody is."""
    detector, found = People(), People()(example)
    boxes = torch.cat((found.boxes[:1], torch.tensor([[0.0, 0, 60, 90]])))
    sky = torch.zeros(640, 960)
    sky[:90, :60] = 1
    seen = Seen(boxes, torch.stack((torch.zeros(640, 960), sky)), torch.tensor([[0.0, 0.9], [0.6, 0.0]]))
    masks, scores = detector.draw(example, seen, lambda done: None)
    assert iou(masks[0] > 0.5, found.masks[0] > 0.5) > 0.8
    assert scores[0] > detector.min_score
    assert scores[1] < detector.min_score


@pytest.mark.parametrize(("box_score", "drawn"), [(0.9, True), (0.3, False)])
def test_a_sure_box_is_enough_where_the_first_look_drew_somebody_else(example: torch.Tensor, box_score: float, drawn: bool) -> None:
    detector, found = People(), People()(example)
    sky = torch.zeros(1, 640, 960)
    sky[:, :90, :60] = 1
    masks, scores = detector.draw(example, Seen(found.boxes[:1], sky, torch.tensor([[0.6, box_score]])), lambda done: None)
    assert (iou(masks[0] > 0.5, found.masks[0] > 0.5) > 0.8) == drawn
    assert (float(scores[0]) > detector.min_score) == drawn


@pytest.mark.parametrize(("side", "drawn"), [(15, True), (60, False)])
def test_of_a_large_person_a_box_alone_has_to_be_surer(side: int, drawn: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    detector, mask = People(), torch.zeros(100, 100)
    mask[10 : 10 + side, 10 : 10 + side] = 1
    seen = Seen(torch.tensor([[10.0, 10, 10 + side, 10 + side]]), torch.zeros(1, 100, 100), torch.tensor([[0.0, 0.5]]))
    monkeypatch.setattr(detector, "closer", lambda image, box, masks, whose: (mask, 0.5))
    masks, scores = detector.draw(torch.zeros(3, 100, 100), seen, lambda done: None)
    assert bool(masks.any()) == drawn
    assert (float(scores[0]) > detector.min_score) == drawn
    monkeypatch.setattr(detector, "closer", lambda image, box, masks, whose: (mask, 0.8))
    assert float(detector.draw(torch.zeros(3, 100, 100), seen, lambda done: None)[1][0]) > detector.min_score + ALONE_SCORE


def test_a_box_belongs_to_one_mask(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two masks, two boxes: one of the first mask's person, one of nobody with a mask; the second mask has no box."""
    detector = People()
    masks = torch.zeros(2, 100, 100)
    masks[0, 10:50, 10:30] = masks[1, 20:60, 12:36] = 1
    monkeypatch.setattr(detector, "first", lambda image, most: (masks, torch.tensor([0.7, 0.5])))
    monkeypatch.setattr(detector, "boxes", lambda image: (torch.tensor([[10.0, 10, 32, 50], [60, 60, 90, 90]]), torch.tensor([0.8, 0.6])))
    seen = detector.see(torch.zeros(3, 100, 100))
    torch.testing.assert_close(seen.scores, torch.tensor([[0.7, 0.8], [0.5, 0.0], [0.0, 0.6]]))
    assert seen.boxes.tolist() == [[10, 10, 31, 50], [12, 20, 36, 60], [60, 60, 90, 90]]
    assert not seen.masks[2].any()
    monkeypatch.setattr(detector, "boxes", lambda image: (torch.zeros(0, 4), torch.zeros(0)))
    assert detector.see(torch.zeros(3, 100, 100)).scores.tolist() == [[pytest.approx(0.7), 0], [0.5, 0]]


def test_small_people_are_found_in_parts(example: torch.Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sixteen people a twelfth of the picture high: a look at the whole misses most of them."""
    pair = resize(example, (60, 90))
    picture = 0.4 + 0.2 * torch.linspace(0, 1, 1280).expand(3, 720, 1280).contiguous()
    for y in (200, 400):
        for x in (150, 400, 650, 900):
            picture[:, y : y + 60, x : x + 90] = pair
    people = People()(picture)
    assert len(people) == 16
    assert (people.masks.sum(0) <= 1.0001).all()
    assert float(people.masks[:, 190:470, 140:1000].sum()) == pytest.approx(float(people.masks.sum()), rel=1e-3)
    monkeypatch.setattr(parts, "SMALL", 0)
    assert len(People()(picture)) < 12


@pytest.mark.parametrize(("scores", "side", "looked"), [((0.4, 0.32), 15, 10), ((0.4, 0.2), 15, 1), ((0.4, 0.4), 60, 1)])
def test_parts_are_looked_at_where_two_small_people_are_suspected(
    scores: tuple[float, float], side: int, looked: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Suspected by the first look alone, and not sure enough to be found in the whole picture."""
    detector, count = People(), 0
    boxes = torch.tensor([[10.0, 10, 10 + side, 10 + side], [30, 30, 30 + side, 30 + side]])

    def see(image: torch.Tensor) -> Seen:
        nonlocal count
        count += 1
        if count > 1:
            return Seen(torch.zeros(0, 4), torch.zeros(0, *image.shape[1:]), torch.zeros(0, 2))
        return Seen(boxes, torch.zeros(2, 100, 100), torch.stack((torch.tensor(scores), torch.zeros(2)), 1))

    monkeypatch.setattr(detector, "see", see)
    monkeypatch.setattr(detector, "closer", lambda image, box, masks, whose: (torch.zeros(100, 100), 0.0))
    assert len(detector(torch.zeros(3, 100, 100))) == 0
    assert count == looked


def test_two_people(example: torch.Tensor) -> None:
    people = People()(example)
    assert len(people) == 2
    assert people.masks.shape[1:] == example.shape[1:]
    assert (people.masks.sum(0) <= 1.0001).all()
    assert people.boxes[0, 2] < people.boxes[1, 2]
    assert (people.masks > 0.5).flatten(1).float().mean(1).min() > 0.1


def test_nobody() -> None:
    generator = torch.Generator().manual_seed(0)
    for image in (torch.zeros(3, 90, 200), torch.rand(3, 200, 90, generator=generator), torch.linspace(0, 1, 300).expand(3, 300, 300)):
        people = People()(image)
        assert len(people) == 0
        assert people.masks.shape == (0, *image.shape[1:])
        assert people.boxes.shape == (0, 4)
