"""AlexNet (Krizhevsky, Sutskever and Hinton, 2012), and the variant that torchvision ships."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from zorki.nn.backbones.backbone import Backbone, run_with_taps, split_at_taps
from zorki.nn.layers.initialize import initialize_he


class AlexNet(Backbone):
    """The five convolutions of the paper (section 3.5), for 227x227 inputs; maps of CONV1, CONV2, CONV5 and POOL3.

    The paper says 224, but only 227 gives its 55x55 maps. Weights start at He's and biases at 0, where the paper has
    a Gaussian of deviation 0.01 and biases of 1 in some layers: those numbers suit ImageNet at 227 only.

    Args:
        in_channels: of the images.
        groups: 2 splits CONV2, CONV4 and CONV5 as the paper did over two GPUs; 1 does not.
    """

    channels = (96, 256, 256, 256)
    strides = (4, 8, 16, 32)
    min_size = 67

    def __init__(self, in_channels: int = 3, *, groups: int = 2) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(in_channels, 96, 11, stride=4),
            nn.ReLU(inplace=True),
            _response_norm(),
            nn.MaxPool2d(3, 2),
            nn.Conv2d(96, 256, 5, padding=2, groups=groups),
            nn.ReLU(inplace=True),
            _response_norm(),
            nn.MaxPool2d(3, 2),
            nn.Conv2d(256, 384, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(384, 384, 3, padding=1, groups=groups),
            nn.ReLU(inplace=True),
            nn.Conv2d(384, 256, 3, padding=1, groups=groups),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, 2),
        )
        self.taps = (2, 6, 13, 14)
        initialize_he(self.features)

    def forward(self, x: Float[Tensor, "B C H W"]) -> list[Tensor]:
        return run_with_taps(self.features, self.taps, x)

    def stages(self) -> list[nn.Module]:
        return split_at_taps(self.features, self.taps[:-1])


class AlexNetTorchvision(Backbone):
    """The one-GPU variant (Krizhevsky, 2014), under torchvision's names: fewer maps, no response norm, padded input."""

    channels = (64, 192, 256, 256)
    strides = (4, 8, 16, 32)
    min_size = 63

    def __init__(self, in_channels: int = 3) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(in_channels, 64, 11, stride=4, padding=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, 2),
            nn.Conv2d(64, 192, 5, padding=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, 2),
            nn.Conv2d(192, 384, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(384, 256, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(256, 256, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, 2),
        )
        self.taps = (1, 4, 11, 12)
        initialize_he(self.features)

    def forward(self, x: Float[Tensor, "B C H W"]) -> list[Tensor]:
        return run_with_taps(self.features, self.taps, x)

    def stages(self) -> list[nn.Module]:
        return split_at_taps(self.features, self.taps[:-1])


def _response_norm() -> nn.LocalResponseNorm:
    """Section 3.3 with its k = 2, n = 5, alpha = 1e-4, beta = 0.75.

    torch divides alpha by n, the paper does not: so n * alpha stands here.
    """
    return nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2.0)
