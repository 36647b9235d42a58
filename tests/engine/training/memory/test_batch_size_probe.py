"""The largest batch that fits, by a memory that the test sets."""

from pathlib import Path

import pytest
import torch

from zorki import registry
from zorki.engine.training.memory.batch_size_probe import AUTO, BatchSizeProbe, hardest_images, largest_batch
from zorki.engine.training.plan import draft_plan
from zorki.errors import RecipeError
from zorki.recipe import Recipe


@pytest.mark.parametrize(("room", "most", "expected"), [(0, 64, None), (1, 64, 1), (23, 64, 16), (24, 64, 24),
                                                        (31, 64, 24), (500, 50, 50), (33, 50, 32)])  # fmt: skip
def test_the_largest_that_fits(room, most, expected):
    tried = []

    def fits(size):
        tried.append(size)
        return size <= room

    assert largest_batch(fits, most) == expected
    assert max(tried) <= most


def test_auto_is_a_word_of_the_batch_size():
    assert Recipe.of({"batch_size": "auto"}).batch_size == AUTO
    with pytest.raises(RecipeError, match="batch_size"):
        Recipe.of({"batch_size": "huge"})


def test_without_a_gpu_the_usual_size_is_chosen_and_told():
    words = []
    plan = draft_plan("lenet5", "scenes:60@32", None, {"batch_size": "auto", "device": "cpu"}, None, words.append)
    assert plan.recipe.batch_size > 1
    (told,) = [line for line in words if "batch_size" in line]
    assert "a GPU alone has a memory of its own to probe" in told
    usual = draft_plan("lenet5", "scenes:60@32", None, {"device": "cpu"}, None, words.append)
    assert usual.recipe == plan.recipe


def test_batches_are_made_of_the_images_with_most_objects():
    task = registry.task("detection")
    dataset = task.data.read(Path("scenes:20@32"))
    indices = list(range(20))
    counts = [len(dataset.target(index)) for index in indices]
    found = hardest_images(dataset, indices, 3)
    assert sorted((counts[index] for index in found), reverse=True) == sorted(counts, reverse=True)[:3]


def test_a_step_that_runs_out_of_memory_does_not_fit(monkeypatch):
    plan = draft_plan(
        "lenet5", "scenes:60@32", None, {"device": "cpu", "batch_size": 8, "epochs": 1}, None, lambda words: None
    )
    probe, loss = BatchSizeProbe(plan.model, plan.recipe, plan.dataset, plan.train_indices), type(plan.model).loss

    def limited(model, outputs, targets):
        if len(targets) > 5:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return loss(model, outputs, targets)

    monkeypatch.setattr(type(plan.model), "loss", limited)
    assert largest_batch(probe.fits, 32) == 4


@pytest.mark.parametrize(("a_image", "expected"), [(0.05, 16), (0.06, 12), (0.85, 1), (0.86, None)])
def test_fifteen_percent_of_the_memory_stay_free(monkeypatch, a_image, expected):
    monkeypatch.setattr(BatchSizeProbe, "__init__", lambda probe: None)
    used = []
    monkeypatch.setattr(BatchSizeProbe, "_step", lambda probe, size: used.append(size * a_image))
    monkeypatch.setattr(BatchSizeProbe, "_used", lambda probe: used[-1])
    probe = BatchSizeProbe()
    probe.device = "cpu"
    assert largest_batch(probe.fits, 64) == expected
