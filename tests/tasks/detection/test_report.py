import torch

from zorki.tasks.detection.metrics.metric import DetectionMetric
from zorki.tasks.detection.metrics.scores import DetectionResult
from zorki.tasks.detection.report import sections
from zorki.types import Boxes


def figures(names, labels, found):
    count = len(labels)
    corner = torch.arange(count, dtype=torch.float32)[:, None] * 50
    xyxy = torch.cat([corner, corner, corner + 40, corner + 40], 1)
    metric = DetectionMetric(names)
    target = Boxes(xyxy, torch.tensor(labels, dtype=torch.int64))
    metric.update(
        [Boxes(xyxy[:found], target.labels[:found], torch.linspace(0.9, 0.6, max(found, 1))[:found])], [target]
    )
    return metric.compute()


def test_every_part_is_told():
    parts = sections(figures(["cat", "<dog>"], [0, 1, 1], 2))
    assert [part.title for part in parts] == ["Average precision", "Score threshold", "Classes", "Errors"]
    html = "".join(part.html for part in parts)
    assert "&lt;dog&gt;" in html
    assert "<dog>" not in html
    for words in ("AP, 11 points", "an object without a detection", "Precision over recall", "best: 0.6"):
        assert words in html, words
    assert "F1 is best, 0.800, where detections with a score of 0.600 or more" in parts[1].note


def test_nothing_found_and_nothing_to_find():
    bare = sections(figures(["cat"], [0], 0))
    assert "No object was found" in bare[1].note
    assert "hold no object" in sections(figures(["cat"], [], 0))[0].html
    assert sections(DetectionResult(count=0)) == []
    perfect = sections(figures(["cat"], [0], 1))
    assert "No errors at all" in perfect[-1].html


def test_many_classes_have_the_curves_of_the_most_frequent():
    names = [f"class {k}" for k in range(50)]
    labels = [k for k in range(50) for _ in range(2 if k == 49 else 1)]
    parts = sections(figures(names, labels, 51))
    assert "The 7 most frequent of 50 classes." in parts[0].html
    assert "class 49: " in parts[0].html
    assert "class 48: " not in parts[0].html
    assert "AP by class" not in parts[2].html
