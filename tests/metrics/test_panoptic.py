"""Scores of label maps: by hand, against the published programs written again as loops, and torchmetrics."""

from dataclasses import astuple

import numpy as np
import pytest
import torch
from made_masks import made, strip_instances
from torchmetrics.detection import PanopticQuality

from zorki.metrics.label_maps import BOWL_OVERLAPS, bowl_precision, label_maps, symmetric_best_dice
from zorki.metrics.matching import match
from zorki.metrics.panoptic import panoptic_counts
from zorki.tasks.instance_segmentation.metrics.metric import InstanceMetric
from zorki.tasks.instance_segmentation.metrics.tables import tabulate


def laid_out(predictions, targets, min_score=0.0):
    tables = tabulate(predictions, targets)
    return label_maps(tables, match(tables.ground_truths, tables.detections, tables.pairs(0.1), 0.5), min_score)


def by_hand():
    """One image: two objects are found, with overlaps of 4/5 and 3/5, one is missed, one prediction is wrong."""
    truth = strip_instances((0, 5), (6, 11), (12, 14))
    answer = strip_instances((0, 4), (6, 9), (16, 20), scores=[0.9, 0.8, 0.7])
    return [answer], [truth]


def test_by_hand():
    figures = judged(*by_hand(), min_score=0.0)
    # Both are right at .50 and .55 (2 of 2 + 1 + 1), one at .60 to .75 (1 of 1 + 2 + 2), none from .80 on, since an
    # overlap has to be above the threshold.
    assert figures["bowl_ap50"] == pytest.approx(0.5)
    assert figures["bowl_ap"] == pytest.approx((2 * 0.5 + 4 * 0.2) / 10)
    assert (figures["rq"], figures["sq"]) == (pytest.approx(2 / 3), pytest.approx(0.7))
    assert figures["pq"] == pytest.approx(0.7 * 2 / 3)
    # Dice: 8/9 and 6/8, and nothing for the third object, nor for the third prediction.
    assert figures["sbd"] == pytest.approx((8 / 9 + 6 / 8) / 3)
    assert (figures["dic"], figures["abs_dic"], figures["worst_dic"]) == (0.0, 0.0, 0)
    assert figures["counts"] == {"ground_truth": [3], "predicted": [3]}


def judged(predictions, targets, names=("a",), **options):
    metric = InstanceMetric(names, **options)
    metric.update(predictions, targets)
    return metric.compute().to_json()


def test_counts_are_told_apart_by_their_sign():
    truth = strip_instances((0, 4), (5, 9))
    less, more = (
        strip_instances((0, 4), scores=[0.9]),
        strip_instances((0, 4), (5, 9), (10, 12), (14, 17), scores=[0.9] * 4),
    )
    figures = judged([less, more], [truth, truth])
    assert (figures["dic"], figures["abs_dic"], figures["worst_dic"]) == (0.5, 1.5, 2)
    assert figures["counts"] == {"ground_truth": [2, 2], "predicted": [1, 4]}


def test_predictions_below_the_threshold_are_not_in_the_map():
    predictions, targets = by_hand()
    figures = judged(predictions, targets, min_score=0.75)
    assert figures["map_threshold"] == 0.75
    assert figures["counts"] == {"ground_truth": [3], "predicted": [2]}
    assert figures["bowl_ap50"] == pytest.approx(2 / 3)
    # Nobody named a threshold: it is where F1 is best, which leaves the wrong prediction out.
    assert judged(predictions, targets)["map_threshold"] == pytest.approx(0.8)


def test_what_others_hide_is_not_in_the_map():
    truth = strip_instances((0, 10))
    # The second prediction is three quarters under the first, the third a quarter, of which it loses its pixels.
    answer = strip_instances((0, 9), (6, 10), (8, 16), scores=[0.9, 0.8, 0.9 - 0.05])
    laid = laid_out([answer], [truth])
    assert laid.detections.score.tolist() == pytest.approx([0.9, 0.85])
    assert laid.detection_area.tolist() == [9, 7]
    assert laid.shared.tolist() == [9, 1]
    assert laid.pairs.iou.tolist() == pytest.approx([9 / 10, 1 / 16])


def test_crowds_and_difficult_objects_count_neither_way():
    truth = strip_instances(
        (0, 4), (5, 9), (10, 20),
        crowd=torch.tensor([False, False, True]), difficult=torch.tensor([False, True, False]),
    )  # fmt: skip
    answer = strip_instances((0, 4), (5, 9), (12, 14), scores=[0.9, 0.9, 0.9])
    figures = judged([answer], [truth])
    assert figures["counts"] == {"ground_truth": [1], "predicted": [1]}
    assert figures["bowl_ap"] == figures["pq"] == figures["sbd"] == pytest.approx(1)


def test_classes_are_told_apart_but_for_dice():
    truth = strip_instances((0, 4), (5, 9), labels=[0, 1])
    answer = strip_instances((0, 4), (5, 9), labels=[0, 0], scores=[0.9, 0.9])
    figures = judged([answer], [truth], ("a", "b", "c"))
    assert figures["bowl_ap50"] == pytest.approx(1 / 3)
    assert figures["sbd"] == pytest.approx(1)
    assert [row["pq"] for row in figures["per_class"]] == [pytest.approx(1 / 1.5), 0, None]
    assert figures["pq"] == pytest.approx((1 / 1.5 + 0) / 2)


def numbered(instances):
    """A label image: the object's number in each pixel, from 1 on."""
    numbers = torch.zeros(instances.masks.shape[1:], dtype=torch.int64)
    for row, mask in enumerate(instances.masks, 1):
        numbers[mask] = row
    return numbers.numpy()


def bowl_of_label_images(truth, found):
    """The mean over thresholds, as programs for the Data Science Bowl compute it from two label images."""
    objects, answers = int(truth.max()), int(found.max())
    if not objects and not answers:
        return 1.0
    iou = np.zeros((objects, answers))
    for i in range(objects):
        for j in range(answers):
            one, other = truth == i + 1, found == j + 1
            iou[i, j] = (one & other).sum() / (one | other).sum()
    values = []
    for step in range(10):
        hits = iou > round(0.5 + 0.05 * step, 2)
        tp = int((hits.sum(1) == 1).sum()) if answers else 0
        fp = int((hits.sum(0) == 0).sum()) if objects else answers
        fn = int((hits.sum(1) == 0).sum()) if answers else objects
        values.append(tp / (tp + fp + fn))
    return float(np.mean(values))


def best_dice(a, b):
    """Best Dice of label image `a` in `b` (Scharr et al., 2016, equation 2)."""
    count = int(a.max())
    total = 0.0
    for i in range(1, count + 1):
        one = a == i
        total += max(
            (2 * (one & (b == j)).sum() / (one.sum() + (b == j).sum()) for j in range(1, int(b.max()) + 1)), default=0
        )
    return total / count if count else 0.0


@pytest.mark.parametrize("seed", range(3))
def test_label_images_are_evaluated_as_their_benchmarks_do(seed):
    predictions, targets = made(seed, count=10, num_classes=1, apart=True)
    laid = laid_out(predictions, targets)
    precision = bowl_precision(laid)
    assert precision.shape == (len(BOWL_OVERLAPS), 10)
    images = [(numbered(target), numbered(prediction)) for target, prediction in zip(targets, predictions, strict=True)]
    assert precision.mean(0).tolist() == pytest.approx([bowl_of_label_images(*pair) for pair in images])
    wanted = [
        1.0 if not truth.max() and not found.max() else min(best_dice(truth, found), best_dice(found, truth))
        for truth, found in images
    ]
    assert symmetric_best_dice(laid).tolist() == pytest.approx(wanted)


@pytest.mark.parametrize("seed", range(3))
def test_panoptic_quality_is_torchmetrics(seed):
    predictions, targets = made(seed, count=10, num_classes=3, apart=True)
    oracle = PanopticQuality(things={0, 1, 2}, stuffs={3}, return_per_class=True, return_sq_and_rq=True)

    def panoptic_map(instances):
        """(class, number) in each pixel; class 3 where nothing is."""
        numbers = torch.from_numpy(numbered(instances))
        classes = torch.cat([torch.tensor([3]), instances.labels])[numbers]
        return torch.stack([classes, numbers], -1)[None]

    for prediction, target in zip(predictions, targets, strict=True):
        oracle.update(panoptic_map(prediction), panoptic_map(target))
    wanted = oracle.compute().squeeze()[:3]  # rows: classes; columns: PQ, SQ, RQ
    found = panoptic_counts(laid_out(predictions, targets), 3)
    rows = [astuple(found.of_class(label)) for label in range(3)]
    assert np.array(rows) == pytest.approx(wanted.numpy())
    assert list(astuple(found.mean())) == pytest.approx(wanted.mean(0).tolist())
