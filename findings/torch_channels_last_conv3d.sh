#!/usr/bin/env bash
# torch 2.14.1: Module.to(memory_format=torch.channels_last) raises where the module has a 3D convolution. Its page says
# that the format is for 4D parameters, so that others might be passed over; weights of five dimensions are converted,
# too, and there channels_last does not fit them. channels_last_3d takes the 3D convolution, and raises at the 2D one. So
# a network with both, such as images and films in one, can be moved to neither as a whole.
# Guess: 4D weights get the format, others stay as they are.
# Seen: 2D alone: converted; 3D alone, both: "required rank 4 tensor to use channels_last format"
set -euo pipefail
export PATH="$(cd "$(dirname "$0")/.." && pwd)/.venv/bin:$PATH" UV_PYTHON_DOWNLOADS=never
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
uv venv --quiet env
uv pip install --quiet --python env/bin/python torch==2.14.1 numpy==2.4.6
env/bin/python -I - <<'PYTHON'
import torch
from torch import nn

def moved(module, form):
    try:
        module.to(memory_format=form)
    except RuntimeError as error:
        return str(error)
    return "converted"

plane, space = (lambda: nn.Conv2d(3, 4, 3)), (lambda: nn.Conv3d(3, 4, 3))
seen = {
    "2D": moved(plane(), torch.channels_last), "3D": moved(space(), torch.channels_last),
    "both": moved(nn.ModuleList([plane(), space()]), torch.channels_last),
    "3D as 3D": moved(space(), torch.channels_last_3d),
    "both as 3D": moved(nn.ModuleList([space(), plane()]), torch.channels_last_3d),
}
for name, what in seen.items():
    print(name, "-", what)
assert seen["2D"] == seen["3D as 3D"] == "converted"
assert seen["3D"] == seen["both"] == "required rank 4 tensor to use channels_last format"
assert "rank 5" in seen["both as 3D"]
PYTHON
