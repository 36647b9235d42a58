"""Families of detectors: one method on any backbone of the floor or of timm, such as `retinanet_timm:convnext_tiny`."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from zorki.contracts import Model
from zorki.nn.named import backbone_weights, check_backbone
from zorki.registry import Entry, family
from zorki.tasks.detection.task import Detection
from zorki.types import Boxes


def any_backbone(prefix: str, build: Callable[..., Model[Any, Boxes, Boxes]]) -> None:
    """Makes `build` known as `prefix` followed by the name of any backbone, see `zorki.nn.named`.

    Args:
        prefix: with its underscore, such as "retinanet_".
        build: `f(num_classes, *, backbone: str, ...)`; its other arguments are the options of every such model.
    """
    family(prefix, lambda name: entry_on(prefix, build, name))


def entry_on(prefix: str, build: Callable[..., Model[Any, Boxes, Boxes]], name: str, suffix: str = "") -> Entry:
    """The model `prefix` + `name` + `suffix` that `build` makes on the backbone of that name.

    Raises:
        RecipeError: there is no such backbone.
    """
    check_backbone(name)  # refuses unknown names before anything is built, with the nearest known
    signature = inspect.signature(build)
    others = [parameter for key, parameter in signature.parameters.items() if key != "backbone"]

    def on_backbone(num_classes: int, **options: Any) -> Model[Any, Boxes, Boxes]:
        return build(num_classes, backbone=name, **options)

    on_backbone.__signature__ = signature.replace(parameters=others)  # type: ignore[attr-defined]
    on_backbone.__doc__ = f"{_first_line(build).rstrip('.')}; on {name}."
    return Entry(prefix + name + suffix, Detection, on_backbone, backbone_weights(name))


def _first_line(build: Callable[..., Any]) -> str:
    return (inspect.getdoc(build) or "").split("\n", 1)[0]
