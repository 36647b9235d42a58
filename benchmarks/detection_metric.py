"""Figures of detection beside the published ones, and the time they take beside pycocotools.

    python benchmarks/detection_metric.py DATA

DATA holds coco-eval-reference, voc-ap-reference and voc2012-100; what is not there is left out, and without DATA only
the time is taken: 2,000 images, 10 objects and 20 detections each, 20 classes; loading the boxes is part of it. The
median of several turns, in one process.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from zorki.metrics.coco_ap import COCO_SCORES, coco_curves
from zorki.metrics.tables import DetectionTable, GroundTruthTable
from zorki.metrics.voc_ap import voc_curves, voc_summary
from zorki.tasks.detection.metrics.scores import detection_result
from zorki.tasks.detection.prediction_files.evaluate import evaluate_predictions

IMAGES, OBJECTS, ANSWERS, CLASSES = 2000, 10, 20, 20
Row = tuple[str, float, float, float]  # what, published, found, how far they may differ by rounding


def coco_rows(root: Path) -> Iterator[Row]:
    """Every figure of COCO that is published or stated with the data."""
    reference, voc = root / "coco-eval-reference", root / "voc2012-100"
    cocoapi, padilla = reference / "cocoapi", reference / "padilla_bbox_area"
    ground_truth = cocoapi / "instances_val2014_100.json"
    boxes, masks = (cocoapi / f"instances_val2014_fake{kind}100_results.json" for kind in ("bbox", "segm"))
    stated = voc / "detections/expected_pycocotools_2.0.11.json"
    sampled = padilla / "dets/sampled_bbox_results.json"
    for name, found, data, expected, kind in (
        ("COCO boxes", boxes, ground_truth, cocoapi / "expected.json", "bbox"),
        ("COCO masks", masks, ground_truth, cocoapi / "expected.json", "segm"),
        ("Padilla", sampled, padilla / "gts/sampled_gts_bbox_area.json", padilla / "expected.json", "bbox"),
        (
            "VOC 2012, 100 images",
            voc / "detections/coco_format/coco_dets.json",
            voc / "same_boxes_other_formats/coco_v1/instances_default.json",
            stated,
            "coco_bbox",
        ),
    ):
        if data.exists():
            scores = evaluate_predictions(found, data).metrics.scalars()
            for name_, value in zip(COCO_SCORES, json.loads(expected.read_text())[kind].values(), strict=True):
                yield f"{name}: {name_}", value, scores[name_], 5e-7


def voc_rows(root: Path) -> Iterator[Row]:
    """Average precisions of Pascal VOC that Padilla states, and the one that Cartucho's program gives."""
    reference = root / "voc-ap-reference"
    if not reference.exists():
        return
    seven, cats, cartucho = (reference / name for name in ("padilla_7images", "padilla_toy_cats", "cartucho"))
    ground_truths, found, names = text_tables(seven / "groundtruths", seven / "detections")
    expected = json.loads((seven / "expected.json").read_text())
    for min_iou, value in expected["every_point"].items():
        means = voc_summary(voc_curves(ground_truths, found, len(names), min_iou=float(min_iou), inclusive=True))
        yield f"Padilla, 7 images: area, overlap {min_iou}", value, means.voc_ap or 0.0, 1e-9
        eleven = expected["eleven_point"][min_iou]
        yield f"Padilla, 7 images: 11 points, overlap {min_iou}", eleven, means.voc_ap_11 or 0.0, 1e-9
    ground_truths, found = coco_tables(
        cats / "gts_coco_format/toy_example_coco.JSON", cats / "dets_coco_format/coco_dets.json"
    )
    expected = json.loads((cats / "expected.json").read_text())
    for min_iou in ("0.50", "0.75"):
        means = voc_summary(voc_curves(ground_truths, found, 1, min_iou=float(min_iou), inclusive=True))
        for words, figure in (("eleven_point", "voc_ap_11"), ("every_point", "voc_ap")):
            value = expected[f"IoU{min_iou}"][words]
            yield f"Padilla, cats: {figure}, overlap {min_iou}", value, getattr(means, figure) or 0.0, 5.1e-5
    ground_truths, found, names = text_tables(cartucho / "ground-truth", cartucho / "detection-results", corners=True)
    means = voc_summary(voc_curves(ground_truths, found, len(names), inclusive=True))
    yield "Cartucho: area, overlap .5", 0.3105, means.voc_ap or 0.0, 5e-5


def text_tables(
    ground_truth: Path, found: Path, *, corners: bool = False
) -> tuple[GroundTruthTable, DetectionTable, list[str]]:
    """Lines `class [score] x y w h` (or corners), a file an image; "difficult" at the end marks such objects."""
    names: dict[str, int] = {}
    rows: dict[Path, list[list[float]]] = {ground_truth: [], found: []}
    for image, path in enumerate(sorted(ground_truth.glob("*.txt"))):
        for folder, head in ((ground_truth, 1), (found, 2)):
            file = folder / path.name
            for words in map(str.split, file.read_text().splitlines() if file.exists() else []):
                if words:
                    label, score = names.setdefault(words[0], len(names)), words[1] if head == 2 else "0"
                    box = [float(word) for word in words[head : head + 4]]
                    rows[folder].append([image, label, float(score), *box, float(words[-1] == "difficult")])
    tables = []
    for folder in (ground_truth, found):
        table = np.array(rows[folder], float)
        if corners:
            table[:, 5:7] -= table[:, 3:5]
        tables.append(table)
    return truths_of_table(tables[0]), detections_of_table(tables[1]), list(names)


def coco_tables(ground_truth: Path, found: Path) -> tuple[GroundTruthTable, DetectionTable]:
    """Two COCO files that number images and classes alike, from 0."""
    tables = []
    for path in (ground_truth, found):
        rows = json.loads(path.read_text())["annotations"]
        tables.append(
            np.array([[r["image_id"], r["category_id"], r.get("score", 0), *r["bbox"], 0] for r in rows], float)
        )
    return truths_of_table(tables[0]), detections_of_table(tables[1])


def truths_of_table(table: np.ndarray) -> GroundTruthTable:
    """Columns: image, label, unused, x, y, w, h, difficult."""
    image, label = table[:, 0].astype(np.int64), table[:, 1].astype(np.int64)
    xywh = np.ascontiguousarray(table[:, 3:7])
    return GroundTruthTable(image, xywh, label, xywh[:, 2] * xywh[:, 3], np.zeros(len(table), bool), table[:, 7] > 0)


def detections_of_table(table: np.ndarray) -> Detections:
    """Columns: image, label, score, x, y, w, h, unused."""
    image, label = table[:, 0].astype(np.int64), table[:, 1].astype(np.int64)
    return DetectionTable(image, np.ascontiguousarray(table[:, 3:7]), label, table[:, 2])


def made(seed: int = 0) -> tuple[GroundTruthTable, DetectionTable]:
    """Random objects; every third detection lies near one, with its class."""
    chance = np.random.default_rng(seed)

    def table(count: int) -> np.ndarray:
        image = np.repeat(np.arange(IMAGES), count)
        xywh = np.column_stack([chance.uniform(0, 400, (len(image), 2)), chance.uniform(8, 200, (len(image), 2))])
        extra = [chance.integers(0, CLASSES, len(image)), chance.random(len(image)), xywh, np.zeros(len(image))]
        return np.column_stack([image, *extra])

    ground_truth, found = table(OBJECTS), table(ANSWERS)
    near = chance.random(len(found)) < 1 / 3
    owner = np.arange(len(found))[near] * OBJECTS // ANSWERS
    found[near, 3:7] = ground_truth[owner, 3:7] + chance.normal(0, 5, (len(owner), 4)).clip(-7, 7)
    found[near, 1] = ground_truth[owner, 1]
    return truths_of_table(ground_truth), detections_of_table(found)


def pycocotools(ground_truths: GroundTruthTable, found: DetectionTable) -> list[float]:
    """COCO's own tools on the same boxes: a dictionary for each object, an array for the detections."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    columns = (
        ground_truths.image.tolist(),
        ground_truths.label.tolist(),
        ground_truths.xywh.tolist(),
        ground_truths.area.tolist(),
    )
    rows: list[dict[str, Any]] = [
        {"id": number, "image_id": image + 1, "category_id": label + 1, "bbox": box, "area": area, "iscrowd": 0}
        for number, (image, label, box, area) in enumerate(zip(*columns, strict=True), 1)
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        images = [{"id": number + 1} for number in range(IMAGES)]
        coco.dataset = {"images": images, "categories": [{"id": k + 1} for k in range(CLASSES)], "annotations": rows}
        coco.createIndex()
        answers = coco.loadRes(np.column_stack([found.image + 1, found.xywh, found.score, found.label + 1]))
        evaluation = COCOeval(coco, answers, "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return [float(value) for value in evaluation.stats]


def timed(work: Callable[[], Any], turns: int) -> tuple[float, Any]:
    """Median seconds, and what came out."""
    seconds, result = [], None
    for _ in range(turns):
        start = time.perf_counter()
        result = work()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds), result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="?", type=Path)
    parser.add_argument("--turns", type=int, default=5)
    options = parser.parse_args()
    if options.data is not None:
        rows = [*coco_rows(options.data), *voc_rows(options.data)]
        print("| figure | published | zorki | |\n|---|---|---|---|")
        for what, published, found, rounding in rows:
            same = abs(published - found) <= rounding
            print(f"| {what} | {published:.6f} | {found:.6f} | {'equal' if same else 'DIFFERS'} |")
        equal = sum(abs(published - found) <= rounding for _, published, found, rounding in rows)
        print(f"\n{equal} of {len(rows)} figures are equal, as far as the published ones are written out.\n")
    ground_truths, found = made()
    names = [str(label) for label in range(CLASSES)]
    detection_result(ground_truths, found, names, IMAGES)  # the first turn loads hotcoco
    own, result = timed(lambda: detection_result(ground_truths, found, names, IMAGES), options.turns)
    theirs, stats = timed(lambda: pycocotools(ground_truths, found), max(1, options.turns // 2))
    alone, _ = timed(lambda: coco_curves(ground_truths, found, num_images=IMAGES, num_classes=CLASSES), options.turns)
    far = max(abs((getattr(result.coco, name) or 0.0) - value) for name, value in zip(COCO_SCORES, stats, strict=True))
    print(f"{IMAGES:,} images, {len(ground_truths):,} objects, {len(found):,} detections, {CLASSES} classes")
    print(f"pycocotools, the twelve metrics: {theirs:.2f} s")
    print(f"zorki, the twelve metrics: {alone:.3f} s, {theirs / alone:.0f} times as fast")
    print(f"zorki, with VOC's AP, thresholds, curves, kinds of errors: {own:.3f} s, {theirs / own:.0f} times as fast")
    print(f"the twelve metrics differ by at most {far:.1e}")


if __name__ == "__main__":
    main()
