"""Windows to segments, by hand."""

import numpy as np
import pytest

from zorki.engine.film_segments import (
    FilmSegment,
    label_studio_timeline,
    segments_of,
    smoothed,
    window_starts,
)


def rows(*labels):
    return np.eye(3)[list(labels)] * 0.8 + 0.1


def parts(segments):
    return [(one.start, one.end, one.label) for one in segments]


@pytest.mark.parametrize(
    ("duration", "length", "step", "starts"),
    [(4.0, 2.0, 1.0, [0, 1, 2]), (4.5, 2.0, 1.0, [0, 1, 2, 2.5]), (1.0, 2.0, 1.0, [0.0])],
)
def test_windows_cover_the_film(duration, length, step, starts):
    assert window_starts(duration, length, step) == pytest.approx(starts)


def test_scores_are_averaged_over_neighbors():
    scores = np.array([[0.0], [3.0], [6.0], [9.0]])
    assert smoothed(scores, 3).ravel().tolist() == [1.5, 3.0, 6.0, 7.5]
    assert smoothed(scores, 1).ravel().tolist() == [0.0, 3.0, 6.0, 9.0]


def test_segments_change_between_the_middles_of_windows():
    found = segments_of(rows(0, 0, 2, 2), [0.0, 1.0, 2.0, 3.0], 2.0, 5.0)
    assert parts(found) == [(0.0, 2.5, 0), (2.5, 5.0, 2)]
    assert found[0].score == pytest.approx(0.9)


def test_short_segments_join_the_neighbor_that_scores_more():
    scores = rows(0, 0, 1, 2, 2)
    scores[2, 2] = 0.5
    starts = [0.0, 1.0, 2.0, 3.0, 4.0]
    assert parts(segments_of(scores, starts, 1.0, 5.0)) == [(0.0, 2.0, 0), (2.0, 3.0, 1), (3.0, 5.0, 2)]
    assert parts(segments_of(scores, starts, 1.0, 5.0, shortest=1.5)) == [(0.0, 2.0, 0), (2.0, 5.0, 2)]
    assert parts(segments_of(rows(1), [0.0], 1.0, 1.0, shortest=9.0)) == [(0.0, 1.0, 1)], "a film has one at least"


def test_label_studio_counts_frames_from_one():
    task = label_studio_timeline(
        [FilmSegment(0.0, 2.0, 1, 0.5), FilmSegment(2.0, 4.0, 0, 1.0)], ("a", "b"), path="x", rate=25
    )
    first, second = task["predictions"][0]["result"]
    assert first["value"] == {"ranges": [{"start": 1, "end": 50}], "timelinelabels": ["b"]}
    assert second["value"]["ranges"] == [{"start": 51, "end": 100}]
    assert task["predictions"][0]["score"] == 0.75
