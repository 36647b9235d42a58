#!/usr/bin/env bash
# datumaro 1.13.12 reads no image of a CVAT file of a task when the images name their subset, and says nothing; of a
# project it reads them, where the project lists the subset in a <subset> of its tasks. Joints of skeletons come as loose
# points, and one that is outside the image as a point at its place.
# Guess: the same image with its two joints from both files, the outside one left out or marked.
# Seen: task: 0 images; project: 1 image, points [[3.0, 4.0], [0.0, 0.0]] without a mark or a group
set -euo pipefail
export PATH="$(cd "$(dirname "$0")/.." && pwd)/.venv/bin:$PATH" UV_PYTHON_DOWNLOADS=never
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
uv venv --quiet env
uv pip install --quiet --python env/bin/python datumaro==1.13.12
env/bin/python -I -W ignore - <<'PYTHON'
from pathlib import Path
import numpy as np
from datumaro.components.dataset import Dataset
from PIL import Image

LABELS = "<labels><label><name>dog</name></label><label><name>nose</name></label><label><name>tail</name></label></labels>"
METAS = {
    "task": f"<task><subset>train</subset>{LABELS}</task>",
    "project": f"<project><tasks><task><subset>train</subset></task></tasks><subsets>train</subsets>{LABELS}</project>",
}
IMAGE = """<image id="0" name="a.png" subset="train" width="20" height="10"><skeleton label="dog" z_order="0">
<points label="nose" outside="0" occluded="0" points="3,4"/><points label="tail" outside="1" occluded="0" points="0,0"/>
</skeleton></image>"""
seen = {}
for name, meta in METAS.items():
    (Path(name) / "images").mkdir(parents=True)
    Image.fromarray(np.zeros((10, 20, 3), np.uint8)).save(f"{name}/images/a.png")
    text = f"<annotations><version>1.1</version><meta>{meta}</meta>{IMAGE}</annotations>"
    (Path(name) / "annotations.xml").write_text(text)
    items = list(Dataset.import_from(name, "cvat"))
    seen[name] = [[(point.points, point.attributes, point.group) for point in item.annotations] for item in items]
    print(name, len(items), "images", seen[name])
assert seen["task"] == []
(points,) = seen["project"]
assert [list(one[0]) for one in points] == [[3.0, 4.0], [0.0, 0.0]]
assert all(one[1:] == ({"occluded": False}, 0) for one in points)
PYTHON
