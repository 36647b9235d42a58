#!/usr/bin/env bash
# Of equal scores torch 2.14.1 takes others than ONNX Runtime 1.32.0 does. ONNX asks TopK for the lower index first; torch
# promises nothing, and on the CPU takes neither the first nor the last. An exported detector whose scores tie (sigmoids
# that are saturated, pixels of one color) keeps other boxes than the network it came from, with equal weights.
# Seen: torch takes others than 0, 1, 2 of ten equal scores; ONNX Runtime takes 0, 1, 2
set -euo pipefail
export PATH="$(cd "$(dirname "$0")/.." && pwd)/.venv/bin:$PATH" UV_PYTHON_DOWNLOADS=never
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
uv venv --quiet env
uv pip install --quiet --python env/bin/python torch==2.14.1 onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6
env/bin/python -I - <<'PYTHON'
import numpy as np
import onnxruntime
import torch
from onnx import TensorProto, helper

def info(name, kind, count):
    return helper.make_tensor_value_info(name, kind, [count])

graph = helper.make_graph(
    [helper.make_node("TopK", ["scores", "k"], ["values", "places"], axis=0)], "graph",
    [info("scores", TensorProto.FLOAT, 10)], [info("values", TensorProto.FLOAT, 3), info("places", TensorProto.INT64, 3)],
    [helper.make_tensor("k", TensorProto.INT64, [1], [3])],
)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
session = onnxruntime.InferenceSession(model.SerializeToString())
scores = np.full(10, 0.5, np.float32)
exported = session.run(["places"], {"scores": scores})[0].tolist()
eager = torch.from_numpy(scores).topk(3).indices.tolist()
print("torch", eager, "  ONNX Runtime", exported)
assert exported == [0, 1, 2]
assert sorted(eager) != exported
PYTHON
