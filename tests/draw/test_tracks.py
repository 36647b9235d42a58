import numpy as np

from zorki.draw.tracks import COUNT_COLOR, counted_place, tails

GRAY = np.full((3, 120, 160), 90, np.uint8)


def is_of(image, ink):
    return (image == np.array(ink, np.uint8)[:, None, None]).all(0)


def test_a_tail_is_drawn_along_its_way_and_grows_thicker():
    drawn = tails(GRAY, [([(10, 60), (80, 60), (150, 60)], (255, 0, 0)), ([(5, 5)], (0, 255, 0))])
    red = is_of(drawn, (255, 0, 0))
    assert red[60, 10:150].all()
    assert red[:, 30].sum() < red[:, 120].sum()
    assert not is_of(drawn, (0, 255, 0)).any(), "one point is no way"
    assert np.array_equal(tails(GRAY, []), GRAY)


def test_the_arrow_of_a_line_points_to_its_right():
    """Told from left to right, below it; told the other way, above."""
    for points, below in (([(10, 60), (150, 60)], True), ([(150, 60), (10, 60)], False)):
        ink = is_of(counted_place(GRAY, points, "", closed=False), COUNT_COLOR)
        foot = 10 + 140 // 3 if below else 150 - 140 // 3
        part = ink[:, foot - 8 : foot + 8]
        assert (part[66:75].sum() > part[45:54].sum()) == below


def test_a_zone_is_closed_and_its_counts_stand_within_the_image():
    drawn = counted_place(GRAY, [(20, 20), (140, 20), (140, 100), (20, 100)], "3 in", closed=True)
    ink = is_of(drawn, COUNT_COLOR)
    assert ink[60, 20]
    assert ink[100, 40:120].all()
    assert not np.array_equal(
        drawn, counted_place(GRAY, [(20, 20), (140, 20), (140, 100), (20, 100)], "4 in", closed=True)
    )
    assert drawn.shape == GRAY.shape
    counted_place(
        GRAY, [(-50, -50), (500, 500)], "a very long text that has no room at all in this image", closed=False
    )
