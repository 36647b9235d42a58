"""Files that `zorki export` wrote: what stands in them beside the graph, and ONNX Runtime that runs it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from zorki.contracts import Preprocess
from zorki.contracts.capabilities import FitsCanvas
from zorki.data.images import Array
from zorki.data.preprocess.saved import preprocess_from_json
from zorki.devices import device_name, index_of, kind_of
from zorki.errors import DataError, RecipeError, WeightsError, ZorkiError
from zorki.input_files.json_files import parse_json
from zorki.types import ClassInfo, Padded, Placement

FORMAT = 1
"""The version of what stands in a file that this version of zorki reads."""

PREFIX = "zorki."


@dataclass(frozen=True, eq=False)
class ExportedFile:
    """What a file says of itself.

    Attributes:
        model: the network's name; `task` is the task's.
        decoding: how outputs become predictions: its "kind", and numbers for it.
        thresholds: what of the selection of predictions is part of the graph.
        max_pixels: images that are larger are refused; None: the usual limit.
        inputs: shapes of what the graph takes, by name; a free axis is None.
        graph: the session of ONNX Runtime on the CPU, by which the file was read.
        weights: where published weights came from that training began with, and their license; None: from nowhere.
        size_step: free heights and widths are multiples of it.
    """

    path: Path
    task: str
    model: str
    info: ClassInfo
    preprocess: Preprocess
    decoding: Mapping[str, Any]
    thresholds: Mapping[str, Any]
    max_pixels: int | None
    inputs: Mapping[str, tuple[int | None, ...]]
    graph: Any = field(repr=False, compare=False)
    weights: Mapping[str, Any] | None = None
    size_step: int = 1

    @property
    def batch_size(self) -> int | None:
        """Images that are predicted at once; None: any number."""
        return self.inputs["images"][0]

    def session(self, device: str = "cpu") -> Session:
        """What runs the graph on a device."""
        return Session(self, device)

    def fit(self, inputs: Any, placements: Sequence[Placement]) -> tuple[Array, list[Placement]]:
        """A batch as the graph takes it: on a larger canvas where its sizes are fixed, or multiples of a number.

        Raises:
            RecipeError: the image is larger than the graph.
        """
        images: Any = inputs.images if isinstance(inputs, Padded) else inputs
        height, width = self.inputs["images"][-2:]
        size = (
            next_multiple(images.shape[-2], self.size_step) if height is None else height,
            next_multiple(images.shape[-1], self.size_step) if width is None else width,
        )
        if images.shape[-2:] == size:
            return images, list(placements)
        fits = images.shape[-2] <= size[0] and images.shape[-1] <= size[1]
        if not isinstance(self.preprocess, FitsCanvas) or not fits:
            raise RecipeError(
                f"{self.path} takes {size[0]} x {size[1]} pixels, and this image needs {images.shape[-2]} x "
                f"{images.shape[-1]}; export the run again for inputs of such sizes, or with --any-size"
            )
        return self.preprocess.on_canvas((images, list(placements)), *size)


def next_multiple(side: int, step: int) -> int:
    """The least multiple of `step` that is not below `side`."""
    return -(-side // step) * step


def open_file(path: Path) -> ExportedFile:
    """Reads what stands in a file beside its graph.

    Raises:
        WeightsError: the file is missing, broken, of another tool, or of a newer version.
        ZorkiError: ONNX Runtime is not installed.
    """
    session = load_graph(path)
    found = session.get_modelmeta().custom_metadata_map
    own = {name.removeprefix(PREFIX): text for name, text in found.items() if name.startswith(PREFIX)}
    if not own:
        raise WeightsError(f"{path}: it is ONNX, but not written by zorki; expected a file of `zorki export`")
    values = {name: _json(path, name, text) for name, text in own.items()}
    number = values.get("format", 0)
    if not isinstance(number, int) or number > FORMAT:
        raise WeightsError(
            f"{path}: it is of format {number!r}, and this zorki reads formats up to {FORMAT}; install a newer zorki"
        )
    if number < 1:
        raise WeightsError(
            f"{path}: it was written by an older zorki, which did not say how to read its outputs; export the run again"
        )
    inputs = {one.name: tuple(_axis(side) for side in one.shape) for one in session.get_inputs()}
    try:
        return ExportedFile(
            path,
            str(values["task"]),
            str(values["model"]),
            ClassInfo.from_json(values["class_info"]),
            preprocess_from_json(values["preprocess"]),
            dict(values["decoding"]),
            dict(values.get("thresholds") or {}),
            values.get("max_pixels"),
            inputs,
            session,
            values.get("weights"),
            int(values.get("size_step", 1)),
        )
    except KeyError as error:
        raise WeightsError(f"{path}: {PREFIX}{error.args[0]} is missing; export the run again") from error
    except (RecipeError, TypeError, ValueError) as error:
        raise WeightsError(f"{path}: what it says of itself cannot be read: {error}; export the run again") from error


def _axis(side: Any) -> int | None:
    return side if isinstance(side, int) else None


def _json(path: Path, name: str, text: str) -> Any:
    try:
        return parse_json(text, f"{path}: {PREFIX}{name}")
    except DataError as error:
        if name == "model":  # older files held it bare
            return text
        raise WeightsError(f"{error}; export the run again") from error


class Session:
    """A graph on a device, asked for batches."""

    def __init__(self, file: ExportedFile, device: str) -> None:
        self._path, self._inputs = file.path, set(file.inputs)
        unknown = self._inputs - {"images", "frames"}
        if unknown:
            raise RecipeError(
                f"{file.path}: its network takes {' and '.join(sorted(unknown))} beside images, which are worked out "
                "with torch; predict with the run itself"
            )
        self._session = file.graph if kind_of(device) == "cpu" else load_graph(file.path, index_of(device) or 0)
        self._names = [one.name for one in self._session.get_outputs()]

    def __call__(self, images: Array, placements: Sequence[Placement]) -> dict[str, Array]:
        """The outputs by their names. Raises RuntimeError where the graph fails."""
        feed: dict[str, Array] = {"images": np.ascontiguousarray(images)}
        if "frames" in self._inputs:
            feed["frames"] = np.array([placement.frame for placement in placements], np.float32).reshape(-1, 4)
        try:
            found = self._session.run(self._names, feed)
        except Exception as error:  # ONNX Runtime has no kind of error of its own to catch
            raise RuntimeError(next(iter(str(error).splitlines()), type(error).__name__)) from error
        # Where C has two kinds of 64 bits, numpy's int64 is the other one.
        outputs = (one.view(np.int64) if one.dtype == np.int64 else one for one in found)
        return dict(zip(self._names, outputs, strict=True))


def choose_device(device: str | int | None) -> str:
    """The device that was asked for; None: a GPU where ONNX Runtime has one. Raises RecipeError without such."""
    runtime = _runtime()
    there = runtime.get_available_providers()
    if device is None:
        return "cuda" if "CUDAExecutionProvider" in there else "cpu"
    device = device_name(str(device))
    if kind_of(device) not in ("cpu", "cuda"):
        raise RecipeError(f"device is {device!r}; exported files run on cpu and cuda")
    if kind_of(device) == "cuda" and "CUDAExecutionProvider" not in there:
        raise RecipeError(
            f"device is {device!r}, and this ONNX Runtime knows the processor alone; install onnxruntime-gpu in its "
            "place, or leave the device out"
        )
    return device


def _runtime() -> Any:
    try:
        import onnxruntime  # type: ignore[import-untyped]
    except ImportError as error:
        raise ZorkiError("exported files need onnxruntime: install it with pip install 'zorki[export]'") from error
    return onnxruntime


def load_graph(path: Path, gpu: int | None = None) -> Any:
    """A session of ONNX Runtime on the CPU, or on a GPU of that number.

    Raises:
        WeightsError: there is no such file, or ONNX Runtime cannot read it.
        ZorkiError: ONNX Runtime is not installed.
    """
    runtime = _runtime()
    if not path.is_file():
        raise WeightsError(f"{path}: there is no such file; `zorki export RUN --out {path.name}` writes one")
    options = runtime.SessionOptions()
    options.log_severity_level = 3  # its warnings are about its own insides
    providers: list[Any] = ["CPUExecutionProvider"]
    if gpu is not None:
        providers.insert(0, ("CUDAExecutionProvider", {"device_id": gpu}))
    try:
        return runtime.InferenceSession(str(path), options, providers=providers)
    except Exception as error:  # ONNX Runtime has no kind of error of its own to catch
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise WeightsError(f"{path}: it is no ONNX file, or a broken one: {reason}") from error
