import numpy as np
import pytest

from zorki.metrics import matching as matches
from zorki.metrics.matching import match, overlapping_pairs
from zorki.metrics.tables import DetectionTable, GroundTruthTable


def tables(seed, *, ties=False):
    chance = np.random.default_rng(seed)
    n, m = 60, 200
    low = chance.integers(0, 60, (n, 2)) / 1.0
    truth = np.column_stack([low, chance.integers(10, 40, (n, 2))]).astype(float)
    owner = chance.integers(0, n, m)
    found = truth[owner] + chance.integers(-6, 6, (m, 4))
    image = chance.integers(0, 5, n)
    marks = chance.random((2, n)) < 0.1
    score = np.round(chance.random(m), 1) if ties else chance.random(m)
    return (
        GroundTruthTable(
            image, truth, chance.integers(0, 2, n), truth[:, 2] * truth[:, 3], marks[0], marks[1] & ~marks[0]
        ),
        DetectionTable(image[owner], np.maximum(found, 1), chance.integers(0, 2, m), score),
    )


def overlap(truth, found, t, d):
    (ax, ay, aw, ah), (bx, by, bw, bh) = found.xywh[d], truth.xywh[t]
    shared = max(0.0, min(ax + aw, bx + bw) - max(ax, bx)) * max(0.0, min(ay + ah, by + bh) - max(ay, by))
    return shared / (aw * ah if truth.crowd[t] else aw * ah + bw * bh - shared)


@pytest.mark.parametrize("ties", [False, True])
def test_greedy_choice_equals_one_detection_after_the_other(ties):
    for seed in range(5):
        truth, found = tables(seed, ties=ties)
        matched = match(truth, found, overlapping_pairs(truth, found, 0.1))
        free, wanted = set(range(len(truth))), []
        order = sorted(range(len(found)), key=lambda row: -found.score[row])
        assert matched.order.tolist() == order
        for d in order:
            near = [
                t
                for t in range(len(truth))
                if truth.image[t] == found.image[d] and truth.label[t] == found.label[d]
                and overlap(truth, found, t, d) >= 0.5
            ]  # fmt: skip
            best = max((t for t in near if t in free and truth.positive[t]), default=-1,
                       key=lambda t: (overlap(truth, found, t, d), t))  # fmt: skip
            free.discard(best)
            wanted.append((best, best < 0 and any(not truth.positive[t] for t in near)))
        assert list(zip(matched.ground_truth[order], matched.ignored[order], strict=True)) == wanted


def test_pairs_are_those_of_one_image_that_overlap(monkeypatch):
    truth, found = tables(1)
    pairs = overlapping_pairs(truth, found, 0.1)
    wanted = [
        (d, t)
        for d in range(len(found))
        for t in range(len(truth))
        if truth.image[t] == found.image[d] and overlap(truth, found, t, d) >= 0.1
    ]
    assert sorted(zip(pairs.detection.tolist(), pairs.ground_truth.tolist(), strict=True)) == wanted
    for d, t, iou in zip(pairs.detection, pairs.ground_truth, pairs.iou, strict=True):
        assert iou == pytest.approx(overlap(truth, found, t, d), rel=1e-12)
    monkeypatch.setattr(matches, "_AT_ONCE", 30)  # in many pieces
    pieces = overlapping_pairs(truth, found, 0.1)
    assert np.array_equal(pieces.ground_truth, pairs.ground_truth)
    assert np.array_equal(pieces.iou, pairs.iou)


def test_empty_boxes_overlap_nothing():
    nowhere = np.zeros((1, 4))
    zero, no = np.zeros(1, np.int64), np.zeros(1, bool)
    truth, found = (
        GroundTruthTable(zero, nowhere, zero, np.zeros(1), no, no),
        DetectionTable(zero, nowhere, zero, np.ones(1)),
    )
    assert len(overlapping_pairs(truth, found, 0.1)) == 0
    none = found.where(np.zeros(1, bool))
    assert len(overlapping_pairs(truth, none, 0.1)) == 0
    assert len(match(truth, none, overlapping_pairs(truth, none, 0.1)).order) == 0
