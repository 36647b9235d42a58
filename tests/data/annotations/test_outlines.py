from math import pi

import numpy as np
import pytest

from zorki.data.annotations.outlines import (
    DrawnShape,
    box_outline,
    join_groups,
    pack_outline,
    pixels_at,
    pixels_of,
    round_outline,
)
from zorki.data.annotations.records import ObjectRecord

SQUARE = [1, 1, 5, 1, 5, 5, 1, 5]
INNER = [2, 2, 4, 2, 4, 4, 2, 4]


def imaged(pixels):
    return ["".join(".#"[int(pixel)] for pixel in row) for row in pixels]


@pytest.mark.parametrize(("outline", "reason"), [
    (None, "it has no outline"),
    ([], "it has no outline"),
    ([[1, 1, 5, 5]], "a polygon has 2 points; expected three or more"),
    ([[1, 1]], "a polygon has 1 point; expected three or more"),
    ([[1, 1, 5, 5, 2, 3, 9]], "a polygon has 7 numbers; expected as many x as y"),
    ([[1, 1, 5, 5, 2, float("nan")]], "a polygon has a value that is no number"),
    ([[1, 1, 5, 5, 2, "x"]], "a polygon is [1, 1, 5, 5, 2, 'x']; expected a list of numbers"),
    ([[[1, 1], [5, 5], [2, 3]]], "a polygon is [[1, 1], [5, 5], [2, 3]]; expected a list of numbers"),
    ([{"x": 1}], "a polygon is {'x': 1}; expected a list of numbers"),
    ([[1e9, 1, 5, 5, 2, 3]], "or beyond 1e+06 pixels"),
    ([[1, 1, 5, 1, 5, 1.2]], "its mask is empty: the outline covers the center of no pixel"),
    ([[100, 1, 105, 1, 105, 9]], "its mask is empty"),
    ("a text", "its outline is 'a text'; expected polygons or run lengths"),
    ({"size": [6, 7], "counts": [42]}, "its mask is empty"),
    ({"size": [6, 7], "counts": [1, 2]}, "its run lengths are of 3 pixels, and an image of 7 x 6 has 42"),
    ({"size": [7, 6], "counts": [40, 2]}, "its run lengths are of an image of 6 x 7, and its image is 7 x 6"),
])  # fmt: skip
def test_what_is_no_outline(outline, reason):
    text, found = pack_outline(outline, 6, 7)
    assert text is None
    assert reason in found
    with pytest.raises(ValueError, match=r"expected|empty|number|outline|run lengths"):
        pixels_of(outline, 6, 7)


def test_sound_parts_stay_where_others_are_broken():
    text, reason = pack_outline([SQUARE, [1, 1, 5, 5]], 6, 7)
    assert text == pack_outline([SQUARE], 6, 7)[0] == pack_outline(SQUARE, 6, 7)[0]
    assert "2 points" in reason


def test_turned_boxes_and_circles():
    assert box_outline((1, 2, 4, 3)) == [[1, 2, 4, 2, 4, 3, 1, 3]]
    assert np.array(box_outline((1, 2, 5, 4), pi / 2)[0]) == pytest.approx(np.array([4, 1, 4, 5, 2, 5, 2, 1]))
    points = np.array(round_outline(10, 20, 5, 3, pi / 2)[0]).reshape(-1, 2)
    assert points[:, 0].max() == pytest.approx(13, abs=0.02)
    assert points[:, 1].max() == pytest.approx(25, abs=0.02)
    assert round_outline(1, 2, float("inf"), 3) is None
    disc = pixels_of(round_outline(40, 40, 30, 30), 80, 80)
    y, x = np.mgrid[:80, :80] + 0.5
    assert abs(int(disc.sum()) - pi * 30**2) < 15
    assert (disc == ((x - 40) ** 2 + (y - 40) ** 2 < 30**2)).mean() > 0.998


@pytest.mark.parametrize(("left", "top"), [(1, 1), (-1, 2), (4, -1), (9, 9), (-5, 0)])
def test_pixels_in_a_box_are_cut_off_at_the_edges(left, top):
    whole = np.zeros((20, 20), bool)
    whole[8 + top : 10 + top, 8 + left : 11 + left] = True
    found = pixels_at(left, top, lambda: np.ones((2, 3), bool)).fill(5, 6)
    assert np.array_equal(found, whole[8:13, 8:14])


def thing(*polygons, name="cat", box=(1, 1, 5, 5), line=None):
    return ObjectRecord(name, box, line=line, segments=[list(polygon) for polygon in polygons] or None)


def test_shapes_of_one_class_and_group_are_one_object():
    shapes = [
        (thing(SQUARE, line=3), 1),
        (thing(SQUARE, name="dog"), 1),
        (thing(SQUARE), None),
        (thing([6, 1, 9, 1, 9, 3, 6, 3], box=(6, 1, 9, 3)), 1),
        (thing(INNER, box=(2, 2, 4, 4)), 1),
        (thing(box=(2, 2, 3, 3)), 1),  # a rectangle: the island in the hole
        (thing(SQUARE, box=(float("nan"), 1, 5, 5)), 1),
    ]
    found = join_groups(shapes)
    assert [one.class_name for one in found] == ["cat", "dog", "cat", "cat"]
    assert found[1:] == [shapes[1][0], shapes[2][0], shapes[6][0]]
    assert (found[0].xyxy, found[0].line) == ((1, 1, 9, 5), 3)
    assert imaged(found[0].segments.fill(6, 10)) == [
        "..........",
        ".####.###.",
        ".##.#.###.",
        ".#..#.....",
        ".####.....",
        "..........",
    ]


def test_parts_that_overlap_are_joined_and_drawn_twice_counts_once():
    other = [3, 3, 8, 3, 8, 6, 3, 6]
    joined = join_groups([(thing(SQUARE), "a"), (thing(other), "a"), (thing(SQUARE), "a")])
    assert len(joined) == 1
    wanted = pixels_of([SQUARE], 7, 9) | pixels_of([other], 7, 9)
    assert np.array_equal(joined[0].segments.fill(7, 9), wanted)


def test_a_broken_part_breaks_the_joined_object():
    joined = join_groups([(thing(SQUARE), 2), (thing([1, 1, 5, 5]), 2)])
    text, reason = pack_outline(joined[0].segments, 6, 7)
    assert text is None
    assert "a polygon has 2 points" in reason


def test_what_a_tool_drew_is_packed_once_the_size_is_known():
    text, reason = pack_outline(DrawnShape(lambda height, width: np.eye(height, width, dtype=bool)), 3, 4)
    assert reason is None
    assert text == pack_outline({"size": [3, 4], "counts": [0, 1, 3, 1, 3, 1, 3]}, 3, 4)[0]


def test_numbers_written_as_text_are_numbers():
    assert pack_outline([[str(value) for value in SQUARE]], 6, 7) == pack_outline([SQUARE], 6, 7)


@pytest.mark.parametrize("outline", [[SQUARE], box_outline((1, 1, 5, 5)), DrawnShape(lambda h, w: np.ones((h, w)) > 0)])
def test_no_mask_is_made_of_more_pixels_than_an_image_may_have(outline):
    text, reason = pack_outline(outline, 6, 7, max_pixels=41)
    assert (text, reason) == (
        None, "its mask cannot be made: the image is 7 x 6, 42 pixels, and at most 41 are allowed",
    )  # fmt: skip
    assert pack_outline(outline, 6, 7, max_pixels=42)[1] is None
    assert "at most 178,956,970" in pack_outline(outline, 100_000, 100_000)[1]


@pytest.mark.parametrize("radius", [1e7, 1e16, 1e300])
def test_an_absurd_radius_makes_no_points_and_no_mask(radius):
    outline = round_outline(3, 3, radius, radius, 0.3)
    assert len(outline[0]) == 16
    assert "beyond 1e+06 pixels" in pack_outline(outline, 6, 7)[1]


def test_the_way_round_an_object_is_bounded():
    """Three edges of 9e5 pixels each, twice: filling would go over every pixel of them."""
    triangle = [0, 0, 9e5, 0, 0, 9e5]
    text, reason = pack_outline([triangle, triangle], 1000, 1000)
    assert text is not None
    assert reason == "its outline is longer than 4e+06 pixels"
    assert pack_outline([triangle], 6, 7) == (None, "its outline is longer than 100168 pixels")


@pytest.mark.parametrize("left", [float("nan"), 1e9])
def test_pixels_that_begin_nowhere_are_refused(left):
    assert "its pixels begin at" in pack_outline(pixels_at(left, 1, lambda: np.ones((2, 2), bool)), 6, 7)[1]
