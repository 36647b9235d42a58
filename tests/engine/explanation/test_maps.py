"""Grad-CAM, LayerCAM and occlusion on networks whose reasons are known."""

import numpy as np
import pytest
import torch
from torch import nn

from zorki.contracts.capabilities import Focus
from zorki.data.preprocess.resize import Resize
from zorki.data.preprocess.resize_crop import ResizeCrop
from zorki.engine.explanation.cam import activation_maps, as_map
from zorki.engine.explanation.heat_map import HeatMap
from zorki.engine.explanation.network import ask, random_weights, with_pixels
from zorki.engine.explanation.occlusion import occlusion_map
from zorki.engine.explanation.sanity import blur, check, rank_correlation, top_pixels
from zorki.nn.backbones.backbone import Backbone
from zorki.tasks.classification.classifier import Classifier
from zorki.types import Padded, Placement

SIDE, CELLS = 32, 8


class Cells(Backbone):
    """Maps of 8 x 8 cells, of which those outside of the window are zero."""

    channels, strides = (5,), (4,)

    def __init__(self, window=None):
        super().__init__()
        self.layer = nn.Conv2d(3, 5, 4, stride=4)
        self.window = window
        self.keep = Keep(window)

    def forward(self, x):
        return [self.keep(self.layer(x).relu())]

    def stages(self):
        return [self.layer, self.keep]


class Keep(nn.Module):
    def __init__(self, window):
        super().__init__()
        self.window = window

    def forward(self, maps):
        if self.window is None:
            return maps * 1
        mask = torch.zeros_like(maps)
        rows, columns = self.window
        mask[..., rows, columns] = 1
        return maps * mask


class MeanHead(nn.Module):
    def __init__(self, classes=3, scale=1.0):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(classes, 5) * scale)

    def forward(self, maps):
        return maps.mean((2, 3)) @ self.weight.T


def network(window=None, scale=1.0, preprocess=None):
    torch.manual_seed(0)
    model = Classifier(
        Cells(window), MeanHead(scale=scale), num_classes=3, preprocess=preprocess or Resize(SIDE), std=(0.25,) * 3
    )
    return model.eval()


def image(height=SIDE, width=SIDE):
    return torch.randint(0, 256, (3, height, width), dtype=torch.uint8)


def question(model, picture=None, label=1):
    inputs, (placement,) = model.preprocess([image() if picture is None else picture])
    return ask(model, inputs, placement, Focus(label))


def test_both_maps_equal_slow_twins():
    """Of a mean over positions and a linear layer, a channel's gradient is its weight over their number."""
    asked = question(network())
    found = activation_maps(asked)
    assert found.layer == "backbone.keep"
    (maps,) = found.activations
    weights = asked.model.head.weight[1].tolist()
    twins = {"grad": np.zeros((CELLS, CELLS)), "layer": np.zeros((CELLS, CELLS))}
    for row in range(CELLS):
        for column in range(CELLS):
            for channel, weight in enumerate(weights):
                value = float(maps[channel, row, column]) / CELLS**2
                twins["grad"][row, column] += weight * value
                twins["layer"][row, column] += max(weight, 0) * value
    for name, values in (("grad", found.grad_cam((CELLS, CELLS))), ("layer", found.layer_cam((CELLS, CELLS)))):
        np.testing.assert_allclose(values.numpy(), twins[name].clip(min=0), rtol=1e-5, atol=1e-7)


def test_a_network_that_looks_at_one_patch_has_its_maps_there():
    window = slice(2, 4), slice(5, 7)
    asked = question(network(window))
    asked.model.head.weight.data.abs_()
    found = activation_maps(asked)
    patch = torch.zeros(SIDE, SIDE, dtype=torch.bool)
    patch[8:16, 20:28] = True
    near = torch.zeros(SIDE, SIDE, dtype=torch.bool)
    near[6:18, 18:30] = True  # bilinear: half a cell around
    for values in (found.grad_cam((SIDE, SIDE)), found.layer_cam((SIDE, SIDE)), occlusion_map(asked, 4)):
        assert values[patch].abs().sum() > 0
        assert values[~near].abs().max() < 1e-6
        assert patch.flatten()[values.flatten().argmax()]


def test_occlusion_of_a_constant_network_is_zero():
    assert not occlusion_map(question(network(scale=0.0)), 8).any()


def test_occlusion_equals_its_slow_twin():
    asked, side = question(network()), 8
    color = asked.pixels[0].float().mean((1, 2)).round().to(torch.uint8)
    sums, counts = np.zeros((SIDE, SIDE)), np.zeros((SIDE, SIDE))
    for top in range(0, SIDE - side + 1, side // 2):
        for left in range(0, SIDE - side + 1, side // 2):
            hidden = asked.pixels.clone()
            hidden[0, :, top : top + side, left : left + side] = color[:, None, None]
            fall = asked.own_score() - float(asked.scores(hidden)[0])
            sums[top : top + side, left : left + side] += fall
            counts[top : top + side, left : left + side] += 1
    np.testing.assert_allclose(occlusion_map(asked, side).numpy(), sums / counts, atol=1e-6)


def test_windows_stay_within_the_image_on_a_canvas():
    asked = question(network(), image())
    canvas = Placement(16, 32, 1.0, 0.0, 8.0, SIDE, SIDE)
    moved = type(asked)(asked.model, asked.inputs, canvas, asked.focus)
    found = occlusion_map(moved, 4)
    assert not found[:8].any()
    assert not found[24:].any()
    assert found[8:24].any()


def test_maps_lie_where_the_preprocessing_put_the_image():
    """A wide image loses its sides: there the map knows nothing, and in the middle each pixel has its own value."""
    preprocess = ResizeCrop(SIDE)
    _, (placement,) = preprocess([image(64, 128)])
    values = torch.arange(SIDE, dtype=torch.float32).expand(SIDE, SIDE)
    original = HeatMap(values, placement).original()
    assert original.shape == (64, 128)
    assert np.isnan(original[:, :32]).all()
    assert np.isnan(original[:, 96:]).all()
    np.testing.assert_allclose(original[5, 34:94], (np.arange(34, 94) + 0.5 - 32) / 2 - 0.5, atol=1e-4)


def test_layers_are_found_by_name_and_dead_ones_give_nothing():
    asked = question(network())
    assert activation_maps(asked, "backbone.layer").layer == "backbone.layer"
    assert activation_maps(asked, "head") is None
    dead = question(network(scale=0.0))
    assert activation_maps(dead) is None


@pytest.mark.parametrize(
    ("shape", "expected"),
    [((1, 5, 8, 8), (5, 8, 8)), ((1, 8, 8, 5), (5, 8, 8)), ((1, 65, 7), (7, 8, 8)), ((1, 5, 1, 1), None),
     ((2, 5, 8, 8), None), ((1, 6), None), ((1, 12, 7), None)],
)  # fmt: skip
def test_maps_are_known_by_their_shapes(shape, expected):
    found = as_map(torch.zeros(shape), (64, 64))
    assert (None if found is None else tuple(found.shape)) == expected


def test_tokens_become_rows_and_columns():
    tokens = torch.arange(7.0)[None, :, None]
    assert as_map(tokens, (32, 48)).tolist() == [[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]]


def test_inputs_of_one_image_become_those_of_many():
    many = torch.zeros((3, 3, 8, 8), dtype=torch.uint8)
    padded = with_pixels(Padded(many[:1] + 1, torch.tensor([[0, 0, 8, 8]])), many)
    assert padded.images is many
    assert padded.valid.tolist() == [[0, 0, 8, 8]] * 3
    assert with_pixels(many[:1, None], many).shape == (3, 1, 3, 8, 8)


def test_random_weights_are_others_and_the_same_for_one_seed():
    model = network()
    one, same, other = (random_weights(model, seed) for seed in (7, 7, 8))
    for (name, value), twin, third, before in zip(
        one.named_parameters(), same.parameters(), other.parameters(), model.parameters(), strict=True
    ):
        assert torch.equal(value, twin), name
        if name.endswith("bias"):  # which begin at 0
            continue
        assert not torch.equal(value, third), name
        assert not torch.equal(value, before), name


def test_a_random_network_that_answers_nothing_is_drawn_again(monkeypatch):
    """One that ends in a ReLU may say 0 to whatever it is shown."""
    asked, drawn = question(network()), []

    def some(model, seed):
        drawn.append(seed)
        return network(scale=0.0 if len(drawn) < 3 else 1.0)

    monkeypatch.setattr("zorki.engine.explanation.network.random_weights", some)
    assert asked.randomized().model.head.weight.any()
    assert len(set(drawn)) == 3


def test_a_map_of_the_right_pixels_costs_more_than_chance():
    window = slice(2, 4), slice(5, 7)
    asked = question(network(window))
    asked.model.head.weight.data[1] = asked.model.backbone.layer.bias.data.new_tensor([1.0, 1, 1, 1, 1])
    occlusion = HeatMap(occlusion_map(asked, 4), asked.placement)
    found = check(asked, occlusion, None)
    assert found.random_correlation is None
    assert abs(found.drop) > abs(found.random_drop)


def test_ranks_of_one_map_agree_with_itself_and_not_with_its_negative():
    values, placement = torch.rand(SIDE, SIDE), Placement(SIDE, SIDE, input_height=SIDE, input_width=SIDE)
    one, flat = HeatMap(values, placement), HeatMap(torch.ones(SIDE, SIDE), placement)
    assert rank_correlation(one, HeatMap(3 * values.exp(), placement)) == pytest.approx(1)
    assert rank_correlation(one, HeatMap(-values, placement)) == pytest.approx(-1)
    assert rank_correlation(one, flat) is None


def test_the_tenth_that_matters_most_is_of_the_image():
    values = torch.arange(100.0).view(10, 10)
    inside = torch.zeros(10, 10, dtype=torch.bool)
    inside[:5] = True
    chosen = top_pixels(values, inside)
    assert chosen.nonzero().tolist() == [[4, column] for column in range(5, 10)]


def test_blurring_keeps_even_colors_and_smooths_edges():
    even = torch.full((1, 3, 24, 30), 77, dtype=torch.uint8)
    assert torch.equal(blur(even), even)
    edge = even.clone()
    edge[..., 15:] = 255
    assert 100 < blur(edge)[0, 0, 12, 15] < 240
