from pathlib import Path

import pytest
from call_counts import growth

from zorki.data.scenes.dataset import SceneClassification
from zorki.engine.data_check import Survey, by_kind, counted, summary, survey
from zorki.errors import DataError
from zorki.types import Defect


def test_strict_stops_at_what_was_left_out_and_not_at_notes(tmp_path):
    dataset = SceneClassification(30, size=(16, 16))
    note = Defect(tmp_path / "a", "two formats lie here", note=True)
    dataset.defects = [note]
    assert survey(dataset, strict=True).defects == [note]
    dataset.defects = [note, Defect(tmp_path / "b.txt", "no box; left out", 3)]
    with pytest.raises(DataError, match=r"b\.txt:3: no box; left out \(1 defect in all; without --strict they are"):
        survey(dataset, strict=True)


def test_notes_are_counted_apart_and_told_last(tmp_path):
    note, grave = Defect(tmp_path / "a", "one", note=True), Defect(tmp_path / "b", "two")
    assert counted([note, grave, grave]) == "2 defects and 1 note"
    assert counted([note, note]) == "2 notes"
    assert summary([note, grave], most=1) == [
        f"  {grave}",
        "  ... and 1 more of other kinds: `zorki show --all` lists all",
    ]


def test_defects_that_say_one_thing_are_one_line(tmp_path):
    defects = [
        Defect(tmp_path / f"{k}.txt", f"box {k}.5 of class 'c{k}' leaves the image; cut off", k) for k in range(118)
    ]
    other = Defect(tmp_path / "x.txt", "no class; left out")
    note = Defect(tmp_path, "2 images in no split", note=True)
    assert by_kind([note, other, *defects]) == [defects, [other], [note]]
    assert summary([note, other, *defects]) == [f"  {defects[0]} (and 117 more like it)", f"  {other}", f"  {note}"]


def test_an_empty_split_and_one_that_cannot_be_read_are_two_things(tmp_path):
    dataset = SceneClassification(30, size=(16, 16))
    assert survey(dataset).readable(dataset, "val") == list(dataset.splits["val"])
    dataset.splits["test"] = []
    with pytest.raises(
        DataError, match=r"the split test is empty; the data have train \(\d+\), val \(\d+\), test \(0\)"
    ):
        survey(dataset).readable(dataset, "test")
    count = len(dataset.splits["val"])
    broken = Survey(
        {**dataset.splits, "val": []}, [Defect(tmp_path, "x", note=True), Defect(tmp_path / "b.png", "cut")]
    )
    with pytest.raises(DataError, match=rf"none of the {count} images of the split val can be read: \S+b\.png: cut"):
        broken.readable(dataset, "val")


def test_defects_are_told_once_at_a_cost_that_grows_as_they_do():
    def broken(count):
        return [Defect(Path(f"{number}.jpg"), "cut off") for number in range(count)]

    def epochs(count):
        data_survey = Survey({}, broken(2))
        first, again = broken(count), broken(count)

        def add():
            data_survey.add(first)
            data_survey.add(again)
            assert data_survey.defects == first

        return add

    assert growth(epochs) < 6
