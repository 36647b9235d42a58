"""Following fields through everything that a network computes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.weak import WeakTensorKeyDictionary

from zorki.introspection.receptive_field import resizing  # noqa: F401  # its rules join those of `rules`
from zorki.introspection.receptive_field.field import Field, join_all
from zorki.introspection.receptive_field.rules import elementwise, find_rule


class Trace(TorchDispatchMode):
    """Follows receptive fields from one input through every operation that runs under it.

    `on_operation(operation, arguments, keywords, output)` is told of each. Runs under `torch.inference_mode()` only:
    elsewhere autograd hands out other tensors than those that operations return.
    """

    def __init__(self, source: Tensor, on_operation: Callable[[Any, Any, Any, Any], None] | None = None) -> None:
        super().__init__()
        self._fields = WeakTensorKeyDictionary()
        self._fields[source] = Field.of_input(source.shape)
        self._on_operation = on_operation

    def of(self, tensor: Any) -> Field | None:
        """What a tensor's elements see; None where it does not depend on the input."""
        return self._fields.get(tensor) if isinstance(tensor, Tensor) else None

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Nothing here is compiled: else the first operation would load PyTorch's compiler, for seconds, to say so."""
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Runs one operation and notes what its output sees."""
        kwargs = kwargs or {}
        name = func.overloadpacket.__name__
        if "upsample" not in name:  # whose parts look pixels up by computed numbers, and tell nothing
            with self:  # operations that are made of others are taken apart, and their parts come here
                output = func.decompose(*args, **kwargs)
            if output is not NotImplemented:
                return output
        output = func(*args, **kwargs)
        rule = find_rule(name)
        outputs = [a for a in (output if isinstance(output, tuple | list) else [output]) if isinstance(a, Tensor)]
        for tensor in outputs:
            field = rule(self.of, args, tensor) if rule else self._unknown(args, tensor)
            if field is not None:
                self._fields[tensor] = field
        if self._on_operation is not None:
            self._on_operation(func, args, kwargs, output)
        return output

    def _unknown(self, arguments: Sequence[Any], output: Tensor) -> Field | None:
        """Operations that keep the shape work element by element; others are taken to see everything."""
        flat = [t for a in arguments for t in (a if isinstance(a, tuple | list) else [a]) if isinstance(t, Tensor)]
        fields = [(t, f) for t in flat if (f := self.of(t)) is not None]
        if not fields:
            return None
        try:
            shape = torch.broadcast_shapes(*(t.shape for t in flat))
        except RuntimeError:
            shape = None
        if shape == output.shape or any(t.shape == output.shape for t, _ in fields):
            return elementwise(self.of, [t for t, f in fields if t.dim() <= output.dim()], output)
        return join_all([f.everything(output.dim()) for _, f in fields])
