"""Objects followed through a video, a frame at a time: as much memory for an hour as for a second."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Generator, Iterator, Mapping
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import torch
from jaxtyping import UInt8
from torch import Tensor

from zorki.contracts.capabilities import Tracks
from zorki.devices import kind_of
from zorki.engine.device import autocast, best_precision, check_device, on_device
from zorki.engine.prediction.inference import predict_images
from zorki.engine.prediction.sources import Source, expand
from zorki.engine.prediction.video import TimedFrame
from zorki.engine.run.open import RunLike, TrainedModel, open_run
from zorki.engine.video_tracks.prompts import boxes_from_rows
from zorki.errors import DataError, RecipeError
from zorki.ops.boxes import nms
from zorki.types import Boxes

SAME_OBJECT = 0.5
"""IoU from which on boxes of several classes are one object."""


class FollowedFrame(NamedTuple):
    """A frame with the boxes of the objects in it, in the order in which they were given.

    `given` tells whether these are boxes that the model was told here; before the first of them there is no box.
    """

    number: int
    seconds: float
    image: UInt8[Tensor, "3 H W"]
    boxes: Boxes
    given: bool


def follow(
    run: RunLike,
    source: Any,
    boxes: Mapping[int, Boxes],
    *,
    weights: str | Path | None = None,
    options: Mapping[str, str] | None = None,
    device: str | int | None = None,
    precision: str | None = None,
    fps: float = 25.0,
    max_frames: int | None = None,
) -> Generator[FollowedFrame, None, None]:
    """Every frame of a video with the boxes of the objects in it.

    Args:
        run: of a model that tracks; or its name with `weights`.
        source: a video, a camera's number, an address, or a folder or glob of images, which are its frames.
        boxes: of all objects, by the number of the frame, from 0 on, in which they are told; later ones begin anew.
        precision: "32" or "bf16"; None: bf16 where the device is quick at it.
        fps: frames a second of a folder of images.

    Raises:
        ZorkiError: no such run or source, a box is empty or lies outside of its frame, no frame has a given box, or
            the video breaks off: after the frames before the break.
    """
    opened = run if isinstance(run, TrainedModel) else open_run(run, weights, options=options)
    where = check_device(device)
    precision = best_precision(kind_of(where))[0] if precision is None else precision
    model: Any = on_device(opened.model, where).eval()
    if not isinstance(model, Tracks):
        raise RecipeError(f"{opened.model_name} follows nothing through a video; `zorki models` lists what does")
    if not boxes:
        raise RecipeError("nothing to follow: give the box of an object")
    state: Any = None
    last = -1
    with contextlib.closing(frames_of(source, fps)) as stream:
        for frame in islice(stream, max_frames):
            number, seconds, image = frame.number, frame.seconds, frame.image
            last = number
            # A live stream may have dropped the very frame.
            prompt = next((boxes[place] for place in sorted(boxes, reverse=True) if _due(place, number, state)), None)
            if prompt is not None:
                with torch.inference_mode(), autocast(where, precision):
                    state = (number, _start(model, image, prompt, number))
                yield FollowedFrame(number, seconds, image, prompt, True)
            elif state is None:
                yield FollowedFrame(number, seconds, image, boxes_from_rows([]), False)
            else:
                with torch.inference_mode(), autocast(where, precision):
                    moved, found = model.step(state[1], image)
                state = (state[0], moved)
                yield FollowedFrame(number, seconds, image, found, False)
    late = [place for place in boxes if place > last]
    if late:
        raise RecipeError(f"a box is given in frame {min(late)}, and the last frame was {last} (the first is 0)")


def _due(place: int, number: int, state: Any) -> bool:
    """Whether the boxes of a frame are still to be told at this one."""
    return place <= number and (state is None or state[0] < place)


def _start(model: Any, image: Tensor, prompt: Boxes, number: int) -> Any:
    try:
        return model.start(image, prompt)
    except RecipeError as error:
        raise RecipeError(f"frame {number}: {error}") from error


def detected_boxes(detector: RunLike, source: Any, *, device: str | int | None = None, fps: float = 25.0) -> Boxes:
    """The boxes that a detector's run finds in the first frame, one an object, whatever its class.

    Raises:
        ZorkiError: as `follow`, the run finds no boxes at all, or none here.
    """
    opened = detector if isinstance(detector, TrainedModel) else open_run(detector)
    where = check_device(device)
    with contextlib.closing(frames_of(source, fps)) as stream:
        first = next(stream).image
    (found,) = predict_images(on_device(opened.model, where).eval(), [first], where)
    if not isinstance(found, Boxes):
        raise RecipeError(f"{opened.folder} is a run of {opened.task.name}; expected one that finds boxes")
    shown = opened.task.presentation.shown(found, opened.info)
    if not len(shown):
        raise DataError(f"{opened.folder} finds no object in the first frame; give --box x,y,width,height")
    return without_classes(shown)


def without_classes(found: Boxes) -> Boxes:
    """One box for an object that a detector found as several classes, since a tracker knows none; the best first."""
    labels = torch.zeros(len(found), dtype=torch.int64)
    scores = torch.ones(len(found)) if found.scores is None else found.scores.cpu()
    kept = nms(found.xyxy.cpu(), scores, labels, SAME_OBJECT)
    return Boxes(found.xyxy.cpu()[kept], labels[kept])


def frames_of(source: Any, fps: float = 25.0) -> Generator[TimedFrame, None, None]:
    """The frames of one video, or the images of a folder in the order of the numbers in their names.

    Raises:
        DataError: the source is neither, or cannot be read to its end: after the frames before.
    """
    found = expand(source)
    if all(one.kind == "image" for one in found):
        for number, one in enumerate(sorted(found, key=_by_numbers)):
            yield TimedFrame(number, number / fps, one.array())
    elif len(found) == 1:
        yield from found[0].timed_frames()
    else:
        videos = sum(one.kind != "image" for one in found)
        raise DataError(f"{source}: {len(found)} files, {videos} of them videos; expected one video, or images alone")


def rate_of(source: Any, fps: float = 25.0) -> Fraction:
    """Frames a second."""
    found = expand(source)
    single = len(found) == 1 and found[0].kind != "image"
    return found[0].frame_rate() if single else Fraction(fps).limit_denominator(1000)


def _by_numbers(source: Source) -> list[tuple[int, str]]:
    parts = re.split(r"(\d+)", source.name)
    return [(int(part), "") if part.isdecimal() and len(part) < 18 else (-1, part) for part in parts]


def until_error(stream: Iterator[FollowedFrame], errors: list[BaseException]) -> Iterator[FollowedFrame]:
    """The frames up to where the video breaks off or somebody stops it, so that what was followed is kept."""
    try:
        yield from stream
    except (DataError, RecipeError, KeyboardInterrupt) as error:
        errors.append(error)
