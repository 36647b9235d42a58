"""Figures on masks and on boxes equal pycocotools'; parts join to the whole."""

import contextlib
import io
import pickle

import numpy as np
import pytest
import torch
from made_masks import made, strip_instances
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from zorki.metrics.coco_ap import COCO_SCORES
from zorki.tasks.instance_segmentation.metrics.metric import InstanceMetric
from zorki.tasks.instance_segmentation.metrics.scores import InstanceResult

NAMES = ["a", "b", "c", "d"]


def judged(predictions, targets, names=NAMES, batch=5, **options):
    metric = InstanceMetric(names, **options)
    for start in range(0, len(targets), batch):
        metric.update(predictions[start : start + batch], targets[start : start + batch])
    return metric


def error_count(figures, error_type):
    return next(row["count"] for row in figures["errors"] if row["error_type"] == error_type)


def rows(instances, image, first, kind):
    codes = coco_mask.encode(np.asfortranarray(instances.masks.permute(1, 2, 0).numpy().astype(np.uint8)))
    for row, code in enumerate(codes):
        x0, y0, x1, y1 = instances.xyxy[row].tolist()
        entry = {
            "id": first + row,
            "image_id": image,
            "category_id": int(instances.labels[row]) + 1,
            "segmentation": code,
        }
        if instances.scores is None:
            hard = instances.difficult is not None and bool(instances.difficult[row])
            crowd = instances.crowd is not None and bool(instances.crowd[row])
            area = float(coco_mask.area(code)) if instances.areas is None else float(instances.areas[row])
            entry |= {"bbox": [x0, y0, x1 - x0, y1 - y0], "iscrowd": int(crowd), "area": 1e12 if hard else area}
        else:
            entry["score"] = float(instances.scores[row])
            if kind == "bbox":
                entry |= {"bbox": [x0, y0, x1 - x0, y1 - y0]}
        yield entry


def pycocotools(predictions, targets, kind):
    """COCO's own evaluation of the same masks; difficult objects have an area that it never counts."""
    ground_truths, found = [], []
    for image, (prediction, target) in enumerate(zip(predictions, targets, strict=True), 1):
        ground_truths += rows(target, image, len(ground_truths) + 1, kind)
        found += rows(prediction, image, len(found) + 1, kind)
    with contextlib.redirect_stdout(io.StringIO()):
        ground_truth = COCO()
        height, width = targets[0].masks.shape[1:]
        images = [{"id": image, "height": height, "width": width} for image in range(1, len(targets) + 1)]
        categories = [{"id": label + 1} for label in range(len(NAMES))]
        ground_truth.dataset = {"images": images, "categories": categories, "annotations": ground_truths}
        ground_truth.createIndex()
        evaluation = COCOeval(ground_truth, ground_truth.loadRes(found), kind)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return [None if value == -1 else value for value in evaluation.stats.tolist()], evaluation.eval["precision"]


@pytest.mark.parametrize("seed", range(6))
def test_agrees_with_pycocotools_to_the_last_digit(seed):
    options = {"crowd": 0.2 * (seed % 2), "difficult": 0.2 * (seed // 2 % 2), "apart": seed >= 4}
    predictions, targets = made(seed, **options)
    figures = judged(predictions, targets).compute().to_json()
    wanted, precision = pycocotools(predictions, targets, "segm")
    assert [figures[f"mask_{name}"] for name in COCO_SCORES] == wanted
    for label in range(3):
        assert figures["per_class"][label]["ap"] == precision[:, :, label, 0, -1].mean()
    last = figures["per_class"][3]
    known = {"class_name": "d", "count": 0} | {name: last[name] for name in ("precision", "f1", "recall")}
    assert last == dict.fromkeys(last) | known
    boxes, _ = pycocotools(predictions, targets, "bbox")
    assert [figures[f"box_{name}"] for name in ("ap", "ap50", "ap75")] == boxes[:3]


def test_sizes_go_by_the_areas_of_the_data():
    target = strip_instances((0, 5), areas=torch.tensor([5000.0]))
    figures = judged([strip_instances((0, 5), scores=[0.9])], [target], ["a"]).compute().to_json()
    assert (figures["mask_ap_small"], figures["mask_ap_medium"]) == (None, pytest.approx(1))
    figures = judged([strip_instances((0, 5), scores=[0.9])], [strip_instances((0, 5))], ["a"]).compute().to_json()
    assert (figures["mask_ap_small"], figures["mask_ap_medium"]) == (pytest.approx(1), None)


def test_masks_decide_and_not_boxes():
    """Two halves of one box: the box fits, the mask does not."""
    target, answer = strip_instances((0, 10)), strip_instances((0, 10), scores=[0.9])
    answer.masks[0, 0, 1:9] = False
    figures = judged([answer], [target], ["a"]).compute().to_json()
    assert (figures["mask_ap50"], figures["box_ap50"]) == (0.0, pytest.approx(1))
    assert error_count(figures, "localization") == 0  # nothing right was found, so no score is the best one
    assert figures["best_threshold"] is None
    assert figures["map_threshold"] == 0.5


def test_parts_of_several_processes_are_the_whole():
    predictions, targets = made(9, crowd=0.2)
    whole = judged(predictions, targets).compute()
    first, second = judged(predictions[:7], targets[:7]), judged(predictions[7:], targets[7:], batch=1)
    first.merge(pickle.loads(pickle.dumps(second)))
    assert first.compute() == whole
    assert judged(predictions, targets, batch=1).compute() == whole


def test_nothing_was_evaluated():
    metric = InstanceMetric(NAMES)
    metric.update([], [])
    assert metric.compute() == InstanceResult(count=0)
    metric.update(*made(0, count=2))
    metric.reset()
    assert metric.compute() == InstanceResult(count=0)


def test_images_without_objects_and_without_predictions():
    nothing, silence = strip_instances(), strip_instances(scores=[])
    figures = judged([silence], [nothing]).compute().to_json()
    assert (figures["objects"], figures["mask_ap"], figures["pq"]) == (0, 0.0, None)
    assert (figures["bowl_ap"], figures["sbd"], figures["dic"]) == (1.0, 1.0, 0.0)
    figures = judged([silence], [strip_instances((0, 4))]).compute().to_json()
    assert (figures["bowl_ap"], figures["sbd"], figures["dic"], figures["pq"]) == (0.0, 0.0, -1.0, 0.0)
    assert error_count(figures, "missed") == 1


def test_what_cannot_be_evaluated_is_refused():
    with pytest.raises(ValueError, match="no scores"):
        judged([strip_instances((0, 4))], [strip_instances((0, 4))])
    with pytest.raises(ValueError, match=r"masks of 1 x 30 pixels .* of 1 x 20"):
        judged([strip_instances((0, 4), width=30, scores=[0.5])], [strip_instances((0, 4))])
    with pytest.raises(ValueError, match="lengths differ"):
        InstanceMetric(NAMES).update([], [strip_instances()])
