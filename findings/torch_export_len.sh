#!/usr/bin/env bash
# PyTorch 2.14.1: `len(images)` in a network fixes the batch of what torch.export makes of it to that of the example;
# `images.shape[0]`, the same number, does not. With Dim.DYNAMIC that is an error; with Dim.AUTO the export says nothing,
# and the program refuses every other batch when it runs.
# Seen: shape[0]: a batch of 5 is taken; len: UserError with DYNAMIC, nothing with AUTO, AssertionError for a batch of 5
set -euo pipefail
export PATH="$(cd "$(dirname "$0")/.." && pwd)/.venv/bin:$PATH" UV_PYTHON_DOWNLOADS=never
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
uv venv --quiet env
uv pip install --quiet --python env/bin/python torch==2.14.1 numpy==2.4.6
env/bin/python -I -W ignore - 2>/dev/null <<'PYTHON'
import torch
from torch.export import Dim


class Flat(torch.nn.Module):
    def __init__(self, count):
        super().__init__()
        self.count = count

    def forward(self, images):
        return images.reshape(self.count(images), -1)


def outcome(count, dim):
    try:
        program = torch.export.export(Flat(count), (torch.zeros(2, 3, 4),), dynamic_shapes=({0: dim},))
    except Exception as error:
        return f"{type(error).__name__} at the export"
    try:
        return tuple(program.module()(torch.zeros(5, 3, 4)).shape)
    except Exception as error:
        return f"{type(error).__name__} when it runs"


by_shape = [outcome(lambda images: images.shape[0], dim) for dim in (Dim.DYNAMIC, Dim.AUTO)]
by_len = [outcome(len, dim) for dim in (Dim.DYNAMIC, Dim.AUTO)]
print("shape[0], DYNAMIC and AUTO:", by_shape, "  len:", by_len)
assert by_shape == [(5, 12), (5, 12)]
assert by_len == ["UserError at the export", "AssertionError when it runs"]
PYTHON
