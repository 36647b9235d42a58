import math

import torch

from zorki.tasks.detection.models.rtdetr.deformable_attention import DeformableAttention, sampled_mixture

SIZES = ((4, 6), (2, 3))


def value_at(cells, x, y):
    """Bilinear among the middles of cells, 0 outside; `cells` (h, w), x and y in shares."""
    height, width = cells.shape
    column, row = x * width - 0.5, y * height - 0.5
    total = 0.0
    for near_row in (math.floor(row), math.floor(row) + 1):
        for near_column in (math.floor(column), math.floor(column) + 1):
            if 0 <= near_row < height and 0 <= near_column < width:
                share = (1 - abs(row - near_row)) * (1 - abs(column - near_column))
                total += share * float(cells[near_row, near_column])
    return total


def slow_mixture(values, places, weights, points):
    batch, queries, heads, count = weights.shape
    channels = values.shape[2] // heads
    level = [index for index, number in enumerate(points) for _ in range(number)]
    starts = [0, SIZES[0][0] * SIZES[0][1]]
    out = torch.zeros(batch, queries, heads * channels)
    for b in range(batch):
        for q in range(queries):
            for channel in range(heads * channels):
                head = channel // channels
                for p in range(count):
                    height, width = SIZES[level[p]]
                    start = starts[level[p]]
                    cells = values[b, start : start + height * width, channel].view(height, width)
                    x, y = places[b, q, head, p].tolist()
                    out[b, q, channel] += float(weights[b, q, head, p]) * value_at(cells, x, y)
    return out


def test_the_mixture_is_as_in_plain_loops():
    torch.manual_seed(0)
    values, places = torch.randn(2, 30, 4), torch.rand(2, 3, 2, 5, 2) * 1.4 - 0.2
    weights = torch.rand(2, 3, 2, 5)
    found = sampled_mixture(values, SIZES, places, weights, (2, 3))
    torch.testing.assert_close(found, slow_mixture(values, places, weights, (2, 3)), atol=1e-5, rtol=1e-4)


def test_points_lie_around_the_box_by_shares_of_half_its_size():
    torch.manual_seed(0)
    attention = DeformableAttention(4, 2, (2, 3))
    queries, memory = torch.randn(1, 3, 4), torch.randn(1, 30, 4)
    boxes = torch.rand(1, 3, 4) * 0.5 + 0.2
    for linear in (attention.sampling_offsets, attention.attention_weights):
        torch.nn.init.normal_(linear.weight)
    with torch.no_grad():
        offsets = attention.sampling_offsets(queries).view(1, 3, 2, 5, 2)
        near = torch.tensor([1 / 2, 1 / 2, 1 / 3, 1 / 3, 1 / 3])
        places = boxes[:, :, None, None, :2] + offsets * near[:, None] * boxes[:, :, None, None, 2:] / 2
        weights = attention.attention_weights(queries).view(1, 3, 2, 5).softmax(-1)
        right = attention.output_proj(slow_mixture(attention.value_proj(memory), places, weights, (2, 3)))
        torch.testing.assert_close(attention(queries, boxes, memory, SIZES), right, atol=1e-5, rtol=1e-4)


def test_heads_start_with_a_compass_and_look_at_all_points_alike():
    attention = DeformableAttention(8, 4, (2,))
    offsets = attention.sampling_offsets.bias.detach().view(4, 2, 2)
    compass = torch.tensor([[1.0, 0], [0, 1], [-1, 0], [0, -1]])
    torch.testing.assert_close(offsets, torch.stack([compass, 2 * compass], 1), atol=1e-6, rtol=0)
    assert not bool(attention.attention_weights.weight.any())
