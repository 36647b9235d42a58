#!/usr/bin/env bash
# OpenCV 5.0.0 (contrib): a template without any contrast matches everywhere. The correlation coefficient of a constant
# is undefined, 0 by 0; matchTemplate with TM_CCOEFF_NORMED answers 1.0, a perfect match, at every place of an image of
# noise. A flat place of the image, under a template that is not flat, has 0.0. A tracker that looks for a covered or
# overexposed object so is surest where it knows least.
# Seen: flat template in noise: 1.0 everywhere; noise in a flat image: 0.0 everywhere
set -euo pipefail
export PATH="$(cd "$(dirname "$0")/.." && pwd)/.venv/bin:$PATH" UV_PYTHON_DOWNLOADS=never
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
uv venv --quiet env
uv pip install --quiet --python env/bin/python opencv-contrib-python-headless==5.0.0.93 numpy==2.4.6
env/bin/python -I - <<'PYTHON'
import cv2
import numpy as np

noise = np.random.default_rng(0).integers(0, 256, (20, 20), dtype=np.uint8)
flat = np.full((5, 5), 77, np.uint8)
of_flat = cv2.matchTemplate(noise, flat, cv2.TM_CCOEFF_NORMED)
in_flat = cv2.matchTemplate(np.full((20, 20), 77, np.uint8), noise[:5, :5], cv2.TM_CCOEFF_NORMED)
print("flat template in noise", of_flat.min(), of_flat.max(), "  noise in a flat image", in_flat.min(), in_flat.max())
assert of_flat.min() == of_flat.max() == 1
assert in_flat.min() == in_flat.max() == 0
PYTHON
