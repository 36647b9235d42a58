#!/usr/bin/env bash
# supervision 0.31.2 writes masks to COCO as polygons through the centers of their border pixels. COCO's tools fill
# polygons to the edges of pixels, so each mask comes back one pixel smaller in height and width, beside an area and a
# box that are those of the whole mask.
# Seen: 100 pixels written, area 100.0 in the file, 81 pixels read by pycocotools
set -euo pipefail
export PATH="$(cd "$(dirname "$0")/.." && pwd)/.venv/bin:$PATH" UV_PYTHON_DOWNLOADS=never
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
uv venv --quiet env
uv pip install --quiet --python env/bin/python supervision==0.31.2 pycocotools==2.0.11 pillow==13.0.0 numpy==2.4.6
env/bin/python -I - <<'PYTHON'
import contextlib, io, warnings
warnings.simplefilter("ignore")  # it works without OpenCV, and says so
import numpy as np
import supervision as sv
from PIL import Image
from pycocotools.coco import COCO

Image.new("RGB", (20, 20)).save("a.png")
masks = np.zeros((1, 20, 20), bool)
masks[0, 5:15, 5:15] = True
found = sv.Detections(xyxy=np.array([[5.0, 5, 15, 15]]), mask=masks, class_id=np.array([0]))
sv.DetectionDataset(classes=["cell"], images=["a.png"], annotations={"a.png": found}).as_coco(annotations_path="a.json")
with contextlib.redirect_stdout(io.StringIO()):
    file = COCO("a.json")
(thing,) = file.dataset["annotations"]
read = int(file.annToMask(thing).sum())
print(int(masks.sum()), "pixels written, area", thing["area"], "in the file,", read, "pixels read")
assert (int(masks.sum()), thing["area"], read) == (100, 100.0, 81)
PYTHON
