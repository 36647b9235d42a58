"""What is measured of a file beside its network, on answers made by hand."""

import json

import numpy as np
import pytest
import torch
from torch import nn

from zorki.contracts.capabilities import Decoding, ExportGraph
from zorki.engine.export.parity import Parity, measure_on, synthetic_feeds
from zorki.engine.export.runtimes import Runtime


class Given(nn.Module):
    """The same answers for whatever image."""

    def __init__(self, *answers):
        super().__init__()
        self.answers = answers

    def forward(self, images):
        return self.answers


def graph(**outputs):
    images = torch.zeros((2, 3, 16, 16), dtype=torch.uint8)
    values = [torch.as_tensor(value) for value in outputs.values()]
    return ExportGraph(Given(*values), {"images": images}, tuple(outputs), Decoding("label"))


def compared(expected, found, precision="float32"):
    own = graph(**expected)
    runtime = Runtime("by hand", "1", lambda feed: {name: np.asarray(value) for name, value in found.items()})
    return measure_on(own, runtime, synthetic_feeds(own, 2), precision=precision)


SCORES = np.array([[0.75, 0.25], [0.4, 0.6]], np.float32)
BOXES = {
    "xyxy": np.array([[[0, 0, 4, 4], [8, 8, 12, 14]], [[1, 1, 3, 3], [0, 0, 0, 0]]], np.float32),
    "scores": np.array([[0.9, 0.5], [0.7, 0]], np.float32),
    "labels": np.array([[0, 1], [1, -1]]),
    "count": np.array([2, 1]),
}


def test_equal_answers_pass():
    found = compared({"scores": SCORES}, {"scores": SCORES})
    assert found.passed
    assert found.agreement == {"labels": 1.0}
    assert found.outputs["scores"] == {"largest": 0, "mean": 0, "largest_value": 0.75}
    assert found.images == 2
    assert json.loads(json.dumps(found.to_json()))["passed"] is True


def test_differences_are_told_and_refused():
    other = SCORES + np.array([[0.0, 0.0], [0.3, 0.0]], np.float32)
    found = compared({"scores": SCORES}, {"scores": other})
    assert found.outputs["scores"]["largest"] == pytest.approx(0.3)
    assert found.outputs["scores"]["mean"] == pytest.approx(0.075)
    assert found.agreement == {"labels": 0.5}
    assert len(found.failures) == 2
    assert compared({"scores": SCORES}, {"scores": other}, "int8").passed, "8 bits are measured by the metric"


def test_boxes_are_matched_whatever_their_order():
    turned = {name: value.copy() for name, value in BOXES.items()}
    for name in ("xyxy", "scores", "labels"):
        turned[name][0] = turned[name][0, ::-1]
    found = compared(BOXES, turned)
    assert found.passed
    assert found.agreement == {"matched_boxes": 1.0}
    moved = {**BOXES, "xyxy": BOXES["xyxy"] + np.float32(2)}
    assert compared(BOXES, moved).agreement == {"matched_boxes": 0.0}
    fewer = {**BOXES, "count": np.array([1, 1])}
    assert compared(BOXES, fewer).agreement == {"matched_boxes": 0.75}


def test_a_metric_may_fall_by_a_point():
    def failures(file):
        metric = {"name": "map", "run": 0.5, "file": file}
        own = graph(scores=SCORES)
        found = measure_on(own, Runtime("x", "1", lambda feed: {"scores": SCORES}), [], precision="int8")
        found.metric = metric
        from zorki.engine.export.parity import _failures

        return _failures(found)

    assert failures(0.495) == []
    assert failures(0.6) == []
    assert failures(0.48) == ["map falls from 0.5000 to 0.4800, more than a point"]


def test_a_parity_says_what_it_is():
    text = str(
        Parity(3, "val of x", "float32", {}, {"a": {"largest": 0.001}}, {"labels": 1.0}, None, {"run": 2, "file": 1})
    )
    assert text == "3 images of val of x: largest difference 0.001; labels 1; 2.0 ms (run), 1.0 ms (file) an image"
