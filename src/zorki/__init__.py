"""zorki: sharp-eyed. One library for every task of computer vision.

    run = zorki.train("lenet5", "photos/", epochs=5)
    run.evaluate(split="test").metrics.top1
    run.predict("cat.jpg")

Names are loaded when they are first used: `import zorki` costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zorki.contracts import Dataset, Metric, Model, Results, Task
    from zorki.engine.api import Run, load, resume, train
    from zorki.engine.checks.check import check
    from zorki.engine.comparison.compare import compare
    from zorki.engine.evaluation.evaluate import evaluate
    from zorki.engine.evaluation.mistakes import find_mistakes, write_mistakes
    from zorki.engine.evaluation.results_file import evaluate_file
    from zorki.engine.evaluation.tracks_file import evaluate_tracks
    from zorki.engine.explanation.explain import exciting_patches, explain
    from zorki.engine.export.export import export
    from zorki.engine.lr_finder.find_lr import find_lr
    from zorki.engine.prediction.predict import predict
    from zorki.engine.prediction.result import Result
    from zorki.engine.prediction.shards.predict_shards import predict_shards
    from zorki.engine.prediction.shards.work import ShardSettings
    from zorki.engine.profiling.profile import profile
    from zorki.engine.publishing.push import push
    from zorki.engine.search.index import Index
    from zorki.engine.serving.serve import serve
    from zorki.engine.stylize import stylize
    from zorki.engine.tuning.tune import tune
    from zorki.errors import DataError, RecipeError, WeightsError, ZorkiError
    from zorki.recipe import Recipe
    from zorki.registry import build, entries, find, load_plugin
    from zorki.registry import entries as models

_HOMES = {
    "zorki.engine.api": ("Run", "load", "resume", "train"),
    "zorki.engine.checks.check": ("check",),
    "zorki.engine.comparison.compare": ("compare",),
    "zorki.engine.evaluation.evaluate": ("evaluate",),
    "zorki.engine.evaluation.mistakes": ("find_mistakes", "write_mistakes"),
    "zorki.engine.evaluation.results_file": ("evaluate_file",),
    "zorki.engine.evaluation.tracks_file": ("evaluate_tracks",),
    "zorki.engine.export.export": ("export",),
    "zorki.engine.lr_finder.find_lr": ("find_lr",),
    "zorki.engine.explanation.explain": ("exciting_patches", "explain"),
    "zorki.engine.prediction.predict": ("predict",),
    "zorki.engine.prediction.result": ("Result",),
    "zorki.engine.prediction.shards.predict_shards": ("predict_shards",),
    "zorki.engine.prediction.shards.work": ("ShardSettings",),
    "zorki.engine.profiling.profile": ("profile",),
    "zorki.engine.publishing.push": ("push",),
    "zorki.engine.search.index": ("Index",),
    "zorki.engine.serving.serve": ("serve",),
    "zorki.engine.stylize": ("stylize",),
    "zorki.engine.tuning.tune": ("tune",),
    "zorki.registry": ("build", "entries", "find", "load_plugin", "models"),
    "zorki.recipe": ("Recipe",),
    "zorki.contracts": ("Dataset", "Metric", "Model", "Results", "Task"),
    "zorki.errors": ("DataError", "RecipeError", "WeightsError", "ZorkiError"),
}
_WHERE = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "DataError",
    "Dataset",
    "Index",
    "Metric",
    "Model",
    "Recipe",
    "RecipeError",
    "Result",
    "Results",
    "Run",
    "ShardSettings",
    "Task",
    "WeightsError",
    "ZorkiError",
    "build",
    "check",
    "compare",
    "entries",
    "evaluate",
    "evaluate_file",
    "evaluate_tracks",
    "exciting_patches",
    "explain",
    "export",
    "find",
    "find_lr",
    "find_mistakes",
    "load",
    "load_plugin",
    "models",
    "predict",
    "predict_shards",
    "profile",
    "push",
    "resume",
    "serve",
    "stylize",
    "train",
    "tune",
    "write_mistakes",
]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'zorki' has no attribute {name!r}")
    module = importlib.import_module(_WHERE[name])
    value = getattr(module, "entries" if name == "models" else name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_WHERE])
