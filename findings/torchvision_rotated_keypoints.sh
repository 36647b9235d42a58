#!/usr/bin/env bash
# torchvision 0.29.1: turned by 90 degrees, keypoints land one pixel beside what they mark. Flips count a keypoint as the
# index of a pixel (W - 1 - x), turns as a place between pixels (W - x): of the two only one can be right, and a keypoint
# that was on the marked pixel is off it after the turn. Boxes, whose corners lie between pixels, are right in both.
# Seen: flip: point (2, 1), pixel (2, 1); turn: point (1, 3), pixel (1, 2)
set -euo pipefail
export PATH="$(cd "$(dirname "$0")/.." && pwd)/.venv/bin:$PATH" UV_PYTHON_DOWNLOADS=never
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
uv venv --quiet env
uv pip install --quiet --python env/bin/python torchvision==0.29.1 torch==2.14.1
env/bin/python -I - <<'PYTHON'
import torch
from torchvision import tv_tensors
from torchvision.transforms.v2 import functional as F

image = torch.zeros(1, 4, 6)
image[0, 1, 3] = 1  # the pixel of column 3, row 1
image, point = tv_tensors.Image(image), tv_tensors.KeyPoints(torch.tensor([[3.0, 1.0]]), canvas_size=(4, 6))

def places(change):
    _, row, column = change(image).nonzero()[0].tolist()
    return change(point)[0].tolist(), [column, row]

flip, turn = places(F.horizontal_flip), places(lambda one: F.rotate(one, 90, expand=True))
print("flip: point", flip[0], "pixel", flip[1], "  turn: point", turn[0], "pixel", turn[1])
assert flip == ([2, 1], [2, 1])
assert turn == ([1, 3], [1, 2])
PYTHON
