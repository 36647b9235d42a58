"""The smallest network that learns classes of pixels by color and neighborhood."""

import torch
from torch import nn

from zorki.data.preprocess.letterbox import Letterbox
from zorki.tasks.semantic_segmentation.networks.segmenter import Segmenter


class TinySegmenter(Segmenter):
    """Three convolutions, of which the last stands at half the resolution."""

    def __init__(self, num_classes=3, size=64):
        super().__init__(num_classes=num_classes, preprocess=Letterbox(size, 8))
        self.body = nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 3, stride=2, padding=1), nn.ReLU()
        )
        self.head = nn.Conv2d(8, num_classes, 1)
        self.side = nn.Conv2d(8, num_classes, 1)

    def maps(self, pixels):
        features = self.body(pixels)
        return self.head(features), [self.side(features)]

    def backbone_stages(self):
        return [self.body]


def tiny(num_classes=3, size=64, seed=0):
    torch.manual_seed(seed)
    return TinySegmenter(num_classes, size)
