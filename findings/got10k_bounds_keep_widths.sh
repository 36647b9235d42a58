#!/usr/bin/env bash
# got10k 0.1.3: rect_iou with a bound, by which GOT-10k's overlaps are made, cuts boxes off at the right and lower edge of
# the frame only. A box that leaves it at the left or above is moved in whole: its corner is brought to the edge, and its
# width and height stay as they were. So a box half outside is scored as one that is twice too large.
# Seen: ground truth 0,0,10,10 and a box -10,0,20,10, whose part in the frame is 0,0,10,10: 0.5; on the right side: 1.0
set -euo pipefail
export PATH="$(cd "$(dirname "$0")/.." && pwd)/.venv/bin:$PATH" UV_PYTHON_DOWNLOADS=never
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
uv venv --quiet env
uv pip install --quiet --python env/bin/python --no-deps got10k==0.1.3
uv pip install --quiet --python env/bin/python shapely==2.1.2 numpy==2.4.6
env/bin/python -I - <<'PYTHON'
import numpy as np
from got10k.utils.metrics import rect_iou

def iou(predicted, truth):
    boxes = [np.array([box], dtype=float) for box in (predicted, truth)]
    return round(float(rect_iou(*boxes, bound=(20, 20))[0]), 6)  # it changes what it is given

left, right = iou([-10, 0, 20, 10], [0, 0, 10, 10]), iou([10, 0, 20, 10], [10, 0, 10, 10])
print("half outside on the left:", left, "  on the right:", right)
assert (left, right) == (0.5, 1.0)
PYTHON
