"""Clips of one film stay on one side of a split."""

from pathlib import Path

import pytest

from zorki.data.annotations.clips.clip_record import ClipRecord
from zorki.data.annotations.clips.groups import group_of
from zorki.data.annotations.clips.records import ClipRecords
from zorki.errors import DataError, RecipeError


def record(name, **values):
    return ClipRecord(name, Path("/data") / name, **values)


@pytest.mark.parametrize(
    ("name", "group", "found"),
    [
        ("wave/v_Wave_g03_c02.avi", None, "v_Wave_g03"),
        ("wave/0347ZoDXyP0_000095_000105.mp4", None, "0347ZoDXyP0"),
        ("wave/party-clip12.mp4", None, "party"),
        ("wave/007.mp4", None, "wave/007.mp4"),
        ("wave/007.mp4", "none", "wave/007.mp4"),
        ("wave/film7/1.mp4", "folder", "wave/film7"),
        ("wave/party_12.mp4", "stem", "wave/party"),
        ("wave/00000042.png", "//8", "5"),
        ("wave/anna-3.mp4", "([a-z]+)-", "anna"),
    ],
)
def test_groups_by_names(name, group, found):
    assert group_of(record(name), group) == found


def test_what_the_data_say_goes_before_names():
    assert group_of(record("a/x_g01_c01.mp4", group="anna"), None) == "anna"
    assert group_of(record("a.mp4", start=1.0, end=2.0), None) == "a.mp4", "parts of one file are of one film"


def test_groups_that_cannot_be_are_refused():
    with pytest.raises(RecipeError, match=r"//8"):
        group_of(record("a/1.mp4"), "//x")
    with pytest.raises(RecipeError, match=r"one group in parentheses"):
        group_of(record("a/1.mp4"), "person")
    with pytest.raises(RecipeError, match=r"regular expression"):
        group_of(record("a/1.mp4"), "(")
    with pytest.raises(DataError, match=r"no number in the name"):
        group_of(record("a/b.mp4"), "//2")
    with pytest.raises(DataError, match=r"finds nothing"):
        group_of(record("a/b.mp4"), r"person(\d)")


def build(names, given=None):
    records = ClipRecords(Path("/data"), "made", "made", [record(name) for name in names])
    records.classes = [name.split("/")[0] for name in names]
    records.given = given or {}
    return records.build()


FILMS = [f"{label}/v_{label}_g{film:02d}_c{clip:02d}.avi" for label in "ab" for film in range(12) for clip in range(3)]


def test_clips_of_one_film_are_held_out_together():
    data = build(FILMS)
    sides = {name: split for split, indices in data.splits.items() for name in {data.groups()[i] for i in indices}}
    assert len(sides) == 24, "each of the films is on one side"
    assert all(data.splits[split] for split in ("train", "val", "test"))
    assert "24 groups of 72 clips" in data.split_reason


def test_torn_films_are_an_error_that_proposes_groups():
    given = {"train": list(range(0, 70)), "test": [70, 71]}
    with pytest.raises(DataError, match=r"1 film has clips on both sides.*v_b_g11.*--group folder"):
        build(FILMS, given)
    whole = build(FILMS, {"train": list(range(0, 60)), "test": list(range(60, 72))})
    assert len(whole.splits["val"]) % 3 == 0, "of train, whole films are held out"
    assert build([f"a/{k}.mp4" for k in range(4)] + ["b/9.mp4"], {"train": [0, 1, 4], "test": [2, 3]}).splits["test"]


def test_groups_that_are_said_make_splits_of_their_own():
    names = [f"{label}/{person}_{clip}.mp4" for label in "ab" for person in "wxyz" for clip in range(5)]
    data = build(names, {"train": list(range(0, 40, 2)), "test": list(range(1, 40, 2))})
    assert len(data.splits["test"]) == 20, "names alone do not tell"
    by_person = data.regrouped("([w-z])_")
    for group in "wxyz":
        members = [k for k, own in enumerate(by_person.groups()) if own == group]
        assert sum(bool(set(members) & set(indices)) for indices in by_person.splits.values()) == 1
    held = by_person.hold_out("y")
    assert {held.groups()[k] for k in held.splits["test"]} == {"y"}
    assert len(held.splits["train"]) == 30
    with pytest.raises(DataError, match=r"no clip is of the group 'q'; there are w, x, y, z"):
        by_person.hold_out("q")
