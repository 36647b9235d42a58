"""GoogLeNet (Szegedy et al., 2014: Going Deeper with Convolutions, Table 1)."""

from __future__ import annotations

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn

from zorki.nn.backbones.backbone import Backbone, with_channels
from zorki.nn.layers.initialize import initialize_he, initialize_output

# Width of the maps behind inception 4a and 4d, which the auxiliary classifiers read (section 5).
SIDE_CHANNELS = (512, 528)


class GoogLeNet(Backbone):
    """torchvision's GoogLeNet without its heads; maps of CONV1, CONV3, and inceptions 3b, 4e and 5b.

    Unlike in the paper there are batch norms in place of response norms, and the branch that Table 1 calls 5x5 is
    really 3x3: an old mistake which the published weights have made permanent.
    """

    channels = (64, 192, 480, 832, 1024)
    strides = (2, 4, 8, 16, 32)
    min_size = 15

    def __init__(self, in_channels: int = 3) -> None:
        from torchvision.models.googlenet import GoogLeNet as Published  # takes seconds; listing names needs it not

        super().__init__()
        network = Published(num_classes=1, aux_logits=False, init_weights=False)
        self.conv1 = network.conv1
        self.conv1.conv = with_channels(self.conv1.conv, in_channels)
        self.maxpool1 = network.maxpool1
        self.conv2, self.conv3 = network.conv2, network.conv3
        self.maxpool2 = network.maxpool2
        self.inception3a, self.inception3b = network.inception3a, network.inception3b
        self.maxpool3 = network.maxpool3
        self.inception4a, self.inception4b = network.inception4a, network.inception4b
        self.inception4c, self.inception4d = network.inception4c, network.inception4d
        self.inception4e = network.inception4e
        self.maxpool4 = network.maxpool4
        self.inception5a, self.inception5b = network.inception5a, network.inception5b
        initialize_he(self)

    def forward(self, x: Float[Tensor, "B C H W"]) -> list[Tensor]:
        return self._run(x)[0]

    def top_and_sides(self, x: Float[Tensor, "B C H W"]) -> tuple[Tensor, list[Tensor]]:
        """The last map, and those behind inception 4a and 4d."""
        maps, sides = self._run(x)
        return maps[-1], sides

    def stages(self) -> list[nn.Module]:
        return [
            self.conv1,
            nn.ModuleList([self.conv2, self.conv3]),
            nn.ModuleList([self.inception3a, self.inception3b]),
            nn.ModuleList([self.inception4a, self.inception4b, self.inception4c, self.inception4d, self.inception4e]),
            nn.ModuleList([self.inception5a, self.inception5b]),
        ]

    def _run(self, x: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        first = self.conv1(x)
        third = self.conv3(self.conv2(self.maxpool1(first)))
        inception3 = self.inception3b(self.inception3a(self.maxpool2(third)))
        early = self.inception4a(self.maxpool3(inception3))
        late = self.inception4d(self.inception4c(self.inception4b(early)))
        inception4 = self.inception4e(late)
        inception5 = self.inception5b(self.inception5a(self.maxpool4(inception4)))
        return [first, third, inception3, inception4, inception5], [early, late]


class AuxiliaryHeads(nn.Module):
    """The two auxiliary classifiers (section 5), which push gradients into the middle of the network in training."""

    def __init__(self, num_classes: int, *, dropout: float = 0.7) -> None:
        from torchvision.models.googlenet import InceptionAux

        super().__init__()
        self.aux1 = InceptionAux(SIDE_CHANNELS[0], num_classes, dropout=dropout)
        self.aux2 = InceptionAux(SIDE_CHANNELS[1], num_classes, dropout=dropout)
        initialize_he(self)
        initialize_output(self.aux1.fc2)
        initialize_output(self.aux2.fc2)

    def forward(self, sides: Sequence[Tensor]) -> list[Tensor]:
        """(B, K) logits of each, from the maps behind inception 4a and 4d."""
        early, late = sides
        return [self.aux1(early), self.aux2(late)]
