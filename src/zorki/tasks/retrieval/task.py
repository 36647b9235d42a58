"""Retrieval: which other images show the same?"""

from __future__ import annotations

from zorki.contracts import Task
from zorki.tasks.retrieval.data import RetrievalData
from zorki.tasks.retrieval.evaluation import RetrievalEvaluation
from zorki.tasks.retrieval.presentation import RetrievalPresentation
from zorki.tasks.retrieval.settings import RetrievalSettings
from zorki.types import Embedding, Label


class Retrieval(Task[Label, Embedding]):
    """A point for each image, near those of its class, which may be one that training never saw."""

    name = "retrieval"
    monitor = "map_at_r"
    summary = "Which images show the same thing, be it new?"
    pipeline_tag = "image-feature-extraction"
    settings = RetrievalSettings
    data = RetrievalData()
    evaluation = RetrievalEvaluation()
    presentation = RetrievalPresentation()
