#!/usr/bin/env bash
# pycocotools 2.0.11: an object whose annotation id is 0 is never found. It stores the id of the matched object, and
# reads 0 as "no match", so a perfect prediction of one object has AP 0. Ids that start at 0 are valid JSON, and some
# writers number so.
# Seen: ids from 0: AP 0.0; ids from 1: AP 1.0
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

def ap(identity):
    box = {"image_id": 1, "category_id": 1, "bbox": [10, 10, 50, 50]}
    truth = COCO()
    truth.dataset = {
        "info": {}, "images": [{"id": 1, "width": 99, "height": 99}], "categories": [{"id": 1, "name": "cell"}],
        "annotations": [{**box, "id": identity, "area": 2500, "iscrowd": 0}],
    }
    with contextlib.redirect_stdout(io.StringIO()):
        truth.createIndex()
        judge = COCOeval(truth, truth.loadRes([{**box, "score": 0.9}]), "bbox")
        judge.evaluate(), judge.accumulate(), judge.summarize()
    return round(float(judge.stats[0]), 6)

print("ids from 0: AP", ap(0), "  ids from 1: AP", ap(1))
assert (ap(0), ap(1)) == (0.0, 1.0)
PYTHON
