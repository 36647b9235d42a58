import contextlib
import io

import hotcoco
import numpy as np
import pytest

from zorki.metrics.error_types import ErrorCounts, count_errors
from zorki.metrics.matching import match, overlapping_pairs
from zorki.metrics.tables import DetectionTable, GroundTruthTable


def counted(truth, found, min_score=0.0):
    pairs = overlapping_pairs(truth, found, 0.1)
    return count_errors(truth, found, pairs, match(truth, found, pairs), found.score >= min_score)


def tables(truth_rows, found_rows):
    """Rows (image, label, x, y, w, h), and the same with a score at the end."""
    truth, found = np.array(truth_rows, float).reshape(-1, 6), np.array(found_rows, float).reshape(-1, 7)
    no = np.zeros(len(truth), bool)
    return (
        GroundTruthTable(
            truth[:, 0].astype(int), truth[:, 2:], truth[:, 1].astype(int), truth[:, 4] * truth[:, 5], no, no
        ),
        DetectionTable(found[:, 0].astype(int), found[:, 2:6], found[:, 1].astype(int), found[:, 6]),
    )


OBJECT = (0, 0, 0, 0, 10, 10)


@pytest.mark.parametrize(
    ("found", "wanted"),
    [
        ([(0, 0, 0, 0, 10, 10, 0.9)], {}),
        ([(0, 1, 0, 0, 10, 10, 0.9)], {"classification": 1}),
        ([(0, 0, 0, 0, 10, 4, 0.9)], {"localization": 1}),  # overlap .4
        ([(0, 1, 0, 0, 10, 4, 0.9)], {"both": 1, "missed": 1}),
        ([(0, 0, 0, 0, 10, 10, 0.9), (0, 0, 0, 1, 10, 9, 0.8)], {"duplicate": 1}),
        ([(0, 0, 0, 0, 10, 10, 0.9), (0, 0, 50, 0, 10, 10, 0.8)], {"background": 1}),
        ([(0, 0, 9.5, 0, 10, 10, 0.9)], {"background": 1, "missed": 1}),  # overlap .026
        ([(1, 0, 0, 0, 10, 10, 0.9)], {"background": 1, "missed": 1}),  # another image
        ([], {"missed": 1}),
    ],
)
def test_each_kind_by_hand(found, wanted):
    assert counted(*tables([OBJECT], found)) == ErrorCounts(**wanted)


def test_what_scores_too_little_is_not_there():
    truth, found = tables([OBJECT], [(0, 0, 0, 0, 10, 10, 0.3), (0, 0, 50, 0, 10, 10, 0.8)])
    assert counted(truth, found, 0.5) == ErrorCounts(background=1, missed=1)


@pytest.mark.parametrize("seed", range(5))
def test_agrees_with_hotcoco_at_all_scores(seed):
    chance = np.random.default_rng(seed)
    n, m = 150, 500
    rows = np.column_stack(
        [
            chance.integers(0, 40, n),
            chance.integers(0, 3, n),
            chance.uniform(0, 90, (n, 2)),
            chance.uniform(9, 60, (n, 2)),
        ]
    )
    near = rows[chance.integers(0, n, m)]
    near[:, 2:] = np.maximum(near[:, 2:] + chance.normal(0, 7, (m, 4)), 1)
    near[:, 1] = np.where(chance.random(m) < 0.7, near[:, 1], chance.integers(0, 3, m))
    truth, found = tables(rows, np.column_stack([near, chance.random(m)]))
    categories = [{"id": label, "name": str(label)} for label in (1, 2, 3)]
    coco = hotcoco.COCO.from_arrays(
        [{"id": image} for image in range(1, 41)], categories, truth.image + 1, truth.label + 1, truth.xywh
    )
    answers = np.column_stack([found.image + 1, found.xywh, found.score, found.label + 1])
    evaluation = hotcoco.COCOeval(coco, coco.load_res(answers), "bbox")
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation.run()
    counts = evaluation.tide_errors()["counts"]
    theirs = {
        "classification": "Cls",
        "localization": "Loc",
        "both": "Both",
        "duplicate": "Dupe",
        "background": "Bkg",
        "missed": "Miss",
    }
    assert counted(truth, found) == ErrorCounts(**{name: counts[word] for name, word in theirs.items()})
