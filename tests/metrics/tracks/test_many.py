"""HOTA, IDF1 and CLEAR MOT: by hand, and again as loops over everything, from the papers."""

from itertools import permutations

import numpy as np
import pytest
from metrics.tracks.many_objects import random_rows, table

from zorki.metrics.tracks.clear_mot import clear_counts
from zorki.metrics.tracks.hota import ALPHAS, hota_curves
from zorki.metrics.tracks.identity import identity_counts
from zorki.metrics.tracks.many import score_tracks
from zorki.metrics.tracks.sequence import overlap_tracks


def video(theirs, ours, frames=6, **rules):
    return overlap_tracks(table(theirs), table(ours), frames, **rules)


def one_object(frames, identity=lambda frame: 1):
    return [(frame, identity(frame), 0, 0, 10, 10) for frame in range(frames)]


def test_the_ground_truth_itself_is_perfect():
    theirs, _ = random_rows(0)
    scores = score_tracks({"a": video(theirs, theirs)})
    perfect = ("hota", "det_a", "ass_a", "loc_a", "idf1", "idp", "idr", "mota", "motp", "recall", "precision")
    assert [getattr(scores, name) for name in perfect] == pytest.approx([1.0] * len(perfect))
    assert (scores.id_switches, scores.false_positives, scores.false_negatives, scores.count) == (0, 0, 0, 6)


def test_a_track_that_changes_its_name_in_the_middle():
    """Ten frames, five under each name: half of the identity, one switch, and an association of one half."""
    scores = score_tracks({"a": video(one_object(10), one_object(10, lambda frame: frame // 5), 10)})
    assert scores.idf1 == 0.5
    assert scores.mota == pytest.approx(1 - 1 / 10)
    assert (scores.id_switches, scores.fragmentations) == (1, 0)
    assert (scores.det_a, scores.ass_a) == pytest.approx((1.0, 0.5))
    assert scores.hota == pytest.approx(0.5**0.5)


def test_boxes_that_overlap_by_half_count_up_to_that_threshold():
    """Boxes of 10 x 10, one moved by a third of its width: IoU 1/2."""
    moved = [(frame, 1, 10 / 3, 0, 10, 10) for frame in range(4)]
    curves = hota_curves(video(one_object(4), moved, 4))
    assert curves.true_positives.tolist() == [4.0 * (alpha <= 0.5 + 1e-9) for alpha in ALPHAS]
    assert clear_counts(video(one_object(4), moved, 4)).overlap == pytest.approx(2.0)


def test_shares_of_a_life():
    """Eight frames of ten are partly tracked, nine mostly, one mostly lost; a gap is a fragmentation."""

    def ours(present):
        return [row for row in one_object(10) if row[0] in present] + [(9, 7, 50, 50, 5, 5)]

    counts = [clear_counts(video(one_object(10), ours(frames), 10)) for frames in (range(8), range(9), range(1))]
    assert [(one.mostly_tracked, one.partly_tracked, one.mostly_lost) for one in counts] == [
        (0, 1, 0), (1, 0, 0), (0, 0, 1),
    ]  # fmt: skip
    other = [(frame, 7, 50, 50, 5, 5) for frame in range(10)]
    gap = [row for row in one_object(10) if row[0] != 4]
    assert clear_counts(video(one_object(10), gap + other, 10)).fragmentations == 1
    assert clear_counts(video(one_object(10), gap, 10)).fragmentations == 0  # TrackEval's: nothing at all in the frame


def test_nothing_is_none_and_misses_alone_are_zero():
    empty = score_tracks({"a": video([], [], 3)})
    assert (empty.hota, empty.idf1, empty.mota, empty.count) == (None, None, None, 3)
    missed = score_tracks({"a": video(one_object(3), [], 3)})
    assert (missed.hota, missed.idf1, missed.mota, missed.precision, missed.motp) == (0.0, 0.0, 0.0, None, None)
    assert (missed.mostly_lost, missed.false_negatives) == (1, 3)
    false = score_tracks({"a": video([], one_object(3), 3)})
    assert (false.hota, false.idf1, false.mota, false.recall, false.false_positives) == (0.0, 0.0, None, None, 3)


def test_distractors_are_neither_right_nor_wrong():
    theirs = [(0, 1, 0, 0, 10, 10), (0, 2, 50, 0, 10, 10, 1, 8), (0, 3, 100, 0, 10, 10, 0, 1)]
    ours = [(0, 1, 0, 0, 10, 10), (0, 2, 50, 0, 10, 10), (0, 3, 100, 0, 10, 10)]
    counts = clear_counts(video(theirs, ours, 1, labels=(1,), distractors=(8,)))
    assert (counts.true_positives, counts.false_positives, counts.false_negatives) == (1, 1, 0)


def test_videos_together_are_not_the_mean_of_each():
    theirs, ours = random_rows(1)
    parts = {"a": video(theirs, ours), "b": video(one_object(30), one_object(30), 30)}
    scores = score_tracks(parts)
    rows = {row.sequence: row for row in scores.sequences}
    assert rows["b"].hota == pytest.approx(1.0)
    assert rows["a"].idf1 == identity_counts(parts["a"]).idf1
    assert (rows["a"].idf1 + rows["b"].idf1) / 2 < scores.idf1 < 1
    assert scores.count == 36


# -- slow twins --


def matchings(count, other):
    """Every way to pair some of `count` with some of `other`."""
    for chosen in permutations([*range(other), *[None] * count], count):
        yield [(row, column) for row, column in enumerate(chosen) if column is not None]


def slow_hota(sequence, alpha):
    frames = sequence.frames
    lives = [sum(a in frame.ground_truth for frame in frames) for a in range(sequence.ground_truth_identities)]
    others = [sum(b in frame.prediction for frame in frames) for b in range(sequence.prediction_identities)]
    shared = np.zeros((len(lives), len(others)))
    for frame in frames:
        for row, a in enumerate(frame.ground_truth):
            for column, b in enumerate(frame.prediction):
                rivals = frame.iou[row].sum() + frame.iou[:, column].sum() - frame.iou[row, column]
                shared[a, b] += frame.iou[row, column] / rivals if rivals > 0 else 0
    matches = []
    for frame in frames:

        def worth(pairs, frame=frame):
            total = 0.0
            for row, column in pairs:
                a, b = frame.ground_truth[row], frame.prediction[column]
                total += frame.iou[row, column] * shared[a, b] / (lives[a] + others[b] - shared[a, b])
            return total

        best = max(matchings(len(frame.ground_truth), len(frame.prediction)), key=worth)
        matches += [
            (int(frame.ground_truth[row]), int(frame.prediction[column]))
            for row, column in best
            if frame.iou[row, column] >= alpha - 1e-12
        ]
    right = len(matches)
    total = sum(matches.count(pair) / (lives[pair[0]] + others[pair[1]] - matches.count(pair)) for pair in matches)
    det_a = right / (sum(lives) + sum(others) - right)
    return (det_a * total / max(1, right)) ** 0.5


def slow_identity(sequence):
    def matched(a, b):
        count = 0
        for frame in sequence.frames:
            for row, column in np.argwhere(frame.iou >= 0.5):
                count += frame.ground_truth[row] == a and frame.prediction[column] == b
        return count

    assignments = matchings(sequence.ground_truth_identities, sequence.prediction_identities)
    return max(sum(matched(*pair) for pair in pairs) for pairs in assignments)


def slow_clear(sequence):
    """True positives, switches and the sum of overlaps."""
    last, before, right, switches, overlap = {}, {}, 0, 0, 0.0
    for frame in sequence.frames:
        a, b, iou = frame.ground_truth.tolist(), frame.prediction.tolist(), frame.iou
        if not a or not b:
            continue

        def worth(pairs, a=a, b=b, iou=iou, before=dict(before)):  # noqa: B006
            allowed = [pair for pair in pairs if iou[pair] >= 0.5]
            return sum(1000 * (before.get(a[row]) == b[column]) + iou[row, column] for row, column in allowed)

        best = max(matchings(len(a), len(b)), key=worth)
        pairs = [(a[row], b[column], iou[row, column]) for row, column in best if iou[row, column] >= 0.5]
        switches += sum(who in last and last[who] != whom for who, whom, _ in pairs)
        before = {who: whom for who, whom, _ in pairs}
        last |= before
        right, overlap = right + len(pairs), overlap + sum(one for _, _, one in pairs)
    return right, switches, overlap


@pytest.mark.parametrize("seed", range(6))
def test_as_the_papers_say(seed):
    sequence = video(*random_rows(seed))
    assert hota_curves(sequence).hota[[0, 9, 14]].tolist() == pytest.approx(
        [slow_hota(sequence, ALPHAS[place]) for place in (0, 9, 14)]
    )
    assert identity_counts(sequence).true_positives == slow_identity(sequence)
    counts = clear_counts(sequence)
    assert (counts.true_positives, counts.switches, counts.overlap) == pytest.approx(slow_clear(sequence))
