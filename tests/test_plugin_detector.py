"""A new detector touches no file beside its own: it joins from a folder, trains, opens, predicts and is exported."""

import json
import sys

import pytest
import torch

import zorki
from zorki import registry
from zorki.engine.export.onnx_file import export_onnx

DETECTOR = '''
"""One box for each cell of a grid."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from zorki.data.preprocess.letterbox import Letterbox
from zorki.nn.backbones.backbone import Backbone
from zorki.registry import model
from zorki.tasks.detection.networks.detector import Detector, NmsCandidates
from zorki.tasks.detection.networks.target_assignment import stack_ground_truths
from zorki.tasks.detection.task import Detection
from zorki.types import Boxes


class Cells(Backbone):
    channels, strides = (16,), (16,)

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, 16, 16, stride=16)

    def forward(self, x: Tensor) -> list[Tensor]:
        return [self.layer(x).relu()]

    def stages(self) -> list[nn.Module]:
        return [self.layer]


@dataclass
class CellOutputs:
    boxes: Tensor  # (B, N, 4): shares of the input
    logits: Tensor  # (B, N, K)
    size: tuple[int, int]


torch.export.register_dataclass(CellOutputs)


class CellDetector(Detector[CellOutputs]):
    def __init__(self, num_classes: int, image_size: int) -> None:
        super().__init__(
            Cells(), num_classes=num_classes, preprocess=Letterbox(image_size, stride=16),
            min_score=0.0, max_iou=0.5, max_boxes=20,
        )
        self.output = nn.Conv2d(16, 4 + num_classes, 1)

    def forward(self, inputs: Tensor) -> CellOutputs:
        rows = self.output(self.backbone(self.normalize(inputs))[-1]).flatten(2).transpose(1, 2)
        return CellOutputs(rows[..., :4].sigmoid(), rows[..., 4:], (inputs.shape[2], inputs.shape[3]))

    def loss(self, outputs: CellOutputs, targets: Sequence[Boxes]) -> dict[str, Tensor]:
        ground_truths = stack_ground_truths(targets, outputs.boxes.device)
        first = ground_truths.xyxy[:, :1] / outputs.boxes.new_tensor([*outputs.size[::-1]] * 2)
        labels = functional.one_hot(ground_truths.labels[:, :1], self.num_classes).float().expand_as(outputs.logits)
        return {
            "boxes": (outputs.boxes - first).abs().mean(),
            "classes": functional.binary_cross_entropy_with_logits(outputs.logits, labels),
        }

    def candidates(self, outputs: CellOutputs) -> NmsCandidates:
        scale = outputs.boxes.new_tensor([*outputs.size[::-1]] * 2)
        low, high = outputs.boxes[..., :2], outputs.boxes[..., 2:]
        xyxy = torch.cat([torch.minimum(low, high), torch.maximum(low, high) + 0.01], -1) * scale
        scores, labels = outputs.logits.sigmoid().max(-1)
        return NmsCandidates(xyxy, scores, labels)


@model(Detection)
def cell_detector(num_classes: int, *, image_size: int = 64) -> CellDetector:
    """One box for each cell of a grid."""
    return CellDetector(num_classes, image_size)
'''


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    registry._discover()
    for name in ("_entries", "_families", "_plugins"):
        monkeypatch.setattr(registry, name, dict(getattr(registry, name)))
    folder = tmp_path / "methods"
    folder.mkdir()
    file = folder / "cell_detector.py"
    file.write_text(DETECTOR)
    yield file
    for name in [name for name in sys.modules if name.startswith("zorki_plugin_")]:
        del sys.modules[name]


def test_a_detector_from_a_folder_trains_opens_predicts_and_is_exported(plugin, tmp_path):
    assert zorki.load_plugin(plugin) == ["cell_detector"]
    settings = {"epochs": 1, "batch_size": 4, "limit": 4, "workers": 0, "quiet": True, "out": str(tmp_path / "runs")}
    run = zorki.train("cell_detector", "scenes:20@64", **settings)
    about = json.loads((run.folder / "run.json").read_text())
    assert about["model"] == "cell_detector"
    again = zorki.load(run.folder)
    image = torch.randint(0, 256, (1, 3, 64, 64), dtype=torch.uint8)
    with torch.no_grad():
        ours, theirs = run.model.eval()(image), again.model(image)
    # Equal but for rounding: the trained network's weights lie channels last in memory, those just read do not.
    torch.testing.assert_close(ours.logits, theirs.logits)
    assert isinstance(again.model, torch.nn.Module)
    (result,) = again.predict(image[0], quiet=True)
    assert len(result) > 0
    pytest.importorskip("onnxscript")
    path = export_onnx(again.model, tmp_path / "cells.onnx", 64, 64, again.info)
    assert path.stat().st_size > 0
