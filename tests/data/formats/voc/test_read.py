from functools import partial

import pytest
from PIL import Image

from zorki.data.formats.detect import detect
from zorki.data.formats.probe import Probe
from zorki.data.formats.readers import read_boxes
from zorki.data.formats.voc import read as voc
from zorki.errors import DataError

read_voc = partial(read_boxes, format="voc")


def make_image(path, width=64, height=48):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (width, height)).save(path)


def thing(name, box, extra=""):
    tags = "".join(f"<{tag}>{value}</{tag}>" for tag, value in zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True))
    return f"<object>\n<name>{name}</name>{extra}<bndbox>{tags}</bndbox>\n</object>\n"


def annotate(path, *objects, name="x.jpg", size="<size><width>64</width><height>48</height></size>"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"<annotation>\n<filename>{name}</filename>{size}\n{''.join(objects)}</annotation>\n")


@pytest.fixture
def folder(tmp_path):
    for name in ("a", "b", "c"):
        make_image(tmp_path / f"JPEGImages/{name}.jpg")
    annotate(tmp_path / "Annotations/a.xml", thing("dog", (1, 2, 30, 40)), thing("cat", (5.5, 6.25, 20, 30)))
    annotate(tmp_path / "Annotations/b.xml", thing("cat", (0, 0, 64, 48), "<difficult>1</difficult>"))
    annotate(tmp_path / "Annotations/c.xml")
    for split, names in {"train": "a\nc\n", "val": "b.jpg\n", "trainval": "a\nb\nc\n", "cat_train": "a 1\n"}.items():
        path = tmp_path / f"ImageSets/Main/{split}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(names)
    return tmp_path


def test_boxes_flags_splits_and_background(folder):
    data = read_boxes(folder)
    assert (data.format, data.class_names, data.names) == (
        "voc", ["cat", "dog"], ["JPEGImages/a.jpg", "JPEGImages/b.jpg", "JPEGImages/c.jpg"],
    )  # fmt: skip
    assert data.splits == {"train": [0, 2], "val": [1]}
    assert data.defects == []
    first = data.target(0)
    assert first.xyxy.tolist() == [[1, 2, 30, 40], [5.5, 6.25, 20, 30]]
    assert first.labels.tolist() == [1, 0]
    assert data.target(1).difficult.tolist() == [True]
    assert len(data.target(2)) == 0
    assert data[1].image.shape == (3, 48, 64)
    assert data.category_ids == [1, 2]
    assert data.image_ids is None


def test_a_level_or_two_down(folder, tmp_path_factory):
    outer = tmp_path_factory.mktemp("outer")
    (outer / "VOCdevkit").mkdir()
    folder.rename(outer / "VOCdevkit/VOC2012")
    assert voc.probe(outer) == Probe.yes("it holds Pascal VOC's XML files: VOCdevkit/VOC2012/Annotations")
    data = read_voc(outer)
    assert data.names[0] == "VOCdevkit/VOC2012/JPEGImages/a.jpg"
    assert data.splits == {"train": [0, 2], "val": [1]}


def test_split_folders_with_files_beside_images(tmp_path):
    for split, name in (("train", "1"), ("valid", "1"), ("test", "2")):
        make_image(tmp_path / split / f"{name}.jpg")
        annotate(tmp_path / split / f"{name}.xml", thing("cat", (1, 2, 3, 4)), name=f"{name}.jpg")
    data = read_voc(tmp_path)
    assert {split: [data.names[i] for i in indices] for split, indices in data.splits.items()} == {
        "train": ["train/1.jpg"], "val": ["valid/1.jpg"], "test": ["test/2.jpg"],
    }  # fmt: skip


def test_bad_boxes_are_told_with_their_lines(folder):
    annotate(
        folder / "Annotations/a.xml",
        thing("dog", (10, 10, 10, 20)),
        thing("dog", (30, 40, 10, 20)),
        thing("dog", (70, 1, 90, 9)),
        thing("dog", (60, 40, 90, 48.5)),
        thing("dog", (0, 0, 64.9, 48)),
        thing("dog", (1, "nan", 2, 3)),
        thing("dog", (1, "one", 2, 3)),
        "<object><name>dog</name></object>",
        "<object><bndbox/></object>",
    )
    data = read_voc(folder)
    assert data.target(0).xyxy.tolist() == [[10, 20, 30, 40], [60, 40, 64, 48], [0, 0, pytest.approx(64.9), 48]]
    told = sorted((defect.line, defect.reason) for defect in data.defects if defect.line)
    assert told == [
        (3, "the box (10, 10, 10, 20) has no area; it was left out"),
        (6, "the box (30, 40, 10, 20) is inverted; its corners were exchanged"),
        (9, "the box (70, 1, 90, 9) lies outside of the image of 64 x 48; it was left out"),
        (12, "the box (60, 40, 90, 48.5) leaves the image of 64 x 48; it was cut off at the edge"),
        (18, "the box (1, nan, 2, 3) has a value that is no number; it was left out"),
        (21, "the box (1, nan, 2, 3) has a value that is no number; it was left out"),
        (24, "'dog' has no <bndbox>; the object was left out"),
        (24, "it has no <name>; the object was left out"),
    ]
    assert {defect.path.name for defect in data.defects if defect.line} == {"a.xml"}


def test_missing_and_unlabeled_images(folder):
    (folder / "JPEGImages/b.jpg").unlink()
    make_image(folder / "JPEGImages/d.jpg")
    (folder / "ImageSets/Main/train.txt").write_text("a\nc\nd\n")
    data = read_voc(folder)
    assert data.names == ["JPEGImages/a.jpg", "JPEGImages/c.jpg"]
    reasons = sorted(f"{defect.path.name}:{defect.line}: {defect.reason}" for defect in data.defects)
    assert reasons == [
        "JPEGImages:None: 1 image (d.jpg) has no annotation, and 2 beside have one; left out, since it may hold "
        "anything",
        "b.xml:None: there is no image 'b.jpg'; its 1 box left out",
        "train.txt:3: 1 image has no XML file, 'd' first; left out",
    ]


def test_a_image_in_two_splits_and_one_in_none(folder):
    (folder / "ImageSets/Main/train.txt").write_text("a\nb\n")
    reasons = [defect.reason for defect in read_voc(folder).defects]
    assert reasons == [
        "1 image (JPEGImages/b.jpg) in train and in val: training images are evaluated on",
        "1 image (JPEGImages/c.jpg) in no split: neither trained on nor evaluated",
    ]


def test_classes_of_a_run(folder):
    data = read_voc(folder, class_names=["bird", "cat"])
    assert data.class_names == ["bird", "cat"]
    assert data.target(0).labels.tolist() == [1]
    (defect,) = data.defects
    assert str(defect).endswith(
        "Annotations/a.xml:3: a box is of the class 'dog', which is not among bird, cat; left out"
    )
    with pytest.raises(DataError, match="2 classes that the model does not know: cat, dog; it knows 1: bird"):
        read_voc(folder, class_names=["bird"])


def test_without_images(folder):
    for path in (folder / "JPEGImages").iterdir():
        path.unlink()
    data = read_voc(folder, need_images=False)
    assert (len(data), len(data.xyxy), data.size(0)) == (3, 3, (48, 64))
    with pytest.raises(DataError, match=r"none of the 3 images that it tells of, such as 'a.jpg' is there; looked in"):
        read_voc(folder)


def test_no_box_at_all(folder):
    for name in "ab":
        annotate(folder / f"Annotations/{name}.xml", thing("dog", (1, 1, 1, 1)))
    with pytest.raises(DataError, match=r"no box in the data: 3 images read as voc.*\n.*a.xml:3: the box"):
        read_voc(folder)


def test_broken_files_are_left_out_with_their_lines(folder):
    annotate(folder / "Annotations/b.xml", thing("cat", (1, 2, 3, 4)))
    (folder / "Annotations/a.xml").write_text("")  # the first of all
    (folder / "Annotations/c.xml").write_text("<annotation>\n<size>\n</annotation>")
    data = read_boxes(folder)
    assert data.names == ["JPEGImages/b.jpg"]
    broken = {defect.path.name: (defect.line, defect.reason) for defect in data.defects if defect.path.suffix == ".xml"}
    assert broken == {
        "a.xml": (1, "the XML is broken at column 1: no element found; the file was left out"),
        "c.xml": (3, "the XML is broken at column 3: mismatched tag; the file was left out"),
    }
    (folder / "Annotations/c.xml").write_text('<!DOCTYPE x [<!ENTITY a "b">]><annotation>&a;</annotation>')
    assert "has an entity of its own" in str(read_voc(folder).defects)
    (folder / "Annotations/b.xml").write_text("<annotation>\n")
    with pytest.raises(DataError, match=r"a\.xml:1: the XML is broken at column 1: no element found"):
        read_voc(folder)


def test_only_broken_files_are_told_and_not_taken_for_something_else(folder):
    assert detect(folder).error() is None
    for name in "abc":
        (folder / f"Annotations/{name}.xml").write_text("")
    assert not voc.probe(folder).fits
    assert "a.xml:1: the XML is broken" in str(detect(folder).error())
    (folder / "Annotations/b.xml").write_text("<other/>")
    assert detect(folder).error() is None


def test_images_of_one_name_in_folders_below(tmp_path):
    for name in ("a/0", "b/0"):
        make_image(tmp_path / f"JPEGImages/{name}.jpg")
        annotate(tmp_path / f"Annotations/{name}.xml", thing("cat", (1, 2, 3, 4)), name="0.jpg")
    sets = tmp_path / "ImageSets/Main"
    sets.mkdir(parents=True)
    (sets / "train.txt").write_text("a/0\n")
    (sets / "val.txt").write_text("b/0.jpg\n0\n")
    data = read_voc(tmp_path)
    assert data.names == ["JPEGImages/a/0.jpg", "JPEGImages/b/0.jpg"]
    assert data.splits == {"train": [0], "val": [1]}
    assert [(defect.line, defect.reason) for defect in data.defects] == [
        (2, "1 image has no XML file, '0' first; left out")  # which of the two is meant?
    ]


def test_names_that_end_in_a_number_like_those_of_lists_of_one_class(folder):
    for name in ("photo 0", "photo 1", "photo"):
        make_image(folder / f"JPEGImages/{name}.jpg")
        annotate(folder / f"Annotations/{name}.xml", thing("cat", (1, 2, 3, 4)))
    (folder / "ImageSets/Main/train.txt").write_text("photo 0\na  1\nb -1\n")
    (folder / "ImageSets/Main/val.txt").write_text("photo 1.jpg\n")
    data = read_voc(folder)
    assert [data.names[index][11:] for index in data.splits["train"]] == ["a.jpg", "b.jpg", "photo 0.jpg"]
    assert [data.names[index][11:] for index in data.splits["val"]] == ["photo 1.jpg"]


def test_a_image_that_was_scaled_since(folder):
    make_image(folder / "JPEGImages/a.jpg", 32, 24)
    data = read_voc(folder)
    assert "32 x 24 pixels, and its boxes were drawn on 64 x 48" in data.check(0).reason
    assert data.check(1) is None
    with pytest.raises(DataError, match="scaled or turned"):
        data[0]


def test_sizes_come_from_the_header_where_none_is_stated(folder):
    annotate(folder / "Annotations/a.xml", thing("dog", (1, 1, 100, 9)), size="")
    data = read_voc(folder)
    assert data.size(0) == (48, 64)
    assert data.target(0).xyxy.tolist() == [[1, 1, 64, 9]]


def test_refusals(tmp_path):
    assert voc.probe(tmp_path).reason == "no folder in it holds XML files that begin with <annotation>"
    (tmp_path / "a.xml").write_text("<annotations></annotations>")  # CVAT's
    assert not voc.probe(tmp_path).fits
    for name in ("one", "two"):
        annotate(tmp_path / name / "Annotations/a.xml")
    assert voc.probe(tmp_path).reason == "several folders in it hold such data: one, two; name one of them"
    with pytest.raises(DataError, match="expected a folder Annotations"):
        read_voc(tmp_path)
