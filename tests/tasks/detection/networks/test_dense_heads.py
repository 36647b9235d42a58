import pytest
import torch

from zorki.errors import RecipeError
from zorki.tasks.detection.networks.dense_heads import (
    Tower,
    best_classes,
    level_anchors,
    level_points,
    quiet_convolution,
    rows_of,
    strongest_rows,
    take_rows,
)


def maps(*cells):
    return [torch.zeros(1, 4, *shape) for shape in cells]


def test_rows_go_cell_by_cell_and_anchor_by_anchor():
    answers = torch.arange(2 * 6 * 2 * 3).reshape(2, 6, 2, 3).float()
    rows = rows_of(answers, 3)
    assert rows.shape == (2, 12, 3)
    for row, (y, x, anchor) in enumerate((y, x, a) for y in range(2) for x in range(3) for a in range(2)):
        assert torch.equal(rows[1, row], answers[1, 3 * anchor : 3 * anchor + 3, y, x])


def test_cells_that_fill_the_input_lie_in_their_middles():
    (points,) = level_points(maps((2, 3)), [8], (16, 24), "centered")
    assert points.tolist() == [[4, 4], [12, 4], [20, 4], [4, 12], [12, 12], [20, 12]]


def test_cells_of_networks_without_padding_leave_equal_room():
    # SqueezeNet 1.0 has 19 cells of stride 16 on 320 pixels; the first looks at pixel 17.5.
    (points,) = level_points(maps((1, 19)), [16], (16, 320), "centered")
    assert points[0].tolist() == [16, 8]
    assert points[-1].tolist() == [304, 8]


def test_cells_from_the_corner():
    (points,) = level_points(maps((2, 3)), [8], (17, 26), "corner")
    assert points.tolist() == [[0, 0], [8, 0], [16, 0], [0, 8], [8, 8], [16, 8]]


def test_anchors_are_made_once_and_serve_training_after_evaluation():
    with torch.inference_mode():
        first = level_anchors(maps((3, 5)), [16], (48, 80), "centered", [((10.0, 20.0), (4.0, 4.0))])
    again = level_anchors(maps((3, 5)), [16], (48, 80), "centered", [((10.0, 20.0), (4.0, 4.0))])
    assert first[0] is again[0]
    assert not first[0].is_inference()
    assert first[0].shape == (30, 4)
    assert first[0][:2].tolist() == [[3, -2, 13, 18], [6, 6, 10, 10]]


def test_untrained_convolutions_prediction_the_prior():
    torch.manual_seed(0)
    answers = quiet_convolution(16, 3, prior=0.01)(torch.randn(1, 16, 5, 5)).sigmoid()
    assert answers.mean().item() == pytest.approx(0.01, rel=0.1)
    assert quiet_convolution(16, 3).bias.tolist() == [0, 0, 0]


def test_towers_are_as_deep_as_asked():
    assert [type(layer).__name__ for layer in Tower(32, 2, norm=True)] == ["Conv2d", "GroupNorm", "ReLU"] * 2
    assert [Tower(channels, 1, norm=True)[1].num_groups for channels in (32, 128, 256)] == [8, 32, 32]
    assert [type(layer).__name__ for layer in Tower(32, 1)] == ["Conv2d", "ReLU"]


def test_channels_that_make_no_groups_are_refused():
    with pytest.raises(RecipeError, match="channels=130 cannot be normed in 32 groups"):
        Tower(130, norm=True)


def test_best_in_two_steps_is_best_of_all():
    scores = torch.rand(3, 50, 7, generator=torch.Generator().manual_seed(0))
    rows = strongest_rows(scores.amax(2), 20)
    best, place, classes = best_classes(take_rows(scores, rows), 20)
    for image in range(3):
        wanted = scores[image].flatten().sort(descending=True)
        assert torch.equal(best[image], wanted.values[:20])
        assert torch.equal(rows[image, place[image]] * 7 + classes[image], wanted.indices[:20])


def test_fewer_places_than_asked_for_are_all_taken():
    assert strongest_rows(torch.rand(2, 3), 1000).shape == (2, 3)
    assert best_classes(torch.rand(2, 3, 2), 1000)[0].shape == (2, 6)
