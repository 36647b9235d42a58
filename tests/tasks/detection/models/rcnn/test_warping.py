import pytest
import torch

from zorki.tasks.detection.models.rcnn.warping import warp_regions

NOBODY = torch.zeros(1, dtype=torch.int64)


def ramps(height, width):
    """An image whose channels are the column and the row of a pixel's center."""
    rows, columns = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    return torch.stack([columns, rows])[None]


@pytest.mark.parametrize("size", [227, 64])
def test_the_region_fills_the_window_but_for_16_of_227_pixels(size):
    box = torch.tensor([[60.0, 80.0, 100.0, 160.0]])
    (window,) = warp_regions(ramps(240, 200), box, NOBODY, size)
    margin = size * 16 / 227
    # A pixel of the window shows the place of the image that lies at its own place between the region's sides.
    place = (torch.arange(size) + 0.5 - margin) / (size - 2 * margin)
    assert torch.allclose(window[0], (60 + 40 * place).expand(size, -1), atol=1e-3)
    assert torch.allclose(window[1], (80 + 80 * place)[:, None].expand(-1, size), atol=1e-3)


def test_outside_the_image_is_the_mean():
    window = warp_regions(torch.ones(1, 1, 100, 100), torch.tensor([[0.0, 0.0, 100.0, 100.0]]), NOBODY, 227)[0, 0]
    # A pixel of the image is two of the window, and half a one is blurred at the edge.
    for edge in (window[:14], window[-14:], window[:, :14], window[:, -14:]):
        assert edge.abs().max() == 0
    assert window[18:-18, 18:-18].min() > 0.999


def test_shrinking_averages():
    """Every second column is white: a window that took single pixels would be black or white."""
    stripes = torch.zeros(1, 1, 200, 200)
    stripes[..., ::2] = 1
    window = warp_regions(stripes, torch.tensor([[20.0, 20.0, 180.0, 180.0]]), NOBODY, 16)
    assert torch.allclose(window, torch.full_like(window, 0.5), atol=0.06)


def test_each_region_is_read_from_its_own_image():
    images = torch.stack([torch.full((1, 30, 30), value) for value in (1.0, 2.0, 3.0)])
    boxes = torch.tensor([[10.0, 10.0, 20.0, 20.0]]).repeat(3, 1)
    windows = warp_regions(images, boxes, torch.tensor([2, 0, 1]), 8)
    assert windows.mean((1, 2, 3)).tolist() == [3.0, 1.0, 2.0]
