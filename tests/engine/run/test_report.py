"""What stands in a run's report beside what is drawn."""

import dataclasses
from pathlib import Path

import pytest
import torch

from zorki.contracts import Results
from zorki.contracts.metric import MetricResult
from zorki.engine.run.folder import result_json
from zorki.engine.run.report import _apart, _kept_epoch, _kind, _score_tables, _spread
from zorki.types import Defect
from zorki.weights import save_weights


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
    found = _apart(results(count, worst, samples), lambda index, _: None)
    assert tuple([index for index, _ in part] for part in found) == expected


def test_a_right_prediction_is_not_among_the_worst():
    worst, others = _apart(results(9, [3, 1, 2], [0, 1, 2]), lambda index, _: index == 1)
    assert ([index for index, _ in worst], [index for index, _ in others]) == ([3, 2], [0, 1])


def test_scores_stand_below_one_another_each_with_decimals_of_its_own():
    names = [f"score_{k}" for k in range(12)]
    html = _score_tables({"val": {"count": 1235, **dict.fromkeys(names, 0.0)}, "test": {"score_3": 0.0004078}})
    assert html.count("<table") == 2
    assert '<td class="left">score_3</td><td class="right">0.0000</td><td class="right">0.0004</td>' in html
    assert '<td class="left">count</td><td class="right">1,235</td>' in html


def test_defects_in_results_json_have_keys():
    found = dataclasses.replace(results(1, [0], [0]), defects=[Defect(Path("a.txt"), "4 numbers expected", 7)])
    expected = {"path": "a.txt", "line": 7, "reason": "4 numbers expected", "note": False}
    assert result_json(found)["defects"] == [expected]


def test_notes_are_no_warning():
    note, defect = Defect(Path("a"), "of one color", note=True), Defect(Path("b"), "cannot be decoded")
    assert (_kind([note]), _kind([note, defect])) == ("note", "warning")


def test_scores_of_the_last_checkpoints_stand_side_by_side():
    assert _spread([0.5, None, 0.7]) == "after the last 2 epochs: 0.5000 to 0.7000, standard deviation 0.1414"
    assert _spread([0.5, float("nan")]) == _spread([]) == ""


def test_the_marked_epoch_is_that_of_the_kept_weights(tmp_path):
    """Of equal epochs the later is kept, and of stages the last one's, whatever the curve says."""
    assert _kept_epoch(tmp_path) is None
    save_weights(tmp_path / "best.safetensors", {"a": torch.zeros(1)}, {"epoch": "47"})
    assert _kept_epoch(tmp_path) == 48
    save_weights(tmp_path / "best.safetensors", {"a": torch.zeros(1)}, {})
    assert _kept_epoch(tmp_path) is None, "weights of others"
