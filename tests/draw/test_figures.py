from __future__ import annotations

import math
from xml.etree import ElementTree

import pytest

from zorki.draw.figures import bars, confusion, curves, reliability

NAN, INF = float("nan"), float("inf")
HOSTILE = "<script>alert('&\"')</script>\x00\udcff"


def parse(svg: str) -> ElementTree.Element:
    svg.encode("utf-8")
    return ElementTree.fromstring(svg)


def titles(root: ElementTree.Element, tag: str) -> dict[str, ElementTree.Element]:
    return {node.findtext("title", ""): node for node in root.iter(tag)}


def texts(root: ElementTree.Element) -> list[str]:
    return ["".join(part for part in node.itertext()) for node in root.iter("text")]


def test_points_lie_where_a_pencil_puts_them() -> None:
    # The plot spans x 60..524; with one row of legend and no best checkpoint it spans y 66..296, for values 0..1.
    root = parse(curves({"val/loss": [(1, 0.0), (2, 0.25), (3, 1.0)]}, title="Loss"))
    dots = {
        name: (float(node.get("cx", "")), float(node.get("cy", ""))) for name, node in titles(root, "circle").items()
    }
    assert dots == {
        "val/loss: 0 at epoch 1": (60, 296),
        "val/loss: 0.25 at epoch 2": (292, 238.5),
        "val/loss: 1 at epoch 3": (524, 66),
    }
    assert root.find(".//path").get("d") == "M60.0 296.0L292.0 238.5L524.0 66.0"  # type: ignore[union-attr]
    assert {"0.0", "0.2", "1.0", "1", "2", "3"} <= set(texts(root))


def test_log_axis_puts_decades_apart_equally() -> None:
    root = parse(curves({"rate": [(0, 0.001), (1, 0.01), (2, 0.1)]}, title="Rate", x_label="step", log_y=True))
    heights = [float(node.get("cy", "")) for node in root.iter("circle")]
    assert heights == [296, 181, 66]


def test_best_checkpoint_is_marked() -> None:
    root = parse(curves({"loss": [(1, 0.0), (3, 1.0)]}, title="Loss", best=2))
    (line,) = [node for node in root.iter("line") if node.get("stroke-dasharray") == "3 3"]
    assert (line.get("x1"), line.get("x2"), line.get("y1"), line.get("y2")) == ("292", "292", "76", "306")
    assert "best: 2" in texts(root)
    assert "best: nan" not in texts(parse(curves({"loss": [(1, 0.0), (3, 1.0)]}, title="Loss", best=NAN)))


@pytest.mark.parametrize("gap", [NAN, INF, -INF])
def test_gaps_break_the_line(gap: float) -> None:
    points = [(1, 1.0), (2, 2.0), (3, gap), (4, 2.0), (5, 1.0), (6, gap), (7, 1.5)]
    root = parse(curves({"loss": points}, title="Loss"))
    assert len(list(root.iter("path"))) == 2
    assert len(list(root.iter("circle"))) == 5  # the lonely seventh point has no line, but a dot
    assert "nan" not in curves({"loss": points}, title="Loss")


def test_log_axis_leaves_out_what_has_no_logarithm() -> None:
    root = parse(curves({"loss": [(1, 1.0), (2, 0.0), (3, -1.0), (4, 2.0)]}, title="Loss", log_y=True))
    assert len(list(root.iter("circle"))) == 2


@pytest.mark.parametrize("series", [{}, {"loss": []}, {"loss": [(1, NAN)]}])
def test_nothing_to_draw_is_said(series: dict[str, list[tuple[float, float]]]) -> None:
    assert "no finite values" in texts(parse(curves(series, title="Loss")))


def test_splits_share_a_color_and_differ_in_dashes() -> None:
    points = [(1, 1.0), (2, 2.0)]
    root = parse(curves({"train/loss": points, "val/loss": points, "val/top1": points}, title="All"))
    strokes = [
        (node.get("style", "").split("stroke:")[1].split(";")[0], node.get("stroke-dasharray"))
        for node in root.iter("path")
    ]
    assert strokes[0][0] == strokes[1][0] != strokes[2][0]
    assert [dashes for _, dashes in strokes] == ["5 4", "none", "none"]


def test_long_series_are_thinned_but_keep_their_peak() -> None:
    points = [(float(step), 1.0) for step in range(20_000)]
    points[12_345] = (12_345.0, 9.0)
    svg = curves({"loss": points}, title="Loss", x_label="step")
    root = parse(svg)
    assert len(list(root.iter("circle"))) <= 801
    assert any("9 at step 12345" in title for title in titles(root, "circle"))
    assert len(svg) < 250_000


def test_confusion_colors_by_the_share_of_the_row() -> None:
    root = parse(confusion([[90, 10], [0, 4]], ["cat", "dog"]))
    cells = titles(root, "rect")
    assert set(cells) - {""} == {
        "cat recognized: 90 of 100 (90.0%)",
        "cat taken for dog: 10 of 100 (10.0%)",
        "dog recognized: 4 of 4 (100.0%)",
    }
    strengths = {name: float(node.get("style", "").split("fill-opacity:")[1]) for name, node in cells.items() if name}
    # 0.1 + 0.9 * sqrt(share)
    assert strengths["cat recognized: 90 of 100 (90.0%)"] == pytest.approx(0.954, abs=1e-3)
    assert strengths["cat taken for dog: 10 of 100 (10.0%)"] == pytest.approx(0.385, abs=1e-3)
    assert strengths["dog recognized: 4 of 4 (100.0%)"] == 1
    assert "--right" in cells["dog recognized: 4 of 4 (100.0%)"].get("style", "")
    assert "--wrong" in cells["cat taken for dog: 10 of 100 (10.0%)"].get("style", "")
    # Ground truth by row, prediction by column: the mistake stands one cell of 56 pixels right of the first.
    right, wrong = cells["cat recognized: 90 of 100 (90.0%)"], cells["cat taken for dog: 10 of 100 (10.0%)"]
    assert float(wrong.get("x", "")) - float(right.get("x", "")) == 56
    assert wrong.get("y") == right.get("y")
    assert {"90", "10", "4"} <= set(texts(root))


@pytest.mark.parametrize("size", [1, 2, 25, 26, 100])
def test_confusion_of_any_size(size: int) -> None:
    matrix = [[5 if row == column else int((row + column) % 7 == 0) for column in range(size)] for row in range(size)]
    svg = confusion(matrix, [f"class {index}" for index in range(size)])
    root = parse(svg)
    cells = [title for title in titles(root, "rect") if title]
    assert len(cells) == sum(count > 0 for row in matrix for count in row)
    assert len(svg) < 600_000
    assert ("5" in texts(root)) == (size <= 25)
    names = [node for node in root.iter("text") if node.findtext("title", "").startswith("class")]
    assert len(names) == 2 * size
    assert min(float(node.get("font-size", "")) for node in names) >= 7.5


def test_confusion_of_many_classes_shows_the_worst() -> None:
    size = 120
    matrix = [[10 if row == column else 0 for column in range(size)] for row in range(size)]
    matrix[117][118] = 7
    svg = confusion(matrix, [f"class {index}" for index in range(size)])
    assert "100 of 120 classes: those with the most mistakes" in texts(parse(svg))
    assert "class 117 taken for class 118: 7 of 17 (41.2%)" in svg


def test_confusion_of_empty_rows_and_no_classes() -> None:
    assert "recognized" not in confusion([[0, 0], [0, 0]], ["a", "b"])
    parse(confusion([], []))


@pytest.mark.parametrize("matrix", [[[1, 2]], [[1], [2]], [[1, 2], [3, 4], [5, 6]]])
def test_confusion_must_be_square(matrix: list[list[int]]) -> None:
    with pytest.raises(ValueError, match="2 classes needs 2 rows of 2 counts"):
        confusion(matrix, ["a", "b"])


def test_bars_are_as_long_as_their_values() -> None:
    root = parse(bars({"train": {"cat": 100, "dog": 50}, "val": {"dog": 20}}, title="Images"))
    widths = {name: float(node.get("width", "")) for name, node in titles(root, "rect").items()}
    # Labels of 3 letters leave x 45..462, for 0..100 images.
    assert widths == {"cat, train: 100": 417, "dog, train: 50": 208.5, "dog, val: 20": 83.4}
    assert texts(root).count("\N{EN DASH}") == 1  # val has no cats


def test_bars_of_shares_end_at_their_maximum() -> None:
    root = parse(bars({"F1": {"cat": 0.5, "dog": NAN, "cow": None}}, title="F1", maximum=1.0))
    widths = {name: float(node.get("width", "")) for name, node in titles(root, "rect").items()}
    assert widths == {"cat, F1: 0.5000": 208.5}
    assert texts(root).count("\N{EN DASH}") == 2


def test_bars_refuse_negative_values_and_say_nothing_to_count() -> None:
    with pytest.raises(ValueError, match="not negative; got -1"):
        bars({"train": {"cat": -1}}, title="Images")
    assert "nothing to count" in texts(parse(bars({}, title="Images")))


def test_reliability_bars_end_at_the_accuracy() -> None:
    root = parse(reliability([None, 0.9], [NAN, 0.6], [0, 10], error=0.3))
    groups = titles(root, "g")
    assert set(groups) == {
        "confidence \N{EN DASH}, accuracy \N{EN DASH}, 0 predictions",
        "confidence 0.9, accuracy 0.6, 10 predictions",
    }
    count, accuracy, gap = groups["confidence 0.9, accuracy 0.6, 10 predictions"].iter("rect")
    # The plot spans y 64..294 for 0..1: accuracy 0.6 reaches up to 156, the gap from there to 87.
    assert (float(accuracy.get("y", "")), float(accuracy.get("height", ""))) == (156, 138)
    assert (float(gap.get("y", "")), float(gap.get("height", ""))) == (87, 69)
    assert float(accuracy.get("x", "")) == 293  # the second of two bins starts at 292
    assert float(count.get("height", "")) == 46
    assert "expected calibration error 0.3000" in texts(root)
    with pytest.raises(ValueError, match="bins differ in number"):
        reliability([0.5], [0.5, 0.6], [1])


def test_reliability_without_predictions() -> None:
    for root in (parse(reliability([], [], [])), parse(reliability([NAN], [NAN], [0]))):
        assert "nan" not in " ".join(texts(root)).lower()


def test_hostile_text_is_text() -> None:
    points = [(1, 1.0), (2, 2.0)]
    figures = [
        curves({HOSTILE: points}, title=HOSTILE, x_label=HOSTILE, y_label=HOSTILE),
        confusion([[1, 1], [1, 1]], [HOSTILE, "x" * 5000], title=HOSTILE),
        bars({HOSTILE: {HOSTILE: 1.0, "y" * 5000: 2}}, title=HOSTILE, x_label=HOSTILE),
        reliability([0.5], [0.5], [1], title=HOSTILE),
    ]
    for svg in figures:
        assert "<script" not in svg
        root = parse(svg)
        shown = " ".join("".join(node.itertext()) for node in root.iter("text"))
        assert "<script>" in shown
        assert max(len(node.text or "") for node in root.iter("text")) <= 60
        assert all(math.isfinite(float(part)) for part in root.get("viewBox", "").split())
