"""Running a network once without numbers, and writing down what each of its layers does."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree
from torch.utils.flop_counter import flop_registry

from zorki.contracts.capabilities import Traces
from zorki.introspection.attention import plain_attention
from zorki.introspection.ledger.kinds import textbook_name
from zorki.introspection.ledger.rows import Ledger, LedgerRow
from zorki.introspection.receptive_field import Field, Trace
from zorki.nn.layers.normalize import Normalize


def ledger(model: nn.Module, inputs: Tensor) -> Ledger:
    """The ledger of `model` for inputs of that shape and dtype; neither weights nor pixels are looked at.

    Args:
        model: any network; may lie on any device, the meta device included. It is not changed.
        inputs: (B, C, H, W) or (B, C, T, H, W); what counts is one image of the batch. Where the network begins
            with a `Normalize`, as zorki's do, uint8 pixels (B, 3, H, W), and the ledger begins behind it.
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
        with recorder.hooked(), torch.inference_mode(), plain_attention(), recorder.trace:
            if isinstance(model, Traces):
                tracer = _Tracer(model)
                weightless = {f"model.{name}": value for name, value in weightless.items()}
                outputs = recorder.run(lambda: torch.func.functional_call(tracer, weightless, (source,)))
            else:
                outputs = torch.func.functional_call(model, weightless, (source,))
    finally:
        for module, mode in training.items():
            module.training = mode
    return Ledger(recorder.finish(), *recorder.seen_by(outputs))


class _Tracer(nn.Module):
    """A model's `trace` as a module, so that PyTorch can lend it other weights."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Any:
        assert isinstance(self.model, Traces)
        return self.model.trace(images)


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
        self._rows: list[tuple[nn.Module, LedgerRow]] = []
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

    def run(self, call: Callable[[], Any]) -> Any:
        """What `call` outputs, which runs the model by another method than `forward`, and so past its own hooks."""
        self._enter(self._model, ())
        outputs = call()
        self._leave(self._model, (), outputs)
        return outputs

    def finish(self) -> list[LedgerRow]:
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

    def seen_by(self, outputs: Any) -> tuple[tuple[int, ...] | None, bool]:
        """What the output that sees most sees along each axis, and whether that is the whole image."""
        fields = [field for tensor in _tensors(outputs) if (field := self.trace.of(tensor)) is not None]
        if not fields:
            return None, False
        sizes = tuple(max(sizes) for sizes in zip(*(field.size for field in fields), strict=True))
        return sizes, any(all(field.whole) for field in fields)

    def _enter(self, module: nn.Module, arguments: Any) -> None:
        self._ran.add(module)
        self._stack.append((module, len(self._rows)))

    def _leave(self, module: nn.Module, arguments: Any, outputs: Any) -> None:
        _, start = self._stack.pop()
        if isinstance(module, Normalize):
            self._input = outputs
            return
        inner = any(not row.hidden for _, row in self._rows[start:])
        own = module in self._macs or any(True for _ in module.parameters(recurse=False))
        leaf = not any(True for _ in module.children())
        if not self._normalizing() and (leaf or module in self._macs or (own and not inner)):
            self._rows.append((module, self._row(module, arguments, outputs)))
            self._macs.pop(module, None)

    def _normalizing(self) -> bool:
        return any(isinstance(module, Normalize) for module, _ in self._stack)

    def _count(self, operation: Any, arguments: Any, keywords: Any, output: Any) -> None:
        if not self._stack or self._normalizing():
            return
        module = self._stack[-1][0]
        if torch.Tag.pointwise not in operation.tags:
            self._not_pointwise.add(module)
        if counter := flop_registry.get(operation.overloadpacket):
            flops = counter(*arguments, **keywords, out_val=output)
            self._macs[module] = self._macs.get(module, 0) + flops // 2 // self._source.shape[0]

    def _row(self, module: nn.Module, arguments: Any, outputs: Any) -> LedgerRow:
        tensors = [value for value in _pytree.tree_leaves(outputs) if isinstance(value, Tensor)]
        given = [value for value in _pytree.tree_leaves(arguments) if isinstance(value, Tensor)]
        shape = tuple(tensors[0].shape[1:]) if tensors else ()
        activation = module not in self._not_pointwise and not any(True for _ in module.parameters())
        hidden = _in_place(module, given, tensors) or (activation and len(given) == 1)
        values = 0 if hidden else sum(math.prod(tensor.shape[1:]) for tensor in tensors)
        size = tensors[0].element_size() if tensors else 0
        seen = self.trace.of(tensors[0]) if tensors else None
        return LedgerRow(
            name=self._names[module],
            kind=textbook_name(module, shape),
            shape=_channels_first(shape, seen),
            values=values,
            bytes=values * size,
            weights=0,
            biases=0,
            macs=self._macs.get(module, 0),
            hidden=hidden,
            **_seen(seen),
        )

    def _input_row(self) -> LedgerRow:
        tensor = self._source if self._input is None else self._input
        values = math.prod(tensor.shape[1:])
        bytes_ = values * tensor.element_size()
        seen = _seen(self.trace.of(self._source))
        return LedgerRow("", "INPUT", tuple(tensor.shape[1:]), values, bytes_, 0, 0, 0, **seen, hidden=False)

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


def _tensors(outputs: Any) -> Iterator[Tensor]:
    """All tensors of a model's outputs, those of dataclasses among them."""
    for leaf in _pytree.tree_leaves(outputs):
        if isinstance(leaf, Tensor):
            yield leaf
        elif dataclasses.is_dataclass(leaf):
            yield from _tensors([getattr(leaf, one.name) for one in dataclasses.fields(leaf)])


def _channels_first(shape: tuple[int, ...], seen: Field | None) -> tuple[int, ...]:
    """Some networks keep channels last: the dimension along which no positions lie."""
    places = [bool(steps) for steps in seen.dimensions[1:]] if seen and len(shape) >= 3 else []
    return (shape[-1], *shape[:-1]) if places and not places[-1] and all(places[:-1]) else shape


def _seen(seen: Field | None) -> dict[str, Any]:
    if seen is None:
        return {"receptive_field": None, "jump": None, "whole": False}
    jump = tuple(None if j is None else float(j) for j in seen.jump)
    return {"receptive_field": seen.size, "jump": None if set(jump) == {None} else jump, "whole": all(seen.whole)}


def _with_parameters(row: LedgerRow, parameters: list[tuple[str, nn.Parameter]]) -> LedgerRow:
    biases = sum(parameter.numel() for name, parameter in parameters if name.endswith("bias"))
    return replace(row, weights=sum(parameter.numel() for _, parameter in parameters) - biases, biases=biases)


def _parameter_row(kind: str, name: str, parameter: nn.Parameter) -> LedgerRow:
    row = LedgerRow(name, kind, tuple(parameter.shape), 0, 0, 0, 0, 0, None, None, False, False)
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
