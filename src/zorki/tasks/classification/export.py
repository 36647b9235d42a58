"""Classifiers as ONNX files: pixels in, a probability for each class out."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jaxtyping import Float, UInt8
from torch import Tensor, nn

from zorki.tasks.classification.classifier import Classifier
from zorki.weights.onnx_file import need_onnx, write_onnx


class ExportedClassifier(nn.Module):
    """A classifier from uint8 pixels to probabilities: what `decode` answers as scores."""

    def __init__(self, model: Classifier) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: UInt8[Tensor, "1 3 H W"]) -> Float[Tensor, "1 K"]:
        """The softmax of the logits."""
        return self.model(images).main.float().softmax(1)  # type: ignore[no-any-return]


def export_onnx(
    model: Classifier, path: Path | str, height: int, width: int, class_names: Sequence[str] | None = None
) -> Path:
    """Writes a classifier as ONNX, for images of one size, and returns the path.

    The graph takes "images", uint8 (1, 3, height, width), prepared as `model.preprocess` does, which stands under
    "zorki.preprocess" among the file's properties; it gives "scores" (1, K), which sum to 1.

    Args:
        model: on any device; the graph is made on the CPU from its float32 weights.
        path: of the file, which is there whole or not at all.
        height, width: of the input, in pixels.
        class_names: of the labels, for the file's properties.

    Raises:
        ZorkiError: packages are missing, the network cannot be exported, or the file cannot be written.
    """
    need_onnx()
    exported = ExportedClassifier(copy.deepcopy(model).cpu().float().eval())
    properties: dict[str, Any] = {
        "model": type(model).__name__,
        "num_classes": model.num_classes,
        "preprocess": model.preprocess.to_json(),
    }
    if class_names is not None:
        properties["class_names"] = list(class_names)
    named = f"{type(model).__name__} on {type(model.backbone).__name__}"
    return write_onnx(exported, path, height, width, outputs=("scores",), properties=properties, named=named)
