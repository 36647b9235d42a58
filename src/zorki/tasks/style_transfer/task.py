"""Style transfer: what would this image look like in the style of another?"""

from __future__ import annotations

from zorki.contracts import Task
from zorki.tasks.style_transfer.data import StyleTransferData
from zorki.tasks.style_transfer.evaluation import StyleTransferEvaluation
from zorki.tasks.style_transfer.presentation import StyleTransferPresentation
from zorki.tasks.style_transfer.settings import StyleTransferSettings
from zorki.types import Annotation, GeneratedImage


class StyleTransfer(Task[Annotation, GeneratedImage]):
    """An image for an image: its content in a style that was given, or that a network was trained for."""

    name = "style_transfer"
    monitor = "unclipped"
    summary = "What would this image look like in the style of another?"
    pipeline_tag = "image-to-image"
    keeps_last = True  # how beautiful an image is no score tells
    settings = StyleTransferSettings
    data = StyleTransferData()
    evaluation = StyleTransferEvaluation()
    presentation = StyleTransferPresentation()
