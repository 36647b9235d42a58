"""Laws of samplers: seed and epoch decide alone, processes share, and P x K batches hold what they promise."""

from collections import Counter

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from zorki.contracts import Sampler
from zorki.data.loading.loader import Loader, Pipeline
from zorki.data.loading.samplers import ClassSampler, ShuffledSampler, WeightedSampler
from zorki.data.preprocess.resize_crop import ResizeCrop
from zorki.data.scenes.dataset import SceneClassification
from zorki.errors import DataError, RecipeError

LABELS = [0] * 9 + [1] * 4 + [2] * 2 + [3] * 6 + [4]  # 22 samples of 5 classes


def batches(sampler, epoch=0, seed=0):
    return sampler.order(seed, epoch).view(-1, sampler.classes, sampler.group)


@pytest.mark.parametrize(
    "sampler",
    [ShuffledSampler(22), WeightedSampler([1.0] * 22), ClassSampler(LABELS, classes=2, samples=3)],
    ids=lambda sampler: type(sampler).__name__,
)
def test_seed_and_epoch_decide_alone(sampler):
    assert isinstance(sampler, Sampler)
    first = sampler.order(3, 5)
    torch.rand(7)
    assert torch.equal(sampler.order(3, 5), first)
    assert len(first) == len(sampler)
    assert not torch.equal(sampler.order(3, 6), first)
    assert not torch.equal(sampler.order(4, 5), first)


@example(labels=[0] * 17 + [1] * 3, classes=1, samples=2, epoch=0)  # the end of a round within a group
@given(
    labels=st.lists(st.integers(-3, 6), min_size=1, max_size=60),
    classes=st.integers(1, 4),
    samples=st.integers(1, 4),
    epoch=st.integers(0, 3),
)
@settings(max_examples=60, deadline=None)
def test_each_batch_holds_p_classes_with_k_samples_each(labels, classes, samples, epoch):
    if len(set(labels)) < classes:
        with pytest.raises(DataError, match=f"a batch shows {classes} classes"):
            ClassSampler(labels, classes=classes, samples=samples)
        return
    sampler = ClassSampler(labels, classes=classes, samples=samples)
    members = Counter(labels)
    for batch in batches(sampler, epoch):
        seen = []
        for group in batch.tolist():
            (label,) = {labels[place] for place in group}
            seen.append(label)
            assert len(set(group)) == min(samples, members[label]), "none twice while there are others"
        assert len(set(seen)) == classes


def test_all_classes_come_alike_and_all_samples_of_a_class_before_any_comes_again():
    sampler = ClassSampler(LABELS, classes=5, samples=3)
    counts = Counter()
    for epoch in range(20):
        order = batches(sampler, epoch)
        counts.update(LABELS[place] for place in order.flatten().tolist())
        ninths = [place for place in order.flatten().tolist() if place < 9]
        assert len(set(ninths)) == min(9, len(ninths))
    assert len(set(counts.values())) == 1
    # Two of five classes sit out of each round of batches of four, but not always the same.
    seen = {
        LABELS[place] for epoch in range(20) for place in ClassSampler(LABELS, classes=4, samples=1).order(0, epoch)
    }
    assert seen == {0, 1, 2, 3, 4}


def made(rank=0, world=1, **options):
    dataset = SceneClassification(60, size=(16, 16))
    labels = [dataset.target(index).index for index in range(60)]
    sampler = ClassSampler(labels, classes=4, samples=3)
    pipeline = Pipeline(dataset, ResizeCrop(8), seed=2)
    settings = {"batch_size": 12, "sampler": sampler, "rank": rank, "world": world, **options}
    return Loader(pipeline, range(60), **settings), labels


def test_processes_share_a_batch_by_whole_classes():
    alone = [batch.indices for batch in made()[0]]
    shares = [[batch.indices for batch in made(rank, 2)[0]] for rank in range(2)]
    _, labels = made()
    for whole, *parts in zip(alone, *shares, strict=True):
        assert sorted(whole) == sorted(parts[0] + parts[1])
        for part in parts:
            assert sorted(Counter(labels[index] for index in part).values()) == [3, 3]
    with pytest.raises(RecipeError, match="groups of 3 images cannot be shared evenly by 3 processes"):
        made(0, 3)
    with pytest.raises(RecipeError, match="batch_size is 10, but the task draws batches of 12"):
        made(batch_size=10)


@pytest.mark.parametrize("workers", [0, 1])
def test_an_epoch_goes_on_where_it_was_left(workers):
    loader, _ = made(workers=workers)
    loader.set_epoch(3)
    whole = list(loader)
    other, _ = made(workers=workers)
    other.load_state_dict({"epoch": 3, "yielded": 2, "batches": len(other), "defects": []})
    rest = list(other)
    assert [batch.indices for batch in rest] == [batch.indices for batch in whole[2:]]
    assert all(torch.equal(a.inputs, b.inputs) for a, b in zip(rest, whole[2:], strict=True))


def test_bad_numbers_are_refused():
    with pytest.raises(RecipeError, match="P is 0 and K 2; expected at least 1"):
        ClassSampler(LABELS, classes=0, samples=2)
