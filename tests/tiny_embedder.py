"""A network of a few numbers, untrained: near colors get near embeddings."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn

from zorki.data.preprocess.resize import Resize
from zorki.engine.run.open import TrainedModel
from zorki.nn.backbones.backbone import Backbone
from zorki.tasks.retrieval.embedder import Embedder
from zorki.tasks.retrieval.settings import RetrievalSettings
from zorki.tasks.retrieval.task import Retrieval
from zorki.types import ClassInfo


class Mean(Backbone):
    """The image itself, in small."""

    def __init__(self):
        super().__init__()
        self.channels, self.strides = (3,), (1,)
        self.scale = nn.Parameter(torch.tensor(1.0))

    def forward(self, x):
        return [x * self.scale]

    def stages(self):
        return [nn.Identity()]


def tiny_run(folder="tiny", seed=0, side=4, data=None):
    """An open run that embeds images by their mean color: 8 numbers."""
    torch.manual_seed(seed)
    model = Embedder(
        Mean(), nn.Identity(), loss_name="none", dim=8, preprocess=Resize(side), mean=(0.5,) * 3, std=(0.5,) * 3
    )
    nn.init.normal_(model.projection.weight)
    about = {"model": "tiny", "task": "retrieval", "data": data}
    return TrainedModel(Path(folder), "tiny", Retrieval(), ClassInfo(("a",)), RetrievalSettings(), about, model.eval())


def paint(path, color, seed=0, side=24):
    """An image of a color with a little noise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).integers(-6, 7, (side, side, 3))
    Image.fromarray((np.array(color) + noise).clip(0, 255).astype(np.uint8)).save(path)


COLORS = {"red": (230, 30, 30), "green": (30, 220, 40), "blue": (40, 50, 230), "yellow": (220, 220, 30)}


def paint_people(root, names=tuple(COLORS), views=3):
    """A folder for each name, with images of its color."""
    for name in names:
        for view in range(views):
            paint(root / name / f"{view}.png", COLORS[name], seed=view)
    return root
