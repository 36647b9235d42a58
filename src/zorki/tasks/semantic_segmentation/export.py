"""Segmenters as ONNX files: pixels in, a map of classes out."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jaxtyping import Float, Int64, UInt8
from torch import Tensor, nn

from zorki.errors import ZorkiError
from zorki.tasks.semantic_segmentation.networks.segmenter import Segmenter
from zorki.weights.onnx_file import need_onnx, write_onnx

OUTPUTS = ("scores", "classes")


class ExportedSegmenter(nn.Module):
    """A segmenter from uint8 pixels to maps over the input: what `decode` answers, and how sure it is.

    Raises:
        ZorkiError: the network answers in a way that no fixed graph can.
    """

    def __init__(self, model: Segmenter) -> None:
        super().__init__()
        if not model.exportable:
            raise ZorkiError(
                f"{type(model).__name__} cannot be exported: what it computes depends on the image. "
                "Export another network, such as unet, fcn or pspnet"
            )
        self.model = model

    def forward(self, images: UInt8[Tensor, "1 3 H W"]) -> tuple[Float[Tensor, "1 K H W"], Int64[Tensor, "1 H W"]]:
        """The probability of each class at each pixel of the input, and the likeliest."""
        scores = self.model(images).main.float().softmax(1)
        return scores, scores.argmax(1)


def export_onnx(
    model: Segmenter, path: Path | str, height: int, width: int, class_names: Sequence[str] | None = None
) -> Path:
    """Writes a segmenter as ONNX, for images of one size, and returns the path.

    The graph takes "images", uint8 (1, 3, height, width), prepared as `model.preprocess` does, which stands under
    "zorki.preprocess" among the file's properties; it gives "scores" (1, K, height, width), which sum to 1 at every
    pixel, and "classes", int64 (1, height, width). It has nothing but standard operators, of opset 20.

    Args:
        model: on any device; the graph is made on the CPU from its float32 weights.
        path: of the file, which is there whole or not at all.
        height, width: of the input, in pixels.
        class_names: of the labels, for the file's properties.

    Raises:
        ZorkiError: packages are missing, the network cannot be exported, or the file cannot be written.
    """
    need_onnx()
    ExportedSegmenter(model)  # refuses before anything is copied
    exported = ExportedSegmenter(copy.deepcopy(model).cpu().float().eval())
    properties: dict[str, Any] = {
        "model": type(model).__name__,
        "num_classes": model.num_classes,
        "preprocess": model.preprocess.to_json(),
    }
    if class_names is not None:
        properties["class_names"] = list(class_names)
    backbone = dict(model.named_children()).get("backbone")
    named = type(model).__name__ + (f" on {type(backbone).__name__}" if backbone is not None else "")
    return write_onnx(exported, path, height, width, outputs=OUTPUTS, properties=properties, named=named)
