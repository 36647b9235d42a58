#!/usr/bin/env bash
# torch 2.14.1: whether a point is at distance 0 from itself depends on how many points there are. Above 25 rows cdist
# takes the root of |a|^2 + |b|^2 - 2ab, and what is left of the rounding is a distance: on the unit sphere, where
# embeddings lie, up to a thousandth. Copies found as "distance 0" in a try of a few images are no copies among many.
# compute_mode="donot_use_mm_for_euclid_dist" gives 0 again.
# Seen: 25 unit vectors and their copies: 0.0; 26: above 0.0001; 26 without the product: 0.0
set -euo pipefail
export PATH="$(cd "$(dirname "$0")/.." && pwd)/.venv/bin:$PATH" UV_PYTHON_DOWNLOADS=never
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
uv venv --quiet env
uv pip install --quiet --python env/bin/python torch==2.14.1 numpy==2.4.6
env/bin/python -I - <<'PYTHON'
import torch

unit = torch.nn.functional.normalize(torch.randn(26, 128, generator=torch.Generator().manual_seed(0)))

def own(count, **mode):
    rows = unit[:count]
    return torch.cdist(rows, rows.clone(), **mode).diagonal().max().item()

few, many, exact = own(25), own(26), own(26, compute_mode="donot_use_mm_for_euclid_dist")
print("25 rows", few, "  26 rows", many, "  26 without the product", exact)
assert few == exact == 0
assert many > 1e-4
PYTHON
