"""A run or an exported file, asked about images in memory: the same predictions as `zorki predict` writes."""

from __future__ import annotations

import base64
import dataclasses
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from zorki.contracts.capabilities import TakesReducedImages
from zorki.data.images import JPEG_SIDE, MAX_PIXELS, TooManyPixels, decode_array, encode_image, image_size
from zorki.engine.prediction.predict import FAULTS
from zorki.engine.prediction.predictors.exported import ExportedModel
from zorki.engine.prediction.predictors.predictor import check_device, open_predictable, open_predictors
from zorki.engine.prediction.result import Result
from zorki.engine.prediction.selection import Classes, keep_selected, selection_of
from zorki.engine.prediction.sources import Source
from zorki.engine.serving.limits import Refusal
from zorki.errors import DataError, RecipeError, ZorkiError
from zorki.files import plain
from zorki.input_files.content import read_bytes
from zorki.installed import own_version
from zorki.types import ClassInfo


@dataclasses.dataclass(frozen=True)
class Upload:
    """The bytes of an image's file, under a name for messages and results."""

    name: str
    data: bytes


@dataclasses.dataclass(frozen=True)
class Predicted:
    """A prediction, and height and width of the image that it is of."""

    prediction: Any
    height: int
    width: int


class ServedModel:
    """What a server predicts with.

    Args:
        run: a run's folder, a model's name with `weights`, or an exported file, which needs no torch.
        conf, iou, max_det, classes, device: as `predict`.

    Raises:
        ZorkiError: there is no such run or file, it predicts no single images, or a setting that it does not have.
    """

    def __init__(
        self,
        run: str | Path | ExportedModel,
        *,
        weights: str | Path | None = None,
        conf: float | None = None,
        iou: float | None = None,
        max_det: int | None = None,
        classes: Classes | None = None,
        device: str | int | None = None,
        max_pixels: int = MAX_PIXELS,
    ) -> None:
        (opened,) = open_predictable(run, weights, None)
        self.run, self.task = opened, opened.task
        if self.task.unit != "image":
            raise RecipeError(f"{opened.folder} predicts {self.task.unit}s, and a server is asked about images")
        self.selection = selection_of(conf, iou, max_det, classes, opened.info.names)
        self.info: ClassInfo = opened.info if conf is None else dataclasses.replace(opened.info, score_threshold=conf)
        self.device = check_device([opened], device)
        (self.predictor,) = open_predictors([opened], self.selection, self.device, None)
        self.max_pixels = min(max_pixels, opened.recipe.max_pixels or MAX_PIXELS)

    @property
    def name(self) -> str:
        """Of the network."""
        return str(self.run.model_name)

    def about(self) -> dict[str, Any]:
        """What /info tells."""
        weights = self.run.file.weights if isinstance(self.run, ExportedModel) else _weights_of(self.run)
        return {
            "model": self.name,
            "task": self.task.name,
            "class_names": list(self.info.names),
            "score_threshold": self.info.score_threshold,
            "preprocess": plain(self.predictor.preprocess.to_json()),
            "weights": weights,
            "file": Path(self.run.folder).name,
            "runtime": "onnxruntime" if isinstance(self.run, ExportedModel) else "torch",
            "device": self.device,
            "zorki": own_version(),
        }

    def check(self, upload: Upload) -> tuple[int, int]:
        """Height and width of an image, by its header. Raises Refusal where it is none, or has too many pixels."""
        if not upload.data:
            raise Refusal(422, f"{upload.name}: the file is empty (0 bytes)")
        try:
            height, width = image_size(upload.data)
        except DataError as error:
            raise Refusal(422, f"{upload.name}: {error}") from error
        if height * width > self.max_pixels:
            raise Refusal(413, f"{upload.name}: {_too_many(height, width, self.max_pixels)}")
        return height, width

    def decode(self, upload: Upload) -> np.ndarray:
        """The image (3, H, W), as `zorki predict` decodes it. Raises Refusal where it cannot be read."""
        try:
            return decode_array(
                upload.data, Path(upload.name), max_pixels=self.max_pixels, shorter_side=self._decoded_side
            )
        except TooManyPixels as error:
            raise Refusal(413, str(error)) from error
        except DataError as error:
            raise Refusal(422, str(error)) from error

    @property
    def _decoded_side(self) -> int | None:
        preprocess = self.predictor.preprocess
        return preprocess.decoded_side if isinstance(preprocess, TakesReducedImages) else None

    def predict(self, images: Sequence[np.ndarray]) -> list[Any]:
        """Predictions for the images. Raises what the network raises on any of them."""
        inputs, placements = self.predictor.prepare([self.predictor.convert(image) for image in images])
        return [keep_selected(one, self.selection) for one in self.predictor.predict(inputs, placements)]

    def result(self, upload: Upload, predicted: Predicted) -> Result:
        """The prediction as a result; its image is decoded only where it is drawn."""
        source = Source(None, upload.name, "image", upload.name)
        return Result(
            predicted.prediction, self.info, self.task.presentation, upload.name, predicted.height, predicted.width,
            source,
        )  # fmt: skip


def record_of(
    result: Result, *, conf: float | None = None, classes: Classes | None = None, files: bool = False
) -> tuple[Result, dict[str, Any]]:
    """The result with what was asked for, and its record in the keys of predictions.json.

    Args:
        files: with the files that the task gives a prediction, such as a map of classes, as data: addresses.

    Raises:
        Refusal: the prediction has no scores, or no such classes.
    """
    try:
        if conf is not None or classes is not None:
            result = result.filter(conf, classes)
        record = result.to_json()
    except ZorkiError as error:
        raise Refusal(400, str(error)) from error
    if record.get("drawn") is None:
        record.pop("drawn", None)
    if files:
        with tempfile.TemporaryDirectory(prefix="zorki-") as folder:
            found = result.presentation.write_files(
                result.annotation, result.info, lambda _, suffix: Path(folder, f"file{suffix}")
            )
            record |= {name: _inline(value) if isinstance(value, Path) else value for name, value in found.items()}
    record["caption"] = result.caption
    return result, plain(record)


def drawing(result: Result, upload: Upload, max_pixels: int) -> str:
    """The image with its prediction on it, as a data: address."""
    image = decode_array(upload.data, Path(upload.name), max_pixels=max_pixels)
    drawn = result.presentation.draw(image, result.annotation, result.info)
    kind = "jpeg" if max(drawn.shape[1:]) <= JPEG_SIDE else "png"
    return f"data:image/{kind};base64,{base64.b64encode(encode_image(drawn, kind)).decode()}"


def predict_each(model: ServedModel, images: Sequence[np.ndarray]) -> list[Any]:
    """A prediction for each image, or a Refusal: where a batch fails, each of it is predicted alone."""
    try:
        return model.predict(images)
    except (ZorkiError, *FAULTS) as error:
        if len(images) > 1:
            return [one for image in images for one in predict_each(model, [image])]
        if isinstance(error, ZorkiError):
            return [Refusal(422, str(error))]
        reason = next(iter(str(error).splitlines()), "") or type(error).__name__
        return [Refusal(500, f"the network fails on this image: {reason}")]


def _weights_of(run: Any) -> dict[str, Any] | None:
    from zorki.engine.publishing.weights_source import weights_source

    return weights_source(run.model_name, run.recipe.weights)


def _too_many(height: int, width: int, most: int) -> str:
    return f"the image is {width} x {height}, {width * height:,} pixels, and at most {most:,} are allowed"


def _inline(path: Path) -> str:
    data = read_bytes(path)
    kind = {".png": "image/png", ".jpg": "image/jpeg"}.get(path.suffix, "application/octet-stream")
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"
