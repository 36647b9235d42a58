import contextlib
import io
import json

import numpy as np
import pytest
import torch
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from zorki.data.formats.readers import read_boxes
from zorki.metrics.coco_ap import COCO_SCORES
from zorki.tasks.detection.metrics.metric import DetectionMetric
from zorki.tasks.detection.metrics.scores import DetectionResult
from zorki.types import Boxes, Placement

NAMES = ["a", "b", "c", "d"]


def made(seed, count=30, num_classes=3, *, crowd=0.0, difficult=0.0, grid=False):
    """Images with up to five objects, detections near them and elsewhere; some have none. Class d never occurs."""
    chance = np.random.default_rng(seed)
    predictions, targets = [], []
    for _ in range(count):
        n = int(chance.integers(0, 6))
        low = chance.uniform(0, 300, (n, 2))
        ground_truth = np.concatenate([low, low + chance.uniform(4, 160, (n, 2))], 1)
        labels = chance.integers(0, num_classes, n)
        owner = np.repeat(np.arange(n), chance.integers(0, 4, n))
        near = ground_truth[owner] + chance.normal(0, 8, (len(owner), 4))
        other = chance.integers(0, num_classes, len(owner))
        near_labels = np.where(chance.random(len(owner)) < 0.7, labels[owner], other)
        m = int(chance.integers(0, 4))
        low = chance.uniform(0, 300, (m, 2))
        found = np.concatenate([near, np.concatenate([low, low + chance.uniform(4, 100, (m, 2))], 1)])
        found[:, 2:] = np.maximum(found[:, 2:], found[:, :2] + 1)
        scores = chance.random(len(found))
        if grid:  # equal scores and equal overlaps
            ground_truth, found, scores = (
                np.round(ground_truth / 20) * 20,
                np.round(found / 20) * 20,
                np.round(scores, 1),
            )
            ground_truth[:, 2:], found[:, 2:] = ground_truth[:, 2:] + 20, found[:, 2:] + 20
        targets.append(
            Boxes(
                torch.tensor(ground_truth, dtype=torch.float32).reshape(-1, 4),
                torch.tensor(labels),
                crowd=torch.tensor(chance.random(n) < crowd),
                difficult=torch.tensor(chance.random(n) < difficult),
            )
        )
        predictions.append(
            Boxes(
                torch.tensor(found, dtype=torch.float32).reshape(-1, 4),
                torch.tensor(np.concatenate([near_labels, chance.integers(0, num_classes, m)])),
                torch.tensor(scores, dtype=torch.float32),
            )
        )
    return predictions, targets


def judged(predictions, targets, names=NAMES, batch=7):
    metric = DetectionMetric(names)
    for start in range(0, len(targets), batch):
        metric.update(predictions[start : start + batch], targets[start : start + batch])
    return metric


def xywh(boxes):
    xyxy = boxes.xyxy.double()
    return torch.cat([xyxy[:, :2], xyxy[:, 2:] - xyxy[:, :2]], 1).tolist()


def pycocotools(predictions, targets, num_classes=4):
    """COCO's own evaluation of the same boxes; difficult objects have an area that it never counts."""
    ground_truths, found = [], []
    for image, (prediction, target) in enumerate(zip(predictions, targets, strict=True), 1):
        crowd = target.crowd if target.crowd is not None else torch.zeros(len(target), dtype=torch.bool)
        hard = target.difficult if target.difficult is not None else torch.zeros(len(target), dtype=torch.bool)
        for box, label, c, d in zip(xywh(target), target.labels.tolist(), crowd.tolist(), hard.tolist(), strict=True):
            area = 1e12 if d else box[2] * box[3]
            row = {"id": len(ground_truths) + 1, "image_id": image, "category_id": label + 1, "bbox": box}
            ground_truths.append(row | {"area": area, "iscrowd": int(c)})
        for box, label, score in zip(
            xywh(prediction), prediction.labels.tolist(), prediction.scores.tolist(), strict=True
        ):
            found.append({"image_id": image, "category_id": label + 1, "bbox": box, "score": score})
    with contextlib.redirect_stdout(io.StringIO()):
        ground_truth = COCO()
        images = [{"id": image} for image in range(1, len(targets) + 1)]
        categories = [{"id": label + 1} for label in range(num_classes)]
        ground_truth.dataset = {"images": images, "categories": categories, "annotations": ground_truths}
        ground_truth.createIndex()
        evaluation = COCOeval(ground_truth, ground_truth.loadRes(found), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation


@pytest.mark.parametrize("seed", range(8))
def test_agrees_with_pycocotools_to_the_last_digit(seed):
    options = {"crowd": 0.15 * (seed % 2), "difficult": 0.2 * (seed // 2 % 2), "grid": seed >= 4}
    predictions, targets = made(seed, **options)
    result = judged(predictions, targets).compute()
    figures = result.to_json()
    wanted = pycocotools(predictions, targets)
    assert [figures[name] for name in COCO_SCORES] == [
        None if value == -1 else value for value in wanted.stats.tolist()
    ]
    precision = wanted.eval["precision"][:, :, :, 0, -1]
    for label, name in enumerate(NAMES):
        row, curve = result.per_class[label], precision[:, :, label]
        assert row.class_name == name
        if name == "d":
            assert (row.count, row.ap, row.precision_at_recall) == (0, None, None)
        else:
            assert row.ap == curve.mean()
            assert row.ap50 == curve[0].mean()
            assert list(row.precision_at_recall) == curve[0].tolist()


def test_only_the_best_hundred_predictions_of_a_class_count():
    target = Boxes(torch.tensor([[0.0, 0, 50, 50]]), torch.tensor([0]))
    elsewhere = torch.tensor([[100.0, 100, 120, 120]]).repeat(100, 1)
    scores = torch.linspace(1, 0.5, 101)
    late = Boxes(torch.cat([elsewhere, target.xyxy]), torch.zeros(101, dtype=torch.int64), scores)
    figures = judged([late], [target], ["a"]).compute().to_json()
    assert figures["ap50"] == 0.0
    assert figures["ar100"] == 0.0
    assert figures["voc_ap"] == pytest.approx(1 / 101)  # Pascal VOC reads all of them


def test_by_hand():
    # Two objects; the better prediction finds the first exactly, the worse is nowhere, the second object is missed.
    target = Boxes(torch.tensor([[0.0, 0, 40, 40], [100, 0, 140, 40]]), torch.tensor([0, 0]))
    found = Boxes(
        torch.tensor([[0.0, 0, 40, 40], [200, 200, 240, 240]]), torch.tensor([0, 0]), torch.tensor([0.9, 0.8])
    )
    figures = judged([found], [target], ["a"]).compute().to_json()
    assert figures["count"] == 1
    assert (figures["objects"], figures["detections"]) == (2, 2)
    assert figures["ap"] == figures["ap50"] == figures["ap_medium"] == pytest.approx(51 / 101)  # recalls 0 .. .5
    assert figures["ap_small"] is None
    assert figures["ar1"] == figures["ar100"] == 0.5
    assert figures["voc_ap"] == 0.5
    assert figures["voc_ap_11"] == 6 / 11
    assert figures["best_threshold"] == pytest.approx(0.9)
    assert (figures["precision"], figures["recall"], figures["f1"]) == (1.0, 0.5, 2 / 3)
    assert [row for row in figures["errors"] if row["count"]] == [{"error_type": "missed", "count": 1, "share": 1.0}]


def test_parts_merged_equal_the_whole():
    predictions, targets = made(3, crowd=0.1, difficult=0.1)
    whole = judged(predictions, targets).compute()
    left, right = judged(predictions[:11], targets[:11]), judged(predictions[11:], targets[11:])
    before = right.compute()
    left.merge(right)
    assert left.compute() == whole
    assert right.compute() == before
    empty = DetectionMetric(NAMES)
    empty.merge(left)
    assert empty.compute() == whole
    left.reset()
    assert left.compute() == DetectionResult(count=0)
    assert left.compute().scalars() == {"count": 0, "objects": 0, "detections": 0}
    left.update(predictions, targets)
    assert left.compute() == whole


def test_metrics_are_plain_json():
    figures = judged(*made(1)).compute().to_json()
    assert json.loads(json.dumps(figures, allow_nan=False)) == figures


def nothing(scores):
    return Boxes(torch.empty(0, 4), torch.empty(0, dtype=torch.int64), torch.empty(0) if scores else None)


def test_images_without_objects_or_without_predictions():
    predictions, targets = made(2)
    bare = judged([nothing(True)] * 30, targets).compute().to_json()
    assert (bare["ap"], bare["ap50"], bare["voc_ap"], bare["best_threshold"]) == (0.0, 0.0, 0.0, None)
    assert {row["error_type"]: row["count"] for row in bare["errors"]}["missed"] == bare["objects"]
    empty = judged(predictions, [nothing(False)] * 30).compute().to_json()
    assert (empty["ap"], empty["ap50"], empty["ap_small"], empty["objects"]) == (0.0, 0.0, None, 0)
    assert (empty["best_threshold"], empty["recall"]) == (None, None)
    assert judged([nothing(True)], [nothing(False)]).compute().coco.ap == 0.0


def test_a_difficult_object_counts_neither_found_nor_missed():
    target = Boxes(
        torch.tensor([[0.0, 0, 40, 40], [100, 0, 140, 40]]), torch.tensor([0, 0]), difficult=torch.tensor([False, True])
    )
    both = Boxes(target.xyxy, target.labels, torch.tensor([0.5, 0.9]))
    for found in (both, both[:1]):
        figures = judged([found], [target], ["a"]).compute().to_json()
        assert (figures["ap"], figures["ar100"], figures["voc_ap"], figures["f1"]) == pytest.approx((1, 1, 1, 1))
        assert figures["objects"] == figures["per_class"][0]["count"] == 1
        assert sum(row["count"] for row in figures["errors"]) == 0


def test_what_is_no_number_finds_nothing():
    target = Boxes(torch.tensor([[0.0, 0, 40, 40]]), torch.tensor([0]))
    broken = Boxes(torch.full((1, 4), torch.nan), torch.tensor([0]), torch.tensor([torch.nan]))
    figures = judged([broken], [target], ["a"]).compute().to_json()
    assert (figures["ap"], figures["detections"]) == (0.0, 1)
    assert broken.xyxy.isnan().all()


def test_predictions_of_half_precision_are_taken():
    target = Boxes(torch.tensor([[0.0, 0, 40, 40]]), torch.tensor([0]))
    found = Boxes(target.xyxy.bfloat16(), target.labels, torch.tensor([0.5]).bfloat16())
    assert judged([found], [target], ["a"]).compute().coco.ap == pytest.approx(1)


def test_predictions_need_scores_and_a_target_each():
    boxes = Boxes(torch.zeros(1, 4), torch.tensor([0]))
    with pytest.raises(ValueError, match="no scores"):
        DetectionMetric(["a"]).update([boxes], [boxes])
    with pytest.raises(ValueError, match="lengths differ"):
        DetectionMetric(["a"]).update([], [boxes])


def test_the_data_s_own_areas_tell_small_from_large(tmp_path):
    """An object that fills a third of its box is small by its outline and medium by its box, as pycocotools counts."""
    rows = [
        {"id": 1, "image_id": 1, "category_id": 1, "bbox": [0, 0, 50, 50], "area": 900.5, "iscrowd": 0},
        {"id": 2, "image_id": 1, "category_id": 1, "bbox": [100, 100, 50, 50], "iscrowd": 0},
    ]
    images = [{"id": 1, "file_name": "a.jpg", "height": 200, "width": 200}]
    content = {"images": images, "categories": [{"id": 1, "name": "a"}], "annotations": rows}
    (tmp_path / "truth.json").write_text(json.dumps(content))
    dataset = read_boxes(tmp_path / "truth.json", need_images=False)
    target = dataset.target(0)
    assert target.areas.tolist() == [900.5, 2500]
    assert target.place(Placement(200, 200)).areas is None
    metric = DetectionMetric(["a"])
    metric.update([Boxes(target.xyxy[:1], target.labels[:1], torch.tensor([0.9]))], [target])
    figures = metric.compute().to_json()
    assert (figures["ar_small"], figures["ar_medium"], figures["ar_large"]) == (1.0, 0.0, None)
    (tmp_path / "truth.json").write_text(json.dumps(content | {"annotations": [rows[1]]}))
    assert read_boxes(tmp_path / "truth.json", need_images=False).target(0).areas is None
