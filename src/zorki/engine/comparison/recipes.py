"""Runs by their recipe: what of it their scores can hang on, and in which of its fields recipes differ."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zorki.engine.run.folder import read_about, recipe_of

# Runs that differ in these alone are runs of one recipe: the seed, where it ran, and what it wrote down.
NOT_OF_A_RECIPE = (
    "seed", "name", "out", "workers", "threads", "device", "devices", "nodes", "compile", "log_every",
    "checkpoint_minutes", "checkpoint_steps", "wandb", "evaluate_test",
)  # fmt: skip
BY_HAND = ("model", "data")  # fields that nobody chooses for the user


@dataclass(frozen=True)
class RunRecipe:
    """What a run was told.

    Attributes:
        facts: fields of the recipe that its scores can hang on, with the model and the data.
        typed: the names of those that were set by hand; others follow from these, and from the data.
    """

    folder: Path
    seed: int
    facts: Mapping[str, Any]
    typed: frozenset[str]

    @property
    def key(self) -> str:
        """The same for all runs of one recipe."""
        return json.dumps(self.facts, sort_keys=True)


def run_recipe(folder: Path) -> RunRecipe:
    """What the run in a folder was told. Raises WeightsError where there is no run."""
    about = read_about(folder)
    values, typed = recipe_of(about).to_json(), set(about.get("explicit", {}))
    chosen = {choice["name"]: choice.get("value") for choice in about.get("choices", [])}
    if values["time"] is not None and "epochs" not in typed:
        values["epochs"] = None  # as many as there was time for
    facts = {
        name: chosen.get(name) if value is None and name != "epochs" else value
        for name, value in values.items()
        if name not in NOT_OF_A_RECIPE
    }
    facts |= {"model": about["model"], "data": about["data"]}
    return RunRecipe(folder, int(values["seed"]), facts, frozenset(typed - set(NOT_OF_A_RECIPE)) | set(BY_HAND))


def grouped(recipes: Sequence[RunRecipe]) -> list[list[RunRecipe]]:
    """Runs of one recipe together, in the order in which recipes first appear."""
    groups: dict[str, list[RunRecipe]] = {}
    for one in recipes:
        groups.setdefault(one.key, []).append(one)
    return list(groups.values())


def without_repeats(group: Sequence[RunRecipe]) -> tuple[list[RunRecipe], list[str]]:
    """The first run of each seed, and of every other one in words that it tells nothing new.

    The same recipe and seed give the same weights: copies would make a deviation of 0 between seeds, and any difference
    sure.
    """
    firsts: dict[int, RunRecipe] = {}
    repeats = []
    for one in group:
        first = firsts.setdefault(one.seed, one)
        if first is not one:
            repeats.append(
                f"{one.folder} is left out: it has the recipe and the seed of {first.folder}, and tells nothing new; "
                "--seed N trains another one, --seeds 5 trains five"
            )
    return list(firsts.values()), repeats


@dataclass(frozen=True)
class FieldDifference:
    """A field in which two recipes differ; `typed`: set by hand in one of them, else it follows from what was."""

    name: str
    first: Any
    second: Any
    typed: bool

    def __str__(self) -> str:
        return f"{self.name} {_text(self.first)} -> {_text(self.second)}"


def differing(first: RunRecipe, second: RunRecipe) -> list[FieldDifference]:
    """The fields in which two recipes differ, those that were set by hand first."""
    names = dict.fromkeys([*first.facts, *second.facts])
    found = [
        FieldDifference(name, first.facts.get(name), second.facts.get(name), name in first.typed | second.typed)
        for name in names
        if first.facts.get(name) != second.facts.get(name)
    ]
    return sorted(found, key=lambda field: not field.typed)


def names_of(groups: Sequence[Sequence[RunRecipe]]) -> list[str]:
    """A name for each recipe: its model's, with the fields in which recipes of that model differ; else its folder's."""
    firsts = [group[0] for group in groups]
    names = []
    for one in firsts:
        alike = [other for other in firsts if other.facts["model"] == one.facts["model"] and other is not one]
        apart = [field for other in alike for field in differing(one, other) if field.name != "model"]
        shown = {field.name: field for field in apart if field.typed} or {field.name: field for field in apart}
        words = [f"{name}={_text(one.facts.get(name))}" for name in list(shown)[:3]]
        names.append(" ".join([str(one.facts["model"]), *words]))
    if len(set(names)) == len(names):
        return names
    folders = [one.folder.name for one in firsts]
    return folders if len(set(folders)) == len(folders) else [str(one.folder) for one in firsts]


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    return Path(value).name if isinstance(value, str) and "/" in value else str(value)
