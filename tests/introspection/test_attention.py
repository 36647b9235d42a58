"""Attention is noted however it is written, and rollout follows the formula."""

import pytest
import torch
from torch import nn

from zorki.introspection.attention import attention_maps, attention_rollout, patch_grid, rollout_map


def test_the_module_of_torch_and_its_function_are_both_noted():
    layer = nn.MultiheadAttention(8, 2, batch_first=True).eval()
    tokens = torch.randn(1, 5, 8)
    with torch.inference_mode():
        _, expected = layer(tokens, tokens, tokens, average_attn_weights=False)
        (found,) = attention_maps(lambda: layer(tokens, tokens, tokens, need_weights=False))
    torch.testing.assert_close(found, expected[0])
    query, key, value = (torch.randn(1, 2, 5, 4) for _ in range(3))
    (fused,) = attention_maps(lambda: nn.functional.scaled_dot_product_attention(query, key, value))
    (written,) = attention_maps(lambda: (query @ key.mT * 4**-0.5).softmax(-1) @ value)
    torch.testing.assert_close(fused, written)


def test_rollout_by_hand():
    first = torch.tensor([[[1.0, 0], [0.5, 0.5]]])
    second = torch.tensor([[[0.0, 1], [0, 1]]])
    # (A + 1) / 2 of the first: [[1, 0], [.25, .75]], of the second: [[.5, .5], [0, 1]].
    assert attention_rollout([first, second]).tolist() == [[0.625, 0.375], [0.25, 0.75]]
    with pytest.raises(ValueError, match="one number of tokens"):
        attention_rollout([first, torch.zeros(1, 3, 3)])


def test_grids_of_patches():
    assert patch_grid(197, 224, 224) == (14, 14, 1)
    assert patch_grid(50, 224, 224) == (7, 7, 1)
    assert patch_grid(8, 32, 64) == (2, 4, 0)
    assert patch_grid(23, 224, 224) is None
    rollout = torch.arange(49.0).view(7, 7)
    assert rollout_map(rollout, (2, 3, 1)).tolist() == [[1, 2, 3], [4, 5, 6]]
    assert rollout_map(rollout[:6, :6], (2, 3, 0)).tolist()[0][0] == float(rollout[:6, 0].mean())
