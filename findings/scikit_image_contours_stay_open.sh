#!/usr/bin/env bash
# scikit-image 0.26.0: find_contours finds nothing around a mask that fills its image, and leaves the contour of one that
# touches the border open. Polygons made from them lose objects that fill a crop, and close others across a corner.
# Seen: full mask: 0 contours; mask in a corner: 1, open; the same padded by one pixel: closed
set -euo pipefail
export PATH="$(cd "$(dirname "$0")/.." && pwd)/.venv/bin:$PATH" UV_PYTHON_DOWNLOADS=never
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
uv venv --quiet env
uv pip install --quiet --python env/bin/python scikit-image==0.26.0 numpy==2.4.6
env/bin/python -I - <<'PYTHON'
import numpy as np
from skimage.measure import find_contours

def seen(mask):
    return [bool((line[0] == line[-1]).all()) for line in find_contours(mask, 0.5)]

full, corner = np.ones((5, 5)), np.zeros((5, 5))
corner[:3, :3] = 1
print("full: closed", seen(full), "  corner: closed", seen(corner), "  padded:", seen(np.pad(corner, 1)))
assert seen(full) == []
assert seen(corner) == [False]
assert seen(np.pad(corner, 1)) == [True]
PYTHON
