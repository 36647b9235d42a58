"""LeNet-5 (LeCun, Bottou, Bengio and Haffner, 1998: Gradient-Based Learning Applied to Document Recognition, II.B)."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from zorki.nn.backbones.backbone import Backbone

# Table I: the maps of S2 that each of the 16 maps of C3 reads. Six read three neighbors, six four neighbors, three
# two pairs apart, the last one all.
CONNECTIONS: tuple[tuple[int, ...], ...] = (
    *(tuple(sorted((i + k) % 6 for k in range(3))) for i in range(6)),
    *(tuple(sorted((i + k) % 6 for k in range(4))) for i in range(6)),
    (0, 1, 3, 4),
    (1, 2, 4, 5),
    (0, 2, 3, 5),
    (0, 1, 2, 3, 4, 5),
)


class LeNet5(Backbone):
    """C1, S2, C3, S4 and C5; the maps are those of C1, C3 and C5. F6 and the output layer are a `LeNetHead`.

    Args:
        in_channels: 1 in the paper.
        size: of the input; 32 in the paper. C5's kernel is as large as S4's maps, so that one pixel remains.
    """

    channels = (6, 16, 120)
    strides = (1, 2, 4)
    min_size = 16

    def __init__(self, in_channels: int = 1, size: int = 32) -> None:
        super().__init__()
        self.check_size(size, "lenet5")
        self.c1 = nn.Conv2d(in_channels, 6, 5)
        self.s2 = Subsampling(6)
        self.c3 = PartialConvolution(6, CONNECTIONS, 5)
        self.s4 = Subsampling(16)
        self.c5 = nn.Conv2d(16, 120, ((size - 4) // 2 - 4) // 2)
        self.squash1, self.squash3, self.squash5 = ScaledTanh(), ScaledTanh(), ScaledTanh()
        for convolution in (self.c1, self.c5):
            initialize_lecun(convolution)

    def forward(self, x: Float[Tensor, "B C H W"]) -> list[Tensor]:
        fine = self.squash1(self.c1(x))
        middle = self.squash3(self.c3(self.s2(fine)))
        return [fine, middle, self.squash5(self.c5(self.s4(middle)))]

    def stages(self) -> list[nn.Module]:
        return [nn.ModuleList([self.c1, self.s2]), nn.ModuleList([self.c3, self.s4]), self.c5]


class ScaledTanh(nn.Module):
    """1.7159 tanh(2/3 x): its slope at 0 is 1.14, and f(1) = 1, f(-1) = -1 (appendix A)."""

    def forward(self, x: Tensor) -> Tensor:
        return 1.7159 * torch.tanh(x * (2 / 3))


class Subsampling(nn.Module):
    """The four pixels of each 2x2 square added, times a coefficient, plus a bias, squashed; both trainable, a map each.

    The coefficient starts at 1/4, which makes it an average; the paper does not say where it starts.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.coefficient = nn.Parameter(torch.full((channels,), 0.25))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.squash = ScaledTanh()

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C h w"]:
        added = 4 * functional.avg_pool2d(x, 2)
        return self.squash(added * self.coefficient[:, None, None] + self.bias[:, None, None])


class PartialConvolution(nn.Module):
    """A convolution whose output maps each read only some of the input maps; only those kernels exist.

    Args:
        in_channels: number of input maps.
        connections: for each output map, the input maps that it reads.
        kernel: side of the square kernels.
    """

    slots: Tensor

    def __init__(self, in_channels: int, connections: tuple[tuple[int, ...], ...], kernel: int) -> None:
        super().__init__()
        count = sum(map(len, connections))
        self.weight = nn.Parameter(torch.empty(count, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(len(connections)))
        # Where in `weight` each pair's kernel stands; the place behind the last is a kernel of zeros.
        slots = torch.full((len(connections), in_channels), count)
        places = iter(range(count))
        for output, inputs in enumerate(connections):
            bound = math.sqrt(3 / (len(inputs) * kernel**2))
            for one in inputs:
                slots[output, one] = place = next(places)
                nn.init.uniform_(self.weight.data[place], -bound, bound)
        self.register_buffer("slots", slots, persistent=False)

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D h w"]:
        kernels = functional.pad(self.weight, (0, 0, 0, 0, 0, 1))[self.slots]
        return functional.conv2d(x, kernels, self.bias)


def initialize_lecun(layer: nn.Conv2d | nn.Linear) -> None:
    """Uniform weights of deviation 1 / sqrt(fan-in), biases at 0 (LeCun et al., 1998: Efficient BackProp, eq. 16).

    LeNet-5's own paper draws from +-2.4 / fan-in, which lets the signal fade: the outputs of F6 are thousandths.
    """
    bound = math.sqrt(3 / layer.weight[0].numel())
    nn.init.uniform_(layer.weight, -bound, bound)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
