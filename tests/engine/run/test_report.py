"""What stands in a run's report beside what is drawn."""

from pathlib import Path

import pytest

from zorki.contracts import Results
from zorki.contracts.metric import MetricResult
from zorki.engine.run.report import _apart, _kind
from zorki.types import Defect


def results(count, worst, samples):
    kept = {"worst": [(index, None) for index in worst], "samples": [(index, None) for index in samples]}
    return Results(split="test", count=count, metrics=MetricResult(count=count), losses={}, **kept)


@pytest.mark.parametrize(
    ("count", "worst", "samples", "expected"),
    [
        (4, [3, 1, 0, 2], [0, 1, 2, 3], ([3, 1], [0, 2])),
        (9, [3, 1], [0, 1, 2], ([3, 1], [0, 2])),
        (1, [0], [0], ([0], [])),
    ],
)
def test_no_image_stands_among_the_worst_and_the_samples(count, worst, samples, expected):
    found = _apart(results(count, worst, samples))
    assert tuple([index for index, _ in part] for part in found) == expected


def test_notes_are_no_warning():
    note, defect = Defect(Path("a"), "of one color", note=True), Defect(Path("b"), "cannot be decoded")
    assert (_kind([note]), _kind([note, defect])) == ("note", "warning")
