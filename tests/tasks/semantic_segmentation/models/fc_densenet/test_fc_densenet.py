import pytest
import torch
from segmenter_fields import by_gradient, by_rules

from zorki import registry
from zorki.nn.layers.initialize import without_values
from zorki.tasks.semantic_segmentation.models.fc_densenet.fc_densenet import (
    FcDenseNet,
)

# Table 2 with the correction of the authors' README (github.com/SimJeg/FC-DenseNet): what the blocks have stacked.
STACKED_103 = [112, 192, 304, 464, 656, 896, 1088, 816, 576, 384, 256]


def test_channels_of_fc_densenet103_are_the_corrected_ones():
    with without_values():
        model = registry.build("fc_densenet103", 11)
    stacked = [transition.layer[0].num_features for transition in model.transitions_down]
    stacked.append(stacked[-1] + model.bottleneck.channels)
    stacked += [block.layers[0][0].num_features + block.channels for block in model.up]
    assert stacked == STACKED_103
    assert model.output.in_channels == 256


@pytest.mark.parametrize(
    ("name", "stored", "learned", "millions"),
    [
        ("fc_densenet56", 1_397_963, 1_376_795, 1.4),
        ("fc_densenet67", 3_502_923, 3_463_243, 3.5),
        ("fc_densenet103", 9_425_163, 9_322_091, 9.4),
    ],
)
def test_parameters(name, stored, learned, millions):
    """The authors count all values that are stored, means and deviations of the norms among them.

    That is what `summary` of their code prints, and what section 4.1 calls 1.4 (1.5 in Table 3), 3.5 and 9.4 million.
    By hand for 103 and 11 classes: 3x3 layers that read n maps have 146 n + 16, and read 49,808 maps in 91 layers:
    7,273,424; transitions down m^2 + 3 m: 792,640; up 9 c^2 + c: 1,251,856; the first convolution 1,344 and the last
    2,827. The norms' statistics: 2 * (49,808 + 1,728).
    """
    with without_values():
        model = registry.build(name, 11)
    parameters = sum(p.numel() for p in model.parameters())
    statistics = sum(b.numel() for key, b in model.named_buffers() if "running" in key)
    assert parameters == learned
    assert parameters + statistics == stored
    assert round(stored / 1e6, 1) == millions


def test_the_hand_count_of_103():
    assert 146 * 49_808 + 16 * 91 + 792_640 + 1_251_856 + 1_344 + 2_827 == 9_322_091


@pytest.mark.parametrize(("name", "layers"), [("fc_densenet56", 56), ("fc_densenet67", 67), ("fc_densenet103", 103)])
def test_names_count_the_convolutions(name, layers):
    """First and last, the blocks', five transitions down and five up."""
    with without_values():
        model = registry.build(name, 11)
    kinds = (torch.nn.Conv2d, torch.nn.ConvTranspose2d)
    assert sum(isinstance(module, kinds) for module in model.modules()) == layers


def tiny(**options):
    torch.manual_seed(0)
    return FcDenseNet(num_classes=2, layers=(2,) * 5, growth=3, size=32, first=4, **options)


@pytest.mark.parametrize("size", [(16, 24), (17, 23), (19, 30)])
def test_only_new_maps_go_up_and_skips_come_back_whole(size):
    """Written out once more, block by block; odd sizes lose a line in each pool and get it back."""
    model = tiny().eval()
    x = torch.randn(1, 3, *size)
    with torch.no_grad():
        stack = model.first(x)
        skips = []
        for block, transition in zip(model.down, model.transitions_down, strict=True):
            stack = torch.cat([stack, block(stack)], 1)
            skips.append(stack)
            stack = transition(stack)
        new = model.bottleneck(stack)
        for up, block, skip in zip(model.transitions_up, model.up, skips[::-1], strict=True):
            larger = torch.nn.functional.conv_transpose2d(new, up.convolution.weight, up.convolution.bias, stride=2)
            assert larger.shape[2] == 2 * new.shape[2] + 1
            larger = larger[:, :, : skip.shape[2], : skip.shape[3]]
            assert larger.shape[2:] == skip.shape[2:]
            stack = torch.cat([larger, skip], 1)
            new = block(stack)
        wanted = model.output(torch.cat([stack, new], 1))
        assert torch.allclose(model.maps(x)[0], wanted, atol=1e-5)


def test_checkpointing_gives_the_same_gradients():
    plain, saving = tiny(dropout=0.2).train(), tiny(dropout=0.2, checkpointing=True).train()
    x = torch.randn(2, 3, 16, 16)
    for model in (plain, saving):
        torch.manual_seed(2)
        model.maps(x)[0].square().mean().backward()
    for (name, ours), theirs in zip(plain.named_parameters(), saving.parameters(), strict=True):
        assert torch.allclose(ours.grad, theirs.grad, atol=1e-6), name
    for ours, theirs in zip(plain.buffers(), saving.buffers(), strict=True):
        assert torch.allclose(ours, theirs)


def test_receptive_fields_by_rules_and_by_gradients():
    model = tiny()
    assert by_rules(model, 120, 128) == by_gradient(model, 120, 128, 4)


def test_layers_start_at_he_uniform():
    torch.manual_seed(0)
    weight = registry.build("fc_densenet56", 3).bottleneck.layers[0][2].weight
    bound = (6 / weight[0].numel()) ** 0.5
    assert 0.98 * bound < float(weight.detach().abs().max()) <= bound
