"""The ledger of a network: layer by layer its output, memory, parameters, multiply-adds and receptive field.

    print(ledger(vgg16(1000), torch.empty(1, 3, 224, 224)))

The network runs once on the meta device: shapes are computed, numbers are not, so that even VGG-16 takes no memory
and no time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree
from torch.utils.flop_counter import flop_registry

from zorki.receptive_field import Field, Trace


@dataclass(frozen=True)
class Row:
    """One layer, for one picture of the batch.

    `shape` is the output's without the batch: (channels, height, width) for maps. `values` counts the numbers that
    the layer keeps in memory: 0 where it can work in place (activation functions, dropout) or only reshapes.
    `macs` are multiply-adds; FLOPs are twice as many. `receptive_field` and `jump` are in pixels of the input, one
    number an axis; `jump` is None where no positions are left.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    values: int
    bytes: int
    weights: int
    biases: int
    macs: int
    receptive_field: tuple[int, ...] | None
    jump: tuple[float | None, ...] | None
    whole: bool  # sees the whole picture from every position
    hidden: bool  # in place, or a reshape: textbooks leave it out

    @property
    def parameters(self) -> int:
        """Weights and biases together."""
        return self.weights + self.biases


@dataclass(frozen=True)
class Ledger:
    """The rows from input to output, and their totals. Prints as a table."""

    rows: list[Row] = field(default_factory=list)

    @property
    def parameters(self) -> int:
        """Weights and biases of the whole network."""
        return sum(row.parameters for row in self.rows)

    @property
    def values(self) -> int:
        """Activation values with the input, for one picture, forward only."""
        return sum(row.values for row in self.rows)

    @property
    def bytes(self) -> int:
        """Memory of the activation values."""
        return sum(row.bytes for row in self.rows)

    @property
    def macs(self) -> int:
        """Multiply-adds for one picture."""
        return sum(row.macs for row in self.rows)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON: "rows", all of them, and "totals"."""
        rows = [
            {
                "name": row.name,
                "kind": row.kind,
                "shape": list(row.shape),
                "values": row.values,
                "bytes": row.bytes,
                "weights": row.weights,
                "biases": row.biases,
                "macs": row.macs,
                "receptive_field": list(row.receptive_field) if row.receptive_field else None,
                "jump": list(row.jump) if row.jump else None,
                "whole": row.whole,
                "hidden": row.hidden,
            }
            for row in self.rows
        ]
        totals = {
            "parameters": self.parameters,
            "values": self.values,
            "bytes": self.bytes,
            "macs": self.macs,
            "flops": 2 * self.macs,
        }
        return {"rows": rows, "totals": totals}

    def table(self, *, hidden: bool = False) -> list[tuple[str, ...]]:
        """Texts, one tuple a row, under the headings `COLUMNS`; `hidden` shows also what works in place."""
        return [_texts(row) for row in self.rows if hidden or not row.hidden]

    def totals(self) -> str:
        """One line for a person."""
        return (
            f"{self.parameters:,} parameters, {self.values:,} activation values with the input "
            f"({self.bytes / 2**20:,.1f} MiB), {self.macs / 1e9:,.2f} GMACs ({2 * self.macs / 1e9:,.2f} GFLOPs)"
        )

    def __str__(self) -> str:
        rows = [COLUMNS, *self.table()]
        widths = [max(len(row[i]) for row in rows) for i in range(len(COLUMNS))]
        right = range(3, len(COLUMNS))
        lines = [
            "  ".join(row[i].rjust(width) if i in right else row[i].ljust(width) for i, width in enumerate(widths))
            for row in rows
        ]
        return "\n".join([*(line.rstrip() for line in lines), self.totals()])


COLUMNS = ("layer", "name", "output", "values", "weights", "biases", "MMACs", "sees", "jump")


def ledger(model: nn.Module, inputs: Tensor) -> Ledger:
    """The ledger of `model` for inputs of that shape and dtype; neither weights nor pixels are looked at.

    Args:
        model: any network; may lie on any device, the meta device included. It is not changed.
        inputs: (B, C, H, W) or (B, C, T, H, W); what counts is one picture of the batch. Where the network has a
            `normalise` module, as zorki's have, uint8 pixels (B, 3, H, W), and the ledger begins behind it.
    """
    source = torch.empty(inputs.shape[0], *inputs.shape[1:], dtype=inputs.dtype, device="meta")
    state: dict[str, Tensor] = dict(model.named_parameters(remove_duplicate=False))
    state.update(model.named_buffers(remove_duplicate=False))
    alike = {value: torch.empty_like(value, device="meta") for value in state.values()}
    weightless = {name: alike[value] for name, value in state.items()}  # tied ones stay tied
    training = {module: module.training for module in model.modules()}
    recorder = _Recorder(model, source)
    try:
        model.eval()
        with recorder.hooked(), torch.inference_mode(), _plain_attention(), recorder.trace:
            torch.func.functional_call(model, weightless, (source,))
    finally:
        for module, mode in training.items():
            module.training = mode
    return Ledger(recorder.finish())


@contextmanager
def _plain_attention() -> Iterator[None]:
    """Attention as separate products: the fused kernel for inference hides them, and knows no meta device."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)


class _Recorder:
    """Writes a row for each layer that ends, and gives multiply-adds to the innermost layer at work."""

    def __init__(self, model: nn.Module, source: Tensor) -> None:
        self.trace = Trace(source, self._count)
        self._model = model
        self._source = source
        self._names = {module: name for name, module in model.named_modules()}
        self._stack: list[tuple[nn.Module, int]] = []  # modules at work, and how many rows there were when they began
        self._ran: set[nn.Module] = set()
        self._not_pointwise: set[nn.Module] = set()
        self._macs: dict[nn.Module, int] = {}
        self._rows: list[tuple[nn.Module, Row]] = []
        self._input: Tensor | None = None

    @contextmanager
    def hooked(self) -> Iterator[None]:
        """Watches every module of the model."""
        handles = []
        for module in self._model.modules():
            handles.append(module.register_forward_pre_hook(self._enter))
            handles.append(module.register_forward_hook(self._leave))
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def finish(self) -> list[Row]:
        """All rows, the input's first, with each parameter in the row of the layer that uses it first."""
        owners = self._owners()
        rows = [self._input_row()]
        for module, row in self._rows:
            mine = owners.pop(module, [])
            rows.append(_with_parameters(row, mine))
        for module, rest in owners.items():  # of modules without a row of their own: class tokens, position embeddings
            for name, parameter in rest:
                path = ".".join(filter(None, (self._names[module], name)))
                if module in self._ran:
                    rows.insert(1, _parameter_row("PARAMETER", path, parameter))
                else:  # works in training only, as auxiliary classifiers do
                    rows.append(_parameter_row("NOT RUN", path, parameter))
        return rows

    def _enter(self, module: nn.Module, arguments: Any) -> None:
        self._ran.add(module)
        self._stack.append((module, len(self._rows)))

    def _leave(self, module: nn.Module, arguments: Any, outputs: Any) -> None:
        _, start = self._stack.pop()
        if module is getattr(self._model, "normalise", None):
            self._input = outputs
            return
        inner = any(not row.hidden for _, row in self._rows[start:])
        own = module in self._macs or any(True for _ in module.parameters(recurse=False))
        leaf = not any(True for _ in module.children())
        if not self._normalising() and (leaf or module in self._macs or (own and not inner)):
            self._rows.append((module, self._row(module, arguments, outputs)))
            self._macs.pop(module, None)

    def _normalising(self) -> bool:
        return any(module is getattr(self._model, "normalise", None) for module, _ in self._stack)

    def _count(self, operation: Any, arguments: Any, keywords: Any, answer: Any) -> None:
        if not self._stack or self._normalising():
            return
        module = self._stack[-1][0]
        if torch.Tag.pointwise not in operation.tags:
            self._not_pointwise.add(module)
        if counter := flop_registry.get(operation.overloadpacket):
            flops = counter(*arguments, **keywords, out_val=answer)
            self._macs[module] = self._macs.get(module, 0) + flops // 2 // self._source.shape[0]

    def _row(self, module: nn.Module, arguments: Any, outputs: Any) -> Row:
        tensors = [value for value in _pytree.tree_leaves(outputs) if isinstance(value, Tensor)]
        given = [value for value in _pytree.tree_leaves(arguments) if isinstance(value, Tensor)]
        shape = tuple(tensors[0].shape[1:]) if tensors else ()
        activation = module not in self._not_pointwise and not any(True for _ in module.parameters())
        hidden = _in_place(module, given, tensors) or (activation and len(given) == 1)
        values = 0 if hidden else sum(math.prod(tensor.shape[1:]) for tensor in tensors)
        size = tensors[0].element_size() if tensors else 0
        seen = self.trace.of(tensors[0]) if tensors else None
        return Row(
            name=self._names[module],
            kind=_kind(module, shape),
            shape=_channels_first(shape, seen),
            values=values,
            bytes=values * size,
            weights=0,
            biases=0,
            macs=self._macs.get(module, 0),
            hidden=hidden,
            **_seen(seen),
        )

    def _input_row(self) -> Row:
        tensor = self._source if self._input is None else self._input
        values = math.prod(tensor.shape[1:])
        bytes_ = values * tensor.element_size()
        seen = _seen(self.trace.of(self._source))
        return Row("", "INPUT", tuple(tensor.shape[1:]), values, bytes_, 0, 0, 0, **seen, hidden=False)

    def _owners(self) -> dict[nn.Module, list[tuple[str, nn.Parameter]]]:
        """Each parameter once: under the module that holds it, or the nearest one around it that has a row."""
        with_rows = {module for module, _ in self._rows}
        modules = {name: module for module, name in self._names.items()}
        owners: dict[nn.Module, list[tuple[str, nn.Parameter]]] = {}
        for name, parameter in self._model.named_parameters():
            path, _, short = name.rpartition(".")
            holder = modules[path]
            around = [path.rsplit(".", n)[0] for n in range(path.count(".") + 1)]
            owner = next((modules[p] for p in around if modules.get(p) in with_rows), holder)
            owners.setdefault(owner, []).append((short, parameter))
        return owners


def _channels_first(shape: tuple[int, ...], seen: Field | None) -> tuple[int, ...]:
    """Some networks keep channels last: the dimension along which no positions lie."""
    places = [bool(steps) for steps in seen.dimensions[1:]] if seen and len(shape) >= 3 else []
    return (shape[-1], *shape[:-1]) if places and not places[-1] and all(places[:-1]) else shape


def _seen(seen: Field | None) -> dict[str, Any]:
    if seen is None:
        return {"receptive_field": None, "jump": None, "whole": False}
    jump = tuple(None if j is None else float(j) for j in seen.jump)
    return {"receptive_field": seen.size, "jump": None if set(jump) == {None} else jump, "whole": all(seen.whole)}


def _with_parameters(row: Row, parameters: list[tuple[str, nn.Parameter]]) -> Row:
    biases = sum(parameter.numel() for name, parameter in parameters if name.endswith("bias"))
    return replace(row, weights=sum(parameter.numel() for _, parameter in parameters) - biases, biases=biases)


def _parameter_row(kind: str, name: str, parameter: nn.Parameter) -> Row:
    row = Row(name, kind, tuple(parameter.shape), 0, 0, 0, 0, 0, None, None, False, False)
    return _with_parameters(row, [(name, parameter)])


def _in_place(module: nn.Module, given: list[Tensor], tensors: list[Tensor]) -> bool:
    """Whether a layer needs no memory of its own: it can overwrite its input, or hands it on in another shape."""
    activation = type(module).__module__ == "torch.nn.modules.activation" and not isinstance(
        module, nn.MultiheadAttention
    )
    if activation or isinstance(module, nn.modules.dropout._DropoutNd | nn.Identity | nn.Flatten):
        return True
    if isinstance(module, nn.AdaptiveAvgPool2d | nn.AdaptiveMaxPool2d) and given and tensors:
        return given[0].shape == tensors[0].shape  # bins of one pixel each
    storages = {tensor.untyped_storage()._cdata for tensor in given}
    return bool(tensors) and all(tensor.untyped_storage()._cdata in storages for tensor in tensors)


# -- the textbooks' names of layers ---------------------------------------------------------------------------------


def _kind(module: nn.Module, shape: tuple[int, ...]) -> str:
    """CONV3-64, POOL2, FC-4096, ... and the class's name for what textbooks have no word for."""
    for types, name in _KINDS:
        if isinstance(module, types):
            return name(module, shape)
    return type(module).__name__


def _convolution(module: Any, shape: tuple[int, ...]) -> str:
    depthwise = module.groups == module.in_channels > 1
    word = "UPCONV" if module.transposed else "DWCONV" if depthwise else "CONV"
    notes = [f"/{_one(module.stride)}"] * (set(module.stride) != {1})
    notes += [f"dilated {_one(module.dilation)}"] * (set(module.dilation) != {1})
    notes += [f"{module.groups} groups"] * (module.groups > 1 and not depthwise)
    return " ".join([f"{word}{_one(module.kernel_size)}-{module.out_channels}", *notes])


def _pooling(word: str) -> Callable[[Any, tuple[int, ...]], str]:
    def name(module: Any, shape: tuple[int, ...]) -> str:
        kernel, stride = _one(module.kernel_size), _one(module.stride)
        return f"{word}{kernel}" + (f" /{stride}" if stride != kernel else "")

    return name


def _adaptive_pooling(module: Any, shape: tuple[int, ...]) -> str:
    return "GLOBALPOOL" if set(shape[1:]) <= {1} else f"ADAPTIVEPOOL-{_one(shape[1:])}"


def _one(sizes: Any) -> str:
    values = list(sizes) if isinstance(sizes, tuple | list | torch.Size) else [sizes]
    return str(values[0]) if len(set(values)) == 1 else "x".join(map(str, values))


def _word(word: str) -> Callable[[Any, tuple[int, ...]], str]:
    return lambda module, shape: word


_KINDS: list[tuple[Any, Callable[[Any, tuple[int, ...]], str]]] = [
    (nn.modules.conv._ConvNd, _convolution),
    (nn.MaxPool1d | nn.MaxPool2d | nn.MaxPool3d, _pooling("POOL")),
    (nn.AvgPool1d | nn.AvgPool2d | nn.AvgPool3d, _pooling("AVGPOOL")),
    (nn.AdaptiveAvgPool1d | nn.AdaptiveAvgPool2d | nn.AdaptiveAvgPool3d, _adaptive_pooling),
    (nn.AdaptiveMaxPool1d | nn.AdaptiveMaxPool2d | nn.AdaptiveMaxPool3d, _adaptive_pooling),
    (nn.Linear, lambda module, shape: f"FC-{module.out_features}"),
    (nn.modules.batchnorm._BatchNorm, _word("BN")),
    (nn.LayerNorm, _word("LN")),
    (nn.GroupNorm, _word("GN")),
    (nn.LocalResponseNorm, _word("LRN")),
    (nn.MultiheadAttention, lambda module, shape: f"ATTENTION-{module.num_heads}"),
    (nn.ReLU, _word("RELU")),
    (nn.modules.dropout._DropoutNd, _word("DROPOUT")),
]


def _texts(row: Row) -> tuple[str, ...]:
    sees = "" if row.receptive_field is None else "all" if row.whole else _one(row.receptive_field)
    jump = "" if row.jump is None else _one([f"{j:g}" for j in row.jump if j is not None])
    places = (
        (*row.shape[1:], row.shape[0])
        if len(row.shape) >= 3 and row.kind not in ("PARAMETER", "NOT RUN")
        else row.shape
    )
    numbers = (f"{n:,}" if n else "" for n in (row.values, row.weights, row.biases))
    macs = f"{row.macs / 1e6:,.2f}" if row.macs else ""
    return (row.kind, row.name, "x".join(map(str, places)), *numbers, macs, sees, jump)
