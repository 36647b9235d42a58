import pickle
from functools import partial

import pytest
from PIL import Image

from zorki.data.annotations.outside import outside_allowed
from zorki.data.formats.csv import read as csv
from zorki.data.formats.probe import Probe
from zorki.data.formats.readers import read_labels
from zorki.errors import DataError
from zorki.types import Defect

read_csv = partial(read_labels, format="csv")


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "images").mkdir()
    for number, name in enumerate(("1.jpg", "2.jpg", "images/3.png", "images/4.png")):
        Image.new("RGB", (4, 3), (number, 0, 0)).save(tmp_path / name, quality=100)
    return tmp_path


def write(folder, text, name="labels.csv"):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def content(dataset):
    return {name: dataset.class_names[label] for name, label in zip(dataset.names, dataset.labels, strict=True)}


EXPECTED = {"1.jpg": "dog", "2.jpg": "cat", "images/3.png": "cat"}


@pytest.mark.parametrize(
    "text",
    [
        "path,label\n1.jpg,dog\n2.jpg,cat\nimages/3.png,cat\n",
        "Label;note;File\ndog;a, b;1.jpg\ncat;;2.jpg\ncat;;3.png\n",
        "\ufeffclass\tfilename\r\ndog\t1.jpg\r\ncat\t2.jpg\r\ncat\timages/3.png\r\n",
        '1.jpg,dog\n\n"2.jpg","cat"\n./images/3.png,  cat\n',
        "image|category\n1.jpg|dog\n2.jpg|cat\nimages\\3.png|cat",
    ],
    ids=["commas", "semicolons, order, more columns, images/", "tabs, mark of UTF-8, CRLF", "no header", "bars"],
)
def test_tables_of_many_shapes(folder, text):
    path = write(folder, text)
    for root in (path, folder):
        dataset = read_csv(root)
        assert content(dataset) == EXPECTED
        assert dataset.class_names == ["cat", "dog"]
        assert [defect for defect in dataset.defects if defect.line is not None] == []
        assert dataset.path(2) == folder / "images/3.png"
        assert dataset[2].image[:, 0, 0].tolist() == [2, 0, 0]
        assert dataset.root == root


def test_absolute_paths(folder, tmp_path_factory):
    path = write(tmp_path_factory.mktemp("elsewhere"), f"path,label\n{folder}/1.jpg,a\n")
    with outside_allowed(True):
        assert read_csv(path).path(0) == folder / "1.jpg"
    path = write(folder, f"path,label\n{folder}/images/3.png,a\n")
    assert read_csv(path).names == ["images/3.png"]  # splits hang on names: they must outlive a move of the folder


def test_the_reason_says_what_was_seen(folder):
    write(folder, "label,split,path\ndog,train,1.jpg\n")
    assert csv.probe(folder) == Probe.yes("labels.csv is a table: columns 3 and 1 are path and label, by its header")


def test_splits_by_a_column(folder):
    write(folder, "path,label,Split\n1.jpg,a,Training\n2.jpg,b,train\nimages/3.png,a,valid\nimages/4.png,b,test\n")
    dataset = read_csv(folder)
    assert dataset.splits == {"train": [0, 1], "val": [2], "test": [3]}
    assert dataset.split_reason == "train, val and test: as the data give them"


def test_numbers_are_sorted_by_value(folder):
    write(folder, "path,label\n1.jpg,10\n2.jpg,9\nimages/3.png,0\n")
    dataset = read_csv(folder)
    assert dataset.class_names == ["0", "9", "10"]
    assert dataset.labels == [2, 1, 0]
    assert read_csv(folder, class_names=["9", "10", "11", "0"]).labels == [1, 0, 3]


def test_rows_that_are_left_out_tell_file_and_line(folder):
    path = write(
        folder,
        'path,label,note,split\n1.jpg,dog,"two\nlines",train\nlost.jpg,dog,,train\n2.jpg,,,train\n,cat,,train\n'
        "2.jpg,cat,,sometimes\n\n1.jpg,dog,,train\n1.jpg,cat,,train\n2.jpg\n3.png,cat,,val\n",
    )
    dataset = read_csv(path)
    assert content(dataset) == {"1.jpg": "dog", "images/3.png": "cat"}
    lines = [
        (4, "there is no file 'lost.jpg'"),
        (5, "the row has no label"),
        (6, "the row has no path"),
        (7, "'sometimes' means no split; expected train, val or test"),
        (9, "'1.jpg' was labeled before, in line 2"),
        (10, "'1.jpg' was labeled before, in line 2, as 'dog' and not as 'cat'"),
        (11, "the row has no label"),
    ]
    assert dataset.defects == [
        *(Defect(path, f"{reason}; the row was left out", line) for line, reason in lines),
        Defect(path, "class 'cat' has 1 sample in val and none in train", note=True),
    ]
    assert str(dataset.defects[0]).startswith(f"{path}:4: there is no file")


def test_a_class_that_the_run_does_not_know(folder):
    write(folder, "path,label\n1.jpg,dog\n2.jpg,owl\n")
    with pytest.raises(DataError, match="does not know: owl"):
        read_csv(folder, class_names=["cat", "dog"])


def test_no_usable_row_shows_the_first_defects(folder):
    path = write(folder, "path,label\nx.jpg,dog\ny.jpg,cat\n")
    with pytest.raises(DataError, match=r"no row names an image that is there and its label:\n.*csv:2: .*'x\.jpg'"):
        read_csv(path)


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({}, "it holds no .csv or .tsv file"),
        ({"a.csv": ""}, "a.csv: it is empty"),
        ({"a.csv": "x,y\n1,2\n"}, "a.csv: its first line, 'x,y', names no column of paths"),
        ({"a.csv": "path,label\nlost.jpg,1\n"}, "a.csv: none of the first 50 rows names a file that is there"),
        ({"a.csv": "path,label\n1.jpg,1\n", "b.csv": "1.jpg,2\n"}, r"it holds 2 tables of labels \(a.csv, b.csv\)"),
    ],
)
def test_why_a_folder_is_refused(folder, files, reason):
    for name, text in files.items():
        write(folder, text, name)
    assert not csv.probe(folder).fits
    with pytest.raises(DataError, match=reason):
        read_csv(folder)


def test_other_tables_beside_do_not_matter(folder):
    write(folder, "x,y\n1,2\n", "a.csv")
    write(folder, "path,label\n1.jpg,dog\n", "b.csv")
    assert content(read_csv(folder)) == {"1.jpg": "dog"}


def test_files_that_are_no_tables(folder):
    assert csv.probe(folder / "1.jpg").reason == "it is a file, and its name ends neither in .csv nor in .tsv"
    path = folder / "a.csv"
    path.write_bytes("path,label\n1.jpg,caf\xe9\n".encode("latin-1"))
    with pytest.raises(DataError, match="it is not text in UTF-8"):
        read_csv(path)


def test_it_travels_to_workers(folder):
    write(folder, "path,label\n1.jpg,dog\nlost.jpg,dog\n")
    dataset = read_csv(folder)
    assert content(pickle.loads(pickle.dumps(dataset))) == content(dataset)
    assert pickle.loads(pickle.dumps(dataset)).defects == dataset.defects
