"""Networks without values: the same shapes, no memory, no random numbers drawn, and the compiler left alone."""

import subprocess
import sys

import torch
from torch import nn

from zorki import registry
from zorki.nn.layers.initialize import without_values


def test_a_network_without_values_has_the_shapes_of_the_real_one():
    with without_values():
        empty = registry.build("lenet5", 10)
    real = registry.build("lenet5", 10).state_dict()
    shapes = {name: value.shape for name, value in empty.state_dict().items()}
    assert shapes == {name: value.shape for name, value in real.items()}
    assert {parameter.device.type for parameter in empty.parameters()} == {"meta"}


def test_tensors_with_values_are_still_filled():
    with without_values():
        real = torch.zeros(1000, device="cpu")
        nn.init.normal_(real, std=2.0)
        other = torch.zeros(1000, device="cpu").normal_(3.0, 1.0)
    assert 1.5 < real.std() < 2.5
    assert 2.5 < other.mean() < 3.5
    assert torch.zeros(1).device.type == "cpu"


def test_building_without_values_does_not_load_the_compiler():
    program = """
import sys
from zorki import registry
from zorki.nn.layers.initialize import without_values
with without_values():
    registry.build("vgg11", 1000)
print(sorted({"torchvision", "torch._dynamo"} & set(sys.modules)))
"""
    assert subprocess.check_output([sys.executable, "-c", program], text=True) == "[]\n"
