import pytest
import torch

from zorki.tasks.semantic_segmentation.models.fc_densenet.dense_block import DenseBlock


def step(block, x):
    torch.manual_seed(1)  # of dropout
    x = x.clone().requires_grad_()
    output = block(x)
    (output * torch.linspace(-1, 1, output.numel()).view_as(output)).sum().backward()
    return output, x.grad, [p.grad for p in block.parameters()], list(block.buffers())


def test_layers_read_all_maps_before_them():
    block = DenseBlock(5, 3, 2)
    assert [layer[2].in_channels for layer in block.layers] == [5, 7, 9]
    assert block(torch.randn(1, 5, 6, 4)).shape == (1, block.channels, 6, 4) == (1, 6, 6, 4)
    x = torch.randn(1, 5, 6, 4)
    block.eval()
    first = block.layers[0](x)
    second = block.layers[1](torch.cat([x, first], 1))
    third = block.layers[2](torch.cat([x, first, second], 1))
    assert torch.equal(block(x), torch.cat([first, second, third], 1))


@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_checkpointing_changes_nothing_but_the_memory(dropout):
    torch.manual_seed(0)
    x = torch.randn(2, 4, 6, 6)
    plain, saving = DenseBlock(4, 3, 2, dropout=dropout), DenseBlock(4, 3, 2, dropout=dropout, checkpointing=True)
    saving.load_state_dict(plain.state_dict())
    for ours, theirs in zip(step(plain, x), step(saving, x), strict=True):
        pairs = zip(ours, theirs, strict=True) if isinstance(ours, list) else [(ours, theirs)]
        for a, b in pairs:
            assert torch.allclose(a, b, atol=1e-6)


def kept(block, x):
    """Numbers that are kept for the way back, each storage once."""
    storages = {}

    def note(tensor):
        storages[tensor.untyped_storage()._cdata] = tensor.untyped_storage().nbytes() // 4
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        output = block(x)
    return sum(storages.values()), output


def test_checkpointing_keeps_memory_linear():
    torch.manual_seed(0)
    x = torch.randn(1, 4, 32, 32, requires_grad=True)
    numbers = {}
    for layers in (4, 8):
        for checkpointing in (False, True):
            block = DenseBlock(4, layers, 4, checkpointing=checkpointing)
            numbers[layers, checkpointing], _ = kept(block, x)
    assert numbers[8, False] > 3 * numbers[4, False], "quadratic"
    assert numbers[8, True] < 2.2 * numbers[4, True], "linear"
    assert numbers[8, True] < numbers[8, False] / 4
