#!/usr/bin/env bash
# ONNX Runtime 1.32.0 and onnx 1.23.2: of a pooled map with padding and ceil_mode, in opsets before 22, the Shape operator
# tells another size than the array has. A window that would begin in the padding behind the map is left out by the
# operator, as in PyTorch, and counted by onnx's shape inference, on which ONNX Runtime's basic optimizations rest: they
# replace Shape by that constant. What is reshaped or resized by it goes wrong; without optimizations it is right.
# Seen: opset 18: array 4 x 4, Shape 5 x 5 with optimizations and 4 x 4 without; opset 22: 4 x 4 in all
set -euo pipefail
export PATH="$(cd "$(dirname "$0")/.." && pwd)/.venv/bin:$PATH" UV_PYTHON_DOWNLOADS=never
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
uv venv --quiet env
uv pip install --quiet --python env/bin/python onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6
env/bin/python -I - <<'PYTHON'
import numpy as np
import onnxruntime
from onnx import TensorProto, helper

def sizes(opset, level):
    pool = helper.make_node("MaxPool", ["x"], ["y"], kernel_shape=[2, 2], strides=[2, 2], pads=[1] * 4, ceil_mode=1)
    graph = helper.make_graph(
        [pool, helper.make_node("Shape", ["y"], ["size"])], "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 1, 7, 7])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None] * 4),
         helper.make_tensor_value_info("size", TensorProto.INT64, [4])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level, options.log_severity_level = level, 4
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    pooled, size = session.run(None, {"x": np.zeros((1, 1, 7, 7), np.float32)})
    return list(pooled.shape), size.tolist()

plain, basic = (onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL, onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC)
for opset, level in ((18, plain), (18, basic), (22, plain), (22, basic)):
    pooled, size = sizes(opset, level)
    print("opset", opset, "optimized" if level == basic else "as it is", " array", pooled, " Shape", size)
    assert pooled == [1, 1, 4, 4]
    assert size == ([1, 1, 5, 5] if (opset, level) == (18, basic) else pooled)
PYTHON
