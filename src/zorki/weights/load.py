"""Tensors into networks: what fits by name and shape goes in, and what does not is told."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from zorki.errors import WeightsError
from zorki.weights.read import Weights, some
from zorki.weights.weight_map import WeightMap

_COUNTER = "num_batches_tracked"  # of batch norm; no network needs it to predict


@dataclass
class Match:
    """What of a file went into a network. Names are the network's, except those of `unused`, which are the file's."""

    matched: list[str]
    mismatched: list[tuple[str, tuple[int, ...], tuple[int, ...]]]  # (name, shape in the file, shape wanted)
    new: list[str]  # the file lacks them: they stay as they were
    unused: list[str]  # the network has no such name
    matched_values: int = 0
    total_values: int = 0
    path: Path = field(default_factory=Path)

    def summary(self) -> str:
        """A few lines for a person: counts, what did not fit and why, what was new, what was left over."""
        total = len(self.matched) + len(self.mismatched) + len(self.new)
        lines = [
            f"{self.path.name}: {len(self.matched)} of {total} tensors match "
            f"({self.matched_values:,} of {self.total_values:,} values)"
        ]
        if head := self._other_head():
            name, theirs, ours = head
            lines.append(f"  {name} starts anew: {theirs} classes in the file, {ours} here")
        elif self.mismatched:
            shown = [f"{name} is {_shape(theirs)} there, {_shape(ours)} here" for name, theirs, ours in self.mismatched]
            lines.append(f"  does not fit, starts anew: {some(shown, '; ')}")
        if self.new:
            lines.append(f"  not in the file, left as built: {some(self.new)}")
        if self.unused:
            lines.append(f"  in the file only, not used: {some(self.unused)}")
        return "\n".join(lines)

    def _other_head(self) -> tuple[str, int, int] | None:
        """(module, classes there, classes here) where all that misfits is one layer with another count of outputs."""
        modules = {name.rpartition(".")[0] for name, _, _ in self.mismatched}
        outputs = {(theirs[:1], ours[:1]) for _, theirs, ours in self.mismatched}
        alike = all(theirs[1:] == ours[1:] and theirs for _, theirs, ours in self.mismatched)
        if len(modules) != 1 or len(outputs) != 1 or not alike:
            return None
        ((theirs, ours),) = outputs
        return modules.pop(), theirs[0], ours[0]


def load_into(
    model: nn.Module,
    weights: Weights,
    weight_map: WeightMap | None = None,
) -> Match:
    """Copies into `model` what fits by name and shape, and says what did and what did not.

    Args:
        model: receives the values, cast to its own dtype and device.
        weights: what `read_weights` returned.
        weight_map: from the file's names and values to the model's; None: they are the model's own.

    Raises:
        WeightsError: nothing fits, or what fits holds values that no weight has: not-a-numbers, infinite ones, whole
            numbers where the network has fractions; `model` is unchanged.
    """
    own = {name: value for name, value in model.state_dict(keep_vars=True).items() if isinstance(value, Tensor)}
    given: Mapping[str, Tensor] = weights.tensors
    theirs = {name: name for name in given}
    if weight_map is not None:
        given = weight_map.adapt(given, weights.path.name, model)
        theirs = {weight_map.rename(name, model): name for name in given}
    fitting = {
        name: given[theirs[name]]
        for name, value in own.items()
        if name in theirs and _fits(model, name, value, given[theirs[name]])
    }
    # A tied tensor has several names in the network and often one in the file: filled by one, it is filled for all.
    filled = {id(own[name]) for name in fitting}
    own_names = [name for name in own if not name.endswith(_COUNTER)]
    match = Match(
        matched=[name for name in own_names if name in fitting or id(own[name]) in filled],
        mismatched=[
            (name, tuple(given[theirs[name]].shape), tuple(own[name].shape))
            for name in own_names
            if name in theirs and name not in fitting
        ],
        new=[name for name in own_names if name not in theirs and id(own[name]) not in filled],
        unused=[old for new, old in theirs.items() if new not in own and not old.endswith(_COUNTER)],
        path=weights.path,
    )
    if not match.matched and own_names:
        raise WeightsError(
            f"{weights.path}: nothing in this file fits the network. Names in the file: "
            f"{some(list(theirs.values()))}; names wanted: {some(own_names)}{_first_misfit(match)}. "
            "Is it another architecture's file?"
        )
    _refuse_odd_values(fitting, own, weights.path)
    match.matched_values = _values(own[name] for name in match.matched)
    match.total_values = _values(own[name] for name in own_names)
    model.load_state_dict(fitting, strict=False)
    return match


def _refuse_odd_values(given: Mapping[str, Tensor], own: Mapping[str, Tensor], path: Path) -> None:
    """Raises WeightsError: a network with such values predicts as if nothing were wrong."""
    fractions = {name: value for name, value in given.items() if own[name].is_floating_point()}
    if whole := [name for name, value in fractions.items() if not value.is_floating_point()]:
        kind = _dtype(fractions[whole[0]])
        raise WeightsError(
            f"{path}: {len(whole)} tensors hold {kind} where the network has {_dtype(own[whole[0]])}, {whole[0]!r} "
            "first: codes of quantized weights, or rounded ones; save the weights themselves"
        )
    # A buffer that is infinite by design, such as a mask of attention, is so in the network too.
    broken = [
        name
        for name, value in fractions.items()
        if not bool(torch.isfinite(value).all()) and bool(torch.isfinite(own[name]).all())
    ]
    if broken:
        value = fractions[broken[0]]
        count = int((~torch.isfinite(value)).sum())
        raise WeightsError(
            f"{path}: {len(broken)} tensors hold values that are not finite, {broken[0]!r} first ({count} of "
            f"{value.numel()}: NaN or infinite): its training diverged; take an earlier checkpoint"
        )


def _dtype(value: Tensor) -> str:
    return str(value.dtype).removeprefix("torch.")


def _fits(model: nn.Module, name: str, expected: Tensor, given: Tensor) -> bool:
    """Whether the shapes agree, or the module that holds the tensor takes the other shape (a mean image)."""
    if expected.shape == given.shape:
        return True
    path, _, last = name.rpartition(".")
    try:
        model.get_submodule(path).load_state_dict({last: given}, strict=False)
    except RuntimeError:
        return False
    return True


def _shape(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "a number"


def _values(tensors: Iterable[Tensor]) -> int:
    """How many numbers; what has two names counts once."""
    return sum(tensor.numel() for tensor in {id(tensor): tensor for tensor in tensors}.values())


def _first_misfit(match: Match) -> str:
    if not match.mismatched:
        return ""
    name, theirs, ours = match.mismatched[0]
    return f"; shapes differ too: {name} is {_shape(theirs)} there, {_shape(ours)} wanted"
