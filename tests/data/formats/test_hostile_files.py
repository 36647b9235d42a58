"""Files that are broken, absurd or no files: each reader says so in one error, or leaves the object out and tells it.

Every input is a mild one: what is refused here would be small if it were read.
"""

import json
import os
import struct
import sys

import numpy as np
import pytest
from PIL import Image

from zorki.data.annotations.image_lists import lines_of, two_paths
from zorki.data.annotations.listing import MAX_LINKS, walk_files
from zorki.data.annotations.masks.class_names import find_names
from zorki.data.formats.detect import detect
from zorki.data.formats.idx.read import read_idx
from zorki.data.formats.label_studio.brush import brush_of, pixels_of_brush
from zorki.data.formats.readers import read_boxes, read_instances, read_labels, read_masks
from zorki.data.images import check_image, image_size, read_image
from zorki.errors import DataError


def photo(path, height=20, width=30):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (width, height), (90, 60, 30)).save(path)


@pytest.fixture
def coco(tmp_path):
    """COCO's JSON of one image; what is given goes before the annotation's own values."""

    def write(segmentation=None, **size):
        photo(tmp_path / "1.png")
        box = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, 9, 9], "iscrowd": 0, "area": 81}
        if segmentation is not None:
            box["segmentation"] = segmentation
        image = {"id": 1, "file_name": "1.png", "height": 20, "width": 30} | size
        table = {"images": [image], "annotations": [box], "categories": [{"id": 1, "name": "cat"}]}
        (tmp_path / "_annotations.coco.json").write_text(json.dumps(table, indent=1))
        return tmp_path

    return write


@pytest.mark.parametrize("segmentation", [5, "x", [5], [[1, 1, 9, 1, 9, "x"]], [[["1"]]], {"counts": 1}, True, [None]])
def test_outlines_that_are_none_leave_out_the_object(coco, segmentation):
    with pytest.raises(DataError, match="no mask in the data"):
        read_instances(coco(segmentation))
    assert len(read_boxes(coco(segmentation)).xyxy) == 1


def test_outlines_in_text_are_outlines(coco):
    assert len(read_instances(coco([["1", "1", "9", "1", "9", "9"]]))) == 1


def test_a_stated_size_makes_no_mask_that_no_image_could_have(coco):
    folder = coco([[1, 1, 9, 1, 9, 9]], height=100_000, width=100_000)
    (folder / "1.png").unlink()
    with pytest.raises(DataError, match=r"the image is 100000 x 100000, .*, and at most 178,956,970"):
        read_instances(folder, need_images=False)


@pytest.mark.parametrize("cell", ['"' + "x" * 140_000 + '"', "x" * 140_000])
def test_a_table_with_an_endless_cell_does_not_stop_other_formats(coco, cell):
    folder = coco()
    (folder / "notes.csv").write_text(f"path,label\n{cell},cat\n")
    assert read_boxes(folder).format == "coco"
    assert not detect(folder).probe("csv", "labels").fits
    assert not detect(folder).probe("csv", "boxes").fits
    with pytest.raises(DataError, match=r"longer than 131,072 characters|field limit"):
        read_labels(folder / "notes.csv", "csv")


@pytest.mark.parametrize("name", ["a" * 300 + ".png", "a\0b.png", "/".join("a" * 5000) + ".png"])
def test_paths_that_no_file_can_have_are_told_with_their_line(tmp_path, name):
    photo(tmp_path / "1.png")
    (tmp_path / "labels.csv").write_text(f"path,label\n1.png,cat\n{name},dog\n")
    (defect,) = [defect for defect in read_labels(tmp_path, "csv").defects if not defect.note]
    assert defect.line == 3
    assert defect.reason.startswith("there is no file")


def test_a_pipe_among_images_is_told_and_not_waited_for(tmp_path):
    photo(tmp_path / "cat" / "1.png")
    os.mkfifo(tmp_path / "cat" / "2.png")
    data = read_labels(tmp_path, "class_folders")
    pipe = data.path(1)
    assert data.check(1).reason == check_image(pipe)
    assert "it is a named pipe (FIFO), not a regular file" in check_image(pipe)
    for read in (read_image, image_size):
        with pytest.raises(DataError, match="named pipe"):
            read(pipe)


@pytest.mark.parametrize("name", ["a.json", "a.xml", "a.csv", "data.yaml", "obj.data", "classes.txt", "1.txt"])
def test_a_pipe_among_annotations_is_passed_over(coco, name):
    folder = coco()
    os.mkfifo(folder / name)
    assert [match.format for match in detect(folder).matches("boxes")] == ["coco"]


def test_an_idx_header_beyond_its_file_takes_no_memory(tmp_path):
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(bytes([0, 0, 8, 3]) + struct.pack(">III", 60_000, 28, 28) + b"\0" * 50)
    with pytest.raises(DataError, match=r"expected 47,040,000 bytes after the header .* and only 50 came"):
        read_idx(path, 3)
    with pytest.raises(DataError, match=r"its header tells of 47,040,000 bytes, .*; at most 1,000 are read"):
        read_idx(path, 3, max_bytes=1000)


@pytest.mark.parametrize("count", [-1, 100_001, 10**30])
def test_a_number_of_classes_is_bounded(tmp_path, count):
    photo(tmp_path / "images" / "1.png")
    (tmp_path / "data.yaml").write_text(f"train: images\nnc: {count}\n")
    with pytest.raises(DataError, match=r"data\.yaml: nc is .*; expected a number of classes up to 100,000"):
        read_boxes(tmp_path / "data.yaml", "yolo")


def test_lines_of_many_words_are_cut_only_behind_images():
    """Each of thousands of blanks would be a cut, and each cut two copies of the line."""
    assert two_paths("a b.jpg " * 1 + "c " * 2000 + "d.png") == [("a b.jpg", "c " * 2000 + "d.png")]
    assert two_paths("a " * 2000) == []


def test_a_line_longer_than_a_path_is_told_with_its_number(tmp_path):
    path = tmp_path / "train.txt"
    path.write_text("1.jpg\n" + "x" * 5000 + "\n")
    with pytest.raises(DataError, match=r"train\.txt:2: the line is longer than 4,096 characters"):
        list(lines_of(path))


def test_blanks_in_a_file_of_colors_are_one(tmp_path):
    (tmp_path / "colors.txt").write_text("road" + " " * 400 + "128" + " " * 300 + "0 64\nsky 0 0 0\n")
    assert find_names([tmp_path])[1].names == {0x800040: "road", 0: "sky"}
    (tmp_path / "colors.txt").write_text("sky 0 0 0\nroad" + " " * 900 + "x\n")
    with pytest.raises(DataError, match=r"colors\.txt:2: 'road x' is no class with its color"):
        find_names([tmp_path])


def test_a_brush_of_another_size_takes_no_memory():
    code = brush_of(np.ones((4, 6), bool))
    assert pixels_of_brush(code, 4, 6).all()
    with pytest.raises(ValueError, match="its run lengths are of 24 pixels, and its image has 600"):
        pixels_of_brush(code, 20, 30)
    with pytest.raises(ValueError, match="100000 x 100000"):
        pixels_of_brush(code, 100_000, 100_000)


@pytest.mark.parametrize("size", ["100000", "nan", "-1", "1e12"])
def test_run_lengths_of_a_box_without_bounds_leave_out_the_object(tmp_path, size):
    photo(tmp_path / "1.png")
    shapes = "".join(
        f'<mask label="cat" left="1" top="1" width="{width}" height="{width}" rle="1,2,1"/>\n' for width in (2, size)
    )
    image = f'<image name="1.png" width="30" height="20">\n{shapes}</image>'
    (tmp_path / "annotations.xml").write_text(f"<annotations>\n{image}\n</annotations>")
    data = read_instances(tmp_path)
    assert len(data[0].target) == 1
    assert {defect.line for defect in data.defects if not defect.note} == {4}


def test_a_mask_of_a_pipe_is_told(tmp_path):
    for name in ("1", "2"):
        photo(tmp_path / "images" / f"{name}.png")
        (tmp_path / "masks").mkdir(exist_ok=True)
    Image.fromarray(np.arange(600, dtype=np.uint8).reshape(20, 30) % 2).save(tmp_path / "masks" / "1.png")
    os.mkfifo(tmp_path / "masks" / "2.png")
    data = read_masks(tmp_path, "mask_folders")
    assert [defect for defect in data.defects if "named pipe" in defect.reason]


@pytest.mark.parametrize("read", [read_boxes, read_labels, read_masks, read_instances])
def test_data_that_are_a_pipe_are_told(tmp_path, read):
    os.mkfifo(tmp_path / "a.json")
    for format in (None, "coco" if read in (read_boxes, read_instances) else None):
        with pytest.raises(DataError, match=r"a\.json: it is a named pipe \(FIFO\), and neither a file nor a folder"):
            read(tmp_path / "a.json", format)


@pytest.mark.parametrize("value", [5, 1.5, "x", {"a": 1}, True, None, [], [3]])
@pytest.mark.parametrize("key", ["annotations", "result", "id", "value", "image_rotation", "data", "type"])
def test_label_studios_values_of_other_types_are_told(tmp_path, key, value):
    photo(tmp_path / "1.png")
    box = {"x": 10, "y": 10, "width": 50, "height": 50, "rectanglelabels": ["cat"]}
    size = {"original_width": 30, "original_height": 20}

    def task(**changes):
        result = {"id": "a", "type": "rectanglelabels", "image_rotation": 0, "value": box, **size}
        result |= {name: new for name, new in changes.items() if name in result and name != "result"}
        outer = {"id": 1, "data": {"image": "1.png"}, "annotations": [{"result": [result]}]}
        outer |= {name: new for name, new in changes.items() if name in ("data", "annotations")}
        if "result" in changes:
            outer["annotations"] = [{"result": changes["result"]}]
        return outer

    (tmp_path / "export.json").write_text(json.dumps([task(), task(**{key: value})]))
    assert len(read_boxes(tmp_path, "label_studio").xyxy) >= 1


@pytest.mark.parametrize("value", [5, "x", {"a": 1}, None, [5], ["x"], [None]])
def test_values_in_the_place_of_lists(tmp_path, value):
    photo(tmp_path / "1.png")
    box = {"label": "cat", "coordinates": {"x": 9, "y": 9, "width": 8, "height": 6}}
    entries = [{"image": "1.png", "annotations": [box]}, {"image": "1.png", "annotations": value}]
    (tmp_path / "_annotations.createml.json").write_text(json.dumps(entries))
    assert len(read_boxes(tmp_path, "createml").xyxy) == 1
    (tmp_path / "_annotations.createml.json").unlink()
    shapes = [
        {"name": "rect", "x": 1, "y": 1, "width": 5, "height": 5},
        {"name": "polygon", "all_points_x": value, "all_points_y": [1, 9, 9]},
        {"name": "polygon", "all_points_x": ["1", "9", "9"], "all_points_y": ["1", "1", "9"]},
    ]
    regions = [{"shape_attributes": shape, "region_attributes": {"type": "cat"}} for shape in shapes]
    (tmp_path / "via.json").write_text(json.dumps({"1.png": {"filename": "1.png", "regions": regions}}))
    data = read_boxes(tmp_path, "via")
    assert data.xyxy.tolist() == [[1, 1, 6, 6], [1, 1, 9, 9]]
    assert [defect for defect in data.defects if "polygon" in defect.reason]


def test_lines_of_annotations_are_found_in_one_way_through_the_file(coco):
    folder = coco()
    path = folder / "_annotations.coco.json"
    table = json.loads(path.read_text())
    table["annotations"] += [{"id": number, "image_id": 1, "category_id": 1} for number in range(2, 200)]
    path.write_text(json.dumps(table, indent=1))
    defects = [defect for defect in read_boxes(folder).defects if "no bbox" in defect.reason]
    lines = path.read_text().splitlines()
    assert len(defects) == 198
    assert all(f'"id": {number},' in lines[defect.line - 1] for number, defect in enumerate(defects, 2))


def masks_of(folder, values, names, suffix="png"):
    photo(folder / "images" / "1.png")
    (folder / "masks").mkdir()
    Image.fromarray(values).save(folder / "masks" / f"1.{suffix}")
    (folder / "classes.txt").write_text(names)
    return folder


@pytest.mark.parametrize("value", [2**31, 10**15, 10**30, 10**400])
def test_values_beyond_what_a_mask_holds_are_told_with_their_line(tmp_path, value):
    pixels = np.arange(600, dtype=np.uint8).reshape(20, 30) % 2
    folder = masks_of(tmp_path, pixels, f"0 sky\n1 road\n{value} tree\n")
    with pytest.raises(
        DataError, match=r"classes\.txt:3: value \d{10,20} is beyond what a mask holds, 0 to 2147483647"
    ):
        read_masks(folder, "mask_folders")


def test_a_large_value_takes_no_table_as_long_as_itself(tmp_path):
    pixels = np.where(np.arange(600).reshape(20, 30) % 2, 2**31 - 1, 0).astype(np.int32)
    folder = masks_of(tmp_path, pixels, f"0 sky\n{2**31 - 1} road\n", "tif")
    data = read_masks(folder, "mask_folders")
    assert data.class_names == ["sky", "road"]
    assert data[0].target.classes.tolist() == (pixels > 0).astype(int).tolist()


def test_folders_may_be_deep(tmp_path):
    """Deeper than Python may call itself, here with a lower limit."""
    deep = tmp_path / "/".join("a" * 60)
    photo(deep / "1.png")
    frames, frame = 0, sys._getframe()
    while frame:
        frames, frame = frames + 1, frame.f_back
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(frames + 45)
    try:
        found = list(walk_files(tmp_path))
    finally:
        sys.setrecursionlimit(limit)
    assert found == ["/".join("a" * 60) + "/1.png"]


def test_folders_that_link_to_each_other_are_walked_in_few_ways(tmp_path):
    """Six folders, each with links to the others: 1,956 ways without a bound, and 10 times as many for each more."""
    names = "abcdef"
    for name in names:
        photo(tmp_path / name / "1.png")
    for name in names:
        for other in set(names) - {name}:
            (tmp_path / name / other).symlink_to(tmp_path / other)
    found = list(walk_files(tmp_path))
    assert {path for path in found if path.count("/") == 1} == {f"{name}/1.png" for name in names}
    assert max(path.count("/") for path in found) == 1 + MAX_LINKS
    assert len(found) == 6 * (1 + 5 + 5 * 4 + 5 * 4 * 3)
