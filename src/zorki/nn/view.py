"""Modules that share their weights with another."""

from __future__ import annotations

import copy
from typing import TypeVar

from torch import nn

Module = TypeVar("Module", bound=nn.Module)


def view_of(module: Module) -> Module:
    """A module with the parameters, buffers and parts of another, whose plain attributes can be set on their own.

    A part may be replaced by a view of its own; the other module keeps its part.
    """
    view = copy.copy(module)
    for table in ("_parameters", "_buffers", "_modules"):
        view.__dict__[table] = dict(view.__dict__[table])
    return view
