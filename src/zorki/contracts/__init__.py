"""The two contracts. A task is what to predict; a model is how; the engine names neither.

folder --read--> Sample --augment--> Sample --preprocess--> Batch --forward--> outputs --loss--> scalars
                                                                        \\--decode--> prediction --metric--> numbers
                                                                                          \\--draw--> image
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zorki.contracts.dataset import Dataset, Targets
from zorki.contracts.evaluation import Evaluation
from zorki.contracts.metric import Metric, MetricResult
from zorki.contracts.preprocess import Preprocess
from zorki.contracts.presentation import Presentation
from zorki.contracts.results import Results, Section
from zorki.contracts.sampler import Sampler
from zorki.contracts.task import Task
from zorki.contracts.task_data import TaskData
from zorki.contracts.training_defaults import TrainingDefaults

if TYPE_CHECKING:
    from zorki.contracts.model import Model

__all__ = [
    "Dataset",
    "Evaluation",
    "Metric",
    "MetricResult",
    "Model",
    "Preprocess",
    "Presentation",
    "Results",
    "Sampler",
    "Section",
    "Targets",
    "Task",
    "TaskData",
    "TrainingDefaults",
]


def __getattr__(name: str) -> Any:
    """A model is a module of torch, which takes seconds to load: what only reads data has no need of it."""
    if name != "Model":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from zorki.contracts.model import Model

    return Model
