import numpy as np

from zorki.draw.maps import edges, hatch, paint
from zorki.draw.palette import color, mark_color


def make_image(height=6, width=8, level=100):
    return np.full((3, height, width), level, np.uint8)


def halves(height=6, width=8):
    classes = np.zeros((height, width), np.int64)
    classes[:, width // 2 :] = 1
    return classes


def test_pixels_are_tinted_and_edges_are_in_full_color():
    image = make_image()
    painted = paint(image, halves())
    assert painted.dtype == np.uint8
    assert tuple(painted[:, 2, 3].tolist()) == color(0), "at the edge"
    assert tuple(painted[:, 2, 4].tolist()) == color(1)
    for label, column in ((0, 0), (1, 7)):
        wanted = [(part + 100) / 2 for part in color(label)]
        assert all(abs(a - b) <= 1 for a, b in zip(painted[:, 2, column].tolist(), wanted, strict=True))
    assert bool((image == 100).all()), "the image stays as it was"


def test_what_is_bare_stays_and_what_nobody_evaluated_is_gray():
    classes = halves()
    unjudged = np.zeros_like(classes, dtype=bool)
    unjudged[0] = True
    painted = paint(make_image(), classes, bare=[0], ignored=unjudged)
    assert painted[:, 3, 3].tolist() == [100, 100, 100]
    gray = mark_color(None)
    assert all(
        min(100, part) <= seen <= max(100, part) for seen, part in zip(painted[:, 0, 7].tolist(), gray, strict=True)
    )
    assert painted[:, 0, 0].tolist() == painted[:, 0, 7].tolist()


def test_labels_of_any_whole_number_and_beyond_the_colors():
    for kind in (np.uint8, np.int16, np.int32):
        assert np.array_equal(paint(make_image(), halves().astype(kind)), paint(make_image(), halves()))
    many = halves() * 70000
    assert paint(make_image(), many).shape == (3, 6, 8)


def test_edges_are_on_both_sides_of_a_border():
    found = edges(halves())
    assert found[0].tolist() == [False, False, False, True, True, False, False, False]
    assert not edges(np.zeros((4, 4), np.int64)).any()
    assert not edges(np.zeros((1, 1), np.int64)).any()


def test_hatching_leaves_the_rest_alone():
    where = np.zeros((20, 20), bool)
    where[:, 10:] = True
    striped = hatch(make_image(20, 20), where)
    assert bool((striped[:, :, :10] == 100).all())
    inside = striped[0, :, 10:]
    assert {0, 100, 255} == set(np.unique(inside).tolist())
    assert 0.2 < float((inside == 0).mean()) < 0.45
