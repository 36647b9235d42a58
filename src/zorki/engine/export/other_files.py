"""Graphs for other runtimes than ONNX's: PyTorch's own, OpenVINO's, and ONNX in 8 bits."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

from zorki.contracts.capabilities import ExportGraph
from zorki.engine.export.onnx_file import dynamic_shapes
from zorki.engine.export.runtimes import need
from zorki.errors import ZorkiError
from zorki.files import whole
from zorki.ops.fixed_nms import nms_keep_portable

CALIBRATION = 100
"""Training images at most, from which the ranges of 8 bits are taken."""


def write_torch(graph: ExportGraph, path: Path, properties: Mapping[str, str]) -> None:
    """As a program of `torch.export`, which PyTorch loads without zorki.

    Regions of networks on given proposals are read by torchvision's operators, which must be imported then.

    Raises:
        ZorkiError: PyTorch cannot make it, or the file cannot be written.
    """
    # It takes no names.
    axes = tuple(
        {place: torch.export.Dim.DYNAMIC if isinstance(size, str) else size for place, size in one.items()}
        for one in dynamic_shapes(graph)
    )
    try:
        with torch.no_grad():
            program = torch.export.export(graph.network.eval(), tuple(graph.inputs.values()), dynamic_shapes=axes)
            own: dict[Any, Any] = {torch.ops.zorki.nms_keep.default: nms_keep_portable}
            program = program.run_decompositions(own)
    except (RuntimeError, ValueError, torch._dynamo.exc.UserError) as error:
        raise ZorkiError(f"PyTorch cannot export this network: {str(error).splitlines()[0]}") from error
    with whole(path) as aside:
        kept = aside.with_name(f"{aside.name}.pt2")  # PyTorch wants the ending
        torch.export.save(program, str(kept), extra_files=dict(properties))
        kept.replace(aside)


def write_openvino(onnx: Path, path: Path, properties: Mapping[str, str]) -> None:
    """As OpenVINO's two files NAME.xml and NAME.bin, of an ONNX file; weights stay float32.

    Raises:
        ZorkiError: OpenVINO is missing.
    """
    need_openvino()
    import openvino  # type: ignore[import-not-found, import-untyped, unused-ignore]

    model = openvino.convert_model(str(onnx))
    for name, text in properties.items():
        model.set_rt_info(text, ["zorki", name.removeprefix("zorki.")])
    path.parent.mkdir(parents=True, exist_ok=True)
    openvino.save_model(model, str(path), compress_to_fp16=False)


def need_openvino() -> None:
    """Raises ZorkiError where OpenVINO is missing."""
    need("openvino", extra="openvino", what="--to openvino")


def write_int8(onnx: Path, path: Path, properties: Mapping[str, str], feeds: Sequence[Mapping[str, Any]]) -> None:
    """An ONNX file in 8 bits: convolutions and products of matrices, weights a channel, ranges of `feeds`.

    Args:
        onnx: the file in float32.
        feeds: inputs of training images, by name.
    """
    need("onnxruntime", "onnx", extra="export", what="--to int8")
    import onnx as format
    from onnxruntime.quantization import (  # type: ignore[import-untyped]
        QuantFormat,
        QuantType,
        quantize_static,
    )

    with whole(path) as aside, _quietly():
        quantize_static(
            str(onnx),
            str(aside),
            _Reader(feeds),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=["Conv", "Gemm", "MatMul"],
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )
        model = format.load(str(aside))
        del model.metadata_props[:]
        texts = dict(properties) | {"zorki.precision": json.dumps("int8")}
        format.helper.set_model_props(model, texts)
        format.save(model, str(aside))


class _Reader:
    """Feeds one after the other, as ONNX Runtime's calibration asks for them."""

    def __init__(self, feeds: Iterable[Mapping[str, Any]]) -> None:
        self._feeds = iter(feeds)

    def get_next(self) -> dict[str, np.ndarray] | None:
        found = next(self._feeds, None)
        return None if found is None else dict(found)

    def __iter__(self) -> Iterator[Mapping[str, Any]]:
        return self._feeds


@contextmanager
def _quietly() -> Iterator[None]:
    """Without advice on preprocessing that is of no use here."""
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)
