"""What stands on a backbone and gives one logit a class."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from zorki.nn.backbones.lenet import ScaledTanh, initialize_lecun
from zorki.nn.layers.initialize import initialize_he, initialize_output


class ClassHead(nn.Module, ABC):
    """A head that also tells the vector, `width` long, from which its last layer makes the logits.

    With `has_class_maps`, `class_maps` tells where in the image the evidence of each class lies.
    """

    width: int
    has_class_maps: ClassVar[bool] = False

    @abstractmethod
    def with_vector(self, x: Tensor) -> tuple[Float[Tensor, "B K"], Float[Tensor, "B D"]]:
        """The logits, and the vector before the last dropout."""

    def forward(self, x: Tensor) -> Float[Tensor, "B K"]:
        return self.with_vector(x)[0]

    def class_maps(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B K H W"]:
        """Class activation maps (Zhou et al., 2016, eq. 2): the last layer at every position, without its bias."""
        raise NotImplementedError(f"{type(self).__name__} has no class activation maps")


class PooledHead(ClassHead):
    """Global average pool, dropout, linear: ResNet, GoogLeNet."""

    has_class_maps = True

    def __init__(self, channels: int, num_classes: int, *, dropout: float = 0.0) -> None:
        super().__init__()
        self.width = channels
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(channels, num_classes)
        initialize_output(self.fc)

    def with_vector(self, x: Float[Tensor, "B C H W"]) -> tuple[Float[Tensor, "B K"], Float[Tensor, "B C"]]:
        vector = self.pool(x).flatten(1)
        return self.fc(self.dropout(vector)), vector

    def class_maps(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B K H W"]:
        return functional.conv2d(x, self.fc.weight[:, :, None, None])


class LinearHead(ClassHead):
    """Dropout and linear on one vector an image: ViT."""

    def __init__(self, channels: int, num_classes: int, *, dropout: float = 0.0) -> None:
        super().__init__()
        self.width = channels
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(channels, num_classes)
        initialize_output(self.fc)

    def with_vector(self, x: Float[Tensor, "B C"]) -> tuple[Float[Tensor, "B K"], Float[Tensor, "B C"]]:
        return self.fc(self.dropout(x)), x


class FlattenHead(ClassHead):
    """Every pixel of a grid read by two hidden layers: AlexNet, VGG.

    Args:
        channels: of the last map.
        num_classes: K.
        grid: side of the square grid to which the map is averaged (or repeated, where it is smaller).
        hidden: width of the two hidden layers.
        dropout: probability.
        dropout_first: drops the inputs of the hidden layers (torchvision's AlexNet), not their outputs (the papers).
    """

    def __init__(
        self,
        channels: int,
        num_classes: int,
        *,
        grid: int,
        hidden: int = 4096,
        dropout: float = 0.5,
        dropout_first: bool = False,
    ) -> None:
        super().__init__()
        self.width = hidden
        # The last layers, which the vector is before: a linear one, and a dropout where it drops outputs.
        self.tail = 1 if dropout_first else 2
        self.pool = nn.AdaptiveAvgPool2d(grid)
        first, second = nn.Linear(channels * grid**2, hidden), nn.Linear(hidden, hidden)
        last = nn.Linear(hidden, num_classes)
        if dropout_first:
            order = [nn.Dropout(dropout), first, nn.ReLU(True), nn.Dropout(dropout), second, nn.ReLU(True), last]
        else:
            order = [first, nn.ReLU(True), nn.Dropout(dropout), second, nn.ReLU(True), nn.Dropout(dropout), last]
        self.classifier = nn.Sequential(*order)
        initialize_he(self.classifier)
        initialize_output(last)

    def with_vector(self, x: Float[Tensor, "B C H W"]) -> tuple[Float[Tensor, "B K"], Float[Tensor, "B D"]]:
        vector = self.classifier[: -self.tail](self.pool(x).flatten(1))
        return self.classifier[-self.tail :](vector), vector


class ConvHead(ClassHead):
    """Dropout, a 1x1 convolution to one map a class, ReLU, and the average of each map: SqueezeNet.

    The vector is the average of the maps below: the last layer is at every position.
    """

    has_class_maps = True

    def __init__(self, channels: int, num_classes: int, *, dropout: float = 0.5) -> None:
        super().__init__()
        self.width = channels
        self.dropout = nn.Dropout(dropout)
        self.conv = nn.Conv2d(channels, num_classes, 1)
        self.relu = nn.ReLU(inplace=True)
        self.pool = nn.AdaptiveAvgPool2d(1)
        initialize_output(self.conv)
        # Behind a ReLU a class whose scores fall below 0 everywhere learns nothing ever again, and with biases of 0
        # all classes start on that edge. A bias common to all classes moves them away and changes no probability.
        nn.init.ones_(self.conv.bias)  # type: ignore[arg-type]

    def with_vector(self, x: Float[Tensor, "B C H W"]) -> tuple[Float[Tensor, "B K"], Float[Tensor, "B C"]]:
        return self.forward(x), self.pool(x).flatten(1)

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B K"]:
        return self.pool(self.relu(self.conv(self.dropout(x)))).flatten(1)

    def class_maps(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B K H W"]:
        """The maps before their average: what is averaged is what is seen, bias and ReLU with it."""
        return functional.relu(self.conv(x))


class HiddenHead(ClassHead):
    """Global average pool, one hidden layer with hard-swish, dropout, linear: MobileNetV3."""

    def __init__(self, channels: int, num_classes: int, *, hidden: int, dropout: float = 0.2) -> None:
        super().__init__()
        self.width = hidden
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.hidden = nn.Linear(channels, hidden)
        self.activation = nn.Hardswish(inplace=True)
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(hidden, num_classes)
        initialize_he(self.hidden)
        initialize_output(self.fc)

    def with_vector(self, x: Float[Tensor, "B C H W"]) -> tuple[Float[Tensor, "B K"], Float[Tensor, "B D"]]:
        vector = self.activation(self.hidden(self.pool(x).flatten(1)))
        return self.fc(self.dropout(vector)), vector


class LeNetHead(ClassHead):
    """F6 of LeNet-5 and a linear output layer.

    The paper's output units are radial basis functions with fixed codes (eq. 7); a linear layer under the softmax,
    as everywhere today, stands in their place.
    """

    def __init__(self, channels: int, num_classes: int, *, hidden: int = 84) -> None:
        super().__init__()
        self.width = hidden
        self.f6 = nn.Linear(channels, hidden)
        self.squash = ScaledTanh()
        self.output = nn.Linear(hidden, num_classes)
        initialize_lecun(self.f6)
        initialize_output(self.output)

    def with_vector(self, x: Float[Tensor, "B C 1 1"]) -> tuple[Float[Tensor, "B K"], Float[Tensor, "B D"]]:
        vector = self.squash(self.f6(x.flatten(1)))
        return self.output(vector), vector
