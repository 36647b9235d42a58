import numpy as np
import torch

from zorki.draw.palette import color
from zorki.tasks.semantic_segmentation.presentation import SegmentationPresentation
from zorki.types import ClassInfo, Mask

LOOK = SegmentationPresentation()
INFO = ClassInfo(("background", "cat", "dog"), background=(0,))


def image(height=60, width=400, level=0):
    return np.full((3, height, width), level, np.uint8)


def cat_and_dog(height=60, width=400):
    classes = torch.zeros((height, width), dtype=torch.int64)
    classes[20:40, 50:150] = 1
    classes[20:40, 250:350] = 2
    return classes


def has(image, ink):
    return bool((image == np.array(ink, np.uint8)[:, None, None]).all(0).any())


def test_drawn_predictions_have_the_colors_of_their_classes_and_a_legend():
    drawn = LOOK.draw(image(), Mask(cat_and_dog()), INFO)
    assert drawn.shape[1] > 60, "the legend stands below"
    assert drawn.shape[2] == 400
    assert tuple(drawn[:, 20, 100].tolist()) == color(1), "an edge"
    assert int(drawn[:, :20].sum()) == 0, "a background keeps the image's colors"
    legend = drawn[:, 60:]
    assert has(legend, color(1))
    assert has(legend, color(2))
    assert not has(legend, color(0))
    small = LOOK.draw(image(40, 50), Mask(cat_and_dog(40, 50)), INFO)
    assert small.shape[2] == 350, "enlarged, so that the legend can be read"


def test_images_of_one_size_are_drawn_in_one_size_with_many_classes_too():
    info = ClassInfo(("background", *(f"class {label}" for label in range(99))), background=(0,))
    few, many = cat_and_dog(), torch.arange(100).repeat(60, 4)
    drawn = [LOOK.draw(image(), Mask(classes), info) for classes in (few, many)]
    assert drawn[0].shape == drawn[1].shape
    assert has(drawn[0][:, 60:], color(1))


def test_thumbnails_hatch_what_is_wrong_alone():
    ground_truth = cat_and_dog(112, 448)
    answer = ground_truth.clone()
    answer[20:40, 50:150] = 2
    ground_truth[100:] = 255
    shown = LOOK.thumbnail(image(112, 448, 120), Mask(answer), INFO, Mask(ground_truth))
    assert shown.shape == (3, 56, 224)
    wrong, right = shown[:, 11:19, 26:74], shown[:, 11:19, 126:174]
    assert has(wrong, (0, 0, 0))
    assert not has(right, (0, 0, 0))
    assert not has(shown[:, 50:], (0, 0, 0)), "what is ignored is not wrong"
    assert shown[:, 55, 0].tolist() != [120, 120, 120], "but gray"
    alone = LOOK.thumbnail(image(112, 448, 120), Mask(ground_truth), INFO)
    assert not has(alone, (0, 0, 0))
    assert np.array_equal(LOOK.thumbnail(image(112, 448, 120), Mask(ground_truth).numpy(), INFO), alone)
