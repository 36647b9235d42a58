"""Networks as they lie on a device."""

import torch
from torch import nn

from zorki.engine.device import on_device


def test_weights_of_planes_are_channels_last_and_those_of_volumes_stay():
    """`Module.to` of torch 2.14 refuses a network that has both."""
    network = on_device(nn.ModuleList([nn.Conv2d(3, 4, 3), nn.Conv3d(3, 4, 3)]), "cpu")
    plane, volume = network[0].weight, network[1].weight
    assert plane.is_contiguous(memory_format=torch.channels_last)
    assert not plane.is_contiguous()
    assert volume.is_contiguous()
