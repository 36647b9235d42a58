import torch

from zorki.draw.palette import color
from zorki.tasks.semantic_segmentation.metric import SegmentationMetric, SegmentationResult
from zorki.tasks.semantic_segmentation.report import sections
from zorki.types import Mask

NAMES = ["sky & sea", "road", "car"]


def judged(answer, ground_truth):
    metric = SegmentationMetric(NAMES)
    metric.update([Mask(torch.tensor(answer))], [Mask(torch.tensor(ground_truth))])
    return metric.compute()


def test_classes_confusion_and_the_worst_are_told():
    figures = judged([[0, 0, 1, 1], [1, 1, 1, 1]], [[0, 0, 0, 1], [0, 255, 1, 1]])
    parts = {section.title: section for section in sections(figures)}
    assert list(parts) == ["Pixels", "Classes", "Worst classes", "Confusion matrix"]
    assert "Neither annotated nor predicted, and so in no mean: car" in parts["Pixels"].note
    assert "1 more (12.5%) are ignored" in parts["Pixels"].note
    assert "sky &amp; sea" in parts["Classes"].html
    assert f"rgb{color(1)}" in parts["Classes"].html, "the colors of the images have names"
    # The sky has 4 pixels, of which 2 are taken for road; these are 2 of the 5 that are called road.
    worst = parts["Worst classes"].html
    assert worst.index("sky") < worst.index("road")
    assert "road 50%" in worst
    assert "sky &amp; sea 40%" in worst
    assert "foreground" not in parts["Pixels"].html


def test_nothing_evaluated_is_told_and_nothing_counted_has_no_part():
    (only,) = sections(judged([[0, 1]], [[255, 255]]))
    assert "All pixels of the 1 images are ignored" in only.html
    assert sections(SegmentationResult(count=0)) == []
