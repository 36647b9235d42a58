#!/usr/bin/env bash
# torch 2.14.1: torch.optim.LBFGS cannot step a parameter in channels_last: it views each gradient as one row, which only
# a contiguous one allows. SGD and Adam step the same parameter.
# Guess: an optimizer takes any dense parameter, whatever its memory format.
# Seen: SGD, Adam: a step; LBFGS: "view size is not compatible with input tensor's size and stride ..."
set -euo pipefail
export PATH="$(cd "$(dirname "$0")/.." && pwd)/.venv/bin:$PATH" UV_PYTHON_DOWNLOADS=never
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
uv venv --quiet env
uv pip install --quiet --python env/bin/python torch==2.14.1 numpy==2.4.6
env/bin/python -I - <<'PYTHON'
import torch

def step(rule, form):
    image = torch.ones(1, 3, 4, 4).to(memory_format=form).requires_grad_()
    optimizer = rule([image], lr=0.1)

    def loss():
        optimizer.zero_grad()
        value = image.square().sum()
        value.backward()
        return value

    try:
        optimizer.step(loss)
    except RuntimeError as error:
        return str(error).partition(" (")[0]
    return "a step"

seen = {
    (rule.__name__, str(form)): step(rule, form)
    for rule in (torch.optim.SGD, torch.optim.Adam, torch.optim.LBFGS)
    for form in (torch.contiguous_format, torch.channels_last)
}
for name, what in seen.items():
    print(*name, "-", what)
fault = seen.pop(("LBFGS", "torch.channels_last"))
assert set(seen.values()) == {"a step"}
assert fault.startswith("view size is not compatible with input tensor's size and stride")
PYTHON
