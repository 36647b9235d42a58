import pytest
import torch
from torch import nn

from zorki.tasks.detection.models.detr.transformer import Attention, DecoderLayer, EncoderLayer, Transformer

WIDTH, HEADS, HIDDEN = 16, 4, 24
TOLERANCE = {"rtol": 1e-5, "atol": 1e-5}


def twin_of(kind, ours, pre_norm):
    theirs = kind(WIDTH, HEADS, HIDDEN, dropout=0.0, batch_first=True, norm_first=pre_norm).train()
    theirs.load_state_dict(ours.state_dict(), strict=True)
    return theirs


def lively(module):
    torch.manual_seed(0)
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.3)
    return module


def test_attention_equals_torchs_with_its_weights_and_masks():
    ours = lively(Attention(WIDTH, HEADS))
    theirs = nn.MultiheadAttention(WIDTH, HEADS, batch_first=True)
    theirs.load_state_dict(ours.state_dict(), strict=True)
    query, key, value = torch.randn(2, 5, WIDTH), torch.randn(2, 7, WIDTH), torch.randn(2, 7, WIDTH)
    mask = torch.ones(2, 7, dtype=torch.bool)
    mask[0, 4:] = False
    target_boxes, _ = theirs(query, key, value, key_padding_mask=~mask)
    torch.testing.assert_close(ours(query, key, value, mask), target_boxes, **TOLERANCE)
    target_boxes, _ = theirs(key, key, value)
    torch.testing.assert_close(ours(key, key, value), target_boxes, **TOLERANCE)


@pytest.mark.parametrize("pre_norm", [False, True])
def test_layers_equal_torchs_where_nothing_has_a_position(pre_norm):
    tokens, memory, nowhere = torch.randn(2, 5, WIDTH), torch.randn(2, 7, WIDTH), torch.zeros(1, 1, WIDTH)
    mask = torch.tensor([[True] * 5, [True] * 3 + [False] * 2])
    layer = lively(EncoderLayer(WIDTH, HEADS, HIDDEN, 0.0, pre_norm))
    theirs = twin_of(nn.TransformerEncoderLayer, layer, pre_norm)
    found = layer(tokens, nowhere.expand(1, 5, -1), mask)
    torch.testing.assert_close(found, theirs(tokens, src_key_padding_mask=~mask), **TOLERANCE)

    layer = lively(DecoderLayer(WIDTH, HEADS, HIDDEN, 0.0, pre_norm))
    theirs = twin_of(nn.TransformerDecoderLayer, layer, pre_norm)
    found = layer(tokens, nowhere.expand(1, 5, -1), memory, memory)
    torch.testing.assert_close(found, theirs(tokens, memory), **TOLERANCE)


@pytest.mark.parametrize("pre_norm", [False, True])
def test_the_whole_equals_torchs_where_nothing_has_a_position(pre_norm):
    ours = lively(Transformer(WIDTH, HEADS, HIDDEN, encoder=2, decoder=3, dropout=0.0, pre_norm=pre_norm))
    kinds = {"batch_first": True, "norm_first": pre_norm, "dropout": 0.0}
    encoder = nn.TransformerEncoder(
        nn.TransformerEncoderLayer(WIDTH, HEADS, HIDDEN, **kinds),
        2,
        norm=nn.LayerNorm(WIDTH) if pre_norm else None,  # torch's own encoder has one even so
        enable_nested_tensor=False,
    )
    theirs = nn.Transformer(WIDTH, HEADS, 2, 3, HIDDEN, custom_encoder=encoder, **kinds)
    theirs.load_state_dict(ours.state_dict(), strict=True)
    tokens = torch.randn(2, 7, WIDTH)
    queries = torch.zeros(4, WIDTH)
    mask = torch.tensor([[True] * 7, [True] * 3 + [False] * 4])
    target_boxes = theirs.train()(
        tokens, torch.zeros(2, 4, WIDTH), src_key_padding_mask=~mask, memory_key_padding_mask=~mask
    )
    found = ours(tokens, torch.zeros(1, 7, WIDTH), queries, mask)
    assert found.shape == (3, 2, 4, WIDTH)
    torch.testing.assert_close(found[-1], target_boxes, **TOLERANCE)


def slow_attention(attention, query, key, value):
    """One image, place by place and head by head."""
    rows = attention.in_proj_weight.split(WIDTH), attention.in_proj_bias.split(WIDTH)
    q, k, v = (x @ weight.T + bias for x, weight, bias in zip((query, key, value), *rows, strict=True))
    mixed = torch.zeros_like(q)
    for head in range(HEADS):
        part = slice(head * WIDTH // HEADS, (head + 1) * WIDTH // HEADS)
        for place in range(len(q)):
            shares = torch.stack([q[place, part] @ other[part] for other in k]) / (WIDTH // HEADS) ** 0.5
            mixed[place, part] = sum(share * other[part] for share, other in zip(shares.softmax(0), v, strict=True))
    return attention.out_proj(mixed)


def test_positions_are_compared_and_not_mixed():
    layer = lively(DecoderLayer(WIDTH, HEADS, HIDDEN, 0.0, False))
    tokens, queries = torch.randn(3, WIDTH), torch.randn(3, WIDTH)
    memory, positions = torch.randn(5, WIDTH), torch.randn(5, WIDTH)
    with torch.no_grad():
        found = layer(tokens[None], queries[None], memory[None], (memory + positions)[None])[0]
        x = layer.norm1(tokens + slow_attention(layer.self_attn, tokens + queries, tokens + queries, tokens))
        x = layer.norm2(x + slow_attention(layer.multihead_attn, x + queries, memory + positions, memory))
        x = layer.norm3(x + layer.linear2(layer.linear1(x).relu()))
    torch.testing.assert_close(found, x, rtol=1e-4, atol=1e-4)


def test_what_is_masked_changes_nothing():
    ours = lively(Transformer(WIDTH, HEADS, HIDDEN, encoder=1, decoder=1, dropout=0.0))
    tokens, positions, queries = torch.randn(1, 7, WIDTH), torch.randn(1, 7, WIDTH), torch.randn(4, WIDTH)
    mask = torch.tensor([[True] * 5 + [False] * 2])
    other = torch.where(mask[..., None], tokens, torch.randn(1, 7, WIDTH))
    torch.testing.assert_close(ours(tokens, positions, queries, mask), ours(other, positions, queries, mask))
    torch.testing.assert_close(
        ours(tokens, positions, queries, mask), ours(tokens[:, :5], positions[:, :5], queries), **TOLERANCE
    )


def test_dropout_is_for_training_alone():
    ours = Transformer(WIDTH, HEADS, HIDDEN, encoder=1, decoder=1, dropout=0.5)
    values = torch.randn(1, 7, WIDTH), torch.randn(1, 7, WIDTH), torch.randn(4, WIDTH)
    assert not torch.equal(ours.train()(*values), ours(*values))
    assert torch.equal(ours.eval()(*values), ours(*values))


def test_the_papers_count_of_parameters():
    # Per layer of width 256 and hidden 2048: attention 4 * (256 * 256 + 256), perceptron 2 * 256 * 2048 + 2048 + 256.
    attention, perceptron, norm = 4 * (256 * 256 + 256), 2 * 256 * 2048 + 2048 + 256, 512
    target_boxes = 6 * (attention + perceptron + 2 * norm) + 6 * (2 * attention + perceptron + 3 * norm) + norm
    with torch.device("meta"):
        assert sum(p.numel() for p in Transformer().parameters()) == target_boxes


def test_a_width_that_heads_cannot_share_is_refused():
    with pytest.raises(ValueError, match="18 is none of 4"):
        Attention(18, 4)
