import json

import numpy as np
import pytest
import torch
from PIL import Image

from tests.cli.test_convert import run
from zorki.data.annotations.masks.from_instances import MasksFromInstances
from zorki.data.formats.readers import read_instances, read_masks

COUNT = 6


@pytest.fixture
def coco(tmp_path):
    """Six images of 40 x 30 pixels: a cat with a hole, a dog, and in the last one a cat alone."""
    images, things = [], []
    root = tmp_path / "cells"
    (root / "images").mkdir(parents=True)
    for number in range(COUNT):
        Image.new("RGB", (40, 30), (20 * number, 0, 0)).save(root / f"images/{number}.png")
        images.append({"id": number, "file_name": f"{number}.png", "height": 30, "width": 40})
        ring = np.zeros((30, 40), bool)
        ring[5:20, 5:20] = True
        ring[8 + number : 15, 8:15] = False
        columns = ring.T.ravel()
        edges = [0, *(np.flatnonzero(columns[1:] != columns[:-1]) + 1).tolist(), columns.size]
        runs = {"size": [30, 40], "counts": np.diff(edges).tolist()}
        things.append((number, 3, runs, [5, 5, 15, 15]))
        if number < COUNT - 1:
            things.append((number, 7, [[25, 2, 35, 2, 35, 12 + number, 25, 12 + number]], [25, 2, 10, 10 + number]))
    rows = [
        {"id": place, "image_id": image, "category_id": kind, "segmentation": outline, "bbox": box, "iscrowd": 0}
        for place, (image, kind, outline, box) in enumerate(things)
    ]
    categories = [{"id": 3, "name": "dog"}, {"id": 7, "name": "cat"}]
    for split, own in {"train": range(4), "val": (4, 5)}.items():
        values = {
            "images": [images[number] for number in own],
            "annotations": [row for row in rows if row["image_id"] in own],
            "categories": categories,
        }
        (root / "annotations").mkdir(exist_ok=True)
        (root / f"annotations/instances_{split}.json").write_text(json.dumps(values))
    return root


def objects(data, classes=True):
    """Masks, and classes by name, by the names of images."""
    found = {}
    for index in range(len(data)):
        target = data.target(index)
        names = [data.class_names[label] for label in target.labels.tolist()] if classes else None
        found[data.path(index).name] = (target.masks.tolist(), names)
    return found


@pytest.mark.parametrize(
    "to", ["coco", "yolo", "labelme", "via", "label_studio", "voc", "label_map_png", "instance_png"]
)
def test_masks_of_objects(coco, tmp_path, to):
    code, out, err = run("convert", coco, "--to", to, "--task", "instance_segmentation", "--out", tmp_path / to)
    assert (code, err) == (0, "")
    assert f"{coco}: read as coco: it holds COCO's JSON" in out
    assert out.endswith(f"{tmp_path / to}: 6 images (train 4, val 2), 11 objects, 2 classes, as {to}\n")
    again = read_instances(tmp_path / to)
    assert again.format == to
    classes = to not in ("instance_png", "label_map_png")
    assert objects(again, classes) == objects(read_instances(coco), classes)
    code, _, _ = run("convert", tmp_path / to, "--to", "coco", "--task", "instance_segmentation", "--out",
                     tmp_path / "back", "--link")  # fmt: skip
    assert code == 0
    back = read_instances(tmp_path / "back")
    assert objects(back, classes) == objects(again, classes)
    assert all(back.path(index).is_symlink() for index in range(len(back)))


def test_what_is_written_follows_from_the_format_and_the_data(coco, tmp_path):
    def closing(data, to):
        code, out, _ = run("convert", data, "--to", to, "--out", tmp_path / to)
        assert code == 0
        return out.splitlines()[-1].split("), ")[1]

    assert closing(coco, "coco") == "11 boxes, 2 classes, as coco"  # which keep their outlines
    assert closing(coco, "yolo") == "11 boxes, 2 classes, as yolo"
    assert closing(coco, "voc") == "11 boxes, 2 classes, as voc"
    assert closing(coco, "labelme") == "11 objects, 2 classes, as labelme"  # all have outlines
    assert closing(coco, "label_map_png") == "11 objects, 2 classes, as label_map_png"
    assert closing(coco, "mask_folders") == "3 classes, as mask_folders"
    assert closing(tmp_path / "voc", "via") == "11 boxes, 2 classes, as via"
    for file in (tmp_path / "coco/annotations").iterdir():
        values = json.loads(file.read_text())
        values["annotations"][0]["segmentation"] = []
        file.write_text(json.dumps(values))
    (tmp_path / "labelme").rename(tmp_path / "polygons")
    assert closing(tmp_path / "coco", "labelme") == "11 boxes, 2 classes, as labelme"  # to leave none out
    (tmp_path / "coco").rename(tmp_path / "old")
    assert closing(tmp_path / "label_map_png", "coco") == "11 objects, 1 classes, as coco"
    code, out, _ = run("convert", coco, "--to", "via", "--task", "detection", "--out", tmp_path / "boxes")
    assert (code, "11 boxes, 2 classes, as via" in out) == (0, True)
    assert "warning: via's boxes have no outlines, which --task instance_segmentation writes" in out


@pytest.mark.parametrize("to", ["mask_folders", "voc"])
def test_objects_become_classes_of_pixels(coco, tmp_path, to):
    asked = ("--task", "semantic_segmentation") if to == "voc" else ()
    code, out, _ = run("convert", coco, "--to", to, "--out", tmp_path / to, *asked)
    assert code == 0
    assert f"warning: {to} knows no objects: 11 are the classes of their pixels, the later on top" in out
    assert out.endswith(f"{tmp_path / to}: 6 images (train 4, val 2), 3 classes, as {to}\n")
    wanted, again = (
        MasksFromInstances(read_instances(coco)),
        read_masks(tmp_path / to),
    )
    assert again.class_names == wanted.class_names == ["background", "dog", "cat"]
    places = {again.path(index).name: index for index in range(len(again))}
    for index in range(len(wanted)):
        assert torch.equal(again.target(places[wanted.path(index).name]).classes, wanted.target(index).classes)


def test_maps_of_objects_become_classes_of_pixels(coco, tmp_path):
    """They lie as maps of classes do, and would be taken for those."""
    places = np.arange(64).reshape(8, 8)
    for number in range(4):
        for folder in ("images", "labels"):
            (tmp_path / "maps" / folder).mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8)).save(tmp_path / f"maps/images/{number}.png")
        numbers = places * (places < 60 + number)
        Image.fromarray(numbers.astype(np.uint16)).save(tmp_path / f"maps/labels/{number}.png")
    for out, words in (("guessed", ()), ("asked", ("--format", "label_map_png"))):
        code, told, err = run("convert", tmp_path / "maps", "--to", "mask_folders", "--out", tmp_path / out, *words)
        assert (code, err, "read as label_map_png" in told) == (0, "", True)
        data = read_masks(tmp_path / out)
        assert data.class_names == ["background", "object"]
        for index in range(4):
            wanted = (places > 0) & (places < 60 + int(data.path(index).stem))
            assert data.target(index).classes.tolist() == wanted.astype(int).tolist()
    code, _, err = run("convert", tmp_path / "maps", "--to", "mask_folders", "--out", tmp_path / "out", "--format",
                       "mask_folders")  # fmt: skip
    assert (code, "the masks seem to number single objects" in err) == (2, True)


def test_classes_of_pixels(coco, tmp_path):
    run("convert", coco, "--to", "mask_folders", "--out", tmp_path / "pairs")
    code, out, _ = run("convert", tmp_path / "pairs", "--to", "voc_masks", "--out", tmp_path / "voc", "--no-images")
    assert code == 0
    assert "read as mask_folders: " in out
    assert out.endswith(f"{tmp_path / 'voc'}: 6 images (train 4, val 2), 3 classes, as voc_masks\n")
    assert not (tmp_path / "voc/JPEGImages").exists()
    for number in range(COUNT):
        one, two = (Image.open(path) for path in (
            next((tmp_path / "pairs").rglob(f"masks/{number}.png")),
            tmp_path / f"voc/SegmentationClass/{number}.png",
        ))  # fmt: skip
        assert np.array_equal(np.asarray(one), np.asarray(two))


@pytest.mark.parametrize("to", ["label_map_png", "mask_folders"])
def test_broken_and_scaled_images_are_left_out_and_told(coco, tmp_path, to):
    Image.new("RGB", (20, 15)).save(coco / "images/1.png")
    (coco / "images/4.png").write_bytes((coco / "images/4.png").read_bytes()[:-30])
    code, out, _ = run("convert", coco, "--to", to, "--out", tmp_path / to)
    assert code == 0
    assert "2 defects and 1 note:" in out
    assert "1.png: the image is 20 x 15 pixels" in out
    assert "4 images (train 3, val 1)" in out
    kept = {path.name for path in (tmp_path / to).rglob("images/*.png")}
    assert kept == {"0.png", "2.png", "3.png", "5.png"}
    wanted = objects(read_instances(coco), classes=False)
    if to == "label_map_png":
        assert objects(read_instances(tmp_path / to), classes=False) == {name: wanted[name] for name in kept}


def test_broken_images_of_maps_of_classes(coco, tmp_path):
    run("convert", coco, "--to", "voc_masks", "--out", tmp_path / "voc")
    path = tmp_path / "voc/JPEGImages/2.png"
    path.write_bytes(path.read_bytes()[:-30])
    code, out, _ = run("convert", tmp_path / "voc", "--to", "mask_folders", "--out", tmp_path / "pairs")
    assert (code, "1 defect:" in out, "2.png: " in out) == (0, True, True)
    assert "5 images (train 3, val 2)" in out
    assert {path.stem for path in (tmp_path / "pairs").rglob("masks/*.png")} == {"0", "1", "3", "4", "5"}
    for path in (tmp_path / "voc/JPEGImages").iterdir():
        path.write_bytes(path.read_bytes()[:-30])
    code, _, err = run("convert", tmp_path / "voc", "--to", "mask_folders", "--out", tmp_path / "none")
    assert (code, "no image is whole; the first: " in err) == (2, True)
    assert not (tmp_path / "none").exists()


def test_images_elsewhere_and_none(coco, tmp_path):
    (coco / "images").rename(tmp_path / "images")
    code, _, err = run("convert", coco, "--to", "label_map_png", "--out", tmp_path / "out")
    assert (code, "none of the 6 images" in err) == (2, True)
    code, _, err = run("convert", coco, "--to", "label_map_png", "--out", tmp_path / "out", "--no-images")
    assert (code, err) == (0, "")
    assert sorted(path.name for path in (tmp_path / "out/train").iterdir()) == ["labels"]
    code, _, _ = run("convert", coco, "--to", "label_map_png", "--out", tmp_path / "two", "--image-folder",
                     tmp_path / "images")  # fmt: skip
    assert code == 0
    assert len(list((tmp_path / "two").rglob("images/*.png"))) == COUNT
    code, _, err = run("convert", tmp_path / "two", "--to", "coco", "--out", tmp_path / "three", "--image-folder",
                       tmp_path / "images")  # fmt: skip
    assert (code, "--image-folder: label_map_png finds images beside their masks; leave it out" in err) == (2, True)


def test_sizes_are_looked_up_where_they_stand_nowhere_else(coco, tmp_path):
    run("convert", coco, "--to", "via", "--out", tmp_path / "via")
    code, _, err = run("convert", tmp_path / "via", "--to", "label_map_png", "--out", tmp_path / "out", "--no-images")
    assert (code, err) == (0, "")
    with Image.open(next((tmp_path / "out").rglob("labels/0.png"))) as image:
        assert image.size == (40, 30)


def test_bad_input(coco, tmp_path):
    run("convert", coco, "--to", "mask_folders", "--out", tmp_path / "pairs")
    run("convert", coco, "--to", "label_map_png", "--out", tmp_path / "maps")
    run("convert", coco, "--to", "voc", "--out", tmp_path / "boxes")
    (tmp_path / "empty").mkdir()
    for name, words, message in (
        ("cells", "mask_pair", "expected one of coco, mpii, voc, yolo, cvat, labelme, via, "),
        ("cells", "mask_pair", "Did you mean mask_folders?"),
        ("cells", "coco --task detecton", "--task detecton: expected one of "),
        ("cells", "voc_masks --task instance_segmentation", "--task instance_segmentation: voc_masks is no format for "
         "masks of objects; expected --to coco, voc, yolo, cvat, labelme, via, "),
        ("cells", "label_png --task semantic_segmentation", "label_png is no format for classes of pixels; expected "
         "--to voc or mask_folders"),
        ("pairs", "coco", "the data are classes of pixels, which do not tell one object from the next (mask_folders: "),
        ("pairs", "label_map_png", "and masks of objects are wanted; they can be written as voc or mask_folders"),
        ("maps", "coco --task detection", "the data are masks of objects (label_map_png: "),
        ("maps", "coco --task detection", "and boxes are wanted by --task detection; they can be written as coco, "),
        ("boxes", "label_map_png", "the data are boxes, which have no masks (voc: "),
        ("boxes", "mask_folders", "and classes of pixels are wanted; they can be written as coco, voc, yolo, "
         "cvat, labelme, via or label_studio"),
        ("pairs", "coco --format mask_pairs", "the data are classes of pixels"),
        ("cells", "label_png --format kitti", "'kitti' is no format that can be read here"),
        ("empty", "label_map_png", "no image in this folder or below it"),
        ("empty", "mask_folders", "no image"),
        ("non", "label_map_png", "there is no"),
        ("cells", "label_png --link --no-images", "--link and --no-images exclude each other"),
    ):  # fmt: skip
        code, _, err = run("convert", tmp_path / name, "--to", *words.split(), "--out", tmp_path / "out")
        assert (code, message in err) == (2, True), f"{name} {words}: {err}"
        assert not (tmp_path / "out").exists()


def test_a_broken_file_of_boxes_says_what_was_meant(coco, tmp_path):
    run("convert", coco, "--to", "label_map_png", "--out", tmp_path / "maps")
    (tmp_path / "maps/instances.json").write_text('{"images": [], "annotations": [}')
    code, _, err = run("convert", tmp_path / "maps", "--to", "coco", "--out", tmp_path / "out")
    assert (code, "instances.json" in err) == (2, True)
    code, _, _ = run(
        "convert", tmp_path / "maps", "--to", "coco", "--out", tmp_path / "out", "--format", "label_map_png"
    )
    assert code == 0


def test_nothing_is_left_after_an_error(coco, tmp_path):
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken/x").touch()
    for to in ("labelme", "mask_folders"):
        code, _, err = run("convert", coco, "--to", to, "--out", tmp_path / "taken")
        assert (code, "nothing is overwritten" in err) == (2, True)
    for file in (coco / "annotations").iterdir():
        file.write_text(file.read_text().replace('"dog"', '"background"'))
    before = sorted(tmp_path.iterdir())
    code, _, err = run("convert", coco, "--to", "voc_objects", "--out", tmp_path / "out")
    assert (code, "a class is called 'background'" in err) == (2, True)
    assert sorted(tmp_path.iterdir()) == before
