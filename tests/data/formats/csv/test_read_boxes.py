from functools import partial

import numpy as np
import pytest
from PIL import Image

from zorki.data.formats.csv import read_boxes as boxes_csv
from zorki.data.formats.readers import read_boxes
from zorki.errors import DataError

read_boxes_csv = partial(read_boxes, format="csv")


@pytest.fixture
def folder(tmp_path):
    for name in ("images/1.jpg", "images/2.jpg", "images/3.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (100, 50)).save(tmp_path / name)
    return tmp_path


TENSORFLOW = "filename,width,height,class,xmin,ymin,xmax,ymax\n"


def test_tensorflow(folder):
    (folder / "train_labels.csv").write_text(f"{TENSORFLOW}1.jpg,100,50,cat,1,2,30,40\n1.jpg,100,50,dog,5,6,7.5,8\n")
    (folder / "test_labels.csv").write_text(f"{TENSORFLOW}2.jpg,100,50,cat,0,0,100,50\n3.jpg,100,50,,,,,\n")
    (folder / "all_labels.csv").write_text(f"{TENSORFLOW}1.jpg,100,50,cat,1,2,30,40\n")
    data = read_boxes(folder)
    assert (data.format, data.class_names) == ("csv", ["cat", "dog"])
    names = {split: [data.names[i] for i in indices] for split, indices in data.splits.items()}
    assert names["test"] == ["images/2.jpg", "images/3.jpg"]
    index = data.names.index("images/1.jpg")
    assert data.target(index).xyxy.tolist() == [[1, 2, 30, 40], [5, 6, 7.5, 8]]
    assert len(data.target(data.names.index("images/3.jpg"))) == 0
    assert [defect.path.name for defect in data.defects] == ["all_labels.csv"]


def test_openimages_with_decimal_commas_codes_and_groups(folder):
    (folder / "boxes.csv").write_text(
        "ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,IsOccluded,IsGroupOf\n"
        '1,x,/m/01,1,"0,25","0,75","0,5",1,0,1\n2,x,/m/02,1,0.1,0.2,0.2,0.4,0,0\n'
    )
    (folder / "class-descriptions-boxable.csv").write_text("/m/01,Cat\n/m/02,Dog\n")
    data = read_boxes_csv(folder)
    assert data.reason == "it holds OpenImages' tables of boxes: boxes.csv"
    assert data.class_names == ["Cat", "Dog"]
    assert data.target(0).xyxy.tolist() == [[25, 25, 75, 50]]
    assert data.target(0).crowd.tolist() == [True]
    assert data.target(1).xyxy.numpy() == pytest.approx(np.array([[10, 10, 20, 20]]), abs=1e-4)


def test_other_words_a_column_of_splits_and_a_lone_file(folder):
    path = folder / "table.tsv"
    path.write_text(
        "image\tlabel\tx1\ty1\tx2\ty2\tsplit\n1.jpg\tcat\t1\t2\t3\t4\ttrain\n2.jpg\tcat\t1\t2\t3\t4\tvalid\n"
    )
    data = read_boxes_csv(path)
    assert data.splits == {"train": [0], "val": [1]}


def test_bad_rows_are_told(folder):
    (folder / "boxes.csv").write_text(
        f"{TENSORFLOW}1.jpg,100,50,cat,1,2,3,4\n1.jpg,100,50,cat,1,2,1,4\n,100,50,cat,1,2,3,4\n1.jpg,100,50,,1,2,3,4\n"
        "9.jpg,100,50,cat,1,2,3,4\n1.jpg,100,50,cat,a,2,3,4\n"
    )
    data = read_boxes_csv(folder)
    assert data.target(0).xyxy.tolist() == [[1, 2, 3, 4]]
    told = {defect.line: defect.reason for defect in data.defects if defect.line}
    assert told == {
        3: "1.jpg: the box (1, 2, 1, 4) has no area; it was left out",
        4: "the row names no image; it was left out",
        5: "the row has a box and no class; it was left out",
        6: "there is no image '9.jpg'; its 1 box left out",
        7: "1.jpg: the box (nan, 2, 3, 4) has a value that is no number; it was left out",
    }


def test_refusals(folder):
    (folder / "boxes.csv").write_text("path,label\n1.jpg,cat\n")
    assert (
        boxes_csv.probe(folder).reason
        == "no table in it, or in a folder of it, has columns of images, classes and corners"
    )
    assert boxes_csv.probe(folder / "boxes.csv").reason == "it is a file, and no table of boxes"
    with pytest.raises(DataError, match="expected a CSV file with the columns filename"):
        read_boxes_csv(folder)
