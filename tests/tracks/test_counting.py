import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zorki.errors import RecipeError
from zorki.tracks.counting import Counter, count_line, count_zone

ACROSS = count_line("0,50,100,50")  # told from left to right: "in" is down


def walk(places, path, label=0, identity=7, size=10):
    """The counts after one object's center has gone along a path, and all its crossings."""
    counter = Counter(places)
    counts, every = counter.start(), []
    for x, y in path:
        box = np.array([[x - size / 2, y - size / 2, x + size / 2, y + size / 2]])
        ids = np.array([identity])
        counts, crossings = counter.step(counts, ids, box, np.array([label]), ids)
        every += [(crossing.place, crossing.direction) for crossing in crossings]
    return counts, every


def test_down_over_a_line_from_left_to_right_is_in():
    assert walk([ACROSS], [(50, 30), (50, 48), (50, 60)])[1] == [(0, "in")]
    assert walk([ACROSS], [(50, 60), (50, 30)])[1] == [(0, "out")]
    assert walk([count_line("100,50,0,50")], [(50, 30), (50, 60)])[1] == [(0, "out")]


def test_who_goes_past_the_ends_crosses_nothing():
    assert walk([ACROSS], [(150, 30), (150, 60)])[1] == []
    assert walk([ACROSS], [(150, 30), (150, 60), (50, 60), (50, 30)])[1] == [(0, "out")]


def test_who_trembles_on_a_line_crosses_it_once():
    trembling = [(50, 30), *[(50 + i, 50 + (-1) ** i * 0.8) for i in range(10)], (60, 60)]
    counts, crossings = walk([ACROSS], trembling)
    assert crossings == [(0, "in")]
    assert (counts.total(0, "in"), counts.total(0, "out"), counts.total(0, "in", 0), counts.total(0, "in", 1)) == (
        1,
        0,
        1,
        0,
    )
    assert walk([ACROSS], [(50, 30), (50, 70), (50, 30), (50, 70)])[1] == [(0, "in"), (0, "out"), (0, "in")]


def test_a_zone_is_entered_and_left():
    zone = count_zone("20,20,80,20,80,80,20,80")
    counts, crossings = walk([ACROSS, zone], [(50, 0), (50, 40)], label=3)
    assert crossings == [(1, "in")]
    assert (counts.inside(1), counts.inside(1, 3), counts.inside(1, 0), counts.labels(1)) == (1, 1, 0, [3])
    counts, crossings = walk([zone], [(50, 40), (50, 0)])
    assert crossings == [(0, "out")]
    assert counts.inside(0) == 0


def test_who_begins_inside_has_not_come_in_and_who_is_forgotten_is_not_in_any_more():
    zone, counter = count_zone("20,20,80,20,80,80,20,80"), None
    counts, crossings = walk([zone], [(50, 50), (51, 50)])
    assert (crossings, counts.inside(0)) == ([], 1)
    counter = Counter([zone])
    nobody = np.zeros(0, dtype=np.int64)
    counts, _ = counter.step(counts, nobody, np.zeros((0, 4)), nobody, np.array([7]))
    assert counts.inside(0) == 1  # hidden for a moment
    counts, _ = counter.step(counts, nobody, np.zeros((0, 4)), nobody, nobody)
    assert counts.inside(0) == 0
    assert len(counts.sides) == 0


def test_an_angled_zone_by_the_slow_way():
    """The sum of the angles in which the corners are seen is a full turn from inside, and nothing from outside."""
    zone = count_zone("10,10,90,20,60,50,95,90,15,80,40,45")
    for x in range(3, 100, 8):
        for y in range(2, 100, 8):
            to = np.array(zone.corners) - [x, y]
            angles = np.arctan2(to[:, 1], to[:, 0])
            turns = (np.roll(angles, -1) - angles + np.pi) % (2 * np.pi) - np.pi
            assert zone.is_in((x, y)) == (abs(turns.sum()) > np.pi)


@given(st.lists(st.tuples(st.integers(5, 95), st.integers(0, 100)), min_size=2, max_size=12))
def test_in_less_out_is_where_one_ends(path):
    counts, _ = walk([ACROSS], path)
    sure = [y > 50 for _, y in path if abs(y - 50) >= 1]
    change = int(sure[-1]) - int(sure[0]) if sure else 0
    assert counts.total(0, "in") - counts.total(0, "out") == change


@pytest.mark.parametrize("text", ["1,2,3", "a,b,c,d", "1,2,3,4,5,6", "nan,1,2,3", "5,5,5,5", ""])
def test_what_is_no_line_is_told(text):
    with pytest.raises(RecipeError, match="x1,y1,x2,y2"):
        count_line(text)


@pytest.mark.parametrize("text", ["1,2,3,4", "1,2,3,4,5", "0,0,5,5,9,9", "1,1,1,1,1,1"])
def test_what_is_no_zone_is_told(text):
    with pytest.raises(RecipeError, match="three corners or more"):
        count_zone(text)
