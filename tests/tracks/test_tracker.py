from dataclasses import replace

import numpy as np
import pytest
import torch

from zorki.data.scenes.films.crossings import crossing_clip
from zorki.errors import RecipeError
from zorki.metrics.tracks.many import score_tracks
from zorki.metrics.tracks.sequence import TrackTable, overlap_tracks
from zorki.tracks.assignment import assign
from zorki.tracks.tracker import ByteTracker, Detections, TrackerSettings

SECOND = 1 / 25


def detections(*boxes, scores=None, labels=None, appearance=None):
    count = len(boxes)
    return Detections(
        np.array(boxes, dtype=np.float64).reshape(count, 4),
        np.full(count, 0.9) if scores is None else np.array(scores, dtype=np.float64),
        np.array(labels or [0] * count, dtype=np.int64),
        None if appearance is None else np.array(appearance, dtype=np.float64),
    )


def box(x, y=0, size=20):
    return (x, y, x + size, y + size)


def follow(film, settings=None, times=None, state=None):
    tracker = ByteTracker(settings, SECOND)
    state, told = state or tracker.start(), []
    for number, frame in enumerate(film):
        state, ids = tracker.step(state, frame, number * SECOND if times is None else times[number])
        told.append(ids.tolist())
    return state, told


def test_ids_begin_at_one_and_stay():
    film = [detections(box(3 * frame), box(200 - 2 * frame, 60)) for frame in range(30)]
    state, told = follow(film)
    assert told == [[1, 2]] * 30
    assert state.ids.tolist() == [1, 2]
    turned = [Detections(frame.xyxy[::-1], frame.scores, frame.labels) for frame in film]
    assert follow([film[0], *turned[1:]])[1] == [[1, 2], *[[2, 1]] * 29]


def test_two_that_pass_through_each_other_keep_their_ids():
    film = [detections(box(4 * frame), box(160 - 4 * frame, 2)) for frame in range(41)]
    assert follow(film)[1] == [[1, 2]] * 41


def test_one_that_is_hidden_comes_back_as_itself_within_a_second():
    film = [detections(box(3 * frame)) if not 10 <= frame < 25 else detections() for frame in range(40)]
    assert follow(film)[1][-1] == [1]
    longer = film[:10] + [detections()] * 26 + [detections(box(3 * frame)) for frame in range(36, 40)]
    assert follow(longer)[1][-1] == [2]
    assert follow(longer, TrackerSettings(max_lost=2.0))[1][-1] == [1]


def test_new_objects_are_confirmed_by_a_second_detection():
    """A false detection of a single frame takes no id; in the first frame all are taken at their word."""
    film = [detections(box(0)), detections(box(0), box(100)), detections(box(0)), detections(box(0), box(50))]
    film += [detections(box(0), box(51))]
    assert follow(film)[1] == [[1], [1, 0], [1], [1, 0], [1, 2]]


def test_low_scores_go_on_with_tracks_and_begin_none():
    film = [detections(box(0), scores=[0.9]), detections(box(2), box(90), scores=[0.2, 0.4])]
    film += [detections(box(4), box(90), scores=[0.2, 0.4]), detections(box(6), scores=[0.05])]
    assert follow(film)[1] == [[1], [1, 0], [1, 0], [0]]


def test_sure_detections_come_first():
    """A sure box takes the track, though a doubtful one lies nearer."""
    film = [detections(box(0)), detections(box(1), box(4), scores=[0.3, 0.9])]
    assert follow(film)[1] == [[1], [0, 1]]


def test_classes_are_kept_apart_unless_told():
    film = [detections(box(0)), detections(box(0), labels=[1]), detections(box(0), labels=[1])]
    assert follow(film)[1] == [[1], [0], [2]]
    assert follow(film, TrackerSettings(match_classes=False))[1] == [[1], [1], [1]]


def test_time_stamps_and_not_frames_say_how_far_a_box_has_gone():
    """Two thirds of the frames are dropped after a while; the box goes on at its speed, out of its last place."""
    frames = [*range(20), *range(22, 60, 8)]
    film = [detections(box(5 * frame)) for frame in frames]
    assert follow(film, times=[frame * SECOND for frame in frames])[1] == [[1]] * len(frames)
    assert follow(film)[1][-1] != [1]


def test_times_that_stand_still_or_go_back_are_one_frame_on():
    film = [detections(box(5 * frame)) for frame in range(20)]
    assert follow(film, times=[0.4 - frame * 0.01 for frame in range(20)])[1] == [[1]] * 20


def test_a_center_that_stays_behind_at_an_occluder_jumps():
    """A box of 20 walks behind a post of 24: it shrinks to nothing, and is seen again as a strip on the other side."""

    def at(frame):
        left, right = 4 * frame, 4 * frame + 20
        if right <= 60 or left >= 84:
            return detections((left, 0, right, 20))
        parts = [(left, 0, 60, 20)] * (left < 60) + [(84, 0, right, 20)] * (right > 84)
        return detections(*parts[:1])

    film = [at(frame) for frame in range(35)]
    assert follow(film, TrackerSettings(max_jump=1.5))[1][-1] == [1]
    assert follow(film, TrackerSettings(max_jump=0.0))[1][-1] == [2]


def test_crossings_and_occlusions_of_the_built_in_clips():
    """Perfect boxes of what is seen; then one of five dropped, whose own share bounds IDF1 by 2 x .8 / 1.8."""
    _, tracks = crossing_clip(0, 2, size=(48, 96), frames=40, objects=4)
    kept = torch.rand(len(tracks), generator=torch.Generator().manual_seed(0)) > 0.2
    theirs = table_of(tracks.frames, tracks.identities, tracks.xyxy)
    scores = []
    for rows in (torch.ones(len(tracks), dtype=torch.bool), kept):
        seen = tracks[rows]
        film = [seen[seen.frames == frame] for frame in range(40)]
        _, ids = follow([Detections(*columns_of(one)) for one in film])
        found = torch.tensor([one for frame in ids for one in frame])
        ours = table_of(seen.frames[found > 0], found[found > 0], seen.xyxy[found > 0])
        scores.append(score_tracks({"a": overlap_tracks(theirs, ours, 40)}).idf1)
    assert scores[0] > 0.9
    assert scores[1] > 0.75


def table_of(frames, ids, xyxy):
    boxes = xyxy.double().numpy()
    xywh, ones = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], 1), np.ones(len(boxes))
    return TrackTable(frames.numpy(), ids.numpy(), xywh, ones, ones.astype(np.int64))


def columns_of(rows):
    return rows.xyxy.double().numpy(), np.full(len(rows), 0.9), rows.labels.numpy()


def test_a_state_is_a_value():
    film = [detections(box(3 * frame), box(200 - 2 * frame, 60)) for frame in range(10)]
    state, _ = follow(film[:5])
    before = state.tracks.motion.place.copy(), state.tracks.ids.copy(), state.tracks.seen.copy()
    rest = [follow(film[5:], state=state, times=[(5 + number) * SECOND for number in range(5)]) for _ in range(2)]
    assert rest[0][1] == rest[1][1]
    assert (rest[0][0].tracks.motion.place == rest[1][0].tracks.motion.place).all()
    after = state.tracks.motion.place, state.tracks.ids, state.tracks.seen
    assert all((one == other).all() for one, other in zip(before, after, strict=True))


def test_memory_does_not_grow():
    chance = np.random.default_rng(0)
    state, _ = follow([detections(*(box(*place) for place in chance.uniform(0, 999, (5, 2)))) for _ in range(200)])
    assert len(state.tracks) < 60


def test_appearance_tells_who_came_back():
    """Both are hidden for a while, and turn round meanwhile: motion alone takes each for the other."""
    red, blue = (1.0, 0.0), (0.0, 1.0)
    film = [detections(box(60 + 2 * f), box(140 - 2 * f), appearance=[red, blue]) for f in range(17)]
    film += [detections(appearance=np.zeros((0, 2)))] * 6
    film += [detections(box(97), box(103), appearance=[red, blue])] * 2
    assert follow(film)[1][-1] == [1, 2]
    bare = [replace(frame, appearance=None) for frame in film]
    assert follow(bare)[1][-1] == [2, 1]
    unknown = [replace(frame, appearance=frame.appearance * np.nan) for frame in film]
    assert follow(unknown)[1] == follow(bare)[1]


def test_far_away_nobody_is_taken_for_another_however_alike():
    film = [detections(box(0), appearance=[(1.0, 0.0)])] * 5 + [detections(box(800), appearance=[(1.0, 0.0)])] * 2
    assert follow(film)[1][-1] == [2]


def test_settings_out_of_range_are_told():
    with pytest.raises(RecipeError, match="min_iou is 2"):
        TrackerSettings(min_iou=2)
    with pytest.raises(RecipeError, match=r"low_score is 0\.6, above its high_score 0\.5"):
        TrackerSettings(low_score=0.6)
    with pytest.raises(RecipeError, match="max_lost is -1"):
        TrackerSettings(max_lost=-1)


def test_a_dear_pair_drives_no_good_one_away():
    """By total cost alone (0.1 + 3.0 against 1.0 + 1.0) the good pair would be given up."""
    rows, columns = assign(np.array([[0.1, 1.0], [1.0, 3.0]]), 0.8)
    assert (rows.tolist(), columns.tolist()) == ([0], [0])
    assert assign(np.zeros((0, 3)), 1.0)[0].tolist() == []
