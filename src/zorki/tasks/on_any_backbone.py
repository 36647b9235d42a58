"""Families of models: one method on any backbone of the floor or of timm, such as `retinanet_timm:convnext_tiny`."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

from zorki.contracts import Model, Task
from zorki.nn.backbones.named import backbone_weights, check_backbone
from zorki.registry import Entry, family

T = TypeVar("T")  # target
P = TypeVar("P")  # prediction


def any_backbone(prefix: str, task: type[Task[T, P]], build: Callable[..., Model[Any, T, P]]) -> None:
    """Makes `build` known as `prefix` followed by the name of any backbone, see `zorki.nn.backbones.named`.

    Args:
        prefix: with its underscore, such as "retinanet_".
        task: of the models.
        build: `f(num_classes, *, backbone: str, ...)`; its other arguments are the options of every such model.
    """
    family(prefix + "{backbone}", lambda name: entry_on(prefix, task, build, name))


def entry_on(
    prefix: str, task: type[Task[T, P]], build: Callable[..., Model[Any, T, P]], name: str, suffix: str = ""
) -> Entry:
    """The model `prefix` + `name` + `suffix` that `build` makes on the backbone of that name.

    Raises:
        RecipeError: there is no such backbone.
    """
    check_backbone(name)  # refuses unknown names before anything is built, with the nearest known
    signature = inspect.signature(build)
    others = [parameter for key, parameter in signature.parameters.items() if key != "backbone"]

    def on_backbone(num_classes: int, **options: Any) -> Model[Any, T, P]:
        return build(num_classes, backbone=name, **options)

    on_backbone.__signature__ = signature.replace(parameters=others)  # type: ignore[attr-defined]
    on_backbone.__doc__ = f"{_first_line(build).rstrip('.')}; on {name}."
    return Entry(prefix + name + suffix, task(), on_backbone, backbone_weights(name))


def _first_line(build: Callable[..., Any]) -> str:
    return (inspect.getdoc(build) or "").split("\n", 1)[0]
