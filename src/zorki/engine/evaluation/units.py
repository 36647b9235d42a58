"""How a model predicts one batch, whatever its task's unit is: images and clips at once, videos frame by frame."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from zorki.contracts import Model, Preprocess, Task
from zorki.contracts.capabilities import EvaluatesViews, Tracks
from zorki.engine.device import laid_out
from zorki.errors import RecipeError
from zorki.types import Batch, Placement


class WholeVideos:
    """Preprocessing where there is none: a model that tracks takes the frames as they are, one by one."""

    size = 0

    def __call__(
        self, images: Sequence[Tensor], generators: Sequence[torch.Generator] | None = None
    ) -> tuple[list[Tensor], list[Placement]]:
        """The videos (T, 3, H, W) themselves."""
        sizes = [(int(video.shape[-2]), int(video.shape[-1])) for video in images]
        return list(images), [Placement(*size, input_height=size[0], input_width=size[1]) for size in sizes]

    def whole(self) -> WholeVideos:
        return self

    def to_json(self) -> dict[str, Any]:
        return {"kind": "WholeVideos"}


def eval_preprocess(model: Model[Any, Any, Any], task: Task[Any, Any]) -> Preprocess:
    """What makes of samples the inputs of `predict_batch`."""
    if task.unit == "video":
        return WholeVideos()
    return model.preprocess.evaluated() if isinstance(model.preprocess, EvaluatesViews) else model.preprocess


def predict_batch(
    model: Model[Any, Any, Any], batch: Batch[Any], task: Task[Any, Any]
) -> tuple[dict[str, Tensor], list[Any]]:
    """Losses, of which videos have none, and predictions, for a batch that is on the model's device.

    Raises:
        RecipeError: the task is about videos, and the model follows nothing through them.
    """
    if task.unit == "video":
        tracked = zip(batch.inputs, batch.targets, strict=True)
        found = [list(track(model, video, task.data.prompt(target))) for video, target in tracked]
        sizes = [(placement.height, placement.width) for placement in batch.placements]
        return {}, [task.evaluation.join(frames, size) for frames, size in zip(found, sizes, strict=True)]
    outputs = model(laid_out(batch.inputs, model))
    return model.loss(outputs, batch.placed), model.decode(outputs, batch.placements)


def track(model: Model[Any, Any, Any], frames: Iterable[Tensor], prompt: Any) -> Iterator[Any]:
    """The prediction for each frame; that of the first is the prompt.

    Args:
        frames: uint8 (3, H, W) each.
        prompt: what the model is told of the first frame, such as the box of the object.
    """
    if not isinstance(model, Tracks):
        raise RecipeError(f"{type(model).__name__} follows nothing through a video; expected `start` and `step`")
    state: Any = None
    for number, frame in enumerate(frames):
        if number == 0:
            state = model.start(frame, prompt)
            yield prompt
        else:
            state, prediction = model.step(state, frame)
            yield prediction
