#!/usr/bin/env bash
# Pillow 13.0.0 clips 16-bit gray to 255 when it is made RGB: all that is brighter than 255 of 65535 becomes white, which
# is nearly all of a microscope's or a depth camera's image. OpenCV 5.0.0 shifts by 8 bits, so dark images become black;
# torchvision 0.29.1 keeps the values and gives uint16 where its other images are uint8.
# Seen: 1000 of 65535 becomes 255 (Pillow), 3 (OpenCV), 1000 (torchvision)
set -euo pipefail
export PATH="$(cd "$(dirname "$0")/.." && pwd)/.venv/bin:$PATH" UV_PYTHON_DOWNLOADS=never
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
uv venv --quiet env
uv pip install --quiet --python env/bin/python pillow==13.0.0 opencv-python-headless==5.0.0.93 torchvision==0.29.1 torch==2.14.1 numpy==2.4.6
env/bin/python -I - <<'PYTHON'
import cv2
import numpy as np
from PIL import Image
from torchvision.io import decode_image

Image.fromarray(np.full((2, 2), 1000, np.uint16)).save("gray.png")
seen = {
    "Pillow": np.asarray(Image.open("gray.png").convert("RGB")).flat[0],
    "OpenCV": cv2.imread("gray.png").flat[0],
    "torchvision": decode_image("gray.png", mode="RGB")[0, 0, 0],
}
seen = {name: int(value) for name, value in seen.items()}
print(seen)
assert seen == {"Pillow": 255, "OpenCV": 3, "torchvision": 1000}
PYTHON
