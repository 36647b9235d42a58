from pathlib import Path

import pytest
import torch
from torch import nn

from zorki.contracts import Dataset
from zorki.errors import RecipeError
from zorki.losses.pixels import PixelLoss
from zorki.tasks.semantic_segmentation.criterion import class_weights_of, criterion_of, median_frequency_weights
from zorki.tasks.semantic_segmentation.settings import SegmentationSettings
from zorki.types import Mask


class Masks(Dataset):
    """Masks alone, of four pixels."""

    def __init__(self, *rows):
        self.masks = [Mask(torch.tensor([row])) for row in rows]

    def __len__(self):
        return len(self.masks)

    def __getitem__(self, index):
        raise NotImplementedError

    def target(self, index):
        return self.masks[index]

    def path(self, index):
        return Path(f"{index}.png")

    def check(self, index):
        return None


def never():
    raise AssertionError("nobody asked for weights of classes")


def test_median_frequencies_by_hand():
    # Class 0 has 6 of the 8 pixels of its two images, class 1 2 of 8, class 2 3 of 4; class 3 is seen nowhere.
    counts = torch.tensor([[3, 1, 0, 0], [3, 1, 0, 0], [0, 0, 3, 0]])
    shares = torch.tensor([6 / 8, 2 / 8, 3 / 3])
    weights = median_frequency_weights(counts)
    assert torch.allclose(weights[:3], 0.75 / shares)
    assert weights[3] == 1
    assert median_frequency_weights(torch.zeros(2, 3, dtype=torch.int64)).tolist() == [1, 1, 1]
    # Of an even number of classes the median is between the two in the middle.
    assert median_frequency_weights(torch.tensor([[3, 1]])).tolist() == pytest.approx([0.5 / 0.75, 0.5 / 0.25])


def test_weights_come_from_the_training_masks_and_what_is_ignored_does_not_count():
    dataset = Masks([0, 0, 0, 1], [0, 1, 255, 255], [1, 1, 1, 1])
    weights = class_weights_of(dataset, [0, 1], 2)
    assert torch.allclose(weights, 0.5 / torch.tensor([4 / 6, 2 / 6]))


def test_the_models_own_loss_keeps_its_terms_and_takes_the_settings():
    own = PixelLoss.of("dice:2,ce", ignore=9)
    made = criterion_of(
        SegmentationSettings(class_weights=True, label_smoothing=0.1), own, lambda: torch.tensor([1.0, 2.0])
    )
    assert str(made) == "dice:2,ce"
    assert made.ignore == 9
    assert made.class_weights.tolist() == [1, 2]
    assert made.label_smoothing == 0.1
    smooth = PixelLoss(label_smoothing=0.2, class_weights=torch.ones(2))
    kept = criterion_of(SegmentationSettings(), smooth, never)
    assert kept.label_smoothing == 0.2
    assert kept.class_weights.tolist() == [1, 1]


def test_losses_of_another_kind_stay_and_have_no_settings():
    own = nn.MSELoss()
    assert criterion_of(SegmentationSettings(), own, never) is own
    assert str(criterion_of(SegmentationSettings(loss="lovasz"), own, never)) == "lovasz"
    for settings in ({"class_weights": True}, {"label_smoothing": 0.1}, {"border_weight": 3.0}):
        with pytest.raises(RecipeError, match=f"{next(iter(settings))}.*--loss ce"):
            criterion_of(SegmentationSettings(**settings), own, never)


@pytest.mark.parametrize(
    "settings", [{"class_weights": True}, {"border_weight": 3.0}, {"label_smoothing": 0.1}], ids=str
)
def test_regions_have_no_weights(settings):
    with pytest.raises(RecipeError, match=r"dice.*add ce"):
        criterion_of(SegmentationSettings(loss="dice", **settings), PixelLoss(), never)
    with pytest.raises(RecipeError, match=r"dice.*add ce"):
        criterion_of(SegmentationSettings(**settings), PixelLoss.of("dice"), never)
    assert criterion_of(SegmentationSettings(loss="dice,focal", border_weight=2.0), PixelLoss(), never).weighs_pixels
