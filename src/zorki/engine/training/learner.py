"""The model as Lightning drives it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import lightning.pytorch as lightning
import torch
from torch import Tensor, nn

from zorki.contracts import Model
from zorki.contracts.capabilities import Diagnoses
from zorki.engine.device import laid_out
from zorki.engine.run import checkpoints
from zorki.engine.training import optimizer as optimize
from zorki.recipe import Recipe
from zorki.types import Batch, map_tensors


class Learner(lightning.LightningModule):
    """One model and its recipe, in Lightning's words. Names no task and no network."""

    def __init__(self, model: Model[Any, Any, Any], recipe: Recipe) -> None:
        super().__init__()
        self.model = model
        self.recipe = recipe
        self.frozen: list[nn.Module] = optimize.freeze(model, recipe.freeze)
        self.losses: dict[str, Tensor] = {}
        self._outputs: Any = None  # of the last step, where the model tells more of it than the loss
        self._placed: Sequence[Any] = ()

    def training_step(self, batch: Batch[Any], batch_idx: int) -> Tensor:
        outputs = self.model(laid_out(batch.inputs, self.model))
        losses = self.model.loss(outputs, batch.placed)
        self.losses = {name: loss.detach() for name, loss in losses.items()}
        if isinstance(self.model, Diagnoses):
            self._outputs, self._placed = map_tensors(outputs, Tensor.detach), batch.placed
        return torch.stack(list(losses.values())).sum() if len(losses) > 1 else next(iter(losses.values()))

    @torch.no_grad()
    def diagnostics(self) -> dict[str, float]:
        """What the model tells of the last step beside its losses, worked out when it is asked for."""
        if not isinstance(self.model, Diagnoses) or self._outputs is None:
            return {}
        found = self.model.diagnostics(self._outputs, self._placed)
        return {name: float(value) for name, value in found.items()}

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return optimize.optimizer(self.model, self.recipe)

    def configure_gradient_clipping(
        self, optimizer: Any, gradient_clip_val: float | None = None, gradient_clip_algorithm: str | None = None
    ) -> None:
        """Cuts by norm. Lightning's own way refuses fused optimizers under bf16, where nothing needs unscaling."""
        if gradient_clip_val:
            nn.utils.clip_grad_norm_(self.model.parameters(), gradient_clip_val)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["state_dict"] = checkpoints.present_names(checkpoint["state_dict"])

    def on_train_epoch_start(self) -> None:
        optimize.keep_frozen(self.frozen)
