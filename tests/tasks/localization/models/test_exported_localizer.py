"""ONNX Runtime predicts what `decode` returns: a box for each guess, without non-maximum suppression."""

from __future__ import annotations

import pytest
import torch

from zorki import registry
from zorki.engine.export.onnx_file import export_onnx
from zorki.types import ClassInfo, Placement

SIDE = 176  # a map of 10 x 10, which the grid of 7 does not divide


def test_onnx_predicts_as_decode(tmp_path):
    runtime = pytest.importorskip("onnxruntime")
    torch.manual_seed(0)
    model = registry.build("localizer_squeezenet1_1", 6, {"image_size": SIDE}).eval()
    with torch.no_grad():
        model.box_head.boxes.weight.mul_(30)
        model.head.conv.weight.mul_(30)
    path = export_onnx(model, tmp_path / "model.onnx", SIDE, SIDE, ClassInfo(tuple("abcdef")))
    settings = runtime.SessionOptions()
    settings.intra_op_num_threads = 1
    run = runtime.InferenceSession(str(path), settings, providers=["CPUExecutionProvider"])
    image = (torch.rand(1, 3, 11, 11) * 255).repeat_interleave(16, 2).repeat_interleave(16, 3).byte()
    xyxy, scores, labels = (torch.from_numpy(found[0]) for found in run.run(None, {"images": image.numpy()})[:3])
    with torch.no_grad():
        (wanted,) = model.decode(model(image), [Placement(SIDE, SIDE, input_height=SIDE, input_width=SIDE)])
    assert len(wanted) == len(xyxy) == 5
    torch.testing.assert_close(scores, wanted.scores, atol=1e-4, rtol=0)
    torch.testing.assert_close(xyxy, wanted.xyxy, atol=1e-2, rtol=0)
    assert torch.equal(labels, wanted.labels)
