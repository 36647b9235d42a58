"""Anybody's masks from a file: the same metrics as those of a run, and who evaluates which file."""

import json
from pathlib import Path

import pytest
from made_masks import made
from pycocotools import mask as coco_mask

from zorki.data.formats.writers import write_instances
from zorki.engine.evaluation.results_file import evaluate_file
from zorki.errors import DataError, RecipeError
from zorki.tasks.instance_segmentation.metrics.metric import InstanceMetric
from zorki.tasks.instance_segmentation.prediction_files.coco_results import columns_of, results_of
from zorki.tasks.instance_segmentation.prediction_files.evaluate import evaluate_predictions
from zorki.tasks.instance_segmentation.task import InstanceSegmentation

pytestmark = pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")  # pycocotools decodes so
NAMES = ["a", "b", "c"]
HALF = {"size": [4, 6], "counts": [0, 12, 12]}  # the three columns on the left


def truth_content(targets):
    """COCO's annotation file of images 0.png, 1.png, ..., run lengths packed and not."""
    annotations = []
    for image, target in enumerate(targets):
        columns = columns_of(target)
        for row in range(len(target)):
            x0, y0, x1, y1 = columns["xyxy"][row]
            annotations.append({
                "id": len(annotations) + 1, "image_id": image, "category_id": int(target.labels[row]) + 1,
                "bbox": [x0, y0, x1 - x0, y1 - y0], "area": columns["area"][row],
                "iscrowd": int(target.crowd[row]), "segmentation": columns["segmentation"][row],
            })  # fmt: skip
    height, width = targets[0].masks.shape[1:]
    images = [{"id": n, "file_name": f"{n}.png", "height": height, "width": width} for n in range(len(targets))]
    categories = [{"id": label, "name": name} for label, name in enumerate(NAMES, 1)]
    return {"images": images, "categories": categories, "annotations": annotations}


def write(name, content):
    Path(name).write_text(json.dumps(content, indent=1))
    return Path(name)


def answers(predictions):
    """The entries as the task writes them."""
    return [
        entry
        for number, prediction in enumerate(predictions)
        for entry in results_of(prediction, f"{number}.png", NAMES, [1, 2, 3])
    ]


def test_what_a_run_writes_is_evaluated_as_the_run_was():
    predictions, targets = made(3, crowd=0.2)
    metric = InstanceMetric(NAMES)
    metric.update(predictions, targets)
    found = evaluate_predictions(write("found.json", answers(predictions)), write("truth.json", truth_content(targets)))
    assert found.defects == []
    assert found.metrics == metric.compute()
    assert evaluate_file("found.json", "truth.json").metrics == found.metrics


def test_boxes_that_are_not_given_are_those_around_the_masks():
    predictions, targets = made(4)
    entries = answers(predictions)
    ground_truth = write("truth.json", truth_content(targets))
    whole = evaluate_predictions(write("found.json", entries), ground_truth).metrics.to_json()
    bare = [{key: value for key, value in entry.items() if key != "bbox"} for entry in entries]
    assert evaluate_predictions(write("bare.json", bare), ground_truth).metrics.to_json() == whole
    moved = [entry | {"bbox": [70, 50, 3, 3]} for entry in entries]
    figures = evaluate_predictions(write("moved.json", moved), ground_truth).metrics.to_json()
    assert figures["mask_ap"] == whole["mask_ap"]
    assert figures["box_ap"] < whole["box_ap"]


def test_polygons_are_masks_too():
    ground_truth = truth_content(made(0, count=1)[1]) | {
        "images": [{"id": 0, "file_name": "0.png", "height": 4, "width": 6}],
        "annotations": [
            {"id": 1, "image_id": 0, "category_id": 1, "bbox": [0, 0, 3, 4], "area": 12, "segmentation": HALF}
        ],
    }
    entry = {"image_id": 0, "category_id": 1, "score": 0.9, "segmentation": [[0, 0, 3, 0, 3, 4, 0, 4]]}
    figures = evaluate_predictions(write("found.json", [entry]), write("truth.json", ground_truth)).metrics.to_json()
    assert figures["mask_ap"] == pytest.approx(1)
    assert figures["bowl_ap"] == figures["sbd"] == figures["pq"] == pytest.approx(1)


def test_a_dataset_is_as_good_as_a_file():
    data = InstanceSegmentation.data.read(Path("scenes:20@48"))
    entries = []
    for index in data.splits["val"]:
        target = data.target(index)
        for label, code in zip(target.labels.tolist(), columns_of(target)["segmentation"], strict=True):
            name = {"file_name": data.path(index).name, "image_id": index, "category_name": data.class_names[label]}
            entries.append(name | {"segmentation": code, "score": 0.5})
    found = evaluate_predictions(write("found.json", entries), Path("scenes:20@48"), split="val")
    assert (found.split, found.count) == ("val", len(data.splits["val"]))
    assert found.metrics.to_json()["mask_ap"] == found.metrics.to_json()["sbd"] == pytest.approx(1)
    write_instances(data, Path("maps"), "coco")
    assert evaluate_file("found.json", "maps", split="val").metrics.to_json()["mask_ap"] == pytest.approx(1)
    with pytest.raises(DataError, match="has no split 'exam'"):
        evaluate_predictions(Path("found.json"), Path("maps"), split="exam")


def test_files_find_their_judge():
    predictions, targets = made(5, count=4)
    entries, content = answers(predictions), truth_content(targets)
    masks, ground_truth = write("masks.json", entries), write("truth.json", content)
    assert "mask_ap" in evaluate_file(masks, ground_truth).metrics.to_json()
    boxes = [{key: value for key, value in entry.items() if key != "segmentation"} for entry in entries]
    assert "ap" in evaluate_file(write("boxes.json", boxes), ground_truth).metrics.to_json()
    assert "ap" in evaluate_file(masks, ground_truth, task="detection").metrics.to_json()
    bare = [{key: value for key, value in row.items() if key != "segmentation"} for row in content["annotations"]]
    no_masks = write("no_masks.json", content | {"annotations": bare})
    assert "ap" in evaluate_file(masks, no_masks).metrics.to_json(), "boxes are all that the data can evaluate"
    assert "ap" in evaluate_file(write("mixed.json", [*boxes[:1], *entries[1:]]), ground_truth).metrics.to_json()
    assert evaluate_file(write("nothing.json", []), ground_truth).metrics.to_json()["ap"] == 0.0
    with pytest.raises(DataError, match=r"no_masks\.json has no outlines for all of its objects"):
        evaluate_file(masks, no_masks, task="instance_segmentation")
    with pytest.raises(DataError, match=r"boxes\.json:2: entry 1 has no segmentation"):
        evaluate_file("boxes.json", ground_truth, task="instance_segmentation")
    with pytest.raises(RecipeError, match="Did you mean instance_segmentation"):
        evaluate_file(masks, ground_truth, task="instances_segmentation")


def test_masks_of_other_images_are_refused():
    predictions, targets = made(6, count=2)
    ground_truth = write("truth.json", truth_content(targets))
    entry = answers(predictions)[0] | {"segmentation": HALF}
    with pytest.raises(DataError, match=r"entry 1: its mask is of an image of 6 x 4, and 0\.png is 80 x 60"):
        evaluate_predictions(write("found.json", [entry]), ground_truth)
    content = truth_content(targets)
    content["annotations"][0]["segmentation"] = HALF
    with pytest.raises(DataError, match=r"truth\.json cannot evaluate masks: annotation 1: its run lengths are of a"):
        evaluate_predictions(write("found.json", answers(predictions)), write("truth.json", content))


def test_packed_run_lengths_are_pycocotools_own():
    predictions, _ = made(7, count=1)
    for code, mask in zip(columns_of(predictions[0])["segmentation"], predictions[0].masks, strict=True):
        assert coco_mask.decode([code])[..., 0].tolist() == mask.int().tolist()
