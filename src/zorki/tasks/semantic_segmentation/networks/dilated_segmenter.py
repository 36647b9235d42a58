"""Networks of one fine last map: a dilated backbone, a head on it, and an auxiliary head below."""

from __future__ import annotations

from typing import Any

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from zorki.introspection.receptive_field import map_grids
from zorki.nn.backbones.backbone import Backbone
from zorki.tasks.semantic_segmentation.networks.alignment import AlignedUpsample
from zorki.tasks.semantic_segmentation.networks.segmenter import Segmenter, enlarge


class DilatedSegmenter(Segmenter):
    """A head on a backbone's last map, and one that only training uses on an earlier map.

    Args:
        backbone: of a fine last map, see `zorki.nn.backbones.dilated`.
        head: from the last map to logits at its places.
        auxiliary_head: likewise from an earlier map; None: there is none.
        auxiliary_tap: the place of that map among the backbone's.
        aligned: logits are brought to the image by where the maps are centered, see `AlignedUpsample`; else stretched
            over it, as torchvision does, and as its published weights were trained.
        settings: of `Segmenter`.
    """

    def __init__(
        self,
        backbone: Backbone,
        head: nn.Module,
        auxiliary_head: nn.Module | None = None,
        *,
        num_classes: int,
        auxiliary_tap: int = -2,
        aligned: bool = True,
        settings: dict[str, Any],
    ) -> None:
        super().__init__(num_classes=num_classes, **settings)
        self.backbone = backbone
        self.head = head
        self.auxiliary_head = auxiliary_head
        self.auxiliary_tap = auxiliary_tap
        self.last: AlignedUpsample | None = None
        self.auxiliary_last: AlignedUpsample | None = None
        if aligned:
            grids = map_grids(backbone, backbone, backbone.strides)
            self.last = AlignedUpsample("bilinear", num_classes, grids[-1])
            if auxiliary_head is not None:
                self.auxiliary_last = AlignedUpsample("bilinear", num_classes, grids[auxiliary_tap])

    def maps(self, pixels: Float[Tensor, "B C H W"]) -> tuple[Tensor, list[Tensor]]:
        """Images so narrow that the backbone's pools leave nothing of them are continued by zeros."""
        height, width = pixels.shape[-2:]
        least = self.backbone.min_size
        if min(height, width) >= least:
            return self._maps(pixels)
        wide = functional.pad(pixels, (0, max(0, least - width), 0, max(0, least - height)))
        main, sides = self._maps(wide)
        main, *sides = (enlarge(logits, wide.shape[-2:])[:, :, :height, :width] for logits in (main, *sides))
        return main, sides

    def _maps(self, pixels: Float[Tensor, "B C H W"]) -> tuple[Tensor, list[Tensor]]:
        features = self.backbone(pixels)
        main = self.head(features[-1])
        size = pixels.shape[-2:]
        if self.last is not None:
            main = self.last(main, size)
        if not self.training or self.auxiliary_head is None:
            return main, []
        side = self.auxiliary_head(features[self.auxiliary_tap])
        return main, [side if self.auxiliary_last is None else self.auxiliary_last(side, size)]

    def backbone_stages(self) -> list[nn.Module]:
        return self.backbone.stages()
