from __future__ import annotations

import dataclasses
import itertools
import os
import pickle
import signal
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from zorki.contracts import Dataset
from zorki.data.loading.loader import Loader, Pipeline
from zorki.data.loading.pipeline import LoaderWork, pack, unpack
from zorki.data.loading.samplers import ShuffledSampler, WeightedSampler
from zorki.data.preprocess.resize_crop import ResizeCrop
from zorki.data.transforms.mixing import mixup
from zorki.errors import DataError, RecipeError, ZorkiError
from zorki.types import Batch, Boxes, Defect, Label, Sample


class Numbered(Dataset[Any]):
    """Images that are filled with their index; some of them broken."""

    def __init__(self, count: int = 40, broken: Iterable[int] = (), boxes: bool = False) -> None:
        self.count, self.broken, self.boxes = count, set(broken), boxes
        self.defects: list[Defect] = []

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Sample[Any]:
        if index in self.broken:
            raise DataError(f"{self.path(index)}: cut off")
        return Sample(torch.full((3, 6, 8), index, dtype=torch.uint8), self.target(index), self.path(index))

    def target(self, index: int) -> Any:
        if not self.boxes:
            return Label(index % 3)
        return Boxes(torch.tensor([[0.0, 0, index, 2]]).repeat(index % 3, 1), torch.zeros(index % 3, dtype=torch.int64))

    def path(self, index: int) -> Path:
        return Path(f"{index}.png")

    def check(self, index: int) -> Defect | None:
        return None


def speckle(sample: Sample[Any], generator: torch.Generator) -> Sample[Any]:
    noise = torch.randint(0, 100, sample.image.shape, generator=generator, dtype=torch.uint8)
    return dataclasses.replace(sample, image=sample.image + noise)


def blend(batch: Batch[Any], generator: torch.Generator) -> Batch[Any]:
    return dataclasses.replace(batch, inputs=mixup(batch.inputs, 1.0, generator)[0])


def loader(dataset: Dataset[Any], **options: Any) -> Loader[Any]:
    own = {name: options.pop(name) for name in ("augment", "mix", "seed", "strict") if name in options}
    shuffle, weights = options.pop("shuffle", False), options.pop("weights", None)
    if shuffle or weights is not None:
        options["sampler"] = ShuffledSampler(len(dataset)) if weights is None else WeightedSampler(weights)
    return Loader(Pipeline(dataset, ResizeCrop(4), **own), range(len(dataset)), **{"batch_size": 4, **options})


def indices(batches: Iterable[Batch[Any]]) -> list[list[int]]:
    return [batch.indices for batch in batches]


def same(first: Batch[Any], second: Batch[Any]) -> bool:
    return (
        torch.equal(first.inputs, second.inputs)
        and first.indices == second.indices
        and [target.to_json() for target in first.placed] == [target.to_json() for target in second.placed]
        and first.placements == second.placements
        and first.defects == second.defects
    )


def test_batches_in_order_hold_images_targets_and_places() -> None:
    first, *_, last = loader(Numbered(10, boxes=True))
    assert first.inputs.shape == (4, 3, 4, 4)
    assert first.inputs[:, 0, 0, 0].tolist() == [0, 1, 2, 3]
    assert last.indices == [8, 9]
    # 8 x 6 images: to a height of 4, then the middle of a width of 5.
    assert first.targets[2].xyxy.tolist() == [[0, 0, 2, 2]] * 2
    scale, left = 4 / 6, first.placements[2].left
    assert first.placed[2].xyxy[0].tolist() == pytest.approx([left, 0, 2 * scale + left, 2 * scale])


@given(
    count=st.integers(1, 50),
    share=st.integers(1, 4),
    world=st.integers(1, 3),
    shuffle=st.booleans(),
    drop_last=st.booleans(),
    epoch=st.integers(0, 5),
)
@settings(max_examples=60)
def test_every_sample_once_an_epoch(
    count: int, share: int, world: int, shuffle: bool, drop_last: bool, epoch: int
) -> None:
    seen: list[int] = []
    batch_size = share * world
    lengths = []
    for rank in range(world):
        each = loader(
            Numbered(count), batch_size=batch_size, world=world, rank=rank, shuffle=shuffle, drop_last=drop_last
        )
        each.set_epoch(epoch)
        batches = indices(each)
        assert len(batches) == len(each)
        lengths.append([len(batch) for batch in batches])
        seen += [index for batch in batches for index in batch]
    left_out = count % batch_size if drop_last and count > batch_size else 0
    assert len(set(seen)) == count - left_out
    if shuffle:  # training: all processes step together, at the price of a few samples twice
        assert all(length == lengths[0] for length in lengths)
        assert len(seen) < count - left_out + world
    else:
        assert max(Counter(seen).values()) == 1


def test_processes_share_each_batch_of_the_same_order() -> None:
    alone = indices(loader(Numbered(16), batch_size=8, shuffle=True))
    shares = [indices(loader(Numbered(16), batch_size=8, shuffle=True, rank=rank, world=2)) for rank in range(2)]
    for whole, first, second in zip(alone, *shares, strict=True):
        assert sorted(first + second) == sorted(whole)


def test_a_run_goes_on_with_another_number_of_processes_at_the_same_image() -> None:
    """Two processes, one, and two again: step by step the images of a run that was never stopped."""
    whole = [sorted(batch) for batch in indices(loader(Numbered(30), batch_size=4, shuffle=True))]
    steps: list[list[int]] = []
    state = None
    for world, stop in ((2, 3), (1, 5), (2, len(whole))):
        made = [loader(Numbered(30), batch_size=4, shuffle=True, rank=rank, world=world) for rank in range(world)]
        for one in made:
            if state is not None:
                one.load_state_dict(state)
        for shares in itertools.islice(zip(*made, strict=True), stop - len(steps)):
            steps.append(sorted(index for share in shares for index in share.indices))
            state = made[0].state_dict()
    assert steps == whole


def test_orders_differ_by_epoch_and_seed_and_repeat() -> None:
    def order(epoch: int, seed: int = 0) -> list[list[int]]:
        made = loader(Numbered(), shuffle=True, seed=seed)
        made.set_epoch(epoch)
        return indices(made)

    assert order(0) == order(0)
    assert len({str(order(*key)) for key in [(0, 0), (1, 0), (2, 0), (0, 1), (1, 1)]}) == 5


def test_images_are_varied_anew_each_epoch() -> None:
    made = loader(Numbered(), augment=speckle)
    first = next(iter(made)).inputs
    assert torch.equal(next(iter(made)).inputs, first)
    made.set_epoch(1)
    assert not torch.equal(next(iter(made)).inputs, first)


def test_workers_make_the_same_batches() -> None:
    def batches(workers: int) -> list[Batch[Any]]:
        made = loader(
            Numbered(30, broken=[3, 17], boxes=True), shuffle=True, augment=speckle, mix=blend, workers=workers
        )
        found = []
        for epoch in range(2):  # workers are kept over epochs
            made.set_epoch(epoch)
            found += list(made)
        made.close()
        return found

    alone = batches(0)
    for workers in (1, 2):
        assert all(same(*pair) for pair in zip(alone, batches(workers), strict=True))


@pytest.mark.parametrize("workers", [0, 2])
def test_resumes_in_the_middle_of_an_epoch(workers: int) -> None:
    def make() -> Loader[Any]:
        return loader(Numbered(30, broken=[3, 17]), augment=speckle, mix=blend, workers=workers, weights=[1.0] * 30)

    unbroken = make()
    unbroken.set_epoch(3)
    whole = list(unbroken)
    killed = make()
    killed.set_epoch(3)
    for number, _ in enumerate(killed):
        if number == 4:
            break
    state = pickle.loads(pickle.dumps(killed.state_dict()))
    assert state["yielded"] == 5
    resumed = make()
    resumed.load_state_dict(state)
    resumed.set_epoch(3)  # Lightning does it again after a resume
    rest = list(resumed)
    assert len(rest) == len(resumed) - 5 == len(whole) - 5
    assert all(same(*pair) for pair in zip(whole[5:], rest, strict=True))
    assert set(resumed.defects) == set(unbroken.defects)
    resumed.set_epoch(4)
    unbroken.set_epoch(4)
    assert all(same(*pair) for pair in zip(unbroken, resumed, strict=True))


def test_an_epoch_left_early_starts_again_from_its_beginning() -> None:
    made = loader(Numbered(), shuffle=True, workers=1)
    first = next(iter(made))
    again = list(made)
    assert same(first, again[0])
    assert len(again) == len(made)


def test_a_state_at_the_end_of_an_epoch_leads_to_the_next() -> None:
    made = loader(Numbered(8), shuffle=True)
    list(made)
    resumed = loader(Numbered(8), shuffle=True)
    resumed.load_state_dict(made.state_dict())
    resumed.set_epoch(1)
    assert len(list(resumed)) == 2


def test_a_state_of_other_data_is_refused() -> None:
    made = loader(Numbered(20))
    next(iter(made))
    with pytest.raises(RecipeError, match=r"after batch 1 of 5, but an epoch has 10"):
        loader(Numbered(40)).load_state_dict(made.state_dict())


@pytest.mark.parametrize("workers", [0, 1])
def test_broken_images_are_left_out_and_told(workers: int) -> None:
    made = loader(Numbered(12, broken=[1, 6]), workers=workers)
    batches = list(made)
    assert indices(batches) == [[0, 2, 3], [4, 5, 7], [8, 9, 10, 11]]
    assert batches[0].defects == [Defect(Path("1.png"), "cut off")]
    list(made)
    assert made.defects == [Defect(Path("1.png"), "cut off"), Defect(Path("6.png"), "cut off")]


@pytest.mark.parametrize("workers", [0, 1])
def test_a_batch_of_broken_images_in_evaluation_is_passed_over(workers: int) -> None:
    made = loader(Numbered(12, broken=[4, 5, 6, 7]), workers=workers)
    batches = list(made)
    assert indices(batches) == [[0, 1, 2, 3], [8, 9, 10, 11]]
    assert [str(defect) for defect in batches[1].defects] == [f"{index}.png: cut off" for index in (4, 5, 6, 7)]
    assert len(made.defects) == 4
    assert made.state_dict()["yielded"] == 3


def test_a_batch_of_broken_images_in_training_is_filled_with_the_next() -> None:
    order = indices(loader(Numbered(12), shuffle=True))
    for number in range(3):
        made = loader(Numbered(12, broken=order[number]), shuffle=True, mix=blend)
        batches = list(made)
        expected = list(order)
        expected[number] = order[(number + 1) % 3]
        assert indices(batches) == expected
        assert len(batches[number].defects) == len(made.defects) == 4


@pytest.mark.parametrize("workers", [0, 1])
def test_nothing_but_broken_images_stops_training(workers: int) -> None:
    with pytest.raises(DataError, match=r"none of the 6 images could be read; the first: \d.png: cut off"):
        list(loader(Numbered(6, broken=range(6)), shuffle=True, workers=workers))
    assert list(loader(Numbered(6, broken=range(6)))) == []


@pytest.mark.parametrize("workers", [0, 1])
def test_strict_stops_at_the_first_broken_image(workers: int) -> None:
    with pytest.raises(DataError, match=r"^6.png: cut off; repair") as caught:
        list(loader(Numbered(12, broken=[6]), strict=True, workers=workers))
    assert "Traceback" not in str(caught.value)


def test_weights_draw_rare_samples_as_often_as_common_ones() -> None:
    dataset = Numbered(40)
    weights = [0.0, 10.0, 10.0, 0.0] + [20 / 36] * 36  # the two samples and the other thirty-six are equally likely
    made = loader(dataset, weights=weights)
    counts: Counter[int] = Counter()
    for epoch in range(25):
        made.set_epoch(epoch)
        batches = indices(made)
        assert sum(map(len, batches)) == 40
        counts.update(index for batch in batches for index in batch)
    assert counts[0] == counts[3] == 0
    # 1000 draws at one half: a deviation of 16.
    assert abs(counts[1] + counts[2] - 500) < 80
    assert min(counts[index] for index in range(4, 40)) > 0


def test_a_sample_drawn_twice_is_varied_twice() -> None:
    batch = next(iter(loader(Numbered(4), weights=[0.0, 1.0, 0.0, 0.0], augment=speckle)))
    assert batch.indices == [1] * 4
    assert not torch.equal(batch.inputs[0], batch.inputs[1])


def test_annotations_survive_the_way_between_processes() -> None:
    batch = Pipeline(Numbered(20, boxes=True), ResizeCrop(4))(LoaderWork(0, 0, [0, 1], [17, 18]))
    there = unpack(pack(batch))
    assert same(batch, there)
    assert there.targets[0].xyxy.shape == (2, 4)
    there.targets[0].xyxy.add_(1)  # writable, as the original is
    assert there.targets[1].xyxy.shape == (0, 4)
    labels = unpack(pack(Pipeline(Numbered(20), ResizeCrop(4))(LoaderWork(0, 0, [0], [17]))))
    assert labels.targets[0] is labels.placed[0]


def threads_and_signal(sample: Sample[Any], generator: torch.Generator) -> Sample[Any]:
    ignored = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    numbers = [torch.get_num_threads(), int(ignored), os.getpid() % 251]
    return dataclasses.replace(sample, image=torch.tensor(numbers, dtype=torch.uint8).view(3, 1, 1).expand(3, 4, 4))


def test_workers_use_one_thread_and_leave_ctrl_c_to_the_parent() -> None:
    threads, ignored, process = next(iter(loader(Numbered(4), augment=threads_and_signal, workers=1))).inputs[
        0, :, 0, 0
    ]
    assert (threads, ignored) == (1, 1)
    assert process != os.getpid() % 251


@pytest.mark.timeout(30)
def test_workers_do_not_hang_after_a_backward_pass() -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        layer = torch.nn.Conv2d(3, 16, 3)
        layer(torch.rand(8, 3, 64, 64)).square().sum().backward()
        torch.rand(400, 400) @ torch.rand(400, 400)

        def heavy(sample: Sample[Any], generator: torch.Generator) -> Sample[Any]:
            assert (torch.rand(400, 400) @ torch.rand(400, 400)).sum() > 0
            return sample

        assert len(list(loader(Numbered(16), augment=heavy, workers=2))) == 4
    finally:
        torch.set_num_threads(threads)


def test_the_global_generator_is_left_alone() -> None:
    before = torch.get_rng_state()
    for workers in (0, 1):
        list(loader(Numbered(8), augment=speckle, mix=blend, workers=workers, weights=[1.0] * 8))
    assert torch.equal(torch.get_rng_state(), before)


def test_threads_are_given_back() -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        list(loader(Numbered(8)))
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)


def test_no_samples_make_no_batches() -> None:
    made = Loader(Pipeline(Numbered(4), ResizeCrop(4)), [], batch_size=2, workers=1)
    assert (len(made), list(made)) == (0, [])


def test_drop_last_keeps_the_only_batch() -> None:
    assert indices(loader(Numbered(3), drop_last=True)) == [[0, 1, 2]]
    assert indices(loader(Numbered(6), drop_last=True)) == [[0, 1, 2, 3]]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 1, "world": 2}, "batch_size of at least 2"),
        ({"rank": 2, "world": 2}, r"rank must lie in 0..1"),
        ({"batch_size": 5, "world": 2, "shuffle": True}, "shared evenly by 2 processes; take 4 or 6"),
        ({"workers": -1}, "workers"),
        ({"weights": [1.0]}, "a sampler of 4 samples, but was given one of 1"),
        ({"weights": [0.0] * 4}, "at least one above 0"),
        ({"weights": [1.0, -1.0, 1.0, 1.0]}, "not negative"),
        ({"weights": [1.0, float("nan"), 1.0, 1.0]}, "finite"),
    ],
)
def test_bad_settings_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        loader(Numbered(4), **options)


@pytest.mark.parametrize(
    ("count", "world", "sizes"),
    [
        (9, 1, [4, 5]),
        (10, 1, [4, 4, 2]),
        (8, 1, [4, 4]),
        (1, 1, [1]),
        (9, 2, [2, 3]),
        (10, 2, [2, 3]),
        (11, 2, [2, 2, 2]),
    ],
)
def test_a_last_batch_of_one_joins_the_one_before(count, world, sizes):
    """Over one sample batch norm has no spread to divide by; with two processes it is the share that counts."""
    options = {"shuffle": True, "join_single": True, "seed": 3}
    shares = [loader(Numbered(count), rank=rank, world=world, **options) for rank in range(world)]
    batches = [indices(share) for share in shares]
    assert [len(batch) for batch in batches[0]] == sizes
    assert all(len(share) == len(sizes) for share in shares)
    seen = Counter(index for share in batches for batch in share for index in batch)
    assert set(seen) == set(range(count)), "nothing is lost"
    again = loader(Numbered(count), world=world, **options)
    again.load_state_dict({"epoch": 0, "yielded": len(sizes) - 1, "batches": len(sizes), "defects": []})
    assert indices(again) == batches[0][-1:]


class Ending(Numbered):
    """Ends the process that reads its eighth sample, as a machine without memory does."""

    def __getitem__(self, index: int) -> Sample[Any]:
        if index == 7:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__getitem__(index)


def test_a_worker_that_is_killed_is_one_message() -> None:
    with pytest.raises(ZorkiError, match=r"a worker process that loads images has ended: .*fewer --workers") as caught:
        list(loader(Ending(12), workers=1))
    assert caught.value.__cause__ is None
    assert "\n" not in str(caught.value)
