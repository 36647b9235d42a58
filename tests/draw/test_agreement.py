"""Counts beside the ground truth."""

import re

from zorki.draw.agreement import agreement


def circles(svg):
    return [tuple(map(float, found)) for found in re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)" r="([\d.]+)"', svg)]


def test_equal_numbers_lie_on_the_diagonal():
    svg = agreement([(0, 0), (10, 10), (10, 4)], title="t", x_label="objects", y_label="predictions")
    (x0, y0, _), (x4, y4, _), (x1, y1, _) = circles(svg)
    line = dict(re.findall(r'(x1|y1|x2|y2)="([\d.]+)"', re.search(r"<line[^>]*dasharray[^>]*>", svg)[0]))
    slope = (float(line["y2"]) - float(line["y1"])) / (float(line["x2"]) - float(line["x1"]))
    assert (y1 - y0) / (x1 - x0) == slope
    assert x4 == x1
    assert y0 > y4 > y1  # less is lower
    assert "4 predictions for 10 objects" in svg


def test_equal_points_are_one_larger_point():
    svg = agreement([(3, 3)] * 4 + [(1, 2)], title="t", x_label="x", y_label="y")
    radii = [radius for _, _, radius in circles(svg)]
    assert radii == [3.0, 6.0]
    assert "3 y for 3 x, 4 times" in svg


def test_nothing_to_show():
    assert "nothing to show" in agreement([], title="t", x_label="x", y_label="y")
    assert len(circles(agreement([(0, 0)], title="t", x_label="x", y_label="y"))) == 1
