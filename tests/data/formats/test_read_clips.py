"""Films with a class each, in every layout that there is."""

from pathlib import Path

import pytest
import torch

from zorki.data.formats.detect import detect
from zorki.data.formats.readers import read_clips
from zorki.data.images import write_image
from zorki.errors import DataError


def touch(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"")


def read(root):
    data = read_clips(root)
    return data, {
        split: sorted((data.clips[k].name, data.class_names[data.labels[k]]) for k in indices)
        for split, indices in data.splits.items()
    }


def test_a_folder_for_each_class(tmp_path):
    touch(
        tmp_path, "train/wave/1.mp4", "train/bend/2.AVI", "test/wave/3.mkv", "test/bend/4.webm", "train/bend/notes.txt"
    )
    data, splits = read(tmp_path)
    assert (data.format, data.class_names) == ("video_folders", ["bend", "wave"])
    assert splits["test"] == [("test/bend/4.webm", "bend"), ("test/wave/3.mkv", "wave")]
    assert sorted(splits["train"] + splits["val"]) == [("train/bend/2.AVI", "bend"), ("train/wave/1.mp4", "wave")]
    assert "notes.txt first" in str(data.defects[0])


def test_folders_of_frames_and_strips(tmp_path):
    image = torch.zeros((3, 8, 8), dtype=torch.uint8)
    for name in ("wave/film1/1.png", "wave/film1/2.png", "bend/film2/1.png", "bend/film2/2.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        write_image(tmp_path / name, image)
    write_image(tmp_path / "bend" / "strip.png", torch.zeros((3, 8, 80), dtype=torch.uint8))
    data, _ = read(tmp_path)
    assert [clip.name for clip in data.clips] == ["bend/strip.png", "bend/film2", "wave/film1"]
    assert [len(data[k].image) for k in range(3)] == [10, 2, 2]
    assert [data.check(k) for k in range(3)] == [None] * 3


def test_strips_lie_below_other_folders(tmp_path):
    for name in ("0/1.png", "3/2.png"):
        (tmp_path / "data/actions" / name).parent.mkdir(parents=True)
        write_image(tmp_path / "data/actions" / name, torch.zeros((3, 8, 64), dtype=torch.uint8))
    data, _ = read(tmp_path)
    assert (data.class_names, data.format) == (["0", "3"], "video_folders")


def test_photos_are_no_films(tmp_path):
    for name in ("cat/1.png", "dog/2.png"):
        (tmp_path / name).parent.mkdir()
        write_image(tmp_path / name, torch.zeros((3, 20, 30), dtype=torch.uint8))
    with pytest.raises(DataError, match=r"classes of videos are needed|was not recognized"):
        read_clips(tmp_path)
    assert not detect(tmp_path).probe("video_folders", "clips").fits


def test_ucf101s_lists(tmp_path):
    touch(tmp_path, *(f"UCF-101/{label}/v_{label}_g0{g}_c01.avi" for label in ("Zebra", "Apple") for g in (1, 2)))
    lists = tmp_path / "ucfTrainTestlist"
    lists.mkdir()
    (lists / "classInd.txt").write_text("1 Zebra\n2 Apple\n")
    (lists / "trainlist01.txt").write_text("Zebra/v_Zebra_g02_c01.avi 1\nApple/v_Apple_g02_c01.avi 2\nApple/no.avi 2\n")
    (lists / "testlist01.txt").write_text("Zebra/v_Zebra_g01_c01.avi\nApple/v_Apple_g01_c01.avi\n")
    (lists / "trainlist02.txt").write_text("Zebra/v_Zebra_g01_c01.avi 1\nApple/v_Apple_g01_c01.avi 2\n")
    data, splits = read(tmp_path)
    assert (data.format, data.class_names) == ("ucf101", ["Zebra", "Apple"])
    assert [Path(name).name for name, _ in splits["test"]] == ["v_Apple_g01_c01.avi", "v_Zebra_g01_c01.avi"]
    assert "trainlist01.txt:3: there is no file 'Apple/no.avi'" in str(data.defects[0])
    other = read_clips(lists / "trainlist02.txt")
    assert {clip.path.name for clip in other.clips} == {"v_Apple_g01_c01.avi", "v_Zebra_g01_c01.avi"}


def test_a_table_of_parts(tmp_path):
    touch(tmp_path, "films/a.mp4", "films/b.mp4")
    rows = [
        "path,label,start,end,group,split",
        "films/a.mp4,wave,1.5,0:04,anna,train",
        "films/a.mp4,bend,4,6.5,anna,train",
    ]
    rows += ["films/b.mp4,wave,0,2,bert,test", "films/b.mp4,wave,5,2,bert,test", "films/c.mp4,wave,0,2,bert,test"]
    (tmp_path / "clips.csv").write_text("\n".join([*rows, "films/b.mp4,wave,soon,2,bert,test"]))
    data, splits = read(tmp_path)
    assert (data.format, len(data)) == ("csv", 3)
    assert [(clip.start, clip.end, clip.group) for clip in data.clips[:2]] == [(1.5, 4.0, "anna"), (4.0, 6.5, "anna")]
    assert splits["test"] == [("films/b.mp4", "wave")]
    reasons = [str(defect) for defect in data.defects]
    assert "clips.csv:5: the clip ends at 2 s, and begins at 5 s" in reasons[0]
    assert "there is no file 'films/c.mp4'" in reasons[1]
    assert "'soon' is no time" in reasons[2]


HEADER = "path,label,start,end,group,split"


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (",wave,0,2,bert,test", "there is no file"),
        ("films/no.mp4,wave,0,2,bert,test", "there is no file 'films/no.mp4'"),
        ("films/a.mp4,,0,2,bert,test", "the row has no label"),
        ("films/a.mp4,wave,soon,2,bert,test", "'soon' is no time"),
        ("films/a.mp4,wave,0,late,bert,test", "'late' is no time"),
        ("films/a.mp4,wave,nan,2,bert,test", "'nan' is no time"),
        ("films/a.mp4,wave,-1,2,bert,test", "'-1' is no time"),
        ("films/a.mp4,wave,1:-5,70,bert,test", "'1:-5' is no time"),
        ("films/a.mp4,wave,5,2,bert,test", "the clip ends at 2 s, and begins at 5 s"),
        ("films/a.mp4,wave,2,2,bert,test", "the clip ends at 2 s, and begins at 2 s"),
        ("films/a.mp4,wave,0,2,bert,evening", "'evening' means no split"),
        ("films/a.mp4,wave,0,2,bert,", "the row has no split"),
        ("films/a.mp4,wave,0,2", "the row has no split"),
        ("films/a.mp4,bend,3,4,carl,test", "the same clip of 'films/a.mp4' stands in clips.csv:2"),
    ],
)
def test_a_wrong_row_is_told_with_its_line(tmp_path, row, reason):
    touch(tmp_path, "films/a.mp4")
    (tmp_path / "clips.csv").write_text(f"{HEADER}\nfilms/a.mp4,wave,3,4,anna,train\n{row}\n")
    data = read_clips(tmp_path)
    assert len(data) == 1
    assert f"clips.csv:3: {reason}" in str(data.defects[0])


@pytest.mark.parametrize("text", ["", "path,label\n", "path,start,end\na.mp4,0,2\n", "label,start,end\nwave,0,2\n"])
def test_a_table_without_what_it_takes_is_told(tmp_path, text):
    touch(tmp_path, "a.mp4")
    (tmp_path / "clips.csv").write_text(text)
    with pytest.raises(DataError, match=r"clips.csv: .*(no path, no label, or no video in it|no row names a video)"):
        read_clips(tmp_path / "clips.csv", format="csv")


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("Zebra/no.avi 1", "there is no file 'Zebra/no.avi'"),
        ("loose.avi 1", "'loose.avi' lies in no folder"),
        ("Zebra/b.avi 2", "the row says class 2, 'Apple' in classInd.txt, but the folder is 'Zebra'"),
        ("Zebra/b.avi two", "'two' is no number of a class"),
        ("Zebra/a.avi 1", "'Zebra/a.avi' stands in trainlist01.txt:1"),
    ],
)
def test_a_wrong_row_of_ucf101s_lists_is_told_with_its_line(tmp_path, row, reason):
    touch(tmp_path, "Zebra/a.avi", "Zebra/b.avi", "Apple/a.avi", "loose.avi")
    (tmp_path / "classInd.txt").write_text("1 Zebra\n2 Apple\n")
    (tmp_path / "trainlist01.txt").write_text(f"Zebra/a.avi 1\n{row}\n")
    (tmp_path / "testlist01.txt").write_text("Apple/a.avi\n")
    data = read_clips(tmp_path)
    assert len(data) == 2
    assert f"trainlist01.txt:2: {reason}" in str(data.defects[0])


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("wave,gone,1,11,train", "there is no file 'gone'"),
        ("wave,abc,early,11,train", "'early' is no time"),
        ("wave,abc,11,1,train", "the clip ends at 1 s, and begins at 11 s"),
        (",abc,1,11,train", "the row has no label"),
        ("bend,abc,95,105,train", "the same clip of 'train/wave/abc_000095_000105.mp4' stands in train.csv:2"),
    ],
)
def test_a_wrong_row_of_kinetics_is_told_with_its_line(tmp_path, row, reason):
    touch(tmp_path, "train/wave/abc_000095_000105.mp4")
    header = "label,youtube_id,time_start,time_end,split"
    (tmp_path / "train.csv").write_text(f"{header}\nwave,abc,95,105,train\n{row}\n")
    data = read_clips(tmp_path)
    assert f"train.csv:3: {reason}" in str(data.defects[0])


def test_kinetics_lists(tmp_path):
    touch(tmp_path, "train/wave/abc_000095_000105.mp4", "test/bend/xyz.mp4")
    header = "label,youtube_id,time_start,time_end,split"
    (tmp_path / "train.csv").write_text(f"{header}\nwave,abc,95,105,train\nwave,gone,1,11,train\n")
    (tmp_path / "test.csv").write_text(f"{header}\nbend,xyz,3,13,test\n")
    data, splits = read(tmp_path)
    by_name = {clip.path.name: clip for clip in data.clips}
    assert (by_name["abc_000095_000105.mp4"].start, by_name["xyz.mp4"].start) == (None, 3.0), "one file is cut already"
    assert splits["test"] == [("test/bend/xyz.mp4", "bend")]
    assert "there is no file 'gone'" in str(data.defects[0])


def test_tables_of_images_stay_what_they_are(tmp_path):
    write_image(tmp_path / "a.png", torch.zeros((3, 8, 8), dtype=torch.uint8))
    (tmp_path / "table.csv").write_text("path,label\na.png,cat\n")
    assert not detect(tmp_path).probe("csv", "clips").fits
    assert detect(tmp_path).probe("csv", "labels").fits
