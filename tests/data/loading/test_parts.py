import pytest
import torch

from zorki.data.loading.parts import Parts
from zorki.data.preprocess.letterbox import Letterbox
from zorki.data.preprocess.pad import Pad
from zorki.data.preprocess.resize import Resize
from zorki.data.preprocess.resize_crop import ResizeCrop
from zorki.data.preprocess.shortest_edge import ShortestEdge
from zorki.types import Padded

SIZES = [(40, 60), (60, 40), (32, 32), (7, 90), (64, 64), (33, 57), (91, 20)]
KINDS = [
    ResizeCrop(32), ResizeCrop(32, 0.875), Pad(48), Resize(24), Letterbox(48, 16), Letterbox(48, 16, autocontrast=True),
    Letterbox(50, 32, padded=True), Letterbox(40, 8, least=70), ShortestEdge(24, 60, 16),
    ShortestEdge(24, 60, 8, padded=True),
]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS, ids=str)
@pytest.mark.parametrize("most", [1, 5000])
def test_parts_are_the_batch_of_all_images_to_the_bit(kind, most):
    chance = torch.Generator().manual_seed(0)
    images = [torch.randint(0, 256, (3, *size), generator=chance, dtype=torch.uint8) for size in SIZES]
    inputs, placements = kind(images)
    parts = Parts(kind, most=most)
    for image in images:
        parts.add(image)
    found, found_placements = parts.finish()
    assert found_placements == placements
    if isinstance(inputs, Padded):
        assert torch.equal(found.valid, inputs.valid)
        inputs, found = inputs.images, found.images
    assert torch.equal(found, inputs)
    assert found.stride() == inputs.stride()


def test_images_are_let_go_but_for_a_few():
    held = []

    class Counting(ResizeCrop):
        def __call__(self, images, generators=None):
            held.append(len(images))
            return super().__call__(images, generators)

    parts = Parts(Counting(8), most=1000)
    for _ in range(7):
        parts.add(torch.zeros((3, 20, 20), dtype=torch.uint8))
    inputs, placements = parts.finish()
    assert held == [3, 3, 1]
    assert (len(inputs), len(placements)) == (7, 7)


def test_no_images_are_a_batch():
    inputs, placements = Parts(ResizeCrop(8)).finish()
    assert (inputs.shape, placements) == ((0, 3, 8, 8), [])
