"""Networks as ONNX files: uint8 pixels in, answers out, and nothing of Python between."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from zorki.errors import ZorkiError
from zorki.files import whole

OPSET = 20
INPUTS = ("images",)


def write_onnx(
    network: nn.Module,
    path: Path | str,
    height: int,
    width: int,
    *,
    outputs: Sequence[str],
    properties: Mapping[str, Any],
    named: str,
) -> Path:
    """Writes a network that takes one uint8 image (1, 3, height, width) named "images", and returns the path.

    Args:
        network: on the CPU, in float32 and evaluation mode; made of standard operators alone.
        path: of the file, which is there whole or not at all.
        height, width: of the input, in pixels.
        outputs: names of what comes out.
        properties: for the file, each under "zorki." and its name: words as they are, else as JSON.
        named: what the network is called where it cannot be written.

    Raises:
        ZorkiError: packages are missing, the network cannot be written as ONNX, or the file cannot be written.
    """
    need_onnx()
    if min(height, width) < 1:
        raise ZorkiError(f"{named}: expected an input of at least 1x1 pixels, but was asked for {height}x{width}")
    program = _converted(network, torch.zeros((1, 3, height, width), dtype=torch.uint8), list(outputs), named)
    told = {name: value if isinstance(value, str) else json.dumps(value) for name, value in properties.items()}
    program.model.metadata_props.update({f"zorki.{name}": words for name, words in told.items()})
    path = Path(path)
    with whole(path) as aside:
        program.save(str(aside), external_data=False)
    return path


def _converted(network: nn.Module, images: torch.Tensor, outputs: list[str], named: str) -> torch.onnx.ONNXProgram:
    try:
        with _quietly(), torch.no_grad():
            program = torch.onnx.export(
                network,
                (images,),
                dynamo=True,
                opset_version=OPSET,
                input_names=INPUTS,
                output_names=outputs,
                verbose=False,
            )
    except torch.onnx.OnnxExporterError as error:
        reasons = str(error.__cause__ or error).strip().splitlines()
        raise ZorkiError(
            f"{named} cannot be written as ONNX: {reasons[0] if reasons else error}. Export it on another backbone, "
            "or for an input of another size"
        ) from error
    assert program is not None  # None is what the older exporter returns
    return program


def need_onnx() -> None:
    """Raises ZorkiError where packages that write ONNX are missing."""
    import importlib.util

    missing = [package for package in ("onnx", "onnxscript") if importlib.util.find_spec(package) is None]
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
