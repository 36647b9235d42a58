"""Paths that lead out of the data's folder, in every format whose files name some."""

import json

import pytest
from PIL import Image

from zorki.data.annotations.outside import leads_out, outside_allowed, reading_within
from zorki.data.formats.readers import read_boxes, read_instances, read_labels, read_masks
from zorki.errors import DataError

BOX = [1, 1, 9, 9]


def photo(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (30, 20), (90, 60, 30)).save(path)


def coco(folder, names):
    images = [{"id": n, "file_name": name, "height": 20, "width": 30} for n, name in enumerate(names)]
    rows = [{"id": n + 1, "image_id": n, "category_id": 1, "bbox": BOX} for n in range(len(names))]
    table = {"images": images, "annotations": rows, "categories": [{"id": 1, "name": "cat"}]}
    (folder / "a.json").write_text(json.dumps(table))


def createml(folder, names):
    box = {"label": "cat", "coordinates": {"x": 9, "y": 9, "width": 8, "height": 6}}
    table = [{"image": name, "annotations": [box]} for name in names]
    (folder / "_annotations.createml.json").write_text(json.dumps(table))


def via(folder, names):
    shape = {"name": "rect", "x": 1, "y": 1, "width": 8, "height": 8}
    regions = [{"shape_attributes": shape, "region_attributes": {"type": "cat"}}]
    (folder / "via.json").write_text(json.dumps({name: {"filename": name, "regions": regions} for name in names}))


def labelme(folder, names):
    for number, name in enumerate(names):
        shape = {"label": "cat", "shape_type": "rectangle", "points": [[1, 1], [9, 9]]}
        (folder / f"file{number}.json").write_text(json.dumps({"imagePath": name, "shapes": [shape]}))


def cvat(folder, names):
    box = '<box label="cat" xtl="1" ytl="1" xbr="9" ybr="9"/>'
    rows = "".join(f'<image name="{name}" width="30" height="20">{box}</image>' for name in names)
    (folder / "annotations.xml").write_text(f"<annotations>{rows}</annotations>")


def csv(folder, names):
    rows = "".join(f"{name},30,20,cat,1,1,9,9\n" for name in names)
    (folder / "a.csv").write_text(f"filename,width,height,class,xmin,ymin,xmax,ymax\n{rows}")


def yolo(folder, names):
    (folder / "train.txt").write_text("".join(f"{name}\n" for name in names))
    (folder / "data.yaml").write_text("train: train.txt\nnames: [cat]\n")


@pytest.fixture
def places(tmp_path):
    """The data's folder with an image, and another image that lies beside it."""
    photo(tmp_path / "data" / "in.png")
    photo(tmp_path / "secret" / "out.png")
    for path in (tmp_path / "data" / "in.txt", tmp_path / "secret" / "out.txt"):
        path.write_text("0 0.5 0.5 0.2 0.2\n")
    return tmp_path / "data"


@pytest.mark.parametrize("write", [coco, createml, via, labelme, cvat, csv, yolo])
@pytest.mark.parametrize("absolute", [False, True])
def test_images_outside_are_read_only_where_it_is_allowed(places, write, absolute):
    name = str(places.parent / "secret" / "out.png") if absolute else "../secret/out.png"
    if write is not yolo:
        for path in places.rglob("*.txt"):
            path.unlink()
    write(places, ["in.png", name])
    data = read_boxes(places, write.__name__)
    assert [path.name for path in map(data.path, range(len(data)))] == ["in.png"]
    (defect,) = [defect.reason for defect in data.defects if "lead out" in defect.reason]
    assert f" of its annotations lead out of the data's folder, {name!r} first" in defect
    with outside_allowed(True):
        data = read_boxes(places, write.__name__)
    assert {path.name for path in map(data.path, range(len(data)))} == {"in.png", "out.png"}
    assert not [defect for defect in data.defects if "lead out" in defect.reason]


def test_a_named_folder_of_images_is_inside(places):
    coco(places, ["../secret/out.png"])
    data = read_boxes(places, "coco", images=places.parent / "secret")
    assert data.path(0).name == "out.png"


def test_an_error_tells_what_was_not_followed(places):
    coco(places, ["../secret/out.png"])
    with pytest.raises(DataError, match=r"(?s)none of the 1 images .* is there.*1 path of its annotations lead out"):
        read_boxes(places, "coco")


def test_tables_of_labels_and_lists_of_masks(places):
    (places / "labels.csv").write_text("path,label\nin.png,cat\n../secret/out.png,dog\n")
    assert read_labels(places, "csv").class_names == ["cat"]
    with outside_allowed(True):
        assert read_labels(places, "csv").class_names == ["cat", "dog"]
    (places / "labels.csv").unlink()
    for folder in (places, places.parent / "secret"):
        Image.new("L", (30, 20), 1).save(folder / "mask.png")
    (places / "train.txt").write_text("in.png mask.png\n../secret/out.png ../secret/mask.png\n")
    assert len(read_masks(places, "mask_folders")) == 1
    with outside_allowed(True):
        assert len(read_masks(places, "mask_folders")) == 2


def test_names_of_classes_outside_are_not_read(places):
    (places.parent / "secret" / "names.txt").write_text("cat\n")
    (places / "obj.data").write_text("train = in.png\nnames = ../secret/names.txt\n")
    with pytest.raises(DataError, match=r"expected a list, a mapping, or a file that is there, and got '\.\./secret"):
        read_boxes(places / "obj.data", "yolo")


def test_links_inside_are_followed_wherever_they_lead(places):
    (places / "link.png").symlink_to(places.parent / "secret" / "out.png")
    coco(places, ["link.png"])
    assert len(read_boxes(places, "coco")) == 1


def test_a_file_in_a_folder_of_annotations_has_its_images_beside_that(places):
    (places / "annotations").mkdir()
    coco(places / "annotations", ["../in.png"])
    assert len(read_boxes(places / "annotations" / "a.json", "coco")) == 1


def test_what_lies_inside_by_a_detour_is_inside(places):
    with reading_within(places) as inside:
        assert not leads_out(places, "a/../in.png")
        assert not leads_out(places, str(places / "in.png"))
        assert not leads_out(places, "a..b.png")
        assert leads_out(places, "../data2/in.png")
        assert leads_out(places, "/nowhere.png")
        assert inside.defect() is None  # what is not there is not worth a word
        assert leads_out(places, "../secret/out.png")
        assert "'../secret/out.png' first" in inside.defect().reason
    assert not leads_out(places, "../secret/out.png")


def test_instances_are_read_within_too(places):
    coco(places, ["in.png", "../secret/out.png"])
    table = json.loads((places / "a.json").read_text())
    for row in table["annotations"]:
        row["segmentation"] = [[1, 1, 9, 1, 9, 9]]
    (places / "a.json").write_text(json.dumps(table))
    data = read_instances(places, "coco")
    assert len(data) == 1
    assert [defect for defect in data.defects if "lead out" in defect.reason]
