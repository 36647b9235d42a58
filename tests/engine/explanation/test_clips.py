"""Films: a map a frame, of the frames that the score depends on."""

import numpy as np
import pytest
import torch
from tiny_backbone import tiny_squeezenet
from torch import nn

from zorki import registry
from zorki.contracts.capabilities import Focus
from zorki.data.preprocess.clips import Clips
from zorki.data.preprocess.resize import Resize
from zorki.engine.explanation.cam import activation_maps
from zorki.engine.explanation.explanation import in_rows
from zorki.engine.explanation.film_strip import clip_of, strip_map, strip_of
from zorki.engine.explanation.network import ask, with_pixels
from zorki.engine.explanation.occlusion import occlusion_map
from zorki.tasks.video_classification.classifier import ClipClassifier

FRAMES, SIDE = 6, 16


class OneFrame(ClipClassifier):
    """Sees one frame of a clip, and of it the cells of the left half."""

    def __init__(self, frame):
        super().__init__(num_classes=2, preprocess=Clips(FRAMES, 1, Resize(SIDE)))
        self.frame, self.layer = frame, nn.Conv2d(3, 2, 4, stride=4)

    def clip_logits(self, clips):
        maps = self.layer(clips.flatten(0, 1)).relu().unflatten(0, clips.shape[:2])
        return maps[:, self.frame, :, :, :2].mean((2, 3))

    def backbone_stages(self):
        return [self.layer]


def asked(model):
    torch.manual_seed(1)
    film = torch.randint(0, 256, (FRAMES, 3, SIDE, SIDE), dtype=torch.uint8)
    inputs, (placement,) = model.preprocess([film])
    return ask(model.eval(), inputs, placement, Focus())


def test_a_strip_is_a_clip_side_by_side():
    clip = torch.randint(0, 256, (2, 3, 3, 4, 5), dtype=torch.uint8)
    assert torch.equal(strip_of(clip)[1, :, :, 5:10], clip[1, 1])
    assert torch.equal(clip_of(strip_of(clip), 3), clip)
    assert torch.equal(with_pixels(clip[:1], strip_of(clip)), clip)


def test_maps_of_fewer_moments_belong_to_the_frames_that_they_stand_for():
    output = torch.arange(2.0).view(1, 1, 2, 1, 1).expand(1, 3, 2, 4, 4)
    strip = strip_map(output, 4)
    assert strip.shape == (3, 4, 16)
    assert strip[0, 0].tolist() == [0.0] * 8 + [1.0] * 8


@pytest.mark.parametrize("frame", [0, 3])
def test_grad_cam_finds_the_frame_and_occlusion_the_half(frame):
    torch.manual_seed(2)
    network = asked(OneFrame(frame))
    assert (network.frames, network.size, network.frame_size) == (FRAMES, (SIDE, FRAMES * SIDE), (SIDE, SIDE))
    maps = activation_maps(network)
    found = maps.layer_cam(network.size)
    by_frame = [part.sum() for part in found.chunk(FRAMES, 1)]
    assert by_frame[frame] > 0
    assert sum(by_frame) == by_frame[frame]
    falls = occlusion_map(network, 4).chunk(FRAMES, 1)
    assert torch.equal(falls[0], falls[5])
    assert falls[0][:, :8].abs().sum() > 0
    assert falls[0][:, 10:].abs().sum() == 0


@pytest.mark.parametrize("name", ["c3d_small", "frame_average_squeezenet", "gru_squeezenet"])
def test_networks_of_films_are_explained_by_frames(name, monkeypatch):
    tiny_squeezenet(monkeypatch)
    torch.manual_seed(0)
    model = registry.build(name, 3, {"image_size": 32}).eval()
    film = torch.randint(0, 256, (20, 3, 32, 40), dtype=torch.uint8)
    inputs, (placement,) = model.preprocess([film])
    network = ask(model, inputs, placement, Focus())
    scores = network.scores(torch.cat([network.pixels, 255 - network.pixels, network.pixels]))
    torch.testing.assert_close(scores[0], scores[2])
    maps = activation_maps(network)
    assert maps is not None
    assert maps.grad_cam(network.size).shape == network.size


def test_frames_are_shown_in_rows():
    strip = np.arange(6, dtype=np.uint8).repeat(2)[None, :, None].repeat(3, 0).repeat(3, 2)
    rows = in_rows(strip, 6)
    assert rows.shape == (6, 8, 3)
    assert rows[0, ::2, 0].tolist() == [0, 1, 2, 3]
    assert rows[3, ::2, 0].tolist() == [4, 5, 255, 255]
