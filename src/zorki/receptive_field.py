"""Which pixels an activation can see, followed operation by operation through any network.

For each axis of the picture, position i of a map sees the pixels [low + i * jump, high + i * jump): a convolution
widens the interval, its stride multiplies the jump (Araujo, Norris and Sim, "Computing Receptive Fields of
Convolutional Neural Networks", Distill 2019, equations 1-6). Branches that meet are joined: the lowest low, the
highest high. A sum over positions (flatten and matrix product, mean, attention) sees what all of them see.

Which positions lie along which dimension of a tensor is followed through reshapes and permutations, so that windows
and patches come out right, too. Statistics of normalisation layers are not counted as seeing: group norm would see
the whole picture. After interpolation and transposed convolution, whose positions do not see alike, the interval
is the smallest that bounds them all; an operation that this page does not know is taken to see everything.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.weak import WeakTensorKeyDictionary


class Steps(NamedTuple):
    """`places` positions along one axis of the picture, `jump` pixels apart; an axis of -1 is none (channels)."""

    axis: int
    places: int
    jump: Fraction


Dimensions = tuple[tuple[Steps, ...], ...]


@dataclass(frozen=True)
class Field:
    """What the elements of one tensor see.

    `low` and `high` are for its first position, in pixels, one each for an axis; `dimensions` says for each dimension
    of the tensor which positions lie along it, from the outermost to the innermost. Along an axis that is `whole`
    every position sees all of the picture, since somewhere on the way all positions were summed.
    """

    low: tuple[Fraction, ...]
    high: tuple[Fraction, ...]
    dimensions: Dimensions
    picture: tuple[int, ...]
    whole: tuple[bool, ...]

    @classmethod
    def of_input(cls, shape: Sequence[int]) -> Field:
        """Every element of a (B, C, ...) input sees its own pixel."""
        places = tuple((Steps(axis, count, Fraction(1)),) for axis, count in enumerate(shape[2:]))
        axes = len(places)
        dimensions = ((), (), *places)
        return cls((Fraction(0),) * axes, (Fraction(1),) * axes, dimensions, tuple(shape[2:]), (False,) * axes)

    @property
    def size(self) -> tuple[int, ...]:
        """Pixels that one position sees along each axis, rounded up."""
        return tuple(math.ceil(high - low) for low, high in zip(self.low, self.high, strict=True))

    @property
    def jump(self) -> tuple[Fraction | None, ...]:
        """Pixels between neighbouring positions along each axis; None where one position is left."""
        left = [steps for dimension in self.dimensions for steps in dimension if steps.jump]
        found = [[steps.jump for steps in left if steps.axis == axis] for axis in range(len(self.low))]
        return tuple(min(jumps) if jumps else None for jumps in found)

    def widen(self, axis: int, low: Fraction, high: Fraction) -> Field:
        """The first position moved by `low` at its lower edge and by `high` at its upper edge."""
        if self.whole[axis]:
            return self
        lows, highs = list(self.low), list(self.high)
        lows[axis] += low
        highs[axis] += high
        return replace(self, low=tuple(lows), high=tuple(highs))

    def lag(self, axis: int, places: int, jump: Fraction) -> Field:
        """What bounds all of `places` positions that run ahead of their count by `jump` pixels each."""
        ahead = (places - 1) * jump
        return self.widen(axis, min(ahead, Fraction(0)), max(ahead, Fraction(0)))

    def put(self, dimension: int, *steps: Steps) -> Field:
        """The same with other positions along `dimension`."""
        dimensions = list(self.dimensions)
        dimensions[dimension] = steps
        return replace(self, dimensions=tuple(dimensions))

    def collapse(self, *dimensions: int) -> Field:
        """Sums over `dimensions`: what all positions along them see, seen by each."""
        field = self
        for dimension in dimensions:
            for steps in field.dimensions[dimension]:
                if steps.axis >= 0:
                    field = field.widen(steps.axis, Fraction(0), (steps.places - 1) * steps.jump)
            field = field.put(dimension)
        return field._with_whole_axes()

    def _with_whole_axes(self) -> Field:
        """Marks the axes of which no position is left, if the whole picture has been seen."""
        left = {steps.axis for dimension in self.dimensions for steps in dimension if steps.jump}
        low, high, whole = list(self.low), list(self.high), list(self.whole)
        for axis, size in enumerate(self.picture):
            if axis not in left and low[axis] <= 0 and high[axis] >= size:
                low[axis], high[axis], whole[axis] = Fraction(0), Fraction(size), True
        return replace(self, low=tuple(low), high=tuple(high), whole=tuple(whole))

    def everything(self, rank: int) -> Field:
        """Sums over all positions, in a tensor of `rank` dimensions."""
        return replace(self.collapse(*range(len(self.dimensions))), dimensions=((),) * rank)

    def regular(self, dimension: int) -> Field:
        """Evenly spaced positions of one axis along `dimension`, or none: what convolution and pooling need."""
        field, merged = self, None
        for steps in self.dimensions[dimension]:
            if merged is None:
                merged = steps
            elif merged.axis >= 0 and steps.axis == merged.axis and merged.jump == steps.places * steps.jump:
                merged = Steps(steps.axis, merged.places * steps.places, steps.jump)
            elif merged.axis >= 0 and (steps.axis < 0 or (steps.axis == merged.axis and not steps.jump)):
                # finer positions that see alike (pixel shuffle, windows)
                fine = merged.jump / steps.places
                field = field.widen(merged.axis, fine - merged.jump, Fraction(0))
                merged = Steps(merged.axis, merged.places * steps.places, fine)
            else:
                return self.collapse(dimension)
        return field.put(dimension, *([merged] if merged is not None and merged.axis >= 0 else []))

    def resample(self, dimension: int, first: Fraction, last: Fraction, stride: Fraction, count: int) -> Field:
        """`count` new positions along `dimension`; the i-th sees the old ones from i * stride + first to + last."""
        field = self.regular(dimension)
        if not field.dimensions[dimension]:
            return field
        ((axis, _, jump),) = field.dimensions[dimension]
        return field.widen(axis, first * jump, last * jump).put(dimension, Steps(axis, count, jump * stride))

    def join(self, other: Field) -> Field:
        """Both seen, dimensions aligned at the last as broadcasting does."""
        rank = max(len(self.dimensions), len(other.dimensions))
        mine = replace(self, dimensions=((),) * (rank - len(self.dimensions)) + self.dimensions)
        theirs = replace(other, dimensions=((),) * (rank - len(other.dimensions)) + other.dimensions)
        for dimension in range(rank):
            mine, theirs = _align(mine, theirs, dimension)
        whole = tuple(a or b for a, b in zip(mine.whole, theirs.whole, strict=True))
        edges = zip(mine.low, theirs.low, mine.high, theirs.high, self.picture, whole, strict=True)
        spans = [(Fraction(0), Fraction(n)) if all_ else (min(a, b), max(c, d)) for a, b, c, d, n, all_ in edges]
        low, high = tuple(low for low, _ in spans), tuple(high for _, high in spans)
        return Field(low, high, mine.dimensions, self.picture, whole)

    def reshape(self, old: Sequence[int], new: Sequence[int]) -> Field:
        """The same elements in row-major order under another shape."""
        dimensions: list[tuple[Steps, ...]] = []
        field = self
        for inner, outer in _groups(old, new):
            kept = [self.dimensions[i] for i in inner]
            wanted = [new[j] for j in outer]
            if not any(kept):
                dimensions += [()] * len(wanted)
                continue
            spread = [kept[0]] if len(inner) == len(outer) == 1 else _spread(kept, [old[i] for i in inner], wanted)
            if spread is None:
                field = field.collapse(*inner)
                spread = [()] * len(wanted)
            dimensions += spread
        return replace(field, dimensions=tuple(dimensions))


def _align(mine: Field, theirs: Field, dimension: int) -> tuple[Field, Field]:
    """Both fields with the same positions along `dimension`, the tightest that bound what each one sees.

    One that has no positions there sees alike along it: its jump is 0.
    """
    a, b = mine.dimensions[dimension], theirs.dimensions[dimension]
    if a and b and [s[:2] for s in a] != [s[:2] for s in b]:
        mine, theirs = mine.regular(dimension), theirs.regular(dimension)
        a, b = mine.dimensions[dimension], theirs.dimensions[dimension]
    a, b = a or tuple(s._replace(jump=Fraction(0)) for s in b), b or tuple(s._replace(jump=Fraction(0)) for s in a)
    if [s[:2] for s in a] != [s[:2] for s in b]:
        return mine.collapse(dimension), theirs.collapse(dimension)
    met: list[Steps] = []
    for left, right in zip(a, b, strict=True):
        mine, theirs, jump = _meet(mine, theirs, left, right)
        met.append(left._replace(jump=jump))
    return mine.put(dimension, *met), theirs.put(dimension, *met)


def _meet(mine: Field, theirs: Field, left: Steps, right: Steps) -> tuple[Field, Field, Fraction]:
    """Both fields for one jump along the same positions: that of either, whichever bounds both more tightly."""
    axis, places = left[:2]
    if axis < 0 or left.jump == right.jump:
        return mine, theirs, left.jump
    if mine.whole[axis] or theirs.whole[axis]:  # the other's positions stay; they tell where a map's elements lie
        return mine, theirs, max(left.jump, right.jump)

    def bounds(jump: Fraction) -> tuple[Field, Field, Fraction]:
        return mine.lag(axis, places, left.jump - jump), theirs.lag(axis, places, right.jump - jump), jump

    def size(option: tuple[Field, Field, Fraction]) -> Fraction:
        a, b, _ = option
        return max(a.high[axis], b.high[axis]) - min(a.low[axis], b.low[axis])

    return min((bounds(jump) for jump in sorted((left.jump, right.jump))), key=size)


def _groups(old: Sequence[int], new: Sequence[int]) -> Iterator[tuple[list[int], list[int]]]:
    """Runs of old and new dimensions that hold the same number of elements, as short as can be."""
    i = j = 0
    while i < len(old) or j < len(new):
        inner, outer = [], []
        have = want = 1
        if i < len(old):
            inner, have, i = [i], old[i], i + 1
        if j < len(new):
            outer, want, j = [j], new[j], j + 1
        while have != want:
            if have < want:
                inner, have, i = [*inner, i], have * old[i], i + 1
            else:
                outer, want, j = [*outer, j], want * new[j], j + 1
        yield inner, outer


def _spread(kept: list[tuple[Steps, ...]], sizes: list[int], wanted: list[int]) -> list[tuple[Steps, ...]] | None:
    """Positions dealt out again over dimensions of the sizes `wanted`; None where they do not divide."""
    parts: list[Steps] = []
    for steps, size in zip(kept, sizes, strict=True):
        steps = steps or (Steps(-1, size, Fraction(0)),)
        if math.prod(s.places for s in steps) != size:
            return None
        parts += [s for s in steps if s.places > 1]
    dealt: list[tuple[Steps, ...]] = []
    for size in wanted:
        taken: list[Steps] = []
        while size > 1:
            if not parts:
                return None
            axis, count, jump = parts.pop(0)
            if size % count == 0:
                taken.append(Steps(axis, count, jump))
                size //= count
            elif count % size == 0:
                taken.append(Steps(axis, size, jump * (count // size)))
                parts.insert(0, Steps(axis, count // size, jump))
                size = 1
            else:
                return None
        dealt.append(tuple(taken) if any(s.axis >= 0 for s in taken) else ())
    return dealt


# -- what each operation does to a field; `arguments` are the operation's own ---------------------------------------

Rule = Callable[["Trace", Sequence[Any], Tensor], Field | None]
_RULES: dict[str, Rule] = {}


def _rule(*names: str) -> Callable[[Rule], Rule]:
    def register(rule: Rule) -> Rule:
        _RULES.update(dict.fromkeys(names, rule))
        return rule

    return register


def _argument(arguments: Sequence[Any], index: int, default: Any) -> Any:
    return arguments[index] if len(arguments) > index and arguments[index] not in (None, []) else default


def _each(value: int | Sequence[int], count: int) -> list[int]:
    values = [value] if isinstance(value, int) else list(value)
    return values * count if len(values) == 1 else values


def _slide(
    field: Field, kernel: list[int], stride: list[int], padding: list[int], dilation: list[int], answer: Tensor
) -> Field:
    rank = len(field.dimensions)
    for k, (size, step, pad, spread) in enumerate(zip(kernel, stride, padding, dilation, strict=True)):
        dimension = rank - len(kernel) + k
        reach = Fraction(spread * (size - 1))
        field = field.resample(dimension, Fraction(-pad), reach - pad, Fraction(step), answer.shape[dimension])
    return field


@_rule("convolution", "_convolution")
def _convolution(trace: Trace, arguments: Sequence[Any], answer: Tensor) -> Field | None:
    field = trace.of(arguments[0])
    if field is None:
        return None
    kernel = list(arguments[1].shape[2:])
    stride, padding, dilation = (_each(value, len(kernel)) for value in arguments[3:6])
    if not arguments[6]:
        return _slide(field, kernel, stride, padding, dilation, answer)
    for k, size in enumerate(kernel):  # transposed: position o hears from (o + padding - dilation * m) / stride
        dimension = 2 + k
        last = Fraction(padding[k], stride[k])
        first = last - Fraction(dilation[k] * (size - 1), stride[k])
        field = field.resample(dimension, first, last, Fraction(1, stride[k]), answer.shape[dimension])
    return field


@_rule("max_pool2d_with_indices", "max_pool3d_with_indices", "max_pool2d", "avg_pool2d", "avg_pool3d", "avg_pool1d")
def _pool(trace: Trace, arguments: Sequence[Any], answer: Tensor) -> Field | None:
    field = trace.of(arguments[0])
    if field is None:
        return None
    count = len(field.dimensions) - 2 if isinstance(arguments[1], int) else max(len(arguments[1]), 1)
    kernel = _each(arguments[1], count)
    stride = _each(_argument(arguments, 2, kernel), count)
    padding = _each(_argument(arguments, 3, 0), count)
    dilation = _argument(arguments, 4, 1)  # average pooling has a truth value there
    return _slide(field, kernel, stride, padding, _each(1 if isinstance(dilation, bool) else dilation, count), answer)


@_rule("_adaptive_avg_pool2d", "adaptive_avg_pool2d", "_adaptive_avg_pool3d", "adaptive_max_pool2d")
def _adaptive_pool(trace: Trace, arguments: Sequence[Any], answer: Tensor) -> Field | None:
    field = trace.of(arguments[0])
    if field is None:
        return None
    for dimension in range(2, answer.dim()):
        have, want = arguments[0].shape[dimension], answer.shape[dimension]
        if want == 1:
            field = field.collapse(dimension)
        elif have != want:  # bins reach from floor(i * ratio) to ceil((i + 1) * ratio)
            ratio = Fraction(have, want)
            slack = Fraction(0) if have % want == 0 else Fraction(want - 1, want)
            field = field.resample(dimension, -slack, ratio - 1 + slack, ratio, want)
    return field


def _upsample(reach: int) -> Rule:
    def rule(trace: Trace, arguments: Sequence[Any], answer: Tensor) -> Field | None:
        field = trace.of(arguments[0])
        if field is None:
            return None
        for dimension in range(2, answer.dim()):
            ratio = Fraction(arguments[0].shape[dimension], answer.shape[dimension])
            slack = max(1 - ratio, Fraction(0)) if reach == 0 else Fraction(reach)
            field = field.resample(dimension, -slack, Fraction(reach), ratio, answer.shape[dimension])
        return field

    return rule


_rule("upsample_nearest2d", "_upsample_nearest_exact2d", "upsample_nearest3d")(_upsample(0))
_rule("upsample_bilinear2d", "_upsample_bilinear2d_aa", "upsample_trilinear3d")(_upsample(1))
_rule("upsample_bicubic2d", "_upsample_bicubic2d_aa")(_upsample(2))


@_rule("constant_pad_nd", "reflection_pad2d", "replication_pad2d")
def _pad(trace: Trace, arguments: Sequence[Any], answer: Tensor) -> Field | None:
    field = trace.of(arguments[0])
    if field is None:
        return None
    for k, before in enumerate(arguments[1][::2]):
        dimension = answer.dim() - 1 - k
        shift = Fraction(-before)
        field = field.resample(dimension, shift, shift, Fraction(1), answer.shape[dimension])
    return field


@_rule("view", "_unsafe_view", "reshape", "_reshape_alias", "unsqueeze", "squeeze")
def _reshape(trace: Trace, arguments: Sequence[Any], answer: Tensor) -> Field | None:
    field = trace.of(arguments[0])
    return field.reshape(arguments[0].shape, answer.shape) if field else None


@_rule("pixel_shuffle")
def _pixel_shuffle(trace: Trace, arguments: Sequence[Any], answer: Tensor) -> Field | None:
    field, by = trace.of(arguments[0]), arguments[1]
    if field is None:
        return None
    batch, channels, height, width = answer.shape
    parts = field.reshape(arguments[0].shape, (batch, channels, by, by, height // by, width // by)).dimensions
    mixed = replace(field, dimensions=tuple(parts[d] for d in (0, 1, 4, 2, 5, 3)))
    shuffled = mixed.reshape((batch, channels, height // by, by, width // by, by), answer.shape)
    return shuffled.regular(2).regular(3)


@_rule("pixel_unshuffle")
def _pixel_unshuffle(trace: Trace, arguments: Sequence[Any], answer: Tensor) -> Field | None:
    field, by = trace.of(arguments[0]), arguments[1]
    if field is None:
        return None
    for dimension in (-2, -1):
        places = answer.shape[dimension]
        field = field.resample(answer.dim() + dimension, Fraction(0), Fraction(by - 1), Fraction(by), places)
    return field


@_rule("permute", "transpose", "t", "transpose_")
def _permute(trace: Trace, arguments: Sequence[Any], answer: Tensor) -> Field | None:
    field = trace.of(arguments[0])
    if field is None:
        return None
    order = list(range(answer.dim()))
    if len(arguments) == 2:
        order = [d % answer.dim() for d in arguments[1]]
    else:
        a, b = arguments[1:3] if len(arguments) == 3 else (-1, -2)
        order[a], order[b] = order[b], order[a]
    return replace(field, dimensions=tuple(field.dimensions[d] for d in order))


@_rule("slice", "narrow")
def _slice(trace: Trace, arguments: Sequence[Any], answer: Tensor) -> Field | None:
    field = trace.of(arguments[0])
    dimension = _argument(arguments, 1, 0)
    if field is None or len(field.dimensions[dimension]) != 1:
        return field  # some of the positions of a mixed dimension: their spacing stays
    start = min(_argument(arguments, 2, 0), arguments[0].shape[dimension])
    start += arguments[0].shape[dimension] if start < 0 else 0
    if field.dimensions[dimension][0].places < arguments[0].shape[dimension]:
        return field  # tokens were put before the positions; which ones are cut off is unknown
    step = Fraction(_argument(arguments, 4, 1))
    return field.resample(dimension, Fraction(start), Fraction(start), step, answer.shape[dimension])


@_rule("select")
def _select(trace: Trace, arguments: Sequence[Any], answer: Tensor) -> Field | None:
    field = trace.of(arguments[0])
    if field is None:
        return None
    dimension = arguments[1] % len(field.dimensions)
    if len(field.dimensions[dimension]) == 1:
        axis, count, jump = field.dimensions[dimension][0]
        shift = jump * (arguments[2] % count)
        field = field.widen(axis, shift, shift)
    return replace(field, dimensions=field.dimensions[:dimension] + field.dimensions[dimension + 1 :])


@_rule("unbind")
def _unbind(trace: Trace, arguments: Sequence[Any], answer: Tensor) -> Field | None:
    field = trace.of(arguments[0])
    if field is None:
        return None
    dimension = _argument(arguments, 1, 0) % len(field.dimensions)
    field = field.collapse(dimension)
    return replace(field, dimensions=field.dimensions[:dimension] + field.dimensions[dimension + 1 :])


@_rule("split", "split_with_sizes", "chunk")
def _split(trace: Trace, arguments: Sequence[Any], answer: Tensor) -> Field | None:
    field = trace.of(arguments[0])
    dimension = _argument(arguments, 2, 0)
    return field.collapse(dimension) if field and field.dimensions[dimension] else field


@_rule("roll")
def _roll(trace: Trace, arguments: Sequence[Any], answer: Tensor) -> Field | None:
    field = trace.of(arguments[0])
    if field is None:
        return None
    # What is rolled over the edge is masked out where networks do this (shifted windows), so it is a plain shift.
    for by, dimension in zip(_each(arguments[1], 1), _each(_argument(arguments, 2, 0), 1), strict=False):
        shift = Fraction(-by)
        field = field.resample(dimension, shift, shift, Fraction(1), answer.shape[dimension])
    return field


@_rule("cat", "stack")
def _cat(trace: Trace, arguments: Sequence[Any], answer: Tensor) -> Field | None:
    fields = [field for tensor in arguments[0] if (field := trace.of(tensor)) is not None]
    joined = _join(fields)
    if joined is None or len(joined.dimensions) == answer.dim():
        return joined
    dimension = _argument(arguments, 1, 0) % answer.dim()
    return replace(joined, dimensions=(*joined.dimensions[:dimension], (), *joined.dimensions[dimension:]))


@_rule("mean", "sum", "amax", "amin", "max", "min", "var", "std", "var_mean", "logsumexp", "linalg_vector_norm")
def _reduce(trace: Trace, arguments: Sequence[Any], answer: Tensor) -> Field | None:
    field = trace.of(arguments[0])
    if field is None:
        return None
    rank = len(field.dimensions)
    given = _argument(arguments, 1, None)
    if isinstance(given, Tensor):  # the larger of two tensors
        return _elementwise(trace, arguments, answer)
    if given is None or isinstance(given, bool | float):
        return field.everything(answer.dim())
    summed = {d % rank for d in _each(given, 1)}
    field = field.collapse(*summed)
    if answer.dim() == rank:
        return field
    return replace(field, dimensions=tuple(d for i, d in enumerate(field.dimensions) if i not in summed))


@_rule("_softmax", "_log_softmax", "_safe_softmax", "cumsum")
def _softmax(trace: Trace, arguments: Sequence[Any], answer: Tensor) -> Field | None:
    field = trace.of(arguments[0])
    return field.collapse(arguments[1]) if field else None


@_rule("mm", "bmm", "mv", "addmm", "baddbmm", "matmul")
def _product(trace: Trace, arguments: Sequence[Any], answer: Tensor) -> Field | None:
    left, right = [argument for argument in arguments if isinstance(argument, Tensor)][-2:]
    a, b = trace.of(left), trace.of(right)
    if a is not None:  # the summed dimension is gone; in its place come the other side's columns
        a = a.collapse(-1)
    if b is not None:
        b = b.collapse(-2) if right.dim() > 1 else b.everything(answer.dim())
    if a is None or b is None:
        return a or b
    return a.join(b)


def _attention(trace: Trace, arguments: Sequence[Any], answer: Tensor) -> Field | None:
    query, *others = (trace.of(tensor) for tensor in arguments[:3])
    seen = [other.collapse(-2) for other in others if other is not None]
    return _join([*([query] if query else []), *seen])


def _elementwise(trace: Trace, arguments: Sequence[Any], answer: Tensor) -> Field | None:
    joined = _join([f for a in arguments if (f := trace.of(a)) is not None])
    return joined if joined is None or len(joined.dimensions) == answer.dim() else joined.everything(answer.dim())


def _join(fields: Sequence[Field]) -> Field | None:
    joined = None
    for field in fields:
        joined = field if joined is None else joined.join(field)
    return joined


class Trace(TorchDispatchMode):
    """Follows receptive fields from one input through every operation that runs under it.

    `on_operation(operation, arguments, keywords, answer)` is told of each. Runs under `torch.inference_mode()` only:
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

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Runs one operation and notes what its answer sees."""
        kwargs = kwargs or {}
        name = func.overloadpacket.__name__
        if "upsample" not in name:  # whose parts look pixels up by computed numbers, and tell nothing
            with self:  # operations that are made of others are taken apart, and their parts come here
                answer = func.decompose(*args, **kwargs)
            if answer is not NotImplemented:
                return answer
        answer = func(*args, **kwargs)
        rule = _RULES.get(name) or (_attention if "scaled_dot_product" in name else None)
        answers = [a for a in (answer if isinstance(answer, tuple | list) else [answer]) if isinstance(a, Tensor)]
        for tensor in answers:
            field = rule(self, args, tensor) if rule else self._unknown(args, tensor)
            if field is not None:
                self._fields[tensor] = field
        if self._on_operation is not None:
            self._on_operation(func, args, kwargs, answer)
        return answer

    def _unknown(self, arguments: Sequence[Any], answer: Tensor) -> Field | None:
        """Operations that keep the shape work element by element; others are taken to see everything."""
        flat = [t for a in arguments for t in (a if isinstance(a, tuple | list) else [a]) if isinstance(t, Tensor)]
        fields = [(t, f) for t in flat if (f := self.of(t)) is not None]
        if not fields:
            return None
        try:
            shape = torch.broadcast_shapes(*(t.shape for t in flat))
        except RuntimeError:
            shape = None
        if shape == answer.shape or any(t.shape == answer.shape for t, _ in fields):
            return _elementwise(self, [t for t, f in fields if t.dim() <= answer.dim()], answer)
        return _join([f.everything(answer.dim()) for _, f in fields])


def receptive_field_by_gradient(
    model: nn.Module, input_size: tuple[int, ...], at: tuple[int, ...] = ()
) -> tuple[tuple[int, int], ...]:
    """The pixels that one position of the output truly depends on, found by back-propagation: slow, and sure.

    Of a copy of `model` in which weights are positive, maxima are means and normalisation does nothing, so that
    nothing cancels and nothing is hidden.

    Args:
        model: takes (1, C, *size); returns a map (1, K, *size) or a vector (1, K).
        input_size: (C, *size).
        at: position in the map, such as (row, column); empty for a vector.

    Returns:
        For each axis (first, last + 1), inside the picture; (0, 0) where nothing is seen.
    """
    positive = _positive(copy.deepcopy(model)).double().eval()
    inputs = torch.ones(1, *input_size, dtype=torch.float64, requires_grad=True)
    outputs = positive(inputs)
    outputs[(0, slice(None), *at)].sum().backward()
    assert inputs.grad is not None
    seen = inputs.grad[0].abs().sum(dim=0) > 0
    ranges = []
    for axis in range(seen.dim()):
        others = [d for d in range(seen.dim()) if d != axis]
        line = (seen.any(dim=others[0]) if len(others) == 1 else seen.amax(dim=others) if others else seen).nonzero()
        ranges.append((int(line[0]), int(line[-1]) + 1) if len(line) else (0, 0))
    return tuple(ranges)


_NOTHING = (nn.ReLU, nn.ReLU6, nn.Tanh, nn.Sigmoid, nn.Hardswish, nn.Hardsigmoid, nn.SiLU, nn.GELU, nn.Dropout)
_NORMS = (nn.modules.batchnorm._BatchNorm, nn.GroupNorm, nn.LocalResponseNorm)


def _positive(module: nn.Module) -> nn.Module:
    for name, child in module.named_children():
        if isinstance(child, nn.MaxPool2d) and child.dilation in (1, (1, 1)):
            setattr(module, name, nn.AvgPool2d(child.kernel_size, child.stride, child.padding, child.ceil_mode))
        elif isinstance(child, (*_NOTHING, *_NORMS)):
            setattr(module, name, nn.Identity())
        else:
            _positive(child)
    for name, parameter in module.named_parameters(recurse=False):
        fan_in = max(1, parameter[0].numel()) if parameter.dim() > 1 else 1
        parameter.data.fill_(1 / fan_in if "bias" not in name else 0)
    return module
