import pytest
import torch

from zorki.nn.layers.strided import StridedConv2d


@pytest.mark.parametrize("size", [(3, 2), (6, 2), (4, 1), (3, 3)])
def test_bf16_predictions_do_not_hang_on_what_was_in_memory(size):
    """Maps of small upright images become columns of one pixel. Memory is filled with NaN before each output."""
    torch.manual_seed(0)
    layer = StridedConv2d(128, 256, 3, stride=2, padding=1).to(memory_format=torch.channels_last)
    x = torch.randn(2, 128, *size).contiguous(memory_format=torch.channels_last)
    with torch.no_grad():
        wanted = layer(x)
        for _ in range(10):
            dirty = [torch.full((1 << power,), torch.nan) for power in (10, 12, 14, 16, 18, 20) for _ in range(4)]
            del dirty
            with torch.autocast("cpu", torch.bfloat16):
                found = layer(x)
            torch.testing.assert_close(found.float(), wanted, atol=0.05, rtol=0.05)
