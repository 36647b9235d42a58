"""SiamFC: shapes of the paper, laws of correlation, and objects that move in a known way."""

from __future__ import annotations

import pytest
import torch
from color_features import Colors

from zorki import registry
from zorki.data.preprocess.tracking.pairs import ExemplarSearchPairs
from zorki.errors import RecipeError
from zorki.ops.boxes import paired_iou
from zorki.tasks.tracking.models.siamfc import siamfc
from zorki.tasks.tracking.models.siamfc.alexnet import UnpaddedAlexNet
from zorki.tasks.tracking.models.siamfc.correlation import CosineCorrelation, CrossCorrelation, cross_correlation
from zorki.tasks.tracking.models.siamfc.siamfc import ResponseMaps, ResponseSettings, SiamFc
from zorki.types import Boxes, ExemplarSearch, Placement, TrackedBoxes


@pytest.fixture(scope="module")
def tracker():
    """SiamFC on colors, without anything learned."""
    settings = ResponseSettings(window=0.05, lost_share=0.6, found_share=0.75)
    return SiamFc(
        Colors(), CosineCorrelation(learned=False), preprocess=ExemplarSearchPairs(63, 31), tracker=settings
    ).eval()


def boxes(*rows):
    xyxy = torch.tensor(rows, dtype=torch.float32).reshape(-1, 4)
    return Boxes(xyxy, torch.zeros(len(xyxy), dtype=torch.int64))


def frame(*objects, size=(120, 160)):
    """Squares in two colors, the upper half of one, on a ground with a slow gradient."""
    image = torch.full((3, *size), 90, dtype=torch.uint8)
    image[0] += torch.linspace(0, 30, size[1]).to(torch.uint8)
    for left, top, right, bottom in objects:
        middle = (top + bottom) // 2
        image[:, top:middle, left:right] = torch.tensor([230, 40, 40], dtype=torch.uint8)[:, None, None]
        image[:, middle:bottom, left:right] = torch.tensor([40, 40, 220], dtype=torch.uint8)[:, None, None]
    return image


def test_the_paper_s_shapes():
    network = UnpaddedAlexNet().eval()
    with torch.no_grad():
        assert network(torch.zeros(1, 3, 127, 127))[-1].shape == (1, 256, 6, 6)
        assert network(torch.zeros(1, 3, 255, 255))[-1].shape == (1, 256, 22, 22)
    with torch.device("meta"):
        model = registry.build("siamfc", 1, {})
    assert (model.stride, model._origin()) == (8, 8.0)
    assert model.preprocess == ExemplarSearchPairs(255, 127)


@pytest.mark.parametrize("grad", [False, True])
@pytest.mark.parametrize("count", [1, 3])
def test_correlation_is_that_of_plain_loops(count, grad):
    generator = torch.Generator().manual_seed(1)
    exemplars = torch.randn(count, 2, 3, 3, generator=generator)
    searches = torch.randn(count, 2, 2, 5, 6, generator=generator)
    with torch.set_grad_enabled(grad):
        found = cross_correlation(exemplars, searches)
    assert found.shape == (count, 2, 3, 4)
    for n in range(count):
        for s in range(2):
            for i in range(3):
                for j in range(4):
                    part = searches[n, s, :, i : i + 3, j : j + 3]
                    assert found[n, s, i, j].item() == pytest.approx(float((part * exemplars[n]).sum()), abs=1e-4)


def test_a_cosine_is_1_where_the_exemplar_lies_however_bright():
    searches = torch.rand(1, 1, 4, 9, 9, generator=torch.Generator().manual_seed(2))
    exemplars = searches[:, 0, :, 2:5, 3:6].clone()
    cosines = CosineCorrelation(learned=False)(exemplars, searches)
    assert cosines.max().item() == pytest.approx(1.0, abs=1e-4)
    assert divmod(int(cosines.argmax()), 7) == (2, 3)
    assert cosines.min().item() >= -1.0


def test_the_loss_is_0_for_sure_maps_and_weighs_both_kinds_alike():
    model = SiamFc(Colors(), CrossCorrelation(), preprocess=ExemplarSearchPairs(63, 31), radius=4.0)
    target = TrackedBoxes(
        torch.arange(2), torch.zeros(2, dtype=torch.int64), torch.tensor([[20.0, 20, 43, 43], [24.5, 20, 46.5, 43]])
    )
    logits = torch.full((1, 9, 9), -30.0)
    logits[0, 4, 4:7] = 30.0  # the center lies 4 pixels, one place, to the right
    logits[0, [3, 5], 5] = 30.0
    outputs = ResponseMaps(logits, 4, 4.0)
    assert model.loss(outputs, [target])["logistic"].item() == pytest.approx(0.0, abs=1e-6)
    unsure = ResponseMaps(torch.zeros(1, 9, 9), 4, 4.0)
    assert model.loss(unsure, [target])["logistic"].item() == pytest.approx(0.6931, abs=1e-4)
    # All positive: right for 5 places of 81, and yet half of the loss.
    wrong = ResponseMaps(torch.full((1, 9, 9), 10.0), 4, 4.0)
    assert model.loss(wrong, [target])["logistic"].item() == pytest.approx(5.0, abs=1e-3)


def test_maps_are_enlarged_as_torch_enlarges_them():
    maps = torch.randn(2, 3, 5, 7, generator=torch.Generator().manual_seed(0))
    twin = torch.nn.functional.interpolate(maps, (65, 97), mode="bicubic", align_corners=True)
    enlarged = siamfc._enlarged(maps, 16)
    torch.testing.assert_close(enlarged, twin, atol=1e-5, rtol=0)
    torch.testing.assert_close(enlarged[..., ::16, ::16], maps, atol=1e-5, rtol=0)  # places stay


def test_decode_finds_the_object_in_original_pixels():
    model = SiamFc(Colors(), CosineCorrelation(learned=False), preprocess=ExemplarSearchPairs(63, 31))
    logits = torch.zeros(1, 9, 9)
    logits[0, 3, 6] = 0.8  # one place up and two to the right of the middle: 4 and 8 pixels
    placement = Placement(100, 100, scale=0.5, left=0.0, top=0.0, input_height=63, input_width=63)
    (found,) = model.decode(ResponseMaps(logits, 4, 4.0), [placement])
    middle = (found.xyxy[0, :2] + found.xyxy[0, 2:]) / 2
    assert middle.tolist() == pytest.approx([(31.5 + 8) / 0.5, (31.5 - 4) / 0.5], abs=1e-3)
    assert found.scores.tolist() == pytest.approx([0.8])


def test_an_object_is_followed_and_the_state_is_a_value(tracker):
    start = (40, 40, 60, 60)
    first = tracker.start(frame(start), boxes(start))
    state, kept = first, first.boxes.clone()
    for step in range(1, 6):
        moved = (40 + 3 * step, 40 + 2 * step, 60 + 3 * step, 60 + 2 * step)
        state, found = tracker.step(state, frame(moved))
        assert float(paired_iou(found.xyxy, boxes(moved).xyxy)) > 0.7
        assert 0.8 < found.scores.item() <= 1.0
    assert torch.equal(first.boxes, kept), "the state that was given is as it was"
    once, twice = (tracker.step(first, frame((43, 42, 63, 62)))[1] for _ in range(2))
    assert torch.equal(once.xyxy, twice.xyxy)


def test_many_objects_are_followed_as_each_alone(tracker):
    starts = [(20, 20, 40, 40), (90, 60, 118, 88)]
    moved = [(24, 21, 44, 41), (86, 62, 114, 90)]
    state = tracker.start(frame(*starts), boxes(*starts))
    _, together = tracker.step(state, frame(*moved))
    for row, start in enumerate(starts):
        own = tracker.start(frame(*starts), boxes(start))
        _, alone = tracker.step(own, frame(*moved))
        assert torch.allclose(alone.xyxy[0], together.xyxy[row], atol=0.05)


def test_a_lost_object_is_held_and_found_again(tracker):
    start = (40, 40, 60, 60)
    state = tracker.start(frame(start), boxes(start))
    state, seen = tracker.step(state, frame(start))
    for number in range(1, 4):
        state, hidden = tracker.step(state, frame())
        assert state.misses.tolist() == [number]
        assert torch.equal(hidden.xyxy, seen.xyxy), "its box is held"
        assert hidden.scores.item() < 0.6 * seen.scores.item()
    away = (84, 62, 104, 82)  # outside of the usual search region
    state, back = tracker.step(state, frame(away))
    assert state.misses.tolist() == [0]
    assert float(paired_iou(back.xyxy, boxes(away).xyxy)) > 0.6


def test_boxes_that_cannot_be_followed(tracker):
    with pytest.raises(RecipeError, match=r"the box 200,10,20,20 lies outside of the frame, which is 160 x 120 pixels"):
        tracker.start(frame(), boxes((200, 10, 220, 30)))
    with pytest.raises(RecipeError, match=r"the box 20,10,0,20 is empty"):
        tracker.start(frame(), boxes((20, 10, 20, 30)))
    with pytest.raises(RecipeError, match=r"the box 20,10,3e\+06,20 reaches beyond 1,000,000 pixels"):
        tracker.start(frame(), boxes((20, 10, 3_000_020, 30)))


def test_what_padding_changed_is_cut_off_and_something_must_be_left():
    model = SiamFc(Colors(), CosineCorrelation(learned=False), preprocess=ExemplarSearchPairs(63, 31), trim=2)
    inputs = ExemplarSearch(torch.zeros(1, 3, 31, 31, dtype=torch.uint8), torch.zeros(1, 3, 63, 63, dtype=torch.uint8))
    outputs = model(inputs)
    assert outputs.logits.shape == (1, 13, 13)
    assert outputs.origin == 6.0
    model.trim = 4
    with pytest.raises(RecipeError, match="an exemplar has 7 features a side; set it lower"):
        model(inputs)


def test_settings_out_of_range_and_backbones_without_a_fine_map():
    with pytest.raises(RecipeError, match="window is 2"):
        registry.build("siamfc", 1, {"window": 2.0})
    with pytest.raises(RecipeError, match="expected scale_step"):
        registry.build("siamfc", 1, {"scale_step": 0.5})


def test_a_trace_runs_every_layer_by_shapes_alone():
    with torch.device("meta"):
        model = registry.build("siamfc", 1, {})
    assert model.trace(torch.zeros(2, 3, 99, 80, device="meta")).shape == (2, 1, 17, 17)
