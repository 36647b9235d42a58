"""MoCo: the other view among the keys of a queue, which a slow copy of the network has made (He et al., 2020)."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from zorki.data.preprocess.pretraining.random_views import RandomViews
from zorki.losses.self_supervised.gather import first_row, gather_values
from zorki.losses.self_supervised.info_nce import InfoNceLoss
from zorki.registry import Variant, model
from zorki.tasks.pretraining.momentum_teacher import MomentumTeacher, check_momentum
from zorki.tasks.pretraining.on_backbone import backbone_parts, on_named_backbones
from zorki.tasks.pretraining.projection_head import ProjectionHead
from zorki.tasks.pretraining.task import Pretraining
from zorki.tasks.pretraining.view_network import BackboneParts, ViewNetwork, ViewOutputs, pooled


class MoCo(ViewNetwork):
    """Queries of the network, keys of its momentum encoder, negatives from a queue of earlier keys (section 3).

    Each view is the query in turn, as in the authors' demo for CIFAR-10; the paper asks the first alone. Batch norm
    must not tell which key is in one batch with the query, so keys are made in another grouping: shuffled over all
    processes (section 3.3), or on one device in shuffled groups of the batch.

    Args:
        head: stands on the features.
        criterion: with negatives from a queue.
        length: of the queue, in keys.
        momentum: of the encoder of keys.
        groups: of the batch in which keys are made, on one device.
    """

    queue: Tensor
    pointer: Tensor

    def __init__(
        self,
        parts: BackboneParts,
        head: ProjectionHead,
        criterion: InfoNceLoss,
        *,
        dim: int,
        length: int,
        momentum: float,
        groups: int,
    ) -> None:
        super().__init__(parts)
        self.head, self.criterion, self.groups = head, criterion, groups
        self.momentum = check_momentum(momentum)
        self.teacher = MomentumTeacher([self.backbone, head])
        self.register_buffer("queue", functional.normalize(torch.randn(length, dim)))
        self.register_buffer("pointer", torch.zeros((), dtype=torch.int64))
        self._keys: Tensor | None = None  # of the last step, of all processes

    def branches(self, features: Float[Tensor, "B V D"], images: Tensor) -> ViewOutputs:
        views = features.shape[:2]
        queries = self.head(features.flatten(0, 1)).unflatten(0, views)
        with torch.no_grad():
            keys = functional.normalize(self._shuffled_keys(images).float()).unflatten(0, views)
        if self.training:
            self._keys = gather_values(keys).flatten(0, 1)
        return ViewOutputs(features, queries, keys)

    def compare(self, outputs: ViewOutputs) -> dict[str, Tensor]:
        assert outputs.targets is not None
        (first, second), (first_key, second_key) = outputs.projections.unbind(1), outputs.targets.unbind(1)
        asked = [self.criterion(first, second_key, self.queue), self.criterion(second, first_key, self.queue)]
        return {"contrastive": torch.stack(asked).mean()}

    def _shuffled_keys(self, images: Float[Tensor, "N 3 H W"]) -> Float[Tensor, "N E"]:
        if not self.training:
            return self._made_keys(images)
        every = gather_values(images)
        order = torch.randperm(len(every), device=images.device)
        if len(every) == len(images):
            shares = order.chunk(min(self.groups, max(1, len(images) // 2)))
            made = torch.cat([self._made_keys(images[share]) for share in shares])
        else:
            torch.distributed.broadcast(order, 0)
            own = order[first_row(len(images)) :][: len(images)]
            made = gather_values(self._made_keys(every[own]))
        return made[order.argsort()][first_row(len(images)) :][: len(images)]

    def _made_keys(self, images: Float[Tensor, "N 3 H W"]) -> Float[Tensor, "N E"]:
        backbone, head = self.teacher.parts
        return head(pooled(backbone, images))  # type: ignore[arg-type, no-any-return]

    @torch.no_grad()
    def after_step(self, progress: float) -> None:
        """The momentum encoder follows, and the keys of the step take the place of the oldest."""
        self.teacher.follow([self.backbone, self.head], self.momentum)
        if self._keys is None:
            return
        keys = self._keys[-len(self.queue) :].to(self.queue.dtype)
        places = (int(self.pointer) + torch.arange(len(keys), device=keys.device)) % len(self.queue)
        self.queue[places] = keys
        self.pointer.fill_((int(self.pointer) + len(keys)) % len(self.queue))
        self._keys = None

    def synchronize(self) -> None:
        self.teacher.copy([self.backbone, self.head])


_VERSION_1 = {"layers": 1, "temperature": 0.07, "blur": 0.0}
_VERSION_2 = {"layers": 2, "temperature": 0.2, "blur": 0.5}


@model(
    Pretraining,
    variants=[
        *on_named_backbones("moco", "MoCo (He et al., 2020), on {title}.", _VERSION_1),
        *on_named_backbones("moco_v2", "MoCo v2 (Chen et al., 2020), on {title}.", _VERSION_2),
    ],
    any_backbone=[
        Variant("moco_{backbone}", "MoCo (He et al., 2020)", _VERSION_1),
        Variant("moco_v2_{backbone}", "MoCo v2 (Chen et al., 2020)", _VERSION_2),
    ],
)
def moco(
    num_classes: int,
    *,
    backbone: str,
    image_size: int = 224,
    layers: int = 2,
    temperature: float = 0.2,
    blur: float = 0.5,
    dim: int = 128,
    queue: int = 4096,
    momentum: float = 0.99,
    groups: int = 4,
    hardest: int = 0,
) -> ViewNetwork:
    """MoCo (He et al., 2020; version 2: Chen et al., 2020).

    Args:
        backbone: name of the backbone, see `zorki.nn.backbones.named`.
        image_size: side of a view, in pixels.
        layers: of the projection head; version 1 has 1, version 2 has 2.
        temperature: cosines are divided by it; version 1 has .07, version 2 has .2.
        blur: probability of a blurred view; version 1 has none.
        dim: numbers of a key.
        queue: keys that are kept as negatives; the paper has 65,536 for ImageNet.
        momentum: of the encoder of keys; the paper has .999, which a short training does not reach.
        groups: of a batch in which keys are made, on one device.
        hardest: how many negatives count, the most similar; 0: all.
    """
    views = RandomViews(image_size, jitter=0.5, blur=blur, later_blur=blur)
    parts = backbone_parts(backbone, image_size, views)
    features = parts.backbone.channels[-1]
    head = ProjectionHead([features, *[features] * (layers - 1), dim], norm=False)
    criterion = InfoNceLoss(temperature, negatives="queue", hardest=hardest)
    return MoCo(parts, head, criterion, dim=dim, length=queue, momentum=momentum, groups=groups)
