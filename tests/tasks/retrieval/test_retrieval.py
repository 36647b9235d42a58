"""Retrieval: data with whole classes held out, batches of P x K, scores, and a run from end to end."""

from __future__ import annotations

import dataclasses
import math
from unittest.mock import create_autospec

import numpy as np
import pytest
import torch
from PIL import Image

import zorki
from zorki.contracts import Dataset, Metric
from zorki.engine.api import Run
from zorki.errors import DataError, RecipeError
from zorki.tasks.retrieval.data import RetrievalData
from zorki.tasks.retrieval.evaluation import RetrievalEvaluation
from zorki.tasks.retrieval.metric import RetrievalMetric
from zorki.tasks.retrieval.pooling import GeneralizedMean
from zorki.tasks.retrieval.settings import RetrievalSettings
from zorki.types import ClassInfo, Embedding, Label

PEOPLE, VIEWS = 12, 4


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    """A folder for each of twelve people, of whom each has a color of his own, and a little noise."""
    root = tmp_path_factory.mktemp("people")
    generator = np.random.default_rng(0)
    for person in range(PEOPLE):
        folder = root / f"person{person}"
        folder.mkdir()
        color = generator.integers(0, 256, 3)
        for view in range(VIEWS):
            pixels = (color + generator.integers(-12, 13, (40, 40, 3))).clip(0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / f"{view}.png")
    return root


def test_whole_classes_are_held_out(people):
    dataset = RetrievalData().read(people)
    classes = {split: {dataset.target(i).index for i in places} for split, places in dataset.splits.items()}
    assert len(dataset) == PEOPLE * VIEWS
    assert all(classes.values())
    assert not (
        classes["train"] & classes["val"] | classes["train"] & classes["test"] | classes["val"] & classes["test"]
    )
    assert "each class's name" in dataset.split_reason
    assert not [defect for defect in dataset.defects if "none in train" in defect.reason]


def test_classes_that_a_run_does_not_know_follow_its_own(people):
    dataset = RetrievalData().read(people, class_names=["somebody", "person3"])
    assert dataset.class_names[:2] == ["somebody", "person3"]
    assert len(dataset.class_names) == PEOPLE + 1


def test_splits_of_the_data_stay_as_they_are(tmp_path):
    for split in ("train", "val"):
        for name in ("a", "b"):
            folder = tmp_path / split / name
            folder.mkdir(parents=True)
            for view in range(2):
                Image.new("RGB", (8, 8), (view, 0, 0)).save(folder / f"{view}.png")
    dataset = RetrievalData().read(tmp_path)
    assert {split: len(places) for split, places in dataset.splits.items()} == {"train": 4, "val": 4}


def test_one_image_a_class_is_refused(tmp_path):
    for name in "abcdefghijkl":
        (tmp_path / name).mkdir()
        Image.new("RGB", (8, 8)).save(tmp_path / name / "1.png")
    dataset = RetrievalData().read(tmp_path)
    with pytest.raises(DataError, match=r"0 of \d+ training classes .*with two training images or more; expected at"):
        RetrievalData().check(dataset, dataset.splits["train"])


def settings(**values) -> RetrievalSettings:
    return dataclasses.replace(RetrievalSettings(), **values)


def test_batches_hold_p_classes_with_k_images_each():
    targets = [Label(place // 5) for place in range(30)]
    sampler = RetrievalData().sampler(targets, settings(batch_size=12, samples_per_class=3), ClassInfo(()))
    first = [targets[place].index for place in sampler.order(0, 0)[:12].tolist()]
    assert first == [label for label in dict.fromkeys(first) for _ in range(3)]
    assert len(set(first)) == 4


@pytest.mark.parametrize(
    ("batch", "advice"), [(10, "batch_size to 12"), (4, "batch_size to 8"), (64, "batch_size to 24")]
)
def test_batches_that_cannot_be_are_refused_with_one_that_can(batch, advice):
    targets = [Label(place // 5) for place in range(30)]
    data = RetrievalData()
    with pytest.raises(RecipeError, match="a batch of") as caught:
        data.sampler(targets, settings(batch_size=batch), ClassInfo(()))
    proposed = int(str(caught.value).split("batch_size to ")[1].split(",")[0])
    data.sampler(targets, settings(batch_size=proposed), ClassInfo(()))


def of_angles(*degrees):
    return [Embedding(torch.tensor([math.cos(math.radians(d)), math.sin(math.radians(d))])) for d in degrees]


def test_scores_by_hand():
    """Two of class 0 at 0 and 20 degrees, two of class 1 at 50 and 80, one of class 2 at 21."""
    metric = RetrievalMetric()
    metric.update(of_angles(0, 20, 50, 80, 21), [Label(0), Label(0), Label(1), Label(1), Label(2)])
    result = metric.compute()
    assert (result.count, result.queries, result.lone_queries, result.classes) == (5, 4, 1, 3)
    # Nearest to 0 is 20 (right), to 20 is 21, to 50 is 21, to 80 is 50 (right).
    assert result.recall_at_1 == pytest.approx(2 / 4)
    assert result.map_at_r == pytest.approx(2 / 4)
    # Same pairs are 20 and 30 degrees apart; of the eight different ones 1 is nearer than 20, and 29 and 30... than 30.
    different = [50, 80, 21, 30, 60, 1, 29, 59]
    wins = sum((d > s) + (d == s) / 2 for s in (20, 30) for d in different)
    assert result.auc == pytest.approx(wins / 16, abs=0.04)  # cosines of 30 degrees differ in their last bit
    assert not result.collapsed


def test_processes_agree_by_merging():
    whole, first, second = RetrievalMetric(), RetrievalMetric(), RetrievalMetric()
    vectors, labels = of_angles(0, 20, 50, 80), [Label(0), Label(0), Label(1), Label(1)]
    whole.update(vectors, labels)
    first.update(vectors[:1], labels[:1])
    second.update(vectors[1:], labels[1:])
    first.merge(second)
    assert first.compute() == whole.compute()


def test_collapse_is_told():
    metric: Metric[Embedding, Label] = RetrievalMetric()
    metric.update(of_angles(0, 0.1, 0.2, 0.3), [Label(0), Label(0), Label(1), Label(1)])
    assert "collapsed" in str(metric.compute())
    metric.reset()
    metric.update(of_angles(0, 90, 180, 270), [Label(0), Label(0), Label(1), Label(1)])
    result = metric.compute()
    assert result.scalars()["spread"] == pytest.approx(1)
    assert "collapsed:" not in str(result)


@pytest.mark.parametrize("labels", [[], [0], [0, 1]])
def test_nothing_to_ask_has_no_score(labels):
    metric = RetrievalMetric()
    metric.update(of_angles(*(90 * place for place in range(len(labels)))), [Label(label) for label in labels])
    result = metric.compute()
    assert (result.count, result.queries, result.map_at_r, result.auc) == (len(labels), 0, None, None)
    assert RetrievalEvaluation().report_sections(result, ClassInfo(())) == []


def test_several_runs_average_their_inner_products():
    (a, b), (c, d) = of_angles(0, 60), of_angles(10, 20)
    first, second = RetrievalEvaluation().ensemble([a, c]).vector, RetrievalEvaluation().ensemble([b, d]).vector
    assert float(first @ second) == pytest.approx((0.5 + math.cos(math.radians(10))) / 2)


def test_generalized_mean_lies_between_average_and_maximum():
    x = torch.tensor([1.0, 2.0, 3.0, 6.0]).view(1, 1, 2, 2)
    assert float(GeneralizedMean(1.0)(x).detach()) == pytest.approx(3)
    assert float(GeneralizedMean(2.0)(x).detach()) == pytest.approx(math.sqrt(50 / 4))
    assert float(GeneralizedMean(20.0)(x).detach()) == pytest.approx(6 * 4 ** (-1 / 20), rel=1e-3)


@pytest.fixture(scope="module")
def run(people, tmp_path_factory) -> Run:
    found: Run = zorki.train(
        "triplet_squeezenet", str(people), epochs=2, batch_size=8, image_size=32, workers=0, quiet=True, threads=1,
        out=str(tmp_path_factory.mktemp("runs")), log_every=1,
    )  # fmt: skip
    return found


def test_a_run_learns_tells_the_active_triplets_and_is_evaluated_on_new_people(run, people, tmp_path):
    steps = (run.folder / "steps.csv").read_text().splitlines()
    assert {"active_triplets", "spread"} <= set(steps[0].split(","))
    (result,) = zorki.evaluate(run, quiet=True, workers=0)
    assert result.metrics.scalars()["recall_at_1"] > 0.5
    # People that it has never heard of.
    strangers = tmp_path / "strangers"
    for person in range(3):
        (strangers / f"new{person}").mkdir(parents=True)
        for view in range(2):
            Image.new("RGB", (20, 20), (90 * person, 80, 10 * view)).save(strangers / f"new{person}" / f"{view}.png")
    (result,) = zorki.evaluate(run, str(strangers), split="all", quiet=True, workers=0)
    assert (result.count, result.metrics.scalars()["recall_at_1"]) == (6, 1)


def test_a_run_opens_as_it_was_trained(run, people):
    opened = zorki.load(run.folder)
    assert opened.model.preprocess == run.model.preprocess
    images = [people / "person1" / "1.png", people / "person2" / "2.png"]
    for mine, again in zip(run.predict(images, quiet=True), opened.predict(images, quiet=True), strict=True):
        assert torch.equal(mine.annotation.vector, again.annotation.vector)


def test_predictions_are_vectors_of_length_1(run, people):
    (result,) = run.predict(people / "person0" / "0.png", quiet=True)
    assert float(result.annotation.vector.norm()) == pytest.approx(1, abs=1e-5)


def test_the_exported_graph_embeds_alike(run):
    images = torch.randint(0, 256, (1, 3, 32, 32), dtype=torch.uint8)
    graph = run.model.export_graph(32, 32)
    assert graph.outputs == ("embedding",)
    with torch.no_grad():
        torch.testing.assert_close(graph.network(images), run.model(images).vectors)


@pytest.mark.parametrize("classes", [2, 3, 7, 10, 31, 32, 100])
@pytest.mark.parametrize("images", [4, 42, 80, 200, 1500])
def test_the_batch_size_that_nobody_set_is_one_of_whole_classes(classes, images):
    from zorki.engine.run.defaults import _batch_size

    dataset = create_autospec(Dataset, instance=True)
    dataset.target.side_effect = lambda index: Label(index % classes)
    data, targets = RetrievalData(), [Label(index % classes) for index in range(images)]
    empty = RetrievalSettings()
    found = data.suggest(empty, dataset, list(range(images)))
    sizes = [found["batch_size"][0]] if found else [_batch_size(images, side)[0] for side in (32, 224)]
    for size in sizes:
        data.sampler(targets, dataclasses.replace(empty, batch_size=size), ClassInfo(()))
    assert data.suggest(dataclasses.replace(empty, batch_size=12), dataset, list(range(images))) == {}
