"""Detectors as ONNX files: pixels in, boxes out, and nothing of Python between."""

from __future__ import annotations

import copy
import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor, nn

from zorki.errors import ZorkiError
from zorki.files import whole
from zorki.ops.boxes import clip_boxes
from zorki.tasks.detection.detector import Detector

OPSET = 20
INPUTS = ("pictures",)
OUTPUTS = ("xyxy", "scores", "labels")


class ExportedDetector(nn.Module):
    """A detector from uint8 pixels to boxes, made of tensors alone: what `decode` answers, in network pixels.

    The whole input counts as the picture: where there is a canvas around it, boxes on it are answered too. One picture
    at a time, of one size: anchors become constants. How many boxes come out depends on the picture, at most
    the detector's `max_boxes`, best first.

    Args:
        model: of one stage, in evaluation mode.

    Raises:
        ZorkiError: the detector looks at regions one by one, so that nothing in it has a fixed size.
    """

    def __init__(self, model: Detector[Any]) -> None:
        super().__init__()
        if not model.exportable:
            raise ZorkiError(
                f"{type(model).__name__} has two stages, and how many regions it looks at depends on the picture: "
                "it cannot be exported. Export a detector of one stage: ssd, retinanet, fcos, yolo1, yolo3 or detr"
            )
        self.model = model

    def forward(
        self, pictures: UInt8[Tensor, "1 3 H W"]
    ) -> tuple[Float[Tensor, "N 4"], Float[Tensor, " N"], Int[Tensor, " N"]]:
        """Boxes in pixels of the input, scores in 0..1, labels; best first."""
        found = self.model.candidates(self.model(pictures))
        xyxy, scores, labels = found.xyxy[0].float(), found.scores[0].float(), found.labels[0]
        height, width = pictures.shape[-2:]
        xyxy = clip_boxes(xyxy, height, width)
        # What has no area in the picture answers nothing, as in `decode`.
        scores = torch.where((xyxy[:, 2:] > xyxy[:, :2]).all(1), scores, -1.0)
        order = self._best_first(xyxy, scores, labels)
        keep = order[scores[order] > self.model.min_score][: self.model.max_boxes]
        return xyxy[keep], scores[keep], labels[keep]

    def _best_first(
        self, xyxy: Float[Tensor, "N 4"], scores: Float[Tensor, " N"], labels: Int[Tensor, " N"]
    ) -> Int[Tensor, " M"]:
        if self.model.max_iou is None:
            return scores.topk(len(scores)).indices
        from torchvision.ops import nms  # takes seconds to import; many uses of boxes need it not

        # Every class gets a place of its own, so that boxes of two classes never meet.
        span = xyxy.max() - xyxy.min() + 1
        return nms(xyxy + (labels * span)[:, None], scores, self.model.max_iou)


def export_onnx(model: Detector[Any], path: Path | str, height: int, width: int) -> Path:
    """Writes a detector as ONNX, for pictures of one size, and returns the path.

    The graph takes "pictures", uint8 (1, 3, height, width), prepared as `model.preprocess` does, which stands under
    "zorki.preprocess" among the file's properties; it gives "xyxy" (N, 4) in pixels of that input, "scores" (N) and
    "labels" (N), best first. It has nothing but standard operators, of opset 20.

    Args:
        model: a detector of one stage, on any device; the graph is made on the CPU from its float32 weights.
        path: of the file, which is there whole or not at all.
        height, width: of the input, in pixels.

    Raises:
        ZorkiError: packages are missing, the detector cannot be exported, or the file cannot be written.
    """
    _need("onnx", "onnxscript")
    ExportedDetector(model)  # refuses before anything is copied
    exported = ExportedDetector(copy.deepcopy(model).cpu().float().eval())
    program = _converted(exported, torch.zeros((1, 3, height, width), dtype=torch.uint8))
    program.model.metadata_props.update(
        {
            "zorki.model": type(model).__name__,
            "zorki.num_classes": str(model.num_classes),
            "zorki.preprocess": json.dumps(model.preprocess.to_json()),
        }
    )
    path = Path(path)
    with whole(path) as aside:
        program.save(str(aside), external_data=False)
    return path


def _converted(exported: ExportedDetector, pictures: Tensor) -> torch.onnx.ONNXProgram:
    try:
        with _quietly(), torch.no_grad():
            program = torch.onnx.export(
                exported,
                (pictures,),
                dynamo=True,
                opset_version=OPSET,
                input_names=INPUTS,
                output_names=OUTPUTS,
                verbose=False,
            )
    except torch.onnx.OnnxExporterError as error:
        reasons = str(error.__cause__ or error).strip().splitlines()
        raise ZorkiError(
            f"{type(exported.model).__name__} on {type(exported.model.backbone).__name__} cannot be written as ONNX: "
            f"{reasons[0] if reasons else error}. Export it on another backbone"
        ) from error
    assert program is not None  # None is what the older exporter returns
    return program


def _need(*packages: str) -> None:
    import importlib.util

    missing = [package for package in packages if importlib.util.find_spec(package) is None]
    if missing:
        raise ZorkiError(f"writing ONNX needs {' and '.join(missing)}: install them with pip install 'zorki[export]'")


@contextmanager
def _quietly() -> Iterator[None]:
    """Without the warnings about its own insides that PyTorch's exporter gives on every graph."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
