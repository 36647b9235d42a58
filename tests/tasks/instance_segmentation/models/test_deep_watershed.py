import math
from itertools import pairwise

import torch
from touching_cells import overlaps, touching

from zorki.ops.region_growing import offsets_from_outside
from zorki.tasks.instance_segmentation.models.deep_watershed import (
    BOUNDS,
    LEVEL_WEIGHTS,
    angle_between,
    area_weights,
    deep_watershed_on,
    levels_of,
    modified_cross_entropy,
)
from zorki.tasks.instance_segmentation.networks.numbering import number_objects
from zorki.tasks.instance_segmentation.networks.pixel_grouper import GroupingMaps
from zorki.types import Placement


def model_of(**options):
    return deep_watershed_on(1, backbone="squeezenet", image_size=64, **options)


def test_levels_are_finer_near_the_boundary():
    assert len(BOUNDS) + 1 == len(LEVEL_WEIGHTS) == 16
    widths = [b - a for a, b in pairwise(BOUNDS)]
    assert widths == sorted(widths)
    distances = torch.tensor([[[1.0, 2**0.5, 2.0, 5**0.5, 7.0, 8.0, 46.0, 47.0]]])
    assert levels_of(distances).tolist() == [[[0, 1, 1, 2, 6, 6, 14, 15]]]


def test_angles_are_those_of_the_arc_cosine():
    a, b = torch.randn(2, 1, 2, 6, 7)
    cosine = torch.cosine_similarity(a, b, dim=1)
    torch.testing.assert_close(angle_between(a, b).square(), cosine.acos().square(), atol=1e-4, rtol=1e-3)
    right, down = torch.tensor([0.0, 1.0]).view(1, 2, 1, 1), torch.tensor([1.0, 0.0]).view(1, 2, 1, 1)
    assert math.isclose(float(angle_between(right, down).abs()), math.pi / 2, rel_tol=1e-6)


def test_angles_have_finite_slopes_everywhere():
    target_classes = torch.tensor([[0.0, 1.0], [0.0, 1.0], [0.0, 1.0]]).t().reshape(1, 2, 1, 3)
    given = torch.tensor([[0.0, 1.0], [0.0, -1.0], [0.0, 0.0]]).t().reshape(1, 2, 1, 3).clone().requires_grad_()
    angle_between(given, target_classes).square().sum().backward()
    assert bool(given.grad.isfinite().all())
    assert float(given.grad[..., 0].abs().max()) == 0, "nothing to learn where it is right"


def test_objects_weigh_by_the_root_of_their_area():
    numbers = torch.tensor([[[1, 1, 0, 3], [1, 1, 0, 0]]], dtype=torch.int32)
    assert area_weights(numbers).tolist() == [[[0.5, 0.5, 0, 1], [0.5, 0.5, 0, 0]]]


def test_the_modified_cross_entropy_is_that_of_a_slow_twin():
    logits, target_classes = torch.randn(6, 16), torch.randint(0, 16, (6,))
    found = modified_cross_entropy(logits, target_classes, torch.tensor(LEVEL_WEIGHTS))
    for row in range(6):
        y = logits[row].double().softmax(0)
        value = 0.0
        for k in range(16):
            t = float(k == int(target_classes[row]))
            value -= LEVEL_WEIGHTS[k] * (t * math.log(y[k]) + (1 - t) * math.log(1 - y[k]))
        assert math.isclose(float(found[row]), value, rel_tol=1e-4)


def perfect(target):
    numbers = number_objects([target]).numbers
    offsets = offsets_from_outside(numbers[0])
    there = (numbers > 0).float()
    levels = torch.nn.functional.one_hot(levels_of(offsets.norm(dim=0)[None]), 16).movedim(-1, 1).float() * 20
    main = torch.cat([20 - 20 * there[:, None], 20 * there[:, None], offsets[None], levels], 1)
    return GroupingMaps(main, main[:, :0])


def test_perfect_maps_give_back_objects_that_touch():
    target = touching()
    for cut, least in ((1, 0.95), (2, 0.93), (3, 0.9)):
        (found,) = model_of(cut=cut).decode(perfect(target), [Placement(48, 64)])
        assert len(found) == 4, cut
        assert float(overlaps(found, target).min()) > least, (cut, overlaps(found, target))
        assert float(found.scores.min()) > 0.99


def test_what_the_cut_would_lose_is_an_object():
    target = touching()
    (found,) = model_of(cut=6).decode(perfect(target), [Placement(48, 64)])
    assert len(found) == 4
    assert float(overlaps(found, target)[3]) == 1.0, "the square is four pixels deep"


def test_the_cut_is_given_back_in_original_pixels():
    target = touching()
    placement = Placement(96, 128, scale=0.5, input_height=48, input_width=64)
    (found,) = model_of().decode(perfect(target), [placement])
    wide = target.masks.repeat_interleave(2, 1).repeat_interleave(2, 2)
    assert len(found) == 4
    assert float(overlaps(found, type(target)(target.xyxy * 2, target.labels, wide)).min()) > 0.85


def test_perfect_maps_lose_nearly_nothing():
    target, model = touching(), model_of()
    maps = perfect(target)
    losses = model.loss(maps, [target])
    assert set(losses) == {"foreground", "direction", "energy"}
    assert float(sum(losses.values())) < 1e-3
    turned = maps.main.clone()
    turned[:, 2:4] *= -1
    wrong = model.loss(GroupingMaps(turned, maps.classes), [target])["direction"]
    assert math.isclose(float(wrong), model.direction_weight * math.pi**2, rel_tol=1e-3)


def test_energies_are_read_from_directions_of_the_foreground_alone():
    model = model_of().eval()
    own = torch.randn(1, 4, 32, 32)
    own[:, 0] += 60
    first = model.refine(own)
    own[:, 2:4] = torch.randn(1, 2, 32, 32)
    assert torch.allclose(first[:, 4:], model.refine(own)[:, 4:], atol=1e-6)
    assert torch.allclose(first[:, 2:4].norm(dim=1), torch.ones(1, 32, 32), atol=1e-5)
