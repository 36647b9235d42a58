#!/usr/bin/env bash
# torchvision 0.29.1: masks_to_boxes answers with the first and the last row and column, which as a box of its own
# detectors (x1, y1, x2, y2 with x2 - x1 the width) is one pixel too narrow and too low. A mask of one pixel has a box
# without area, which torchvision's Mask R-CNN refuses to be trained on.
# Seen: a mask of 4 x 6 pixels: [0, 0, 5, 3], area 15; of one pixel: [3, 2, 3, 2]
set -euo pipefail
export PATH="$(cd "$(dirname "$0")/.." && pwd)/.venv/bin:$PATH" UV_PYTHON_DOWNLOADS=never
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
uv venv --quiet env
uv pip install --quiet --python env/bin/python torchvision==0.29.1 torch==2.14.1
env/bin/python -I - <<'PYTHON'
import torch
from torchvision.ops import box_area, masks_to_boxes

masks = torch.zeros(2, 4, 6, dtype=torch.bool)
masks[0] = True
masks[1, 2, 3] = True
boxes = masks_to_boxes(masks)
print(boxes.tolist(), "areas", box_area(boxes).tolist(), "pixels", masks.sum((1, 2)).tolist())
assert boxes.tolist() == [[0, 0, 5, 3], [3, 2, 3, 2]]
assert box_area(boxes).tolist() == [15, 0]
PYTHON
