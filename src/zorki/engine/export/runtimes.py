"""What runs exported files, by the ends of their names: ONNX Runtime, OpenVINO, PyTorch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np

from zorki.errors import ZorkiError
from zorki.exported.file import load_graph

Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Runtime:
    """A file that is loaded: from inputs to outputs by their names, on the CPU."""

    name: str
    version: str
    run: Callable[[Arrays], dict[str, np.ndarray]]


def open_runtime(path: Path, outputs: tuple[str, ...]) -> Runtime:
    """The file in the runtime that it was written for; `outputs` are its own names of what comes out."""
    makers = {".onnx": _onnx_runtime, ".xml": _openvino, ".pt2": _torch}
    return makers[path.suffix](path, outputs)


def need(*packages: str, extra: str, what: str) -> None:
    """Raises ZorkiError where packages are missing."""
    import importlib.util

    missing = [package for package in packages if importlib.util.find_spec(package) is None]
    if missing:
        raise ZorkiError(f"{what} needs {' and '.join(missing)}: install them with pip install 'zorki[{extra}]'")


def _onnx_runtime(path: Path, outputs: tuple[str, ...]) -> Runtime:
    session = load_graph(path)
    import onnxruntime  # type: ignore[import-untyped]

    taken = [one.name for one in session.get_inputs()]

    def run(feed: Arrays) -> dict[str, np.ndarray]:
        found = session.run(list(outputs), {name: np.ascontiguousarray(feed[name]) for name in taken})
        return dict(zip(outputs, found, strict=True))

    return Runtime("onnxruntime", onnxruntime.__version__, run)


def _openvino(path: Path, outputs: tuple[str, ...]) -> Runtime:
    need("openvino", extra="openvino", what="running OpenVINO")
    import openvino  # type: ignore[import-not-found, import-untyped, unused-ignore]

    compiled = openvino.Core().compile_model(str(path), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    taken = [one.get_any_name() for one in compiled.inputs]

    def run(feed: Arrays) -> dict[str, np.ndarray]:
        found = compiled({name: np.ascontiguousarray(feed[name]) for name in taken})
        return {name: np.array(found[place]) for place, name in enumerate(outputs)}

    return Runtime("openvino", version("openvino"), run)


def _torch(path: Path, outputs: tuple[str, ...]) -> Runtime:
    import torch

    network = torch.export.load(str(path)).module()

    def run(feed: Arrays) -> dict[str, np.ndarray]:
        with torch.no_grad():
            found = network(*(torch.from_numpy(np.ascontiguousarray(value)) for value in feed.values()))
        found = found if isinstance(found, tuple) else (found,)
        return {name: value.numpy() for name, value in zip(outputs, found, strict=True)}

    return Runtime("torch", torch.__version__, run)
