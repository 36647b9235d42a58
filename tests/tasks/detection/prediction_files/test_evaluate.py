import contextlib
import io
import json
import runpy
from pathlib import Path

import numpy as np
import pytest
import torch
from pycocotools import mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from zorki.data.images import write_image
from zorki.errors import DataError
from zorki.metrics.coco_ap import COCO_SCORES
from zorki.tasks.detection.class_names import coco_names
from zorki.tasks.detection.data import DetectionData
from zorki.tasks.detection.prediction_files.coco_results import numbers_of, read_results, to_results
from zorki.tasks.detection.prediction_files.evaluate import evaluate_predictions
from zorki.types import Boxes

read = DetectionData().read


def truth_file(path, annotations=None, **more):
    """Two images with ids that are not 1 and 2, two classes with a gap between their ids."""
    content = {
        "images": [
            {"id": 70, "file_name": "b/12.jpg", "height": 100, "width": 200},
            {"id": 9, "file_name": "a/cat.jpg", "height": 100, "width": 100},
        ],
        "categories": [{"id": 5, "name": "dog"}, {"id": 2, "name": "cat"}],
        "annotations": [
            {"id": 1, "image_id": 9, "category_id": 2, "bbox": [10, 10, 30, 20], "area": 500, "iscrowd": 0},
            {"id": 2, "image_id": 70, "category_id": 5, "bbox": [0, 0, 60, 60], "area": 3600, "iscrowd": 0},
        ]
        if annotations is None
        else annotations,
    }
    path.write_text(json.dumps(content | more))
    return path


def write(path, entries):
    path.write_text(json.dumps(entries, indent=1))
    return path


CAT = {"image_id": 9, "category_id": 2, "bbox": [10, 10, 30, 20], "score": 0.9}
OUTLINED = {"image_id": 9, "category_id": 2, "segmentation": [[10, 10, 40, 10, 40, 30]], "score": 0.9}
DOG = {"image_id": 70, "category_id": 5, "bbox": [0, 0, 60, 60], "score": 0.8}


def judged(tmp_path, entries, **options):
    return evaluate_predictions(
        write(tmp_path / "results.json", entries), truth_file(tmp_path / "truth.json"), **options
    )


def test_a_list_of_results_against_an_annotation_file(tmp_path):
    results = judged(tmp_path, [CAT, DOG])
    assert (results.split, results.count, results.defects) == ("all", 2, [])
    assert results.metrics.to_json()["ap"] == pytest.approx(1)
    assert [row.class_name for row in results.metrics.per_class] == ["cat", "dog"]  # in the order of their numbers
    # The annotation's own area decides: the cat is small by it, and would be by its box, too; the dog is medium.
    assert results.metrics.to_json()["ap_small"] == results.metrics.to_json()["ap_medium"] == pytest.approx(1)
    assert results.metrics.to_json()["ap_large"] is None


@pytest.mark.parametrize("word", ["a/cat.jpg", "cat.jpg", "cat", "elsewhere/cat.jpg", "elsewhere\\cat.jpg"])
def test_a_image_may_be_named_by_its_file(tmp_path, word):
    for entry in (CAT | {"image_id": word}, CAT | {"image_id": 70, "file_name": word}):
        assert judged(tmp_path, [entry]).metrics.per_class[0].ap == pytest.approx(1)


def test_a_class_may_be_named_and_the_name_wins(tmp_path):
    for entry in (CAT | {"category_id": 5, "category_name": "cat"}, {**CAT, "category_name": "cat"}):
        assert judged(tmp_path, [entry]).metrics.per_class[0].ap == pytest.approx(1)
    without = {key: value for key, value in CAT.items() if key != "category_id"}
    assert judged(tmp_path, [without | {"category_name": "cat"}]).metrics.to_json()["recall"] == 0.5


def test_a_coco_file_of_detections_brings_its_own_numbers(tmp_path):
    content = {
        "images": [{"id": 0, "file_name": "cat.jpg"}],
        "categories": [{"id": 0, "name": "cat"}],
        "annotations": [CAT | {"image_id": 0, "category_id": 0}],
    }
    assert judged(tmp_path, content).metrics.per_class[0].ap == pytest.approx(1)


def test_what_the_data_do_not_know_is_told_and_left_out(tmp_path):
    strange = [CAT | {"image_id": 5}, CAT | {"image_id": "horse.jpg"}, CAT | {"category_id": 77}]
    results = judged(tmp_path, [CAT, DOG, *strange])
    assert results.metrics.to_json()["detections"] == 2
    told = [str(defect) for defect in results.defects]
    assert "2 detections are of images" in told[0]
    assert "5 (1), horse.jpg (1)" in told[0]
    assert "1 detections are of classes that are not among cat, dog, by category_id: 77 (1)" in told[1]
    with pytest.raises(DataError, match="none of the 1 detections is of an image and a class"):
        judged(tmp_path, strange[:1])


def test_a_stem_in_two_folders_means_neither(tmp_path):
    images = [{"id": 1, "file_name": "a/x.jpg"}, {"id": 2, "file_name": "b/x.jpg"}]
    rows = [{"image_id": 1, "category_id": 2, "bbox": [10, 10, 30, 20]}]
    data = truth_file(tmp_path / "truth.json", rows, images=images)
    good = write(tmp_path / "good.json", [CAT | {"image_id": "a/x.jpg"}, CAT | {"image_id": "x"}])
    results = evaluate_predictions(good, data)
    assert results.metrics.to_json()["detections"] == 1
    assert "have twice" in results.defects[0].reason


def test_no_detections_at_all_are_evaluated(tmp_path):
    figures = judged(tmp_path, []).metrics.to_json()
    assert (figures["ap"], figures["recall"], figures["errors"][-1]["count"]) == (0.0, 0.0, 2)


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ({"boxes": []}, "holds an object with 'boxes'; expected a JSON list"),
        (3, "holds 3; expected"),
        ({"images": [], "annotations": [{"id": 1, "bbox": [1, 2, 3, 4]}]}, "none of its 1 annotations has a score"),
        ([CAT, 7], ":13: entry 2 is 7"),
        ([CAT, {"image_id": 9, "bbox": [1, 2, 3, 4]}], ":13: entry 2 has no score and no category_id"),
        ([{**CAT, "score": float("nan")}], ":2: entry 1 has the score nan, which is no finite number"),
        ([{**CAT, "score": "high"}], "entry 1 has the score 'high'"),
        ([{**CAT, "bbox": [1, 2, 3]}], r"entry 1 has the bbox \[1, 2, 3\], which is not four finite numbers"),
        ([{**CAT, "bbox": [1, 2, float("inf"), 3]}], "not four finite numbers"),
        ([{**CAT, "bbox": [1, 2, -3, 4]}], "whose width or height is below 0"),
        ([{**CAT, "bbox": {"x": 1}}], "not four finite numbers"),
        ([CAT, {**CAT, "image_id": [9]}], r"entry 2 has the image_id \[9\], which is neither a whole number nor text"),
        ([{**CAT, "image_id": None}], "entry 1 has the image_id None"),
        ([{**CAT, "category_id": {"id": 2}}], r"entry 1 has the category_id \{'id': 2\}"),
        ([{**CAT, "category_name": ["cat"]}], r"entry 1 has the category_name \['cat'\], which is no text"),
        ([{**CAT, "file_name": {}}], r"entry 1 has the file_name \{\}, which is no text"),
        *(
            ([OUTLINED, {**OUTLINED, "segmentation": outline}], "entry 2 has the segmentation .* which is neither run")
            for outline in ({}, None, 5, [], [[1, 2]], [[1, 2, "x", 3, 4, 5]], {"size": [9, 9]}, {"counts": "a"})
        ),
    ],
)
def test_broken_entries_are_told_with_their_line(tmp_path, entries, words):
    with pytest.raises(DataError, match=words):
        judged(tmp_path, entries)


def test_files_that_are_none(tmp_path):
    data = truth_file(tmp_path / "truth.json")
    with pytest.raises(DataError, match=r"no\.json: there is no such file"):
        evaluate_predictions(tmp_path / "no.json", data)
    (tmp_path / "half.json").write_text('[\n{"image_id": 9,\n')
    with pytest.raises(DataError, match=r"half\.json:3: the JSON is broken"):
        evaluate_predictions(tmp_path / "half.json", data)
    (tmp_path / "noise.json").write_bytes(b"\xff\xfe\x00\xd8")
    with pytest.raises(DataError, match="is no text"):
        evaluate_predictions(tmp_path / "noise.json", data)
    found = write(tmp_path / "results.json", [CAT])
    with pytest.raises(DataError, match="one file has no split 'val'"):
        evaluate_predictions(found, data, split="val")
    with pytest.raises(DataError, match=r"truth\.json: is no annotation file of COCO: an entry lacks 'bbox'"):
        evaluate_predictions(found, truth_file(tmp_path / "truth.json", [{"image_id": 9, "category_id": 2}]))


def test_images_with_a_size_that_is_no_number(tmp_path):
    images = [{"id": 9, "file_name": "cat.jpg", "height": "abc", "width": 3}]
    with pytest.raises(DataError, match=r"an entry of image 9 has the height 'abc', which is no number"):
        evaluate_predictions(write(tmp_path / "r.json", [CAT]), truth_file(tmp_path / "truth.json", [], images=images))


def test_what_is_marked_ignore_counts_neither_way(tmp_path):
    rows = [
        {"image_id": 9, "category_id": 2, "bbox": [10, 10, 30, 20], "ignore": 1},
        {"image_id": 9, "category_id": 2, "bbox": [50, 50, 30, 20]},
    ]
    data = truth_file(tmp_path / "truth.json", rows)
    figures = evaluate_predictions(
        write(tmp_path / "r.json", [CAT, CAT | {"bbox": [50, 50, 30, 20]}]), data
    ).metrics.to_json()
    assert (figures["objects"], figures["precision"], figures["recall"]) == (1, 1.0, 1.0)


def test_annotations_of_images_that_are_not_listed(tmp_path):
    rows = [
        {"image_id": 9, "category_id": 2, "bbox": [10, 10, 30, 20]},
        {"image_id": 1, "category_id": 2, "bbox": [0] * 4},
    ]
    results = evaluate_predictions(write(tmp_path / "r.json", [CAT]), truth_file(tmp_path / "truth.json", rows))
    assert results.metrics.to_json()["objects"] == 1
    assert "1 annotations are of images or classes that the file does not list" in results.defects[0].reason


def test_scenes_are_evaluated_by_split():
    """Any dataset will do, and what lies in other splits is told apart from what is unknown."""
    dataset = read(Path("scenes:40@64"))
    entries = []
    for index in range(len(dataset)):
        target = dataset.target(index)
        answer = Boxes(target.xyxy, target.labels, torch.full((len(target),), 0.9))
        entries += to_results(answer, str(dataset.path(index)), dataset.class_names)
    found = write(Path("results.json"), entries)
    whole, test = (
        evaluate_predictions(found, Path("scenes:40@64")),
        evaluate_predictions(found, Path("scenes:40@64"), split="test"),
    )
    assert (whole.split, whole.count) == ("all", 40)
    assert [defect.note for defect in whole.defects] == [True]
    assert "evaluated on all 40 images; --split takes one" in whole.defects[0].reason
    assert whole.metrics.to_json()["f1"] == test.metrics.to_json()["f1"] == 1.0
    assert test.count == len(dataset.splits["test"])
    assert [defect.reason.split(" ", 1)[1] for defect in test.defects] == [
        "detections are of images of other splits; left out"
    ]
    with pytest.raises(DataError, match=r"has no split 'tset'; expected one of all, "):
        evaluate_predictions(found, Path("scenes:40@64"), split="tset")


def test_boxes_in_shares_of_a_image_need_it(tmp_path):
    for folder in ("images", "labels"):
        (tmp_path / "yolo" / folder).mkdir(parents=True)
    (tmp_path / "yolo" / "classes.txt").write_text("cat\n")
    (tmp_path / "yolo" / "labels" / "one.txt").write_text("0 0.5 0.5 0.5 0.5\n")
    image = tmp_path / "yolo" / "images" / "one.png"
    write_image(image, torch.zeros(3, 40, 80, dtype=torch.uint8))
    entry = {"image_id": "one", "category_name": "cat", "bbox": [20, 10, 40, 20], "score": 0.5}
    found = write(tmp_path / "found.json", [entry])
    assert evaluate_predictions(found, tmp_path / "yolo").metrics.to_json()["ap"] == pytest.approx(1)
    image.unlink()
    with pytest.raises(DataError):
        evaluate_predictions(found, tmp_path / "yolo")


def test_masks_are_evaluated_as_pycocotools_does(tmp_path):
    chance = np.random.default_rng(0)
    images = [{"id": number, "file_name": f"{number}.jpg", "height": 80, "width": 100} for number in range(1, 7)]

    def polygon():
        left, top, width, height = chance.integers(0, 40), chance.integers(0, 30), *chance.integers(10, 50, 2)
        return [int(v) for v in (left, top, left + width, top, left + width // 2, top + height)]

    ground_truths, found = [], []
    for number in range(30):
        points, image, label = polygon(), int(chance.integers(1, 7)), int(chance.choice([2, 5]))
        row = {"id": number + 1, "image_id": image, "category_id": label, "segmentation": [points], "iscrowd": 0}
        ground_truths.append(row | {"area": float(chance.integers(200, 2000)), "bbox": [0, 0, 1, 1]})
        for _ in range(2):
            near = [int(v) for v in np.array(points) + chance.integers(-4, 5, 6)]
            entry = {"image_id": image, "category_id": label, "score": float(chance.random())}
            outline = mask.merge(mask.frPyObjects([near], 80, 100))
            found.append(entry | {"segmentation": outline | {"counts": outline["counts"].decode()}})
    data = truth_file(tmp_path / "truth.json", ground_truths, images=images)
    results = evaluate_predictions(write(tmp_path / "masks.json", found), data)
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(str(data))
        evaluation = COCOeval(coco, coco.loadRes(str(tmp_path / "masks.json")), "segm")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    figures = results.metrics.to_json()
    assert [figures[name] for name in COCO_SCORES] == [None if v == -1 else v for v in evaluation.stats.tolist()]
    assert figures["voc_ap"] > 0.2  # of masks: the boxes of the ground truth hold nothing
    boxes = [{"image_id": 1, "category_id": 2, "bbox": [10, 10, 30, 20]}]
    with pytest.raises(DataError, match=r"holds masks, and .* has no outlines for all of its objects"):
        evaluate_predictions(tmp_path / "masks.json", truth_file(tmp_path / "boxes.json", boxes, images=images))


def test_run_lengths_of_another_size_are_told(tmp_path):
    images = [{"id": 1, "file_name": "1.jpg", "height": 6, "width": 7}]

    def row(counts, size=(6, 7)):
        outline = {"size": list(size), "counts": counts}
        return {"id": 4, "image_id": 1, "category_id": 2, "segmentation": outline, "bbox": [0, 0, 1, 1]}

    def answer(counts, size=(6, 7)):
        return {key: value for key, value in row(counts, size).items() if key != "bbox"} | {"score": 0.5}

    whole = truth_file(tmp_path / "truth.json", [row([3, 30, 9])], images=images)
    found = write(tmp_path / "found.json", [answer([3, 30, 9])])
    assert evaluate_predictions(found, whole).metrics.to_json()["ap"] == pytest.approx(1)
    broken = truth_file(tmp_path / "broken.json", [row([3, 30])], images=images)
    with pytest.raises(DataError, match=r"cannot evaluate masks: annotation 4: its run lengths are of 33 pixels"):
        evaluate_predictions(found, broken)
    boxes = evaluate_predictions(write(tmp_path / "boxes.json", [answer([42]) | {"bbox": [0, 0, 1, 1]}]), broken)
    assert boxes.metrics.to_json()["ap"] == pytest.approx(1)
    assert boxes.defects[0].reason.endswith("boxes can be evaluated by this file, and masks cannot")
    short = write(tmp_path / "short.json", [answer([42]), answer([3, 30])])
    with pytest.raises(DataError, match=r"entry 2 has a segmentation that is none: its run lengths are of 33 pixels"):
        evaluate_predictions(short, whole)
    other = write(tmp_path / "other.json", [answer([3, 30, 9], (7, 6))])
    with pytest.raises(DataError, match=r"entry 1: its mask is of an image of 6 x 7, and 1\.jpg is 7 x 6"):
        evaluate_predictions(other, whole)


def test_results_written_and_read_are_the_same_boxes(tmp_path):
    boxes = Boxes(
        torch.tensor([[1.0, 2.0, 4.504, 6.123], [0, 0, 9, 9]]), torch.tensor([1, 0]), torch.tensor([0.75, 0.5])
    )
    entries = to_results(boxes, "photos/000012.jpg", ["cat", "dog"])
    assert entries[0] == {
        "image_id": 12,
        "category_id": 2,
        "bbox": [1.0, 2.0, 3.5, 4.12],
        "score": 0.75,
        "category_name": "dog",
        "file_name": "photos/000012.jpg",
    }
    assert [entry["image_id"] for entry in to_results(boxes, "photos/a12.jpg", ["cat", "dog"])] == ["a12", "a12"]
    film = to_results(boxes, "film.mp4", ["cat", "dog"], [7, 8], frame=31)[0]
    assert (film["image_id"], film["frame"], film["category_id"]) == ("film-000031", 31, 8)
    assert read_results(write(tmp_path / "r.json", entries)).xywh.tolist() == [[1.0, 2.0, 3.5, 4.12], [0, 0, 9, 9]]
    with pytest.raises(ValueError, match="no scores"):
        to_results(Boxes(boxes.xyxy, boxes.labels), "a.jpg", ["cat", "dog"])


def test_coco_classes_have_the_numbers_of_coco():
    numbers = numbers_of(coco_names(80))
    assert (numbers[0], numbers[11], numbers[-1], len(numbers)) == (1, 13, 90, 80)  # 12 was never used
    assert numbers_of(["cat", "dog"]) == [1, 2]
    assert numbers_of([str(k) for k in range(80)]) == list(range(1, 81))


def test_equal_file_names_in_train_and_val_are_told_apart(tmp_path):
    """All that `zorki predict` says of YOLO's images/train/0.png is its path, and images/val/0.png lies beside."""
    for split, corner in (("train", 0.25), ("val", 0.75)):
        label = tmp_path / f"yolo/labels/{split}/0.txt"
        label.parent.mkdir(parents=True)
        label.write_text(f"0 {corner} 0.5 0.5 1\n")
        image = tmp_path / f"yolo/images/{split}/0.png"
        image.parent.mkdir(parents=True)
        write_image(image, torch.zeros(3, 40, 80, dtype=torch.uint8))
    entries = []
    for split, left in (("train", 0.0), ("val", 40.0)):
        boxes = Boxes(torch.tensor([[left, 0.0, left + 40, 40]]), torch.tensor([0]), torch.tensor([0.9]))
        entries += to_results(boxes, str(tmp_path / f"yolo/images/{split}/0.png"), ["0"])
    found = write(tmp_path / "found.json", entries)
    whole, val = (
        evaluate_predictions(found, tmp_path / "yolo"),
        evaluate_predictions(found, tmp_path / "yolo", split="val"),
    )
    assert (whole.metrics.to_json()["precision"], whole.metrics.to_json()["recall"]) == (1.0, 1.0)
    assert (val.metrics.to_json()["detections"], val.metrics.to_json()["recall"]) == (1, 1.0)
    assert "1 detections are of images of other splits" in val.defects[-1].reason


def test_marks_and_numbers_may_be_text(tmp_path):
    rows = [
        {"id": "1", "image_id": "9", "category_id": "2", "bbox": [10, 10, 30, 20], "iscrowd": "0", "ignore": "false"},
        {"id": "2", "image_id": "9", "category_id": "2", "bbox": [50, 50, 30, 20], "iscrowd": "1"},
    ]
    data = truth_file(tmp_path / "truth.json", rows)
    figures = evaluate_predictions(write(tmp_path / "r.json", [CAT | {"category_id": "2"}]), data).metrics.to_json()
    assert (figures["objects"], figures["ap"]) == (1, pytest.approx(1))


def test_an_object_with_the_annotation_id_0_is_found_like_any_other(tmp_path):
    """pycocotools takes what finds it for a false positive: its word for no object is 0."""
    row = {"id": 0, "image_id": 9, "category_id": 2, "bbox": [10, 10, 30, 20], "area": 600, "iscrowd": 0}
    data = truth_file(tmp_path / "truth.json", [row])
    found = write(tmp_path / "r.json", [CAT])
    assert evaluate_predictions(found, data).metrics.to_json()["ap"] == pytest.approx(1)
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(str(data))
        evaluation = COCOeval(coco, coco.loadRes(str(found)), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    assert evaluation.stats[0] == 0


@pytest.mark.parametrize("seed", range(3))
def test_twelve_scores_of_a_file_and_of_a_folder_equal_pycocotools(tmp_path, seed):
    """With ties, crowds and ids in any order; benchmarks/coco_scores.py runs many more."""
    benchmark = runpy.run_path(str(Path(__file__).parents[4] / "benchmarks/coco_scores.py"))
    assert benchmark["compare"](seed, tmp_path) == []
