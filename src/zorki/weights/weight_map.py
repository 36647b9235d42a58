"""From published weights to a model's own: names, and values where they differ."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor, nn


@dataclass(frozen=True)
class WeightMap:
    """Published names to ours, by prefixes. Subclasses also change values, see `adapt`.

    Args:
        prefixes: prefixes of the names of torchvision, timm or the authors, and what stands there in ours. The
            longest that fits counts; where none does, "backbone." is put before the name. Keys that begin with a dot
            are pieces that are replaced anywhere in a name.
    """

    prefixes: Mapping[str, str] = field(default_factory=dict)

    def rename(self, name: str, model: nn.Module) -> str:
        """The model's name for a published weight; names of the model's own stay."""
        return name if _owns(model, name) else renamed(name, self.prefixes)

    def adapt(self, tensors: Mapping[str, Tensor], file: str, model: nn.Module) -> Mapping[str, Tensor]:
        """Published tensors, by their published names, with the values that the model needs.

        Args:
            file: the file's name.
        """
        return tensors


def renamed(name: str, prefixes: Mapping[str, str]) -> str:
    """A published name in ours; see `WeightMap`.

    >>> renamed("fc.weight", {"fc.": "head.fc."}), renamed("conv1.weight", {})
    ('head.fc.weight', 'backbone.conv1.weight')
    """
    for piece, ours in prefixes.items():
        if piece.startswith("."):
            name = name.replace(piece, ours)
    fitting = [prefix for prefix in prefixes if not prefix.startswith(".") and name.startswith(prefix)]
    if not fitting:
        return f"backbone.{name}"
    longest = max(fitting, key=len)
    return prefixes[longest] + name.removeprefix(longest)


def _owns(model: nn.Module, name: str) -> bool:
    path, _, last = name.rpartition(".")
    try:
        module = model.get_submodule(path)
    except AttributeError:
        return False
    return last in module._parameters or last in module._buffers
