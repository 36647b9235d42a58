#!/usr/bin/env bash
# pycocotools 2.0.11: the limits of small, medium and large belong to both sides. An object of exactly 32 x 32 pixels
# counts as small and as medium, one of 96 x 96 as medium and as large; so the three groups do not add up to all.
# Seen: 31: small; 32: small medium; 33: medium; 96: medium large
set -euo pipefail
export PATH="$(cd "$(dirname "$0")/.." && pwd)/.venv/bin:$PATH" UV_PYTHON_DOWNLOADS=never
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
uv venv --quiet env
uv pip install --quiet --python env/bin/python pycocotools==2.0.11 numpy==2.4.6
env/bin/python -I - <<'PYTHON'
import contextlib, io
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

def groups(side):
    box = {"image_id": 1, "category_id": 1, "bbox": [0, 0, side, side]}
    truth = COCO()
    truth.dataset = {
        "info": {}, "images": [{"id": 1, "width": 99, "height": 99}], "categories": [{"id": 1, "name": "cell"}],
        "annotations": [{**box, "id": 1, "area": side * side, "iscrowd": 0}],
    }
    with contextlib.redirect_stdout(io.StringIO()):
        truth.createIndex()
        judge = COCOeval(truth, truth.loadRes([{**box, "score": 0.9}]), "bbox")
        judge.evaluate(), judge.accumulate(), judge.summarize()
    return [name for name, ap in zip(("small", "medium", "large"), judge.stats[3:6]) if ap > -1]

seen = {side: groups(side) for side in (31, 32, 33, 96)}
print(seen)
assert seen == {31: ["small"], 32: ["small", "medium"], 33: ["medium"], 96: ["medium", "large"]}
PYTHON
