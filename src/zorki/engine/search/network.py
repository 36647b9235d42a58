"""A network that gives images embeddings, and what tells it from every other one."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor

from zorki.contracts import Model
from zorki.contracts.capabilities import Embeds
from zorki.engine.device import check_device
from zorki.engine.prediction.inference import predict_images
from zorki.engine.run.folder import is_run
from zorki.engine.run.open import RunLike, open_all
from zorki.errors import RecipeError
from zorki.index.fingerprint import Fingerprint, canonical
from zorki.types import Embedding

BATCH = 32  # images a step, where nobody said


class EmbeddingNetwork:
    """A run whose predictions are embeddings.

    Args:
        run: an open one, its folder, or a model's name with `weights`.

    Raises:
        ZorkiError: there is no such run, or it gives no embeddings.
    """

    def __init__(
        self,
        run: RunLike,
        *,
        weights: str | Path | None = None,
        options: Mapping[str, str] | None = None,
        device: str | int | None = None,
        batch_size: int | None = None,
    ) -> None:
        (self.run,) = open_all(run, weights, options=options)
        if batch_size is not None and batch_size < 1:
            raise RecipeError(f"batch_size is {batch_size}; expected at least 1")
        self.batch_size = batch_size or BATCH
        self.device = check_device(device)
        self.model: Model[Any, Any, Any] = self.run.on_device(self.device).eval()
        if not isinstance(self.model, Embeds):
            raise RecipeError(
                f"{self.run.folder} is a run of {self.run.task.name}, which gives images no embeddings; `zorki models` "
                "lists networks that do, such as features_squeezenet with --weights imagenet"
            )
        self.dim = self.model.embedding_dim

    @cached_property
    def fingerprint(self) -> Fingerprint:
        """By the content of all weights, wherever they come from."""
        digest = hashlib.sha256()
        for name, value in sorted(self.model.state_dict().items()):
            digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
            digest.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
        preprocess = canonical(self.model.preprocess.to_json())
        return Fingerprint(str(self.run.folder), self.run.model_name, digest.hexdigest(), preprocess, self.dim)

    @property
    def source(self) -> dict[str, Any]:
        """How to open it again: the run's folder, or the model's name and its weights."""
        if is_run(self.run.folder):
            return {"run": str(self.run.folder.resolve()), "weights": None, "options": {}}
        weights = self.run.recipe.weights
        file = weights is not None and Path(weights).exists()
        return {
            "run": self.run.model_name,
            "weights": str(Path(str(weights)).resolve()) if file else weights,
            "options": {name: str(value) for name, value in self.run.recipe.options.items()},
        }

    def vectors(self, images: Sequence[Tensor]) -> Float32[np.ndarray, "N D"]:
        """The embedding of each uint8 RGB image (3, H, W), of length 1."""
        found = []
        for start in range(0, len(images), self.batch_size):
            found += predict_images(self.model, images[start : start + self.batch_size], self.device)
        vectors = [one.vector for one in found if isinstance(one, Embedding)]
        return torch.stack(vectors).float().numpy() if vectors else np.zeros((0, self.dim), np.float32)
