"""From the names of published weights to ours."""

from __future__ import annotations

from collections.abc import Mapping

from torch import nn


def our_name(name: str, model: nn.Module, published: Mapping[str, str]) -> str:
    """Our name for a weight in torchvision's, timm's or the paper's authors' files; the model's own names stay.

    Args:
        published: beginnings of published names, and what stands there in ours; the longest that fits counts, and
            where none does, "backbone." is put before the name. Keys that begin with a dot are pieces to replace
            inside of names.
    """
    if _owns(model, name):
        return name
    for piece, ours in published.items():
        if piece.startswith("."):
            name = name.replace(piece, ours)
    beginnings = [beginning for beginning in published if not beginning.startswith(".") and name.startswith(beginning)]
    if not beginnings:
        return f"backbone.{name}"
    longest = max(beginnings, key=len)
    return published[longest] + name.removeprefix(longest)


def _owns(model: nn.Module, name: str) -> bool:
    path, _, last = name.rpartition(".")
    try:
        module = model.get_submodule(path)
    except AttributeError:
        return False
    return last in module._parameters or last in module._buffers
