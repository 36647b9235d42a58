"""Windows by hand."""

from __future__ import annotations

import pytest
import torch

from zorki.data.preprocess.tracking.windows import cut_windows, exemplar_sides

GRAY = torch.full((3,), 100.0)


def ramp(height=40, width=60):
    """Red is the column, green the row."""
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return torch.stack([columns, rows, torch.zeros_like(rows)]).to(torch.uint8)


def test_the_exemplar_s_side_is_the_paper_s():
    # w = 10, h = 30: p = 10, so sqrt((10 + 20) (30 + 20)).
    assert exemplar_sides(torch.tensor([[10.0, 30.0]])).item() == pytest.approx((30 * 50) ** 0.5)


def test_a_window_at_the_image_s_own_scale_is_its_pixels():
    image = ramp()
    cut = cut_windows(image, torch.tensor([[20.0, 15.0]]), torch.tensor([8.0]), 8, GRAY)
    assert torch.allclose(cut[0], image[:, 11:19, 16:24].float(), atol=1e-3)


def test_what_lies_beyond_has_the_color():
    image = ramp()
    cut = cut_windows(image, torch.tensor([[0.0, 0.0], [60.0, 40.0]]), torch.tensor([8.0, 8.0]), 8, GRAY)
    assert torch.allclose(cut[0, :, :3, :], torch.tensor(100.0))
    assert torch.allclose(cut[0, :, 4:, 4:], image[:, :4, :4].float(), atol=1e-3)
    assert torch.allclose(cut[1, :, 5:, :], torch.tensor(100.0))
    far = cut_windows(image, torch.tensor([[500.0, -300.0]]), torch.tensor([8.0]), 4, GRAY)
    assert torch.allclose(far, torch.tensor(100.0))


def test_several_windows_are_as_each_alone():
    image = torch.randint(0, 256, (3, 50, 70), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    centers, sides = torch.tensor([[10.0, 12.5], [44.2, 30.0], [69.0, 49.0]]), torch.tensor([20.0, 24.0, 31.0])
    together = cut_windows(image, centers, sides, 16, GRAY)
    alone = [cut_windows(image, centers[[row]], sides[[row]], 16, GRAY)[0] for row in range(3)]
    assert torch.allclose(together, torch.stack(alone), atol=2e-3)


def test_shrinking_passes_no_pixel_over():
    image = torch.zeros((3, 64, 64), dtype=torch.uint8)
    image[:, ::2] = 200  # stripes, of which a sample here and there would see one kind alone
    cut = cut_windows(image, torch.tensor([[32.0, 32.0]]), torch.tensor([64.0]), 8, GRAY)
    assert torch.allclose(cut[:, :, 1:-1, 1:-1], torch.tensor(100.0), atol=1.0)


def test_no_window_at_all():
    assert cut_windows(ramp(), torch.zeros(0, 2), torch.zeros(0), 8, GRAY).shape == (0, 3, 8, 8)
