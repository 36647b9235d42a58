import json
import pickle
import shutil
from functools import partial

import pytest
from PIL import Image

from zorki.data.formats.coco import read as coco
from zorki.data.formats.readers import read_boxes
from zorki.data.formats.writers import write_boxes
from zorki.errors import DataError

read_coco = partial(read_boxes, format="coco")

RLE = {"counts": [0, 5, 10, 3057], "size": [48, 64]}
CATEGORIES = [{"id": 7, "name": "dog"}, {"id": 3, "name": "cat"}]


def make_image(path, width=64, height=48):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (width, height)).save(path)


def image(number, name):
    return {"id": number, "file_name": name, "width": 64, "height": 48}


def box(number, of, category, bbox, **more):
    return {"id": number, "image_id": of, "category_id": category, "bbox": bbox, **more}


def write(path, images, annotations, categories=CATEGORIES, indent=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    values = {"images": images, "annotations": annotations, "categories": categories}
    path.write_text(json.dumps(values, indent=indent))
    return path


@pytest.fixture
def folder(tmp_path):
    for name in ("train2017/1.jpg", "train2017/2.jpg", "val2017/1.jpg"):
        make_image(tmp_path / "images" / name)
    write(tmp_path / "annotations/instances_train2017.json", [image(10, "1.jpg"), image(20, "2.jpg")], [
        box(5, 10, 7, [1, 2, 3.5, 4], area=6.5, segmentation=[[1, 2, 4.5, 2, 4.5, 6]]),
        box(6, 10, 3, [10, 20, 30, 20], iscrowd=1, segmentation=RLE),
    ])  # fmt: skip
    write(tmp_path / "annotations/instances_val2017.json", [image(30, "1.jpg")], [box(9, 30, 3, [0, 0, 64, 48])])
    write(tmp_path / "annotations/captions_val2017.json", [image(30, "1.jpg")], [{"image_id": 30, "caption": "a cat"}])
    return tmp_path


def test_a_list_of_images_that_are_none_is_told(tmp_path):
    path = write(tmp_path / "instances.json", ["1.jpg"], [box(1, 10, 7, [1, 2, 3, 4])])
    with pytest.raises(DataError, match="no image is told of") as told:
        read_coco(tmp_path)
    assert f"{path}: image 1 of the list has no id or no file_name; left out" in str(told.value)


def test_all_that_the_files_say(folder):
    data = read_boxes(folder)
    assert data.format == "coco"
    assert data.names == ["images/train2017/1.jpg", "images/train2017/2.jpg", "images/val2017/1.jpg"]
    assert data.splits["val"] == [2]
    assert data.class_names == ["cat", "dog"]  # by id, which have gaps
    assert data.category_ids == [3, 7]
    assert data.image_ids == [10, 20, 30]
    assert data.annotation_ids.tolist() == [5, 6, 9]
    assert data.target(0).xyxy.tolist() == [[1, 2, 4.5, 6], [10, 20, 40, 40]]
    assert data.target(0).crowd.tolist() == [False, True]
    assert data.target(2).crowd.tolist() == [False]
    assert len(data.target(1)) == 0
    assert data.areas.tolist() == [6.5, 600, 64 * 48]
    assert data.segments is None
    assert [(defect.reason, defect.note) for defect in data.defects] == [
        ("category ids run from 3 to 7, and 3 between are of none; classes are in their order", True)
    ]
    again = pickle.loads(pickle.dumps(data))
    assert again.target(0).xyxy.tolist() == data.target(0).xyxy.tolist()


def test_outlines_as_found(folder):
    data = read_boxes(folder, need_segments=True)
    assert data.segments == [[[1, 2, 4.5, 2, 4.5, 6]], RLE, None]


def test_a_lone_file_without_images(folder):
    data = read_boxes(folder / "annotations/instances_val2017.json", need_images=False)
    assert (data.splits, data.size(0)) == ({"val": [0]}, (48, 64))
    with_images = read_coco(folder / "annotations/instances_val2017.json")
    assert data.names == with_images.names  # they are not needed, and there
    assert with_images.path(0).samefile(folder / "images/val2017/1.jpg")
    lone = write(folder / "truth.json", [image(1, "x.jpg")], [box(1, 1, 3, [1, 1, 2, 2])])
    data = read_boxes(lone, need_images=False)
    assert data.splits == {"all": [0]}
    assert data.names == ["x.jpg"]


def test_without_images_the_held_out_ones_are_those_of_training(tmp_path):
    """Who is held out hangs on paths: an annotation alone says "3.jpg" where training saw images/3.jpg."""
    images = [image(number, f"{number}.jpg") for number in range(1, 31)]
    for name in ("_annotations.json", "instances_train.json"):
        base = tmp_path / name[:5]
        lone = write(base / name, images, [box(number, number, 3, [1, 1, 2, 2]) for number in range(1, 31)])
        for number in range(1, 31):
            make_image(base / "images" / f"{number}.jpg")
        trained, judged = read_coco(base), read_coco(base, need_images=False)
        assert judged.splits == trained.splits
        assert len(judged.splits["val"]) > 0
        shutil.rmtree(base / "images")  # now nobody can know
        assert list(read_coco(base, need_images=False).splits) == (["all"] if name[0] == "_" else ["train"])
        assert len(read_coco(lone, need_images=False)) == 30


def test_roboflows_layout(tmp_path):
    heading = [{"id": 0, "name": "pets", "supercategory": "none"}, {"id": 1, "name": "cat", "supercategory": "pets"}]
    for split in ("train", "valid", "test"):
        make_image(tmp_path / split / "a.jpg")
        write(tmp_path / split / "_annotations.coco.json", [image(0, "a.jpg")], [box(0, 0, 1, [1, 1, 5, 5])], heading)
    data = read_coco(tmp_path)
    assert sorted(data.splits) == ["test", "train", "val"]
    assert (data.class_names, data.category_ids) == (["cat"], [1])
    assert [data.names[i] for i in data.splits["val"]] == ["valid/a.jpg"]
    assert "a heading of others" in data.defects[0].reason


def test_bad_annotations_are_told(folder):
    path = write(folder / "annotations/instances_train2017.json", [
        image(10, "1.jpg"), image(10, "2.jpg"), image(11, "gone.jpg"), {"id": 12},
    ], [
        box(1, 10, 7, [1, 2, 3, 4]),
        box(1, 10, 7, [5, 5, 5, 5]),
        box(3, 99, 7, [1, 2, 3, 4]),
        box(4, 10, 99, [1, 2, 3, 4]),
        box(5, 10, 7, [1, 2, 0, 4]),
        box(6, 10, 7, [1, 2, 3]),
        box(7, 10, 7, [1, None, 3, 4]),
        box(8, 10, 7, [9, 9, -4, -4]),
        box(9, 11, 7, [1, 2, 3, 4]),
    ], indent=1)  # fmt: skip
    data = read_coco(folder)
    assert data.target(0).xyxy.tolist() == [[1, 2, 4, 6], [5, 5, 10, 10], [5, 5, 9, 9]]
    lines = path.read_text().splitlines()
    told = [defect for defect in data.defects if defect.path == path]
    reasons = [defect.reason for defect in told]
    assert reasons == [
        "image 2 of the list ('2.jpg') has the id 10 of '1.jpg'; left out",
        "image 4 of the list has no id or no file_name; left out",
        "annotation 3 is of image 99, which the file does not list; left out",
        "annotation 6 has no bbox of four numbers (left, top, width, height); left out",
        "1 annotation is of category 99, which the file does not list; left out",
        "1 annotation ids stand more than once, 1 first; all were kept",
        "there is no image 'gone.jpg'; its 1 box left out",
        "1.jpg: annotation 5: the box (1, 2, 1, 6) has no area; it was left out",
        "1.jpg: annotation 7: the box (1, nan, 4, nan) has a value that is no number; it was left out",
        "1.jpg: annotation 8: the box (9, 9, 5, 5) is inverted; its corners were exchanged",
    ]
    assert '"id": 5' in lines[told[7].line - 1]
    assert '"id": 3' in lines[told[2].line - 1]


def test_a_box_from_its_polygons(folder):
    one = {"id": 1, "image_id": 30, "category_id": 3, "segmentation": [[4, 5, 9, 5, 9, 11], [1, 7, 2, 7, 2, 8]]}
    write(folder / "annotations/instances_val2017.json", [image(30, "1.jpg")], [one])
    assert read_coco(folder).target(2).xyxy.tolist() == [[1, 5, 9, 11]]


def test_a_box_from_its_runs_of_pixels(folder):
    one = {
        "id": 1,
        "image_id": 30,
        "category_id": 3,
        "segmentation": {"counts": [2 * 48 + 5, 4, 44, 3], "size": [48, 64]},
    }
    write(folder / "annotations/instances_val2017.json", [image(30, "1.jpg")], [one])
    assert read_coco(folder).target(2).xyxy.tolist() == [[2, 5, 4, 9]]


@pytest.mark.parametrize("points", [["x", 5, 9, 5, 9, 11], [4, 5, None, 5, 9, 11], [4, 5, 9, 5, 9, 1e999]])
def test_polygons_with_a_value_that_is_no_number_make_no_box(folder, points):
    one = {"id": 1, "image_id": 30, "category_id": 3, "segmentation": [points]}
    write(folder / "annotations/instances_val2017.json", [image(30, "1.jpg")], [one])
    data = read_coco(folder)
    assert len(data.target(2)) == 0
    assert "has a value that is no number" in str(data.defects)


def test_ids_in_quotes_and_with_a_point(folder):
    categories = [{"id": "7", "name": "dog"}, {"id": 3.0, "name": "cat"}]
    write(folder / "annotations/instances_val2017.json", [image("30", "1.jpg")], [
        box(1, 30.0, 7, [1, 1, 5, 5]), box("2", 30, "7", [2, 2, 5, 5]), box(3, 30, 3.0, [3, 3, 5, 5]),
        box(4, 30, 7.5, [4, 4, 5, 5]),
    ], categories)  # fmt: skip
    data = read_coco(folder)
    assert data.category_ids == [3, 7]
    assert data.target(2).labels.tolist() == [1, 1, 0]
    assert data.annotation_ids[-3:].tolist() == [1, 2, 3]
    assert "1 annotation is of category 7.5, which the file does not list; left out" in str(data.defects)


def test_categories_of_one_name_and_of_none(folder):
    categories = [*CATEGORIES, {"id": 4, "name": "cat"}]
    path = folder / "annotations/instances_val2017.json"
    write(path, [image(30, "1.jpg")], [box(1, 30, 4, [1, 1, 5, 5])], categories)
    data = read_coco(folder)
    assert (data.class_names, data.target(2).labels.tolist()) == (["cat", "dog"], [0])
    assert data.defects[0].reason == "categories 3, 4 are all named 'cat'; they were made one class"
    write(path, [image(30, "1.jpg")], [], [{"id": 3, "name": None}])
    with pytest.raises(DataError, match="expected categories with an id and a name, and one is"):
        read_coco(folder)


def test_areas_and_ids_that_no_number_holds(folder, tmp_path):
    path = write(folder / "annotations/instances_val2017.json", [image(30, "1.jpg"), image(10**30, "gone.jpg")], [
        box(1, 30, 3, [0, 0, 4, 5], area=float("nan")), box(10**30, 30, 3, [0, 0, 4, 5], area=-1),
        box(2, 30, 3, [0, 0, 4, 5], area=1e300, segmentation=[[1, 2, float("nan"), 4, 5, 6]]),
        box(3, 10**30, 3, [0] * 4), box(4, 30, 3, [0, 0, 4, 5], area=7), box(5, None, 3, [0, 0, 4, 5]),
    ])  # fmt: skip
    data = read_boxes(path, need_segments=True)
    assert data.areas.tolist() == [20, 20, 20, 7]
    assert data.annotation_ids is None
    lost = write_boxes(data, tmp_path / "out", "coco")
    assert ["outlines of less than three points or broken" in one for one in lost] == [True]
    again = read_boxes(tmp_path / "out", need_segments=True)
    assert (again.areas.tolist(), again.segments) == ([20, 20, 20, 7], [None] * 4)


def test_a_name_that_is_too_long_for_a_file(folder):
    write(folder / "annotations/instances_val2017.json", [image(30, "1.jpg"), image(31, "x" * 400)], [])
    assert "there is no image 'xxx" in str(read_coco(folder).defects)


def test_broken_files(folder):
    path = folder / "annotations/instances_val2017.json"
    path.write_text('{"images": [],\n "annotations": [}')
    with pytest.raises(DataError, match=r"instances_val2017\.json:2: the JSON is broken at column 18: Expecting value"):
        read_coco(folder)
    path.write_text('{"images": [], "categories": []}')
    with pytest.raises(DataError, match="expected a list named 'annotations'"):
        read_coco(folder)
    write(path, [image(30, "1.jpg")], [], [{"id": 3, "name": "cow"}])
    with pytest.raises(DataError, match="category id 3 means 'cow' here, and 'cat' before"):
        read_coco(folder)


def test_refusals(tmp_path):
    for name in ("one.json", "two.json"):
        write(tmp_path / name, [], [])
    assert "several files could be meant (one.json, two.json)" in coco.probe(tmp_path).reason
    (tmp_path / "results.json").write_text('[{"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 0.5}]')
    assert (
        coco.probe(tmp_path / "results.json").reason
        == "it is a file, and no JSON with images, annotations and categories"
    )


def test_two_formats_in_one_folder(folder):
    (folder / "train_boxes.csv").write_text("filename,class,xmin,ymin,xmax,ymax\n1.jpg,cat,1,2,3,4\n")
    _, defect = read_boxes(folder).defects
    assert defect.reason == (
        "it holds TensorFlow's tables of boxes: train_boxes.csv (csv) beside coco, which was taken; --format "
        "csv takes the other"
    )
    assert len(read_boxes(folder, "coco").defects) == 1
