"""Scores of trackers by hand; merged parts; the baseline."""

from __future__ import annotations

import pytest
import torch

from zorki.data.scenes.tracks import SceneTracks
from zorki.tasks.tracking.metric import TrackingMetric
from zorki.tasks.tracking.task import Tracking
from zorki.types import Boxes, ClassInfo, TrackedBoxes

INFO = ClassInfo(("object",))


def track(*rows, frames=None):
    """A track of (x0, y0, x1, y1) rows."""
    numbers = torch.arange(len(rows)) if frames is None else torch.tensor(frames)
    return TrackedBoxes(numbers, torch.zeros_like(numbers), torch.tensor(rows, dtype=torch.float32).reshape(-1, 4))


RIGHT = track((0, 0, 10, 10), (2, 0, 12, 10), (4, 0, 14, 10))
HALF = track((0, 0, 10, 10), (2, 0, 12, 5), (50, 50, 60, 60))  # an IoU of 1, of .5 and of 0


def result(*pairs):
    metric = TrackingMetric()
    for prediction, target in pairs:
        metric.update([prediction], [target])
    return metric.compute()


def test_the_ground_truth_itself():
    found = result((RIGHT, RIGHT))
    assert found.success_auc == pytest.approx(20 / 21)
    assert (found.precision_20, found.average_overlap, found.success_rate_50, found.success_rate_75) == (1, 1, 1, 1)
    assert (found.count, found.frames, len(found.success), len(found.precision)) == (1, 3, 21, 51)


def test_by_hand():
    found = result((HALF, RIGHT))
    # Above 0, .05, ..., .45 two of three frames, above .5, ..., .95 the first one, above 1 none.
    assert found.success_auc == pytest.approx((10 * 2 / 3 + 10 * 1 / 3) / 21)
    assert found.precision_20 == pytest.approx(2 / 3)
    assert found.average_overlap == pytest.approx((0.5 + 0.0) / 2)
    assert found.success_rate_50 == 0.0
    assert found.per_sequence[0].average_overlap == pytest.approx(0.25)


def test_rows_of_sequences_bear_their_names():
    dataset = SceneTracks(10, size=(32, 32))
    target = dataset.target(3)
    assert target.sequence == dataset.path(3).stem
    found = result((RIGHT, RIGHT), (target, target[target.frames < 4]))
    assert [row.sequence for row in found.per_sequence] == [None, target.sequence]
    assert TrackedBoxes.from_json(target.to_json()).sequence == target.sequence


def test_got10k_s_scores_are_of_boxes_within_the_frame():
    leaving = track((0, 0, 10, 10), (12, 0, 30, 10), (14, 0, 40, 10))
    truth = track((0, 0, 10, 10), (12, 0, 20, 10), (14, 0, 20, 10))
    boxes = [Boxes(row[None], torch.zeros(1, dtype=torch.int64)) for row in leaving.xyxy]
    joined = Tracking.evaluation.join(boxes, (10, 20))
    assert result((joined, truth)).average_overlap == pytest.approx(1.0)
    assert result((leaving, truth)).average_overlap == pytest.approx((8 / 18 + 6 / 26) / 2)
    assert result((joined, truth)).success_auc == result((leaving, truth)).success_auc, "OTB's are of all"


def test_otb_weighs_sequences_alike_and_got10k_frames():
    short = track((0, 0, 10, 10), (0, 0, 10, 10))
    found = result((HALF, RIGHT), (short, short))
    assert found.success_auc == pytest.approx(((10 * 2 / 3 + 10 / 3) / 21 + 20 / 21) / 2)
    assert found.average_overlap == pytest.approx((0.5 + 0.0 + 1.0) / 3)


def test_frames_without_annotation_count_by_otb_s_rule_alone():
    gap = track((0, 0, 10, 10), (4, 0, 14, 10), frames=[0, 2])
    found = result((RIGHT, gap))
    assert found.success[0] == pytest.approx(2 / 3)
    assert found.precision_20 == 1.0
    assert found.average_overlap == 1.0


def test_parts_merged_are_the_whole():
    one, other = TrackingMetric(), TrackingMetric()
    one.update([HALF], [RIGHT])
    other.update([RIGHT], [RIGHT])
    one.merge(other)
    assert one.compute() == result((HALF, RIGHT), (RIGHT, RIGHT))


def test_nothing_was_tracked():
    found = result()
    assert (found.count, found.success_auc, found.average_overlap, found.per_sequence) == (0, None, None, ())


def test_frames_are_joined_and_the_baseline_stands_still():
    evaluation = Tracking.evaluation
    boxes = [Boxes(torch.full((2, 4), float(number)), torch.zeros(2, dtype=torch.int64)) for number in range(3)]
    joined = evaluation.join(boxes, (32, 48))
    assert joined.frame_sizes.tolist() == [[32, 48]] * 6
    assert joined.frames.tolist() == [0, 0, 1, 1, 2, 2]
    assert joined.identities.tolist() == [0, 1, 0, 1, 0, 1]

    scenes = SceneTracks(10, size=(32, 32))
    target = scenes.target(0)
    still = evaluation.baseline_for(evaluation.baseline([target], INFO), scenes, 0)
    assert torch.equal(still.xyxy, target.xyxy[:1].expand(len(target), -1))


def test_what_is_right_and_how_wrong_the_rest_is():
    evaluation = Tracking.evaluation
    assert evaluation.right(RIGHT, RIGHT, INFO)
    assert not evaluation.right(HALF, RIGHT, INFO)
    assert evaluation.error_score(HALF, RIGHT, INFO) > evaluation.error_score(RIGHT, RIGHT, INFO)
