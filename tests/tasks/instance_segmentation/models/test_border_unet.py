from pathlib import Path

import pytest
import torch
from touching_cells import overlaps, touching

from zorki import registry
from zorki.errors import RecipeError
from zorki.ops.border_weights import border_weights
from zorki.tasks.instance_segmentation.models.border_unet import IGNORE, border_classes, border_unet_on
from zorki.tasks.instance_segmentation.networks.numbering import number_objects
from zorki.tasks.instance_segmentation.networks.pixel_grouper import GroupingMaps
from zorki.tasks.instance_segmentation.settings import InstanceSettings
from zorki.tasks.instance_segmentation.task import InstanceSegmentation
from zorki.types import Placement


def mapped(*rows):
    return torch.tensor([[[int(letter) for letter in row] for row in rows]], dtype=torch.int32)


def test_borders_are_where_another_object_is_near():
    numbers = mapped("011112220", "011112220", "000000000", "033333330")
    assert border_classes(numbers, 1).tolist() == mapped("011122110", "011122110", "000000000", "011111110").tolist()
    # Two rows away is the third object, over a gap.
    assert border_classes(numbers, 2).tolist() == mapped("011222210", "022222220", "000000000", "022222220").tolist()


def test_contours_are_borders_where_that_is_asked_for():
    numbers = mapped("11100", "11100", "11100", "00000")
    assert border_classes(numbers, 1).tolist() == mapped("11100", "11100", "11100", "00000").tolist()
    found = border_classes(numbers, 1, contour=True)
    assert found.tolist() == mapped("11200", "11200", "22200", "00000").tolist(), "the image's edge is none"


def test_borders_weigh_more_where_they_are_few():
    assert model_of().criterion.class_weights.tolist() == [1, 1, 5]
    assert model_of(contour=True).criterion.class_weights.tolist() == [1, 1, 2]
    assert model_of(contour=True, border_share=3.0).criterion.class_weights.tolist() == [1, 1, 3]


def test_without_borders_there_are_two_classes():
    numbers = mapped("1122")
    assert border_classes(numbers, 0).tolist() == mapped("1111").tolist()
    assert registry.build("plain_unet_squeezenet", 1, {"image_size": 64}).output.out_channels == 2


def perfect(target, border, **options):
    """Maps that say what the network should learn, with certainty."""
    numbers = number_objects([target]).numbers
    classes = border_classes(numbers, border)
    main = torch.nn.functional.one_hot(classes, 3 if border else 2).movedim(-1, 1).float() * 20
    return GroupingMaps(main, main.new_zeros((1, 0, *main.shape[2:])))


def model_of(border=2, **options):
    return border_unet_on(1, backbone="squeezenet", image_size=64, border=border, **options)


@pytest.mark.parametrize("border", [1, 2, 3])
def test_perfect_maps_give_back_objects_that_touch(border):
    target = touching()
    height, width = target.masks.shape[1:]
    (found,) = model_of(border).decode(perfect(target, border), [Placement(height, width)])
    assert len(found) == 4
    assert float(overlaps(found, target).min()) > 0.995, "rims of equal width meet where they met"
    assert float(found.scores.min()) > 0.99


def test_plain_components_cannot_tell_apart_what_touches():
    target = touching()
    height, width = target.masks.shape[1:]
    (found,) = model_of(0).decode(perfect(target, 0), [Placement(height, width)])
    assert len(found) == 3
    assert float(found.masks.sum()) == float(target.masks.sum())


def test_an_object_of_border_alone_is_an_object():
    target = touching()
    maps = perfect(target, 2)
    maps.main[:, 1:, 30:38, 26:34] = torch.tensor([0.0, 20.0])[:, None, None]  # the square has no interior
    (found,) = model_of().decode(maps, [Placement(48, 64)])
    assert len(found) == 4
    assert float(overlaps(found, target).min()) == 1.0


def test_predictions_are_in_original_pixels():
    target = touching()
    maps = perfect(target, 2)
    placement = Placement(96, 128, scale=0.5, input_height=48, input_width=64)
    (found,) = model_of().decode(maps, [placement])
    (wide,) = target.masks.repeat_interleave(2, 1).repeat_interleave(2, 2)[None]
    large = type(target)(target.xyxy * 2, target.labels, wide)
    assert found.masks.shape[1:] == (96, 128)
    assert len(found) == 4
    assert float(overlaps(found, large).min()) > 0.9


def test_the_loss_is_the_weighted_cross_entropy():
    model, target = model_of(border_share=3.0), touching()
    logits = torch.randn(1, 3, 48, 64)
    (loss,) = model.loss(GroupingMaps(logits, logits[:, :0]), [target]).values()
    target_classes = border_classes(number_objects([target]).numbers, 2)
    expected = torch.nn.functional.cross_entropy(logits, target_classes, weight=torch.tensor([1.0, 1.0, 3.0]))
    torch.testing.assert_close(loss, expected)


def configure(model, recipe):
    scenes = InstanceSegmentation().data.read(Path("scenes:20@64"))
    InstanceSegmentation.data.configure(model, recipe, scenes, [])


def test_the_recipe_may_name_a_loss_and_weigh_gaps():
    model, target = model_of(border_share=3.0), touching()
    configure(model, InstanceSettings(loss="ce,dice", border_weight=10.0))
    logits = torch.randn(1, 3, 48, 64)
    losses = model.loss(GroupingMaps(logits, logits[:, :0]), [target])
    assert set(losses) == {"cross_entropy", "dice"}
    numbers = number_objects([target]).numbers
    target_classes = border_classes(numbers, 2)
    each = torch.nn.functional.cross_entropy(logits, target_classes, reduction="none")[0]
    weights = border_weights(numbers[0], weight=10.0) * torch.where(
        target_classes[0] == 2, 3.0, 1.0
    )  # borders keep theirs
    torch.testing.assert_close(losses["cross_entropy"], (each * weights).sum() / weights.sum())
    with pytest.raises(RecipeError, match="add ce"):
        configure(model, InstanceSettings(loss="dice", border_weight=10.0))
    assert model.criterion.ignore == IGNORE
