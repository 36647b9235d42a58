"""What stands on a backbone and gives one logit a class."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from zorki.nn.backbones.lenet import ScaledTanh, initialize_lecun
from zorki.nn.layers.initialize import initialize_he, initialize_output


class PooledHead(nn.Module):
    """Global average pool, dropout, linear: ResNet, GoogLeNet."""

    def __init__(self, channels: int, num_classes: int, *, dropout: float = 0.0) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(channels, num_classes)
        initialize_output(self.fc)

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B K"]:
        return self.fc(self.dropout(self.pool(x).flatten(1)))


class LinearHead(nn.Module):
    """Dropout and linear on one vector an image: ViT."""

    def __init__(self, channels: int, num_classes: int, *, dropout: float = 0.0) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(channels, num_classes)
        initialize_output(self.fc)

    def forward(self, x: Float[Tensor, "B C"]) -> Float[Tensor, "B K"]:
        return self.fc(self.dropout(x))


class FlattenHead(nn.Module):
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

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B K"]:
        return self.classifier(self.pool(x).flatten(1))


class ConvHead(nn.Module):
    """Dropout, a 1x1 convolution to one map a class, ReLU, and the average of each map: SqueezeNet."""

    def __init__(self, channels: int, num_classes: int, *, dropout: float = 0.5) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.conv = nn.Conv2d(channels, num_classes, 1)
        self.relu = nn.ReLU(inplace=True)
        self.pool = nn.AdaptiveAvgPool2d(1)
        initialize_output(self.conv)
        # Behind a ReLU a class whose scores fall below 0 everywhere learns nothing ever again, and with biases of 0
        # all classes start on that edge. A bias common to all classes moves them away and changes no probability.
        nn.init.ones_(self.conv.bias)  # type: ignore[arg-type]

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B K"]:
        return self.pool(self.relu(self.conv(self.dropout(x)))).flatten(1)


class HiddenHead(nn.Module):
    """Global average pool, one hidden layer with hard-swish, dropout, linear: MobileNetV3."""

    def __init__(self, channels: int, num_classes: int, *, hidden: int, dropout: float = 0.2) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.hidden = nn.Linear(channels, hidden)
        self.activation = nn.Hardswish(inplace=True)
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(hidden, num_classes)
        initialize_he(self.hidden)
        initialize_output(self.fc)

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B K"]:
        return self.fc(self.dropout(self.activation(self.hidden(self.pool(x).flatten(1)))))


class LeNetHead(nn.Module):
    """F6 of LeNet-5 and a linear output layer.

    The paper's output units are radial basis functions with fixed codes (eq. 7); a linear layer under the softmax,
    as everywhere today, stands in their place.
    """

    def __init__(self, channels: int, num_classes: int, *, hidden: int = 84) -> None:
        super().__init__()
        self.f6 = nn.Linear(channels, hidden)
        self.squash = ScaledTanh()
        self.output = nn.Linear(hidden, num_classes)
        initialize_lecun(self.f6)
        initialize_output(self.output)

    def forward(self, x: Float[Tensor, "B C 1 1"]) -> Float[Tensor, "B K"]:
        return self.output(self.squash(self.f6(x.flatten(1))))
