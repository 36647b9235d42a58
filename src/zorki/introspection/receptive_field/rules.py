"""What each operation of PyTorch does to a field.

A rule gets `sees`, which tells what a tensor's elements see (None where they do not depend on the input), the
operation's own `arguments`, and its `output`; it returns what the output's elements see.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

from torch import Tensor

from zorki.introspection.receptive_field.field import Field, join_all

Sees = Callable[[Any], Field | None]
Rule = Callable[[Sees, Sequence[Any], Tensor], Field | None]
_RULES: dict[str, Rule] = {}


def find_rule(operation: str) -> Rule | None:
    """The rule for an operation's name; None where there is none."""
    return _RULES.get(operation) or (_attention if "scaled_dot_product" in operation else None)


def rule_for(*names: str) -> Callable[[Rule], Rule]:
    """Makes the function below it the rule for operations of these names."""

    def register(rule: Rule) -> Rule:
        _RULES.update(dict.fromkeys(names, rule))
        return rule

    return register


def argument_of(arguments: Sequence[Any], index: int, default: Any) -> Any:
    """The argument at that place; `default` where it was left out."""
    return arguments[index] if len(arguments) > index and arguments[index] not in (None, []) else default


def _each(value: int | Sequence[int], count: int) -> list[int]:
    values = [value] if isinstance(value, int) else list(value)
    return values * count if len(values) == 1 else values


def _slide(
    field: Field, kernel: list[int], stride: list[int], padding: list[int], dilation: list[int], output: Tensor
) -> Field:
    rank = len(field.dimensions)
    for k, (size, step, pad, spread) in enumerate(zip(kernel, stride, padding, dilation, strict=True)):
        dimension = rank - len(kernel) + k
        reach = Fraction(spread * (size - 1))
        field = field.resample(dimension, Fraction(-pad), reach - pad, Fraction(step), output.shape[dimension])
    return field


@rule_for("convolution", "_convolution")
def _convolution(sees: Sees, arguments: Sequence[Any], output: Tensor) -> Field | None:
    field = sees(arguments[0])
    if field is None:
        return None
    kernel = list(arguments[1].shape[2:])
    stride, padding, dilation = (_each(value, len(kernel)) for value in arguments[3:6])
    if not arguments[6]:
        return _slide(field, kernel, stride, padding, dilation, output)
    for k, size in enumerate(kernel):  # transposed: position o hears from (o + padding - dilation * m) / stride
        dimension = 2 + k
        last = Fraction(padding[k], stride[k])
        first = last - Fraction(dilation[k] * (size - 1), stride[k])
        field = field.resample(dimension, first, last, Fraction(1, stride[k]), output.shape[dimension])
    return field


@rule_for("max_pool2d_with_indices", "max_pool3d_with_indices", "max_pool2d", "avg_pool2d", "avg_pool3d", "avg_pool1d")
def _pool(sees: Sees, arguments: Sequence[Any], output: Tensor) -> Field | None:
    field = sees(arguments[0])
    if field is None:
        return None
    count = len(field.dimensions) - 2 if isinstance(arguments[1], int) else max(len(arguments[1]), 1)
    kernel = _each(arguments[1], count)
    stride = _each(argument_of(arguments, 2, kernel), count)
    padding = _each(argument_of(arguments, 3, 0), count)
    dilation = argument_of(arguments, 4, 1)  # average pooling has a truth value there
    return _slide(field, kernel, stride, padding, _each(1 if isinstance(dilation, bool) else dilation, count), output)


@rule_for("_adaptive_avg_pool2d", "adaptive_avg_pool2d", "_adaptive_avg_pool3d", "adaptive_max_pool2d")
def _adaptive_pool(sees: Sees, arguments: Sequence[Any], output: Tensor) -> Field | None:
    field = sees(arguments[0])
    if field is None:
        return None
    for dimension in range(2, output.dim()):
        have, want = arguments[0].shape[dimension], output.shape[dimension]
        if want == 1:
            field = field.collapse(dimension)
        elif have != want:  # bins reach from floor(i * ratio) to ceil((i + 1) * ratio)
            ratio = Fraction(have, want)
            slack = Fraction(0) if have % want == 0 else Fraction(want - 1, want)
            field = field.resample(dimension, -slack, ratio - 1 + slack, ratio, want)
    return field


@rule_for("constant_pad_nd", "reflection_pad2d", "replication_pad2d")
def _pad(sees: Sees, arguments: Sequence[Any], output: Tensor) -> Field | None:
    field = sees(arguments[0])
    if field is None:
        return None
    for k, before in enumerate(arguments[1][::2]):
        dimension = output.dim() - 1 - k
        shift = Fraction(-before)
        field = field.resample(dimension, shift, shift, Fraction(1), output.shape[dimension])
    return field


@rule_for("view", "_unsafe_view", "reshape", "_reshape_alias", "unsqueeze", "squeeze")
def _reshape(sees: Sees, arguments: Sequence[Any], output: Tensor) -> Field | None:
    field = sees(arguments[0])
    return field.reshape(arguments[0].shape, output.shape) if field else None


@rule_for("permute", "transpose", "t", "transpose_")
def _permute(sees: Sees, arguments: Sequence[Any], output: Tensor) -> Field | None:
    field = sees(arguments[0])
    if field is None:
        return None
    order = list(range(output.dim()))
    if len(arguments) == 2:
        order = [d % output.dim() for d in arguments[1]]
    else:
        a, b = arguments[1:3] if len(arguments) == 3 else (-1, -2)
        order[a], order[b] = order[b], order[a]
    return replace(field, dimensions=tuple(field.dimensions[d] for d in order))


@rule_for("slice", "narrow")
def _slice(sees: Sees, arguments: Sequence[Any], output: Tensor) -> Field | None:
    field = sees(arguments[0])
    dimension = argument_of(arguments, 1, 0)
    if field is None or len(field.dimensions[dimension]) != 1:
        return field  # some of the positions of a mixed dimension: their spacing stays
    start = min(argument_of(arguments, 2, 0), arguments[0].shape[dimension])
    start += arguments[0].shape[dimension] if start < 0 else 0
    if field.dimensions[dimension][0].places < arguments[0].shape[dimension]:
        return field  # tokens were put before the positions; which ones are cut off is unknown
    step = Fraction(argument_of(arguments, 4, 1))
    return field.resample(dimension, Fraction(start), Fraction(start), step, output.shape[dimension])


@rule_for("select")
def _select(sees: Sees, arguments: Sequence[Any], output: Tensor) -> Field | None:
    field = sees(arguments[0])
    if field is None:
        return None
    dimension = arguments[1] % len(field.dimensions)
    if len(field.dimensions[dimension]) == 1:
        axis, count, jump = field.dimensions[dimension][0]
        shift = jump * (arguments[2] % count)
        field = field.widen(axis, shift, shift)
    return replace(field, dimensions=field.dimensions[:dimension] + field.dimensions[dimension + 1 :])


@rule_for("unbind")
def _unbind(sees: Sees, arguments: Sequence[Any], output: Tensor) -> Field | None:
    field = sees(arguments[0])
    if field is None:
        return None
    dimension = argument_of(arguments, 1, 0) % len(field.dimensions)
    field = field.collapse(dimension)
    return replace(field, dimensions=field.dimensions[:dimension] + field.dimensions[dimension + 1 :])


@rule_for("split", "split_with_sizes", "chunk")
def _split(sees: Sees, arguments: Sequence[Any], output: Tensor) -> Field | None:
    field = sees(arguments[0])
    dimension = argument_of(arguments, 2, 0)
    return field.collapse(dimension) if field and field.dimensions[dimension] else field


@rule_for("roll")
def _roll(sees: Sees, arguments: Sequence[Any], output: Tensor) -> Field | None:
    field = sees(arguments[0])
    if field is None:
        return None
    # What is rolled over the edge is masked out where networks do this (shifted windows), so it is a plain shift.
    for by, dimension in zip(_each(arguments[1], 1), _each(argument_of(arguments, 2, 0), 1), strict=False):
        shift = Fraction(-by)
        field = field.resample(dimension, shift, shift, Fraction(1), output.shape[dimension])
    return field


@rule_for("cat", "stack")
def _cat(sees: Sees, arguments: Sequence[Any], output: Tensor) -> Field | None:
    fields = [field for tensor in arguments[0] if (field := sees(tensor)) is not None]
    joined = join_all(fields)
    if joined is None or len(joined.dimensions) == output.dim():
        return joined
    dimension = argument_of(arguments, 1, 0) % output.dim()
    return replace(joined, dimensions=(*joined.dimensions[:dimension], (), *joined.dimensions[dimension:]))


@rule_for("mean", "sum", "amax", "amin", "max", "min", "var", "std", "var_mean", "logsumexp", "linalg_vector_norm")
def _reduce(sees: Sees, arguments: Sequence[Any], output: Tensor) -> Field | None:
    field = sees(arguments[0])
    if field is None:
        return None
    rank = len(field.dimensions)
    given = argument_of(arguments, 1, None)
    if isinstance(given, Tensor):  # the larger of two tensors
        return elementwise(sees, arguments, output)
    if given is None or isinstance(given, bool | float):
        return field.everything(output.dim())
    summed = {d % rank for d in _each(given, 1)}
    field = field.collapse(*summed)
    if output.dim() == rank:
        return field
    return replace(field, dimensions=tuple(d for i, d in enumerate(field.dimensions) if i not in summed))


@rule_for("_softmax", "_log_softmax", "_safe_softmax", "cumsum")
def _softmax(sees: Sees, arguments: Sequence[Any], output: Tensor) -> Field | None:
    field = sees(arguments[0])
    return field.collapse(arguments[1]) if field else None


@rule_for("mm", "bmm", "mv", "addmm", "baddbmm", "matmul")
def _product(sees: Sees, arguments: Sequence[Any], output: Tensor) -> Field | None:
    left, right = [argument for argument in arguments if isinstance(argument, Tensor)][-2:]
    a, b = sees(left), sees(right)
    if a is not None:  # the summed dimension is gone; in its place come the other side's columns
        a = a.collapse(-1)
    if b is not None:
        b = b.collapse(-2) if right.dim() > 1 else b.everything(output.dim())
    if a is None or b is None:
        return a or b
    return a.join(b)


def _attention(sees: Sees, arguments: Sequence[Any], output: Tensor) -> Field | None:
    query, *others = (sees(tensor) for tensor in arguments[:3])
    seen = [other.collapse(-2) for other in others if other is not None]
    return join_all([*([query] if query else []), *seen])


def elementwise(sees: Sees, arguments: Sequence[Any], output: Tensor) -> Field | None:
    joined = join_all([f for a in arguments if (f := sees(a)) is not None])
    return joined if joined is None or len(joined.dimensions) == output.dim() else joined.everything(output.dim())
