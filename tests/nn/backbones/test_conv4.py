import torch

from zorki.nn.backbones.conv4 import Conv4


def test_has_the_parameters_of_the_paper():
    # Three 3x3 convolutions of 64 to 64 channels, one of 3 to 64, and scale and shift of four norms.
    assert sum(p.numel() for p in Conv4().parameters()) == 9 * 64 * (3 + 3 * 64) + 4 * 2 * 64


def test_leaves_one_pixel_of_an_image_of_omniglot():
    shapes = [tuple(m.shape[1:]) for m in Conv4().eval()(torch.zeros(1, 3, 28, 28))]
    assert shapes == [(64, 14, 14), (64, 7, 7), (64, 3, 3), (64, 1, 1)]
