"""The same words in Python as on the command line."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any, get_type_hints

from zorki.engine.evaluation.compare import compare
from zorki.engine.evaluation.evaluate import evaluate
from zorki.engine.evaluation.results_file import evaluate_file
from zorki.engine.prediction.predict import predict
from zorki.engine.run.open import load
from zorki.engine.training import train as _train
from zorki.task_settings import all_fields

resume = _train.resume


def _with_fields(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function with the recipe's fields in its signature, so that `help` and editors show them."""

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    plain = [p for p in inspect.signature(function).parameters.values() if p.kind is not p.VAR_KEYWORD]
    fields = [
        inspect.Parameter(
            f.name,
            inspect.Parameter.KEYWORD_ONLY,
            default={} if f.default is dataclasses.MISSING else f.default,
            annotation=get_type_hints(kinds[0])[f.name],
        )
        for name, kinds in all_fields().items()
        if (f := kinds[0].__dataclass_fields__[name])
    ]
    call.__signature__ = inspect.Signature([*plain, *fields])  # type: ignore[attr-defined]
    return call


train = _with_fields(_train.train)

__all__ = ["compare", "evaluate", "evaluate_file", "load", "predict", "resume", "train"]
