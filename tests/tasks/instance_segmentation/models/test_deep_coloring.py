import math

import numpy as np
import torch
from scipy.ndimage import binary_dilation
from touching_cells import overlaps, touching

from zorki.tasks.instance_segmentation.models.deep_coloring import (
    choose_colors,
    coloring_loss,
    deep_coloring_on,
    regions_of,
)
from zorki.tasks.instance_segmentation.networks.numbering import number_objects
from zorki.tasks.instance_segmentation.networks.pixel_grouper import GroupingMaps
from zorki.types import Placement


def test_halos_are_dilated_objects_without_the_objects():
    random = np.random.default_rng(0)
    numbers = np.kron(random.integers(0, 5, (2, 5, 6)), np.ones((1, 4, 3), int)).astype(np.int32)
    valid = random.random(numbers.shape) < 0.9
    regions = regions_of(torch.from_numpy(numbers), torch.from_numpy(valid), 2)
    row = 0
    for image in range(2):
        for number in np.unique(numbers[image][numbers[image] > 0]):
            mask = numbers[image] == number
            halo = binary_dilation(mask, np.ones((5, 5))) & ~mask & valid[image]
            for owner, place, expected in (
                (regions.inside_owner, regions.inside_place, mask),
                (regions.halo_owner, regions.halo_place, halo),
            ):
                found = np.zeros(numbers.shape, bool)
                found.flat[place[owner == row].numpy()] = True
                assert (found[image] == expected).all()
                assert found.sum() == expected.sum()
            row += 1
    assert regions.count == row


def slow(logits, masks, margin, mu):
    """The paper's formulas for one image, object by object and color by color."""
    y = logits.double().softmax(0).numpy()
    colors, objects, halos = [], [], []
    for mask in masks.numpy():
        halo = binary_dilation(mask, np.ones((2 * margin + 1,) * 2)) & ~mask
        values = {}
        for c in range(1, len(y)):
            inside = sum(math.log(y[c][i, j]) for i, j in np.argwhere(mask)) / mask.sum()
            around = sum(math.log(1 - y[c][i, j]) for i, j in np.argwhere(halo)) / halo.sum()
            values[c] = (inside + mu * around, inside, around)
        best = max(values, key=lambda c: values[c][0])
        colors.append(best)
        objects.append(-values[best][1])
        halos.append(-mu * values[best][2])
    ground = ~masks.numpy().any(0)
    return colors, -np.log(y[0][ground]).mean(), np.mean(objects), np.mean(halos)


def test_colors_and_loss_are_those_of_a_slow_twin():
    target = touching()
    objects = number_objects([target])
    for seed, mu in enumerate((0.0, 0.5, 3.0)):
        torch.manual_seed(seed)
        logits = torch.randn(1, 5, 12, 16).repeat_interleave(4, 2).repeat_interleave(4, 3) * 2
        colors, *expected = slow(logits[0], target.masks, 3, mu)
        regions = regions_of(objects.numbers, objects.valid, 3)
        losses = coloring_loss(logits, regions, objects.numbers == 0, mu)
        for name, value in zip(("background", "objects", "halo"), expected, strict=True):
            assert math.isclose(float(losses[name]), value, rel_tol=1e-4), name
        assert len(set(colors)) > 1


def test_a_neighbors_color_is_avoided():
    # Color 1 suits the object a little better, but is all around it.
    inside = torch.tensor([[-9.0, -0.5, -0.7]])
    halo = torch.tensor([[-9.0, -2.0, -0.1]])
    assert choose_colors(inside, halo, 0.0).tolist() == [1]
    assert choose_colors(inside, halo, 1.0).tolist() == [2]
    assert choose_colors(torch.tensor([[0.0, -5.0, -6.0]]), halo * 0, 1.0).tolist() == [1], "never the background's"


def test_what_covers_the_halo_is_pushed_away():
    target = touching()
    objects = number_objects([target])
    logits = torch.zeros(1, 3, 48, 64)
    logits[:, 1, target.masks.any(0)] = 40.0  # all objects have one color
    logits.requires_grad_()
    regions = regions_of(objects.numbers, objects.valid, 2)
    losses = coloring_loss(logits, regions, objects.numbers == 0, 1.0)
    losses["halo"].backward()
    assert float(losses["halo"].detach()) > 1
    assert float(logits.grad[0, 1, 10, 21]) > 1e-5, "however sure the network is"


def perfect(target, colors):
    numbers = number_objects([target]).numbers[0]
    table = torch.tensor([0, *colors])
    main = torch.nn.functional.one_hot(table[numbers.long()], 10).movedim(-1, 0)[None].float() * 20
    return GroupingMaps(main, main[:, :0])


def model_of(**options):
    return deep_coloring_on(1, backbone="squeezenet", image_size=64, **options)


def test_perfect_maps_give_back_objects_that_touch():
    target = touching()
    (found,) = model_of().decode(perfect(target, (1, 7, 1, 1)), [Placement(48, 64)])
    assert len(found) == 4
    assert float(overlaps(found, target).min()) == 1.0
    (found,) = model_of().decode(perfect(target, (1, 1, 2, 2)), [Placement(48, 64)])
    assert len(found) == 3, "of one color they are one"


def test_small_pieces_of_a_color_are_dropped():
    target = touching()
    maps = perfect(target, (1, 2, 3, 4))
    maps.main[0, :, 10:12, 10:12] = torch.eye(10)[5][:, None, None] * 20
    assert len(model_of(min_area=5).decode(maps, [Placement(48, 64)])[0]) == 4
    assert len(model_of(min_area=4).decode(maps, [Placement(48, 64)])[0]) == 5


def test_predictions_are_in_original_pixels():
    target = touching()
    placement = Placement(96, 128, scale=0.5, input_height=48, input_width=64)
    (found,) = model_of().decode(perfect(target, (1, 2, 3, 4)), [placement])
    wide = target.masks.repeat_interleave(2, 1).repeat_interleave(2, 2)
    assert found.masks.shape[1:] == (96, 128)
    assert float(overlaps(found, type(target)(target.xyxy * 2, target.labels, wide)).min()) > 0.9
