#!/usr/bin/env bash
# datumaro 1.13.12 writes every mask of an object to COCO as run lengths with iscrowd 1. COCO's evaluation leaves crowds
# out of what has to be found, so the ground truth is empty: a perfect answer has AP -1. A polygon keeps iscrowd 0.
# Seen: mask: iscrowd 1, polygon: iscrowd 0; AP of the mask itself: -1
set -euo pipefail
export PATH="$(cd "$(dirname "$0")/.." && pwd)/.venv/bin:$PATH" UV_PYTHON_DOWNLOADS=never
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
uv venv --quiet env
uv pip install --quiet --python env/bin/python datumaro==1.13.12 pycocotools==2.0.11
env/bin/python -I - <<'PYTHON'
import contextlib, io
import numpy as np
from datumaro.components.annotation import Mask, Polygon
from datumaro.components.dataset import Dataset
from datumaro.components.dataset_base import DatasetItem
from datumaro.components.media import Image
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

pixels = np.zeros((20, 20), bool)
pixels[5:15, 5:15] = True
things = [Mask(pixels, label=0, id=1, group=1), Polygon([1, 1, 4, 1, 4, 4], label=0, id=2, group=2)]
item = DatasetItem(id="a", media=Image.from_numpy(np.zeros((20, 20, 3), np.uint8)), annotations=things)
Dataset.from_iterable([item], categories=["cell"]).export("out", "coco_instances")
with contextlib.redirect_stdout(io.StringIO()):
    truth = COCO("out/annotations/instances_default.json")
    mask, polygon = sorted(truth.dataset["annotations"], key=lambda one: -one["area"])
    truth.dataset["annotations"] = [mask]
    truth.createIndex()
    answers = [{"image_id": mask["image_id"], "category_id": 1, "score": 1.0, "segmentation": truth.annToRLE(mask)}]
    judge = COCOeval(truth, truth.loadRes(answers), "segm")
    judge.evaluate(), judge.accumulate(), judge.summarize()
print("iscrowd of the mask", mask["iscrowd"], "of the polygon", polygon["iscrowd"], "  AP", judge.stats[0])
assert (mask["iscrowd"], polygon["iscrowd"], judge.stats[0]) == (1, 0, -1.0)
PYTHON
