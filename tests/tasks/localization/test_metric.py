"""Scores of localization by hand, and by plain loops."""

from __future__ import annotations

import pytest
import torch

from zorki.tasks.localization.metric import LocalizationMetric
from zorki.types import Boxes, ClassInfo

ONE = ClassInfo(("cat", "dog"), objects="one")
PARTS = ClassInfo(("head", "left ear", "right ear"), objects="each")


def boxes(*rows, scores=None):
    """Boxes of (x0, y0, x1, y1, label) rows."""
    table = torch.tensor(rows, dtype=torch.float32).reshape(-1, 5)
    return Boxes(table[:, :4], table[:, 4].long(), None if scores is None else torch.tensor(scores))


def result(info, *pairs):
    metric = LocalizationMetric(info)
    for prediction, target in pairs:
        metric.update([prediction], [target])
    return metric.compute()


CAT = boxes((0, 0, 10, 10, 0))
RIGHT = boxes((0, 0, 10, 6, 0), (0, 0, 10, 10, 1), scores=[0.9, 0.1])  # IoU 0.6, the right class
WRONG_CLASS = boxes((0, 0, 10, 10, 1), (0, 0, 10, 8, 0), scores=[0.7, 0.3])  # IoU 1, and 0.8 for the right class
WRONG_BOX = boxes((0, 0, 10, 4, 0), (0, 0, 10, 10, 1), scores=[0.8, 0.2])  # IoU 0.4, the right class


def test_one_object_by_hand():
    found = result(ONE, (RIGHT, CAT), (WRONG_CLASS, CAT), (WRONG_BOX, CAT))
    assert (found.count, found.objects) == (3, 3)
    assert found.mean_iou == pytest.approx((0.6 + 1.0 + 0.4) / 3)
    assert found.iou_above_50 == pytest.approx(2 / 3)
    assert found.class_accuracy == pytest.approx(2 / 3)
    assert found.top1_loc == pytest.approx(1 / 3)
    assert found.top5_loc == pytest.approx(2 / 3)  # the second guess of the second image
    assert found.gt_known_loc == pytest.approx(2 / 3)  # IoU 0.6, 0.8 and 0.4
    assert found.max_box_acc_v2 == pytest.approx((3 + 2 + 1) / 9)
    cat, dog = found.per_class
    assert (cat.class_name, cat.count, cat.top1_loc) == ("cat", 3, pytest.approx(1 / 3))
    assert (dog.count, dog.mean_iou) == (0, None)
    shares = dict(zip(found.iou_curve.iou, found.iou_curve.share, strict=True))
    assert shares[0.4] == 1.0
    assert shares[0.65] == pytest.approx(1 / 3)


def test_an_iou_of_exactly_a_half_is_right():
    assert result(ONE, (boxes((0, 0, 10, 5, 0), scores=[1.0]), CAT)).top1_loc == 1.0


def test_the_order_of_rows_is_of_no_account():
    turned = WRONG_CLASS[torch.tensor([1, 0])]
    assert result(ONE, (turned, CAT)) == result(ONE, (WRONG_CLASS, CAT))


def test_a_class_that_nobody_guessed_has_the_best_guess_s_box_and_no_prediction_is_wrong():
    other = boxes((0, 0, 10, 10, 1), scores=[1.0])
    found = result(ONE, (other, CAT))
    assert (found.gt_known_loc, found.top1_loc, found.top5_loc, found.class_accuracy) == (1.0, 0.0, 0.0, 0.0)
    nothing = result(ONE, (boxes(scores=[]), CAT))
    assert (nothing.mean_iou, nothing.gt_known_loc, nothing.top5_loc) == (0.0, 0.0, 0.0)


def test_guesses_beyond_the_fifth_are_none():
    info = ClassInfo(tuple("abcdef"), objects="one")
    prediction = boxes(*((0, 0, 10, 10, label) for label in range(6)), scores=[0.6, 0.5, 0.4, 0.3, 0.2, 0.1])
    found = result(info, (prediction, boxes((0, 0, 10, 10, 4))), (prediction, boxes((0, 0, 10, 10, 5))))
    assert found.top5_loc == 0.5


def test_parts_by_hand():
    target = boxes((0, 0, 10, 10, 0), (0, 0, 4, 4, 1))  # the right ear is hidden
    prediction = boxes((0, 0, 10, 8, 0), (0, 0, 4, 4, 1), (6, 0, 9, 4, 2), scores=[0.9, 0.4, 0.8])
    found = result(PARTS, (prediction, target))
    assert (found.count, found.objects) == (1, 2)
    assert found.mean_iou == pytest.approx(0.9)
    assert found.class_accuracy == pytest.approx(1 / 3)  # the head alone: one ear unseen, the other seen in vain
    assert found.top1_loc == pytest.approx(0.5)
    assert found.top5_loc is None
    assert [row.count for row in found.per_class] == [1, 1, 0]


def test_visibility_by_hand():
    head = boxes((0, 0, 9, 9, 0))
    both = boxes((0, 0, 9, 9, 0), (0, 0, 4, 4, 1))
    rows = ((0, 0, 9, 9, 0), (0, 0, 4, 4, 1))
    seen, unsure, hidden = (boxes(*rows, scores=[0.9, score]) for score in (0.7, 0.4, 0.4))
    # Left ear: seen with .7 and .4, hidden with .4: of two pairs one is right, and one a tie. The head is never hidden.
    found = result(PARTS, (seen, both), (unsure, both), (hidden, head))
    assert found.visibility_auc == pytest.approx(0.75)
    assert found.class_accuracy == pytest.approx(8 / 9)  # the right ear is hidden in all three, and never predicted
    missing = boxes((0, 0, 9, 9, 0), scores=[0.9])  # the ear has the score 0
    assert result(PARTS, (missing, both), (hidden, head)).visibility_auc == 0.0
    assert result(PARTS, (seen, both)).visibility_auc is None
    assert result(ONE, (RIGHT, CAT)).visibility_auc is None


def test_parts_merged_equal_the_whole_and_nothing_has_no_score():
    whole, first, second = (LocalizationMetric(ONE) for _ in range(3))
    for metric in (whole, first):
        metric.update([RIGHT, WRONG_CLASS], [CAT, CAT])
    for metric in (whole, second):
        metric.update([WRONG_BOX], [CAT])
    first.merge(second)
    assert first.compute() == whole.compute()
    parts = [LocalizationMetric(PARTS) for _ in range(2)]
    for metric, label in zip(parts, (1, 0), strict=True):
        prediction = boxes((0, 0, 9, 9, 0), (0, 0, 4, 4, 1), scores=[0.9, 0.2 + label / 2])
        metric.update([prediction], [boxes((0, 0, 9, 9, label))])
    parts[0].merge(parts[1])
    assert parts[0].compute().visibility_auc == pytest.approx(0.75)
    assert LocalizationMetric(ONE).compute().mean_iou is None


def test_a_prediction_without_scores_is_refused():
    with pytest.raises(ValueError, match="scores"):
        LocalizationMetric(ONE).update([CAT], [CAT])


def slow_iou(a, b):
    width = max(0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0, min(a[3], b[3]) - max(a[1], b[1]))
    shared = width * height
    return shared / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared)


def slow_scores(pairs):
    """Top-1, Top-5 and GT-known Loc in plain loops, from the definitions."""
    top1 = top5 = known = 0
    for prediction, target in pairs:
        columns = (prediction.scores.tolist(), prediction.labels.tolist(), prediction.xyxy.tolist())
        rows = sorted(zip(*columns, strict=True), reverse=True)
        label, box = int(target.labels[0]), target.xyxy[0].tolist()
        right = [found == label and slow_iou(guess, box) >= 0.5 for _, found, guess in rows]
        top1 += right[0]
        top5 += any(right[:5])
        own = next((guess for _, found, guess in rows if found == label), rows[0][2])
        known += slow_iou(own, box) >= 0.5
    return top1 / len(pairs), top5 / len(pairs), known / len(pairs)


def test_random_guesses_score_as_by_plain_loops():
    generator = torch.Generator().manual_seed(0)
    info = ClassInfo(tuple("abcdefgh"), objects="one")
    pairs = []
    for _ in range(200):
        corners = torch.rand(8, 2, generator=generator) * 4
        xyxy = torch.cat([corners, corners + 6 + torch.rand(8, 2, generator=generator)], 1)
        labels, scores = torch.randperm(8, generator=generator), torch.rand(8, generator=generator)
        target = Boxes(xyxy[:1] + torch.rand(1, 4, generator=generator), torch.randint(8, (1,), generator=generator))
        pairs.append((Boxes(xyxy, labels, scores), target))
    found = result(info, *pairs)
    assert (found.top1_loc, found.top5_loc, found.gt_known_loc) == pytest.approx(slow_scores(pairs))
