import numpy as np
import pytest

from zorki.metrics.tables import DetectionTable, GroundTruthTable
from zorki.metrics.voc_ap import VocSummary, voc_curves, voc_summary


def ground_truths(rows, difficult=(), crowd=()):
    """Rows are (image, label, x, y, w, h)."""
    table = np.array(rows, np.float64).reshape(-1, 6)
    marks = [np.isin(np.arange(len(table)), list(which)) for which in (crowd, difficult)]
    return GroundTruthTable(
        table[:, 0].astype(np.int64), table[:, 2:], table[:, 1].astype(np.int64), table[:, 4] * table[:, 5], *marks
    )


def detections(rows):
    """Rows are (image, label, score, x, y, w, h)."""
    table = np.array(rows, np.float64).reshape(-1, 7)
    return DetectionTable(table[:, 0].astype(np.int64), table[:, 3:], table[:, 1].astype(np.int64), table[:, 2])


def loop(truth, found, label, min_iou, more):
    """The rules of section 4.2 one detection at a time; precision and recall after each one that counts."""
    taken, right, wrong, points = set(), 0, 0, []
    wanted = sum(truth.label[i] == label and truth.positive[i] for i in range(len(truth)))
    for d in sorted(np.flatnonzero(found.label == label), key=lambda row: -found.score[row]):
        best, best_iou = None, -1.0
        for t in range(len(truth)):
            if truth.image[t] != found.image[d] or truth.label[t] != label:
                continue
            (ax, ay, aw, ah), (bx, by, bw, bh) = found.xywh[d], truth.xywh[t]
            width = min(ax + aw, bx + bw) - max(ax, bx) + more
            height = min(ay + ah, by + bh) - max(ay, by) + more
            shared = max(0.0, width) * max(0.0, height)
            iou = shared / ((aw + more) * (ah + more) + (bw + more) * (bh + more) - shared)
            if iou > best_iou:
                best, best_iou = t, iou
        if best_iou >= min_iou and truth.difficult[best]:
            continue
        if best_iou >= min_iou and best not in taken:
            taken.add(best)
            right += 1
        else:
            wrong += 1
        points.append((right / (right + wrong), right / wanted))
    return points


@pytest.mark.parametrize("inclusive", [False, True])
@pytest.mark.parametrize("min_iou", [0.1, 0.5, 0.75])
def test_agrees_with_the_rules_as_a_loop(min_iou, inclusive):
    for seed in range(3):
        chance = np.random.default_rng(seed)
        rows = np.column_stack(
            [
                chance.integers(0, 9, 40),
                chance.integers(0, 2, 40),
                chance.integers(0, 50, (40, 2)),
                np.full((40, 2), 19),
            ]
        )
        truth = ground_truths(rows, difficult=np.flatnonzero(chance.random(40) < 0.2))
        near = rows[chance.integers(0, 40, 120)]
        found = detections(
            np.column_stack(
                [near[:, :2], chance.permutation(120), near[:, 2:4] + chance.integers(-9, 9, (120, 2)), near[:, 4:]]
            )
        )
        for label, curve in enumerate(voc_curves(truth, found, 2, min_iou=min_iou, inclusive=inclusive)):
            points = loop(truth, found, label, min_iou, 1.0 if inclusive else 0.0)
            assert list(zip(curve.precision, curve.recall, strict=True)) == points


def test_both_averages_by_hand():
    # Right, wrong, right of three objects: recall 1/3 at precision 1, 2/3 at precision 2/3, never more.
    truth = ground_truths([(0, 0, 0, 0, 10, 10), (0, 0, 50, 0, 10, 10), (1, 0, 0, 0, 10, 10)])
    found = detections([(0, 0, 0.9, 0, 0, 10, 10), (0, 0, 0.8, 200, 0, 10, 10), (1, 0, 0.7, 0, 0, 10, 10)])
    (curve,) = voc_curves(truth, found, 1)
    assert curve.area() == pytest.approx(1 / 3 + 1 / 3 * 2 / 3)
    # Recalls 0, .1, .2, .3 have precision 1; .4, .5, .6 have 2/3; .7 to 1 have none.
    assert curve.eleven_points() == pytest.approx((4 + 3 * 2 / 3) / 11)


def test_a_second_prediction_to_an_object_is_wrong_and_does_not_move_on():
    # Both detections overlap the left object most: the second may not fall back to the right one, as in COCO it may.
    truth = ground_truths([(0, 0, 0, 0, 10, 10), (0, 0, 3, 0, 10, 10)])
    found = detections([(0, 0, 0.9, 0, 0, 10, 10), (0, 0, 0.8, 1, 0, 10, 10)])
    (curve,) = voc_curves(truth, found, 1)
    assert curve.precision.tolist() == [1.0, 0.5]
    assert curve.recall.tolist() == [0.5, 0.5]


def test_predictions_on_crowds_and_difficult_objects_do_not_count():
    truth = ground_truths(
        [(0, 0, 0, 0, 10, 10), (0, 0, 100, 0, 10, 10), (0, 0, 200, 0, 90, 90)], difficult=[1], crowd=[2]
    )
    found = detections([(0, 0, 0.9, 100, 0, 10, 10), (0, 0, 0.8, 101, 0, 10, 10), (0, 0, 0.7, 250, 50, 9, 9)])
    (curve,) = voc_curves(truth, found, 1)
    assert len(curve.recall) == 0
    assert curve.area() == curve.eleven_points() == 0.0


def test_pixels_that_are_counted_inclusively_overlap_more():
    # Boxes of 4 x 4 shifted by one: 12 / 20 as areas; 5 x 5 pixels shifted by one: 20 / 30.
    truth, found = ground_truths([(0, 0, 0, 0, 4, 4)]), detections([(0, 0, 0.9, 1, 0, 4, 4)])
    assert voc_curves(truth, found, 1, min_iou=0.65)[0].area() == 0.0
    assert voc_curves(truth, found, 1, min_iou=0.65, inclusive=True)[0].area() == 1.0


def test_classes_without_objects_are_not_averaged():
    truth = ground_truths([(0, 1, 0, 0, 10, 10)])
    found = detections([(0, 1, 0.9, 0, 0, 10, 10), (0, 2, 0.9, 0, 0, 10, 10)])
    curves = voc_curves(truth, found, 4)
    assert [curve is None for curve in curves] == [True, False, True, True]
    assert voc_summary(curves) == VocSummary(1.0, 1.0)
    assert voc_summary(voc_curves(ground_truths([]), found, 4)) == VocSummary(None, None)
    assert voc_summary(voc_curves(truth, detections([]), 4)) == VocSummary(0.0, 0.0)


def test_an_object_inside_of_a_crowd_is_found():
    """The crowd covers the whole prediction and the object only most of it, and yet the object is what was meant."""
    truth = ground_truths([(0, 0, 0, 0, 100, 100), (0, 0, 10, 10, 20, 20)], crowd=[0])
    found = detections([(0, 0, 0.9, 10, 10, 20, 18), (0, 0, 0.8, 60, 60, 20, 20), (0, 0, 0.7, 10, 10, 20, 18)])
    curve = voc_curves(truth, found, 1)[0]
    assert curve.precision.tolist() == [1.0, 0.5]  # the one in the crowd alone counts as nothing, the last comes twice
    assert curve.recall.tolist() == [1.0, 1.0]
