import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zorki.data.annotations.splits import complete_splits, held_out_split, position, split_name

names = st.lists(st.text(max_size=12), unique=True, max_size=60)


def by_name(splits, names):
    return {names[index]: split for split, indices in splits.items() for index in indices}


@given(names)
def test_every_name_is_in_exactly_one_split(names):
    splits = held_out_split(names)
    assert sorted(index for indices in splits.values() for index in indices) == list(range(len(names)))
    assert list(splits) == ["train", "val", "test"]


@given(names, names, st.randoms(use_true_random=False))
def test_adding_and_shuffling_moves_no_name(old, new, chance):
    before = by_name(held_out_split(old), old)
    joined = list(dict.fromkeys([*old, *new]))
    chance.shuffle(joined)
    after = by_name(held_out_split(joined), joined)
    assert {name: after[name] for name in old} == before


def test_the_split_of_a_name_is_the_same_on_every_machine():
    # `printf cat/1.jpg | b2sum -l 64` prints 32018dafbde900d2, and that / 2^64 is .195336. Frozen: runs depend on it.
    assert [f"{position(name):.6f}" for name in ("cat/1.jpg", "dog/2.jpg", "ё.png")] == [
        "0.195336",
        "0.816031",
        "0.920798",
    ]
    assert 0 <= position("") < 1
    position("broken\udcff.jpg")  # a file name that is not UTF-8


def test_shares_are_met_roughly():
    splits = held_out_split([f"class{n % 7}/{n}.jpg" for n in range(10_000)], {"val": 0.15, "test": 0.05})
    assert len(splits["val"]) == pytest.approx(1500, abs=150)
    assert len(splits["test"]) == pytest.approx(500, abs=90)


def test_a_tiny_dataset_can_leave_a_split_empty():
    assert held_out_split(["cat/1.jpg"]) in (
        {"train": [0], "val": [], "test": []},
        {"train": [], "val": [0], "test": []},
        {"train": [], "val": [], "test": [0]},
    )


@pytest.mark.parametrize("shares", [{"val": -0.1}, {"val": 0.5, "test": 0.5}, {"train": 0.1}])
def test_impossible_shares_are_refused(shares):
    with pytest.raises(ValueError, match="shares must be held out of train"):
        held_out_split(["a"], shares)


@pytest.mark.parametrize(
    ("word", "split"),
    [
        ("Training", "train"),
        ("valid", "val"),
        ("DEV", "val"),
        ("validation", "val"),
        ("testing", "test"),
        ("cat", None),
    ],
)
def test_synonyms(word, split):
    assert split_name(word) == split


def test_no_split_becomes_three():
    files = [f"{n}.jpg" for n in range(1000)]
    splits, reason = complete_splits({}, files)
    assert splits == held_out_split(files, {"val": 0.15, "test": 0.15})
    assert "70, 15 and 15 %" in reason


def test_val_is_held_out_of_train_and_test_is_left_alone():
    files = [f"{n}.jpg" for n in range(1000)]
    order = random.Random(0).sample(range(1000), 1000)
    splits, reason = complete_splits({"Testing": order[:200], "training": order[200:]}, files)
    assert list(splits) == ["train", "val", "test"]
    assert splits["test"] == sorted(order[:200])
    assert sorted(splits["train"] + splits["val"]) == sorted(order[200:])
    assert 50 < len(splits["val"]) < 110
    assert all(position(files[index]) < 0.1 for index in splits["val"])
    assert reason == "train and test: as the data give them; val: 10% of train, held out by a hash of each file's name"


def test_no_test_split_is_invented_beside_given_ones():
    splits, reason = complete_splits({"train": [0, 2], "valid": [1], "dev": [3]}, list("abcd"))
    assert splits == {"train": [0, 2], "val": [1, 3]}
    assert reason == "train and val: as the data give them"
    assert "test" not in complete_splits({"train": [0, 1, 2]}, list("abc"))[0]


def test_data_without_train_stay_as_they_are():
    assert complete_splits({"test": [1, 0]}, list("ab")) == ({"test": [0, 1]}, "test: as the data give them")


def test_a_word_that_means_no_split_is_refused():
    with pytest.raises(ValueError, match="'holdout' means no split"):
        complete_splits({"holdout": [0]}, ["a"])
