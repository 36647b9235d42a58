"""Intervals as they are drawn."""

from xml.etree import ElementTree

from zorki.draw.experiments.intervals import intervals


def test_each_row_has_dot_interval_and_word():
    rows = {
        "lenet5 lr=0.1": (0.02, 0.01, 0.03, "better"),
        "b & c": (-0.01, -0.05, 0.03, "no difference"),
        "alone": (0.1, None, None, "too few seeds"),
        "none": (float("nan"), None, None, "too few seeds"),
    }
    root = ElementTree.fromstring(intervals(rows, title="Against lenet5", x_label="difference of top1"))
    texts = [element.text for element in root.iter("text")]
    assert {"better", "no difference", "too few seeds", "lenet5 lr=0.1", "difference of top1"} <= set(texts)
    assert len(list(root.iter("circle"))) == 3
    zero, *lines = (
        line
        for line in root.iter("line")
        if "currentColor" in line.attrib["style"] or "width:3" in line.attrib["style"]
    )
    assert len(lines) == 2
    assert float(lines[0].attrib["x1"]) > float(zero.attrib["x1"]), "better lies right of zero"
    assert float(lines[1].attrib["x1"]) < float(zero.attrib["x1"]) < float(lines[1].attrib["x2"])


def test_nothing_is_an_empty_plot():
    assert "<svg" in intervals({}, title="Against", x_label="difference")
