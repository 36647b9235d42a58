import json
import math
from dataclasses import astuple

import numpy as np
import pytest
import torch

from zorki.metrics.boundary_f1 import boundary_f1
from zorki.tasks.semantic_segmentation.metric import SegmentationMetric, SegmentationResult
from zorki.types import Mask

NAMES = ["sky", "road", "car"]


def mask(*rows, ignore=255):
    return Mask(torch.tensor(rows), ignore)


def judged(predictions, targets, names=NAMES):
    metric = SegmentationMetric(names)
    metric.update(predictions, targets)
    return metric.compute()


def random_masks(count, num_classes, seed, height=24, width=31, ignored=0.1):
    """Blocky maps, so that classes have insides and edges; some pixels are ignored."""
    generator = torch.Generator().manual_seed(seed)
    masks = []
    for _ in range(count):
        coarse = torch.randint(0, num_classes, (1, 1, 5, 6), generator=generator).float()
        classes = torch.nn.functional.interpolate(coarse, (height, width))[0, 0].long()
        classes[torch.rand((height, width), generator=generator) < ignored] = 255
        masks.append(Mask(classes))
    return masks


def answers_to(masks, num_classes, seed):
    """The ground truth with a tenth of its pixels, and what is ignored, drawn by chance."""
    generator = torch.Generator().manual_seed(seed)
    answers = []
    for one in masks:
        drawn = torch.randint(0, num_classes, one.classes.shape, generator=generator)
        change = (torch.rand(one.classes.shape, generator=generator) < 0.1) | (one.classes == 255)
        answers.append(Mask(torch.where(change, drawn, one.classes)))
    return answers


def test_metrics_by_hand():
    ground_truth = mask([0, 0, 1, 1], [0, 255, 1, 1])
    answer = mask([0, 1, 1, 1], [0, 2, 1, 0])
    figures = judged([answer], [ground_truth])
    # sky: 2 of 3 found, 3 predicted; road: 3 of 4 found, 4 predicted. The pixel of 255 does not count, and so no car.
    assert figures.confusion_matrix == ((2, 1, 0), (1, 3, 0), (0, 0, 0))
    sky, road, car = figures.per_class
    assert (sky.class_name, sky.share, sky.iou) == ("sky", pytest.approx(3 / 7), pytest.approx(2 / 4))
    assert (sky.dice, sky.precision, sky.recall) == (pytest.approx(4 / 6), pytest.approx(2 / 3), pytest.approx(2 / 3))
    assert road.iou == pytest.approx(3 / 5)
    assert figures.miou == pytest.approx((2 / 4 + 3 / 5) / 2)
    assert figures.dice == pytest.approx((4 / 6 + 6 / 8) / 2)
    assert figures.pixel_accuracy == pytest.approx(5 / 7)
    assert figures.mean_accuracy == pytest.approx((2 / 3 + 3 / 4) / 2)
    assert figures.frequency_weighted_iou == pytest.approx((3 * 2 / 4 + 4 * 3 / 5) / 7)
    assert figures.absent_classes == ("car",)
    assert set(astuple(car)) == {"car", 0.0, None}
    assert (figures.valid_pixels, figures.ignored_pixels) == (7, 1)
    assert figures.foreground_dice is None
    json.dumps(figures.to_json(), allow_nan=False)


def test_a_class_that_is_only_predicted_counts_and_one_that_is_only_true_too():
    figures = judged([mask([0, 0, 0, 2])], [mask([0, 0, 0, 1])])
    assert figures.miou == pytest.approx(1 / 3)
    assert figures.mean_accuracy == pytest.approx(1 / 2)
    _, road, car = figures.per_class
    assert (car.precision, car.recall) == (0, None)
    assert (road.precision, road.recall) == (None, 0)


def test_the_matrix_is_of_the_whole_set_and_not_a_mean_over_images():
    large, small = mask(*[[1] * 10] * 10), mask([0, 1])
    figures = judged([large, mask([1, 1])], [large, small], ["no", "yes"])
    assert figures.miou == pytest.approx((0 + 101 / 102) / 2)
    assert figures.foreground_dice == pytest.approx(2 * 101 / (101 + 102))
    assert figures.count == 2


@pytest.mark.parametrize("seed", range(3))
def test_equal_to_torchmetrics(seed):
    from torchmetrics.classification import MulticlassAccuracy, MulticlassF1Score, MulticlassJaccardIndex

    names = list("abcde")
    ground_truths = random_masks(4, 4, seed)  # the fifth class is in no ground truth
    answers = answers_to(ground_truths, 4 + seed % 2, seed + 10)
    figures = judged(answers, ground_truths, names)
    x, y = (torch.stack([one.classes for one in masks]) for masks in (answers, ground_truths))
    settings = {"num_classes": 5, "ignore_index": 255}
    assert figures.miou == pytest.approx(float(MulticlassJaccardIndex(**settings)(x, y)), abs=1e-6)
    each = MulticlassJaccardIndex(average=None, **settings)(x, y).tolist()
    assert [row.iou or 0.0 for row in figures.per_class] == pytest.approx(each, abs=1e-6)
    dice = MulticlassF1Score(average=None, **settings)(x, y).tolist()
    assert [row.dice or 0.0 for row in figures.per_class] == pytest.approx(dice, abs=1e-6)
    exact = MulticlassAccuracy(average="micro", **settings)(x, y)
    assert figures.pixel_accuracy == pytest.approx(float(exact), abs=1e-6)


def test_processes_agree_by_adding():
    ground_truths = random_masks(6, 3, 1)
    answers = answers_to(ground_truths, 3, 2)
    first, second = SegmentationMetric(NAMES), SegmentationMetric(NAMES)
    first.update(answers[:2], ground_truths[:2])
    second.update(answers[2:], ground_truths[2:])
    first.merge(second)
    whole = judged(answers, ground_truths)
    found = first.compute()
    assert found.confusion_matrix == whole.confusion_matrix
    assert found.scalars() == pytest.approx(whole.scalars())
    first.reset()
    assert first.compute() == SegmentationResult(count=0)


def test_a_mask_of_another_ignored_value_and_a_prediction_of_one_pixel():
    ground_truth = mask([0, 1, 2], [1, 1, 11], ignore=11)
    figures = judged([mask([1])], [ground_truth])
    assert figures.ignored_pixels == 1
    assert figures.pixel_accuracy == pytest.approx(3 / 5)
    assert figures.per_class[1].iou == pytest.approx(3 / 5)


def test_the_ground_truth_predictions_itself_also_where_nobody_evaluated():
    ground_truths = random_masks(2, 3, 4)
    figures = judged(ground_truths, ground_truths)
    assert figures.miou == figures.pixel_accuracy == figures.boundary_f1 == 1.0


def test_nothing_evaluated_is_zero():
    figures = judged([mask([0, 1])], [mask([255, 255])])
    assert figures.miou == figures.pixel_accuracy == 0.0
    assert figures.boundary_f1 is None
    assert figures.absent_classes == tuple(NAMES)


@pytest.mark.parametrize(
    ("answer", "ground_truth", "words"),
    [
        ([0, 3], [0, 1], "a prediction has a label 3; expected 0 to 2"),
        ([0, 1], [0, 3], "the ground truth has a label 3; expected 0 to 2"),
        ([0, 1], [7, 3], "the ground truth has a label 7"),
        ([0, -1], [0, 1], "a prediction has a label -1"),
        ([0, 1, 1], [0, 1], "a prediction of 1x3 pixels cannot be compared with a ground truth of 1x2"),
    ],
)
def test_what_cannot_be_counted_says_why(answer, ground_truth, words):
    with pytest.raises(ValueError, match=words):
        judged([mask(answer)], [mask(ground_truth)])


def slow_boundary_f1(answer, ground_truth, valid, num_classes, tolerance=0.0075):
    """Csurka et al., 2013, section 3, in plain loops: a boundary map for each class, all pairs of points."""
    height, width = ground_truth.shape
    theta = tolerance * math.sqrt(height**2 + width**2)

    def edge(classes, label):
        points = []
        for i in range(height):
            for j in range(width):
                if not valid[i, j] or classes[i, j] != label:
                    continue
                around = [(i - 1, j), (i + 1, j), (i, j - 1), (i, j + 1)]
                inside = [(y, x) for y, x in around if 0 <= y < height and 0 <= x < width and valid[y, x]]
                if any(classes[place] != label for place in inside):
                    points.append((i, j))
        return points

    def share(points, others):
        return sum(any(math.dist(one, other) < theta for other in others) for one in points) / len(points)

    scores = []
    for label in range(num_classes):
        found, wanted = edge(answer, label), edge(ground_truth, label)
        if not found and not wanted:
            scores.append(math.nan)
        elif not found or not wanted:
            scores.append(0.0)
        else:
            precision, recall = share(found, wanted), share(wanted, found)
            scores.append(2 * precision * recall / (precision + recall) if precision + recall else 0.0)
    return scores


@pytest.mark.parametrize("tolerance", [0.0075, 0.03, 0.08])
@pytest.mark.parametrize("seed", range(3))
def test_boundary_f1_equals_its_slow_twin(seed, tolerance):
    (ground_truth,) = random_masks(1, 4, seed)
    answer = torch.roll(ground_truth.classes, (1, 2), (0, 1)).clamp_max(3).numpy()
    wanted, valid = ground_truth.classes.numpy(), (ground_truth.classes != 255).numpy()
    fast = boundary_f1(answer, wanted, valid, 5, tolerance)
    assert np.isnan(fast[4])
    np.testing.assert_allclose(fast, slow_boundary_f1(answer, wanted, valid, 5, tolerance))
    assert 0 < np.nanmean(fast) < 1


def test_boundary_f1_by_hand():
    """A step of one pixel in an image of 300 x 400, whose tolerance is 3.75 pixels."""
    ground_truth = np.zeros((300, 400), dtype=np.int64)
    ground_truth[:, 200:] = 1
    valid = np.ones_like(ground_truth, dtype=bool)

    def moved(by):
        answer = np.zeros_like(ground_truth)
        answer[:, 200 + by :] = 1
        return boundary_f1(answer, ground_truth, valid, 2).tolist()

    assert moved(0) == moved(3) == [1, 1]
    assert moved(4) == [0, 0]
    half = ground_truth.copy()
    half[:150, 200:210] = 0  # the upper half is ten pixels off, with a step to the lower one
    # Of class 1 the prediction's edge has 150 pixels above, 10 in row 150 of which 4 are near, and 149 below that are
    # met. Of the ground truth's 300 pixels, the lower 150 are met, and the 3 above them.
    precision, recall = (4 + 149) / 309, (150 + 3) / 300
    assert boundary_f1(half, ground_truth, valid, 2)[1] == pytest.approx(2 * precision * recall / (precision + recall))
    nowhere = boundary_f1(np.zeros_like(ground_truth), ground_truth, valid, 2)
    assert nowhere.tolist() == [0, 0], "a prediction without edges meets none"
    same = boundary_f1(np.zeros_like(ground_truth), np.zeros_like(ground_truth), valid, 2)
    assert np.isnan(same).all(), "without edges there is nothing to meet"


def test_borders_of_the_unjudged_are_no_edges():
    ground_truth = np.array([[0, 0, 9, 9, 1, 1]] * 4)
    answer = np.array([[0, 0, 0, 1, 1, 1]] * 4)
    assert np.isnan(boundary_f1(answer, ground_truth, ground_truth != 9, 2)).all()


def test_edges_are_means_over_images_and_classes():
    plain, halves = mask(*[[0, 0, 0, 0]] * 4), mask(*[[0, 0, 1, 1]] * 4)
    figures = judged([halves, halves, plain], [halves, plain, plain], ["a", "b"])
    # The first image's edges are all met, the second's prediction has edges where none are, the third has none at all.
    assert figures.boundary_f1 == pytest.approx(0.5)
    assert figures.per_class[0].boundary_f1 == pytest.approx(0.5)
    quick = SegmentationMetric(["a", "b"], edges=False)
    quick.update([halves], [halves])
    assert quick.compute().boundary_f1 is None
