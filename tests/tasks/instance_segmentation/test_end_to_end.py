"""A model without weights end to end: evaluated, ensembled, its predictions written and evaluated again."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from zorki.contracts import Model
from zorki.data.images import write_image
from zorki.data.preprocess.pad import Pad
from zorki.engine.evaluation.evaluate import evaluate
from zorki.engine.evaluation.results_file import evaluate_file
from zorki.engine.prediction.predict import predict
from zorki.engine.run.open import TrainedModel
from zorki.ops.components import connected_components
from zorki.ops.packing import tight_boxes
from zorki.recipe import Recipe
from zorki.tasks.instance_segmentation.task import InstanceSegmentation
from zorki.types import ClassInfo, Instances


class Bright(Model):
    """Every bright piece is an object, the surer the brighter it is."""

    preprocess = Pad(64)

    def __init__(self, level=100):
        super().__init__()
        self.level = level
        self.normalize = nn.Identity()

    def forward(self, inputs):
        return inputs

    def loss(self, outputs, targets):
        return {"nothing": torch.zeros(())}

    def decode(self, outputs, placements):
        answers = []
        for image, placement in zip(outputs, placements, strict=True):
            top, left = round(placement.top), round(placement.left)
            light = image[0, top : top + placement.height, left : left + placement.width]
            numbers = connected_components((light > self.level).int())
            masks = numbers == torch.arange(1, int(numbers.max()) + 1)[:, None, None]
            scores = torch.stack([light[mask].float().mean() / 255 for mask in masks]) if len(masks) else torch.zeros(0)
            labels = torch.zeros(len(masks), dtype=torch.int64)
            answers.append(Instances(tight_boxes(masks), labels, masks, scores))
        return answers


def run(level=100):
    about = {"model": "bright", "task": "instance_segmentation", "data": None}
    return TrainedModel(
        Path("bright"),
        "bright",
        InstanceSegmentation(),
        ClassInfo(("object",)),
        Recipe(workers=0),
        about,
        Bright(level),
    )


@pytest.fixture
def cells():
    """Images of two bright squares and a dim one, with maps of their numbers; in the second the dim one is none."""
    for name, count in (("a", 3), ("b", 2)):
        numbers = np.zeros((40, 50), np.uint16)
        light = np.zeros((40, 50), np.uint8)
        for number, (top, left, level) in enumerate(((4, 4, 250), (4, 20, 200), (24, 4, 120)), 1):
            light[top : top + 10, left : left + 10] = level
            numbers[top : top + 10, left : left + 10] = number if number <= count else 0
        write_image(Path(f"cells/test/images/{name}.png"), torch.from_numpy(light).expand(3, 40, 50).contiguous())
        Path("cells/test/labels").mkdir(parents=True, exist_ok=True)
        Image.fromarray(numbers).save(f"cells/test/labels/{name}.png")
    return "cells"


def test_a_model_is_evaluated(cells):
    (found,) = evaluate(run(), cells, workers=0)
    figures = found.metrics.to_json()
    assert (figures["objects"], figures["detections"]) == (5, 6)
    assert figures["mask_ap50"] == pytest.approx(1, abs=0.2)
    assert (figures["precision"], figures["recall"]) == (pytest.approx(5 / 6), 1)
    assert figures["counts"] == {"ground_truth": [3, 2], "predicted": [3, 3]}
    (strict,) = evaluate(run(150), cells, workers=0)
    assert strict.metrics.to_json()["counts"] == {"ground_truth": [3, 2], "predicted": [2, 2]}
    assert strict.metrics.to_json()["bowl_ap"] == pytest.approx((2 / 3 + 1) / 2)


def test_two_models_are_evaluated_together(cells):
    *_, both = evaluate([run(), run(150)], cells, workers=0)
    assert both.metrics.to_json()["detections"] == 6
    assert both.metrics.to_json()["counts"] == {"ground_truth": [3, 2], "predicted": [3, 3]}
    # What one of two saw has half of its score, and is still worth having: one of the two dim squares is right.
    assert both.metrics.to_json()["best_threshold"] == pytest.approx(120 / 255 / 2)


def test_predictions_are_written_and_evaluated_again(cells):
    results = predict(run(), f"{cells}/test/images", out="out")
    assert [len(result) for result in results] == [3, 3]
    assert results[0].files["mask"] == Path("out/masks/a.png")
    with Image.open("out/masks/a.png") as image:
        assert image.mode == "I;16"
        numbers = np.asarray(image)
    assert np.unique(numbers).tolist() == [0, 1, 2]
    entries = json.loads(Path("out/predictions.json").read_text())
    assert len(entries) == 6
    assert {"image_id", "bbox", "segmentation", "score"} <= set(entries[0])
    row = numbers[4, 4] - 1
    assert entries[row]["bbox"] == [4, 4, 10, 10]
    judged = evaluate_file("out/predictions.json", cells).metrics.to_json()
    (own,) = evaluate(run(), cells, workers=0)
    assert judged["mask_ap"] == own.metrics.to_json()["mask_ap"]
    assert judged["pq"] == own.metrics.to_json()["pq"]
