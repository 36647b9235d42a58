"""COCO's twelve scores of random files beside pycocotools': ties, crowds, ids in any order, detections beyond 100.

    python benchmarks/coco_scores.py [SETS]

Each set is written as a lone file and as one file of a folder, with boxes and with masks, and evaluated as
`zorki evaluate --predictions` does. Differences in the last digit count. 200 sets take about two minutes.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from pycocotools import mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from zorki.metrics.coco_ap import COCO_SCORES
from zorki.tasks.detection.prediction_files.evaluate import evaluate_predictions

SIDE = 256  # pixels of an image
Rows = list[dict[str, Any]]


def random_set(seed: int, folder: Path) -> tuple[Path, Path, Path]:
    """A file of ground truth, and predictions with boxes and with masks.

    Scores are of few values, so that most tie, and coordinates of few, so that overlaps tie and meet the thresholds.
    """
    chance = np.random.default_rng(seed)
    ids = chance.permutation(np.arange(1, 4000))[: chance.integers(1, 9)].tolist()
    classes = chance.permutation(np.arange(1, 91))[: chance.integers(1, 4)].tolist()
    ground_truths = _objects(chance, ids, classes, int(chance.integers(1, 30)))
    for number, row in zip(chance.permutation(len(ground_truths)).tolist(), ground_truths, strict=True):
        row |= {"id": number + 1, "iscrowd": int(chance.random() < 0.15)}
        row["area"] = float(row["bbox"][2] * row["bbox"][3]) * float(chance.choice([0.4, 0.7, 1.0]))
    found = _objects(chance, ids, classes, int(chance.choice([0, 5, 40, 400])))
    for row in found:
        if ground_truths and chance.random() < 0.6:
            near = ground_truths[int(chance.integers(len(ground_truths)))]
            row |= {name: near[name] for name in ("image_id", "category_id")}
            moved = np.array(near["bbox"]) + chance.integers(-1, 2, 4) * 8
            row["bbox"] = [float(value) for value in (*moved[:2].clip(0), *moved[2:].clip(8))]
        row["score"] = float(chance.choice([0.2, 0.5, 0.5, 0.9]))
    images = [{"id": number, "file_name": f"{number}.jpg", "height": SIDE, "width": SIDE} for number in ids]
    content = {"images": images, "categories": [{"id": k, "name": f"class {k}"} for k in classes]}
    outlined = [row | {"segmentation": [_corners(row["bbox"])]} for row in ground_truths]
    paths = (folder / f"instances_{name}.json" for name in ("val", "boxes", "masks"))
    masks = [
        {name: row[name] for name in row if name != "bbox"} | {"segmentation": _packed(row["bbox"])} for row in found
    ]
    written = []
    for path, value in zip(paths, (content | {"annotations": outlined}, found, masks), strict=True):
        path.write_text(json.dumps(value))
        written.append(path)
    return written[0], written[1], written[2]


def _objects(chance: np.random.Generator, ids: list[int], classes: list[int], count: int) -> Rows:
    return [
        {
            "image_id": int(chance.choice(ids)),
            "category_id": int(chance.choice(classes)),
            "bbox": [float(8 * value) for value in (*chance.integers(0, 16, 2), *chance.integers(1, 16, 2))],
        }
        for _ in range(count)
    ]


def _corners(box: list[float]) -> list[float]:
    left, top, right, bottom = box[0], box[1], box[0] + box[2], box[1] + box[3]
    return [left, top, right, top, right, bottom, left, bottom]


def _packed(box: list[float]) -> dict[str, Any]:
    code = mask.merge(mask.frPyObjects([_corners(box)], SIDE, SIDE))
    return {"size": code["size"], "counts": code["counts"].decode()}


def reference_scores(ground_truth: Path, found: Path, kind: str) -> list[float | None]:
    """The twelve scores of pycocotools; None for its -1."""
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(str(ground_truth))
        evaluation = COCOeval(coco, coco.loadRes(str(found)), kind)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return [None if value == -1 else float(value) for value in evaluation.stats]


def own_scores(data: Path, found: Path) -> list[float | None]:
    scores = evaluate_predictions(found, data).metrics.to_json()
    return [scores[name] for name in COCO_SCORES]


def compare(seed: int, folder: Path) -> list[str]:
    """What differs in one set, in words; scores over all sizes are 0 here where there is nothing to find."""
    (folder / "data").mkdir()
    ground_truth, boxes, masks = random_set(seed, folder)
    own = folder / "data" / ground_truth.name
    own.write_bytes(ground_truth.read_bytes())
    other = json.loads(ground_truth.read_text())
    other["images"] = [image | {"id": -image["id"], "file_name": f"t{image['id']}.jpg"} for image in other["images"]]
    (folder / "data" / "instances_train.json").write_text(json.dumps(other | {"annotations": []}))
    differing = []
    for found, kind in ((boxes, "bbox"), (masks, "segm")):
        if json.loads(found.read_text()):  # pycocotools takes no empty list
            wanted = reference_scores(ground_truth, found, kind)
            for data in (ground_truth, folder / "data"):
                scores = own_scores(data, found)
                if [score or None for score in scores] != [score or None for score in wanted]:
                    differing.append(f"set {seed}, {kind}, {data.name}: {scores} and not {wanted}")
    return differing


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="?", type=int, default=200)
    count = parser.parse_args().sets
    differing: list[str] = []
    for seed in range(count):
        with TemporaryDirectory() as folder:
            differing += compare(seed, Path(folder))
    for line in differing[:10]:
        print(line)
    print(f"{count} sets, boxes and masks, file and folder: {len(differing)} comparisons differ")


if __name__ == "__main__":
    main()
