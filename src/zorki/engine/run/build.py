"""The network of a run: as its recipe says, with the preprocessing that was saved beside its weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zorki import registry
from zorki.contracts import Model, Preprocess
from zorki.data.preprocess.saved import preprocess_from_json
from zorki.recipe import Recipe

IMAGE_SIZE = "image_size"
RECIPE_FIELDS_OF_BUILDERS = (IMAGE_SIZE, "dropout")


def build(name: str, num_classes: int, recipe: Recipe) -> Model[Any, Any, Any]:
    """The named model with what the recipe says of its builder's arguments.

    Raises:
        RecipeError: no such model, no such argument, or a value that the builder refuses.
    """
    return registry.build(name, num_classes, builder_options(recipe))


def builder_options(recipe: Recipe) -> dict[str, Any]:
    """The fields of the recipe that builders take, and the recipe's `options`."""
    fields = {name: getattr(recipe, name) for name in RECIPE_FIELDS_OF_BUILDERS if getattr(recipe, name) is not None}
    return {**registry.canonical_options(recipe.options), **fields}


def build_trained(
    name: str,
    num_classes: int,
    recipe: Recipe,
    saved: Mapping[str, Any] | None,
    options: Mapping[str, Any] | None = None,
) -> Model[Any, Any, Any]:
    """The named model as it was trained, with the preprocessing that was saved beside its weights.

    Args:
        saved: what the preprocessing's `to_json` gave; None for weights that come without: then the builder's own.
        options: arguments of the builder in the place of those that it was trained with. What of the preprocessing
            hangs on them changes with them, and nothing else.

    Raises:
        RecipeError: no such model, no such argument, or a value that the builder refuses.
    """
    given, changes = builder_options(recipe), registry.canonical_options(options or {})
    if saved is None:
        return registry.build(name, num_classes, {**given, **changes})
    preprocess = preprocess_from_json(dict(saved))
    model = registry.build(name, num_classes, given)
    if registry.find(name).takes(IMAGE_SIZE) and IMAGE_SIZE not in given and model.preprocess.size != preprocess.size:
        # The builder's own size was another one then, and parts of networks (priors, embeddings) hang on it.
        given[IMAGE_SIZE] = preprocess.size
        model = registry.build(name, num_classes, given)
    if changes:
        plain = model.preprocess
        model = registry.build(name, num_classes, {**given, **changes})
        preprocess = _changed(preprocess, plain, model.preprocess)
    model.restore_preprocess(preprocess)
    return model


def _changed(saved: Preprocess, before: Preprocess, after: Preprocess) -> Preprocess:
    """The saved preprocessing with what differs between two others."""
    if type(before) is not type(after):
        return after
    old, new = before.to_json(), after.to_json()
    return preprocess_from_json({**saved.to_json(), **{key: new[key] for key in new if old.get(key) != new[key]}})
