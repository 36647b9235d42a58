"""Operators that we translate ourselves do in ONNX Runtime what they do in PyTorch."""

import pytest
import torch
from torch import nn
from torchvision.ops import roi_pool

from zorki.engine.export.translations import translations
from zorki.ops.fixed_nms import fixed_nms


class BoxesAndBins(nn.Module):
    """NMS within each image and class, and the largest of each bin of a region."""

    def forward(self, boxes, scores, labels, maps, rows):
        found = fixed_nms(boxes, scores, labels, min_score=0.2, max_iou=0.4, most=12)
        return *found.tensors(), roi_pool(maps, rows, (3, 2), 0.25)


def made(seed):
    generator = torch.Generator().manual_seed(seed)
    corners = torch.rand((2, 40, 2), generator=generator) * 30
    boxes = torch.cat([corners, corners + 4 + torch.rand((2, 40, 2), generator=generator) * 12], 2)
    scores = torch.rand((2, 40), generator=generator)
    labels = torch.randint(0, 2, (2, 40), generator=generator)
    rows = torch.cat([torch.tensor([0.0, 1.0]).repeat(10)[:, None], boxes[0, :20]], 1)
    return boxes, scores, labels, torch.randn((2, 3, 12, 12), generator=generator), rows


def test_onnx_runtime_does_the_same(tmp_path):
    runtime = pytest.importorskip("onnxruntime")
    network, path = BoxesAndBins().eval(), tmp_path / "model.onnx"
    names = ("xyxy", "scores", "labels", "count", "pooled")
    program = torch.onnx.export(
        network, made(0), dynamo=True, opset_version=20, custom_translation_table=translations(), verbose=False,
        output_names=list(names), input_names=["a", "b", "c", "d", "e"],
    )  # fmt: skip
    program.save(str(path))
    session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    for seed in (0, 1):
        given = made(seed)
        inputs = {one.name: value.numpy() for one, value in zip(session.get_inputs(), given, strict=True)}
        for name, found, expected in zip(names, session.run(None, inputs), network(*given), strict=True):
            torch.testing.assert_close(torch.from_numpy(found), expected, msg=lambda text, name=name: f"{name}: {text}")
        assert 0 < int(network(*given)[3].min()) <= 12
