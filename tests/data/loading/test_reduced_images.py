from pathlib import Path

import pytest
import torch

from zorki.data.formats.readers import read_labels
from zorki.data.images import write_image
from zorki.data.loading.pipeline import LoaderWork, Pipeline
from zorki.data.preprocess.pad import Pad
from zorki.data.preprocess.resize_crop import ResizeCrop
from zorki.data.preprocess.saved import preprocess_from_json


@pytest.fixture
def photos():
    smooth = torch.nn.functional.interpolate(torch.rand((1, 3, 5, 7)) * 255, (240, 320), mode="bicubic").clamp(0, 255)
    for place, kind in enumerate(("cat", "dog")):
        write_image(Path(f"photos/{kind}/{place}.jpg"), smooth[0].byte().flip(place))
    return read_labels(Path("photos"))


@pytest.mark.parametrize("kind", [ResizeCrop(16), ResizeCrop(14, 0.875), Pad(16)], ids=str)
def test_reduced_images_have_twice_the_pixels_and_give_nearly_the_same_batch(photos, kind):
    sizes = []

    def augment(sample, *, generator):
        sizes.append(tuple(sample.image.shape[1:]))
        return sample

    work = LoaderWork(0, 0, [0, 1], [0, 1])
    whole = Pipeline(photos, kind, augment)(work)
    reduced = Pipeline(photos, kind.reduced(), augment)(work)
    assert sizes == [(240, 320)] * 2 + [(60, 80)] * 2  # 1/4: 60 is at least 2 x 16, and 1/8, 30, is not
    Pipeline(photos, kind.reduced(), augment, smallest_crop=0.25)(work)
    assert sizes[4:] == [(120, 160)] * 2  # half of the sides may be cut out
    assert (whole.inputs.int() - reduced.inputs.int()).abs().max() <= 4
    assert not torch.equal(whole.inputs, reduced.inputs)


@pytest.mark.parametrize("kind", [ResizeCrop(16, 0.875), Pad(16)], ids=str)
def test_it_travels_with_the_saved_preprocessing(kind):
    assert kind.decoded_side is None
    saved = kind.reduced().whole().to_json()
    assert preprocess_from_json(saved).decoded_side == 2 * 16
    assert (
        preprocess_from_json({name: value for name, value in saved.items() if name != "reduced_jpeg"}) == kind.whole()
    )
