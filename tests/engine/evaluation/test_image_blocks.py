"""The bootstrap over images: paired between runs, as wide as the classical one, and honest about what it cannot do."""

import numpy as np
import pytest
import torch

from zorki.engine.data_source import read_data
from zorki.engine.evaluation.image_blocks import ImageBlocks, image_digest
from zorki.recipe import Recipe
from zorki.registry import task
from zorki.tasks.classification.metric import ClassificationMetric
from zorki.tasks.retrieval.metric import RetrievalMetric
from zorki.types import Embedding, Label


def blocks_of(right):
    """Of a network that is right on these images, of two classes."""
    blocks = ImageBlocks(lambda: ClassificationMetric(["a", "b"]), range(len(right)))
    scores = [torch.tensor([0.9, 0.1]) if one else torch.tensor([0.1, 0.9]) for one in right]
    predictions = [Label(int(score.argmax()), score) for score in scores]
    blocks.add(range(len(right)), predictions, [Label(0)] * len(right))
    return blocks


def test_the_spread_is_that_of_a_share():
    right = np.random.default_rng(1).random(400) < 0.8
    found, missing = blocks_of(right).replicates(("top1",), count=150)
    assert missing == ""
    values = np.array(found["top1"])
    assert len(values) == 150
    assert values.mean() == pytest.approx(right.mean(), abs=0.005)
    assert values.std() == pytest.approx((0.8 * 0.2 / 400) ** 0.5, rel=0.25)


def test_runs_are_drawn_alike():
    """What both runs have right is the same in each replicate: their difference is that of the other images alone."""
    rng = np.random.default_rng(2)
    first = rng.random(300) < 0.7
    second = first.copy()
    second[:6] = ~second[:6]
    draws = [np.array(blocks_of(one).replicates(("top1",), count=50)[0]["top1"]) for one in (first, second)]
    assert (draws[0] - draws[1]).std() < 0.4 * draws[0].std()
    assert blocks_of(first).replicates(("top1",), count=50)[0]["top1"] == draws[0].tolist()


def test_parts_are_left_as_they_are():
    blocks = blocks_of([True] * 30 + [False] * 10)
    once = blocks.replicates(("top1", "log_loss"), count=50)
    assert blocks.replicates(("top1", "log_loss"), count=50) == once


def test_what_cannot_be_drawn_is_told():
    assert blocks_of([True] * 5).replicates(("top1",)) == ({}, "5 images are too few to draw from")
    assert "too long" in blocks_of([True] * 50).replicates(("top1",), seconds=0.0)[1]
    pairs = ImageBlocks(RetrievalMetric, range(20))
    pairs.add([0], [Embedding(torch.ones(2))], [Label(0)])
    assert pairs.replicates(("map_at_r",)) == ({}, "the metric holds each image against others")
    assert ImageBlocks(RetrievalMetric, []).replicates(("map_at_r",)) == ({}, "0 images are too few to draw from")


def test_the_digest_is_of_content_order_and_annotations(tmp_path):
    classification = task("classification")
    data = read_data(classification, "scenes:30@16", Recipe())
    assert image_digest(data, [1, 2, 3]) == image_digest(data, [1, 2, 3])
    assert image_digest(data, [1, 2, 3]) != image_digest(data, [1, 3, 2])
    from PIL import Image

    for name in ("one", "two"):
        for number, label in enumerate(("cat", "dog")):
            (tmp_path / name / label).mkdir(parents=True)
            Image.new("RGB", (8, 8), (number * 90, 9, 9)).save(tmp_path / name / label / "1.png")
    folders = [read_data(classification, tmp_path / name, Recipe()) for name in ("one", "two")]
    assert image_digest(folders[0], [0, 1]) == image_digest(folders[1], [0, 1]), "wherever they lie"
    Image.new("RGB", (8, 8), (1, 9, 9)).save(tmp_path / "two/cat/1.png")
    assert image_digest(folders[0], [0, 1]) != image_digest(folders[1], [0, 1])
