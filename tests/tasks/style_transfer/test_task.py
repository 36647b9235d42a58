"""The task's own parts: data, metric, presentation, the blend of videos."""

import numpy as np
import pytest
import torch

from zorki import registry
from zorki.contracts.capabilities import Smooths
from zorki.errors import DataError, RecipeError
from zorki.tasks.style_transfer.metric import StyleTransferMetric
from zorki.tasks.style_transfer.presentation import StyleTransferPresentation
from zorki.tasks.style_transfer.settings import StyleTransferSettings
from zorki.tasks.style_transfer.temporal_blend import BlendSettings, TemporalBlend, parse
from zorki.types import ClassInfo, GeneratedImage, Sample, Unlabeled

INFO = ClassInfo(("image",))


def generated(value, size=(20, 24)):
    return GeneratedImage(torch.full((3, *size), value, dtype=torch.uint8))


def test_training_sees_squares(tmp_path):
    data = registry.task("style_transfer").data
    recipe = StyleTransferSettings(train_size=48, hflip=0.0, random_crop=1.0, translate=0.0)
    image = torch.randint(0, 256, (3, 60, 90), dtype=torch.uint8)
    generator = torch.Generator().manual_seed(0)
    sample = data.augment(Sample(image, Unlabeled(), tmp_path), recipe, INFO, generator)
    assert sample.image.shape == (3, 48, 48)
    with pytest.raises(DataError, match="format is 'coco'"):
        data.read(tmp_path, format="coco")


def test_the_metric_by_hand():
    metric, other = StyleTransferMetric(), StyleTransferMetric()
    half = torch.zeros((3, 4, 4), dtype=torch.uint8)
    half[:, 2:] = 100
    metric.update([GeneratedImage(half)], [Unlabeled()])
    other.update([generated(7)], [Unlabeled()])
    metric.merge(other)
    result = metric.compute()
    assert (result.count, result.unclipped, result.contrast) == (2, 0.75, 25.0)
    assert StyleTransferMetric().compute().unclipped is None


def test_a_prediction_is_drawn_as_it_is():
    shown = StyleTransferPresentation()
    content = np.zeros((3, 20, 24), np.uint8)
    assert shown.draw(content, generated(9), INFO).tolist() == generated(9).image.tolist()
    assert shown.thumbnail(content, generated(9), INFO).shape == (3, 40, 24)
    assert shown.caption(generated(9), INFO) == "stylized, 24 x 20"
    assert shown.to_record(generated(9), INFO) == {}


def test_flicker_is_blended_away_and_motion_is_not():
    assert isinstance(StyleTransferPresentation(), Smooths)
    blend = TemporalBlend(BlendSettings(share=0.5, threshold=20))
    assert torch.equal(blend(generated(100), 0.0).image, generated(100).image)
    flicker = blend(generated(104), 0.04).image
    assert 100 < int(flicker[0, 0, 0]) < 104
    assert torch.equal(blend(generated(250), 0.08).image, generated(250).image), "what moves is as it is"
    assert torch.equal(blend(generated(251), 2.0).image, generated(251).image), "another scene"
    assert torch.equal(blend(generated(249, (10, 10)), 2.04).image, generated(249, (10, 10)).image)


def test_settings_of_the_blend():
    assert parse("blend:share=.6,threshold=10") == BlendSettings(0.6, 10.0)
    for text, words in (
        ("one-euro", "expected blend"), ("blend:x=1", "has no 'x'"), ("blend:share=a", "expected a number"),
        ("blend:share=1", "below 1"), ("blend:threshold=0", "above 0"),
    ):  # fmt: skip
        with pytest.raises(RecipeError, match=words):
            parse(text)
