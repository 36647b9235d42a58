"""Detectors as ONNX files: pixels in, boxes out, and nothing of Python between."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor, nn

from zorki.data.preprocess.letterbox import Letterbox
from zorki.data.preprocess.shortest_edge import ShortestEdge
from zorki.errors import ZorkiError
from zorki.nn.layers.canvas import covered_lines, frames_of
from zorki.ops.boxes import clip_boxes
from zorki.tasks.detection.networks.detector import Detector
from zorki.types import Padded
from zorki.weights.onnx_file import need_onnx, write_onnx

OUTPUTS = ("xyxy", "scores", "labels")


class ExportedDetector(nn.Module):
    """A detector from uint8 pixels to boxes, made of tensors alone: what `decode` answers, in network pixels.

    The whole input counts as the image: where there is a canvas around it, boxes on it are answered too. Networks that
    take `Padded` images see the canvas by its color; an image with outer lines of that very color loses them. One image
    at a time, of one size: anchors become constants. How many boxes come out depends on the image, at most
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
                f"{type(model).__name__} has two stages, and how many regions it looks at depends on the image: "
                "it cannot be exported. Export a detector of one stage: ssd, retinanet, fcos, yolo1, yolo3 or detr"
            )
        self.model = model

    def forward(
        self, images: UInt8[Tensor, "1 3 H W"]
    ) -> tuple[Float[Tensor, "N 4"], Float[Tensor, " N"], Int[Tensor, " N"]]:
        """Boxes in pixels of the input, scores in 0..1, labels; best first."""
        found = self.model.candidates(self.model(self._padded(images)))
        xyxy, scores, labels = found.xyxy[0].float(), found.scores[0].float(), found.labels[0]
        height, width = images.shape[-2:]
        xyxy = clip_boxes(xyxy, height, width)
        # What has no area in the image answers nothing, as in `decode`.
        scores = torch.where((xyxy[:, 2:] > xyxy[:, :2]).all(1), scores, -1.0)
        order = self._best_first(xyxy, scores, labels)
        keep = order[scores[order] > self.model.min_score][: self.model.max_boxes]
        return xyxy[keep], scores[keep], labels[keep]

    def _padded(self, images: UInt8[Tensor, "1 3 H W"]) -> Tensor | Padded:
        """With where the image lies, for networks that want it: a file is given pixels, so by the canvas's color."""
        preprocess = self.model.preprocess
        if not isinstance(preprocess, Letterbox | ShortestEdge) or not preprocess.padded:
            return images
        return Padded(images, frames_of(*covered_lines(images, preprocess.canvas)))

    def _best_first(
        self, xyxy: Float[Tensor, "N 4"], scores: Float[Tensor, " N"], labels: Int[Tensor, " N"]
    ) -> Int[Tensor, " M"]:
        if self.model.max_iou is None:
            return scores.topk(len(scores)).indices
        from torchvision.ops import nms  # takes seconds to import; many uses of boxes need it not

        # Every class gets a place of its own, so that boxes of two classes never meet.
        span = xyxy.max() - xyxy.min() + 1
        return nms(xyxy + (labels * span)[:, None], scores, self.model.max_iou)


def export_onnx(
    model: Detector[Any], path: Path | str, height: int, width: int, class_names: Sequence[str] | None = None
) -> Path:
    """Writes a detector as ONNX, for images of one size, and returns the path.

    The graph takes "images", uint8 (1, 3, height, width), prepared as `model.preprocess` does, which stands under
    "zorki.preprocess" among the file's properties; it gives "xyxy" (N, 4) in pixels of that input, "scores" (N) and
    "labels" (N), best first. It has nothing but standard operators, of opset 20.

    Args:
        model: a detector of one stage, on any device; the graph is made on the CPU from its float32 weights.
        path: of the file, which is there whole or not at all.
        height, width: of the input, in pixels.
        class_names: of the labels, for the file's properties.

    Raises:
        ZorkiError: packages are missing, the detector cannot be exported, or the file cannot be written.
    """
    need_onnx()
    ExportedDetector(model)  # refuses before anything is copied
    exported = ExportedDetector(copy.deepcopy(model).cpu().float().eval())
    properties: dict[str, Any] = {
        "model": type(model).__name__,
        "num_classes": model.num_classes,
        "preprocess": model.preprocess.to_json(),
    }
    if class_names is not None:
        properties["class_names"] = list(class_names)
    named = f"{type(model).__name__} on {type(model.backbone).__name__}"
    return write_onnx(exported, path, height, width, outputs=OUTPUTS, properties=properties, named=named)
