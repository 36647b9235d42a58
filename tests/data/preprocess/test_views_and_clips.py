"""Views and clips: each view or frame as an image alone, random frames from the generator alone."""

from pathlib import Path

import pytest
import torch

from zorki.contracts import Preprocess
from zorki.data.loading.loader import Loader, Pipeline
from zorki.data.loading.samplers import ShuffledSampler
from zorki.data.preprocess.clips import Clips
from zorki.data.preprocess.letterbox import Letterbox
from zorki.data.preprocess.resize_crop import ResizeCrop
from zorki.data.preprocess.saved import preprocess_from_json
from zorki.data.preprocess.views import Views
from zorki.errors import RecipeError
from zorki.tasks.video_classification.task import VideoClassification


def images(*shape):
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def numbered(count):
    """A clip whose frames bear their numbers."""
    return torch.arange(count, dtype=torch.uint8)[:, None, None, None].expand(count, 3, 8, 8)


def seen(clip, frames=4, stride=2, seed=None):
    generators = None if seed is None else [torch.Generator().manual_seed(seed)]
    inputs, (placement,) = Clips(frames, stride, ResizeCrop(8))([clip], generators)
    assert inputs.shape == (1, frames, 3, 8, 8)
    assert (placement.height, placement.width) == (8, 8)
    return inputs[0, :, 0, 0, 0].tolist()


def test_each_view_is_preprocessed_like_an_image_alone():
    several, single = images(3, 3, 20, 30), images(3, 20, 30)
    inputs, placements = Views(ResizeCrop(16))([several, several])
    assert inputs.shape == (2, 3, 3, 16, 16)
    assert torch.equal(inputs[1], ResizeCrop(16)(list(several))[0])
    assert len(placements) == 2
    one, _ = Views(Letterbox(32))([single])
    assert torch.equal(one[:, 0], Letterbox(32)([single])[0])
    with pytest.raises(RecipeError, match="images with 1 and 3 views; expected as many of each"):
        Views(ResizeCrop(16))([several, single])
    assert Views(ResizeCrop(16))([])[0].shape == (0, 1, 3, 16, 16)


def test_evaluation_takes_the_middle_of_a_clip_and_training_any_part():
    assert seen(numbered(11)) == [2, 4, 6, 8]
    starts = {tuple(seen(numbered(11), seed=seed)) for seed in range(40)}
    assert starts == {(start, start + 2, start + 4, start + 6) for start in range(5)}
    assert seen(numbered(11), seed=3) == seen(numbered(11), seed=3)


def test_short_clips_repeat_their_last_frame():
    assert seen(numbered(7)) == seen(numbered(7), seed=1) == [0, 2, 4, 6]
    assert seen(numbered(3)) == [0, 2, 2, 2]
    assert seen(numbered(3)[2]) == [2, 2, 2, 2]


@pytest.mark.parametrize("kind", [Views(Letterbox(64, dark_ground=True)), Clips(8, 2, ResizeCrop(112, 0.875))], ids=str)
def test_saved_and_read_they_are_the_same(kind):
    assert isinstance(kind, Preprocess)
    assert preprocess_from_json(kind.to_json()) == kind
    assert kind.size == kind.each.size
    assert kind.whole().each == kind.each.whole()
    with pytest.raises(RecipeError, match="Fitt"):
        preprocess_from_json({**kind.to_json(), "each": {"kind": "Fitt"}})


def test_clips_go_on_where_training_was_stopped():
    dataset = VideoClassification.data.read(Path("scenes:36@24"))

    def make():
        pipeline = Pipeline(dataset, Clips(4, 2, ResizeCrop(24)), train=True)
        return Loader(pipeline, list(range(12)), batch_size=3, sampler=ShuffledSampler(12))

    whole, stopped, resumed = make(), make(), make()
    expected = [batch.inputs for batch in whole]
    batches = iter(stopped)
    next(batches)
    next(batches)
    resumed.load_state_dict(stopped.state_dict())
    rest = [batch.inputs for batch in resumed]
    assert len(rest) == 2
    assert all(torch.equal(*pair) for pair in zip(expected[2:], rest, strict=True))
    assert not torch.equal(expected[0], expected[1])
