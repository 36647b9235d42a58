import pytest
import torch
from torch.nn import functional

from zorki.errors import RecipeError
from zorki.nn.backbones.vit import Vit


def tiny(**changes):
    return Vit(**{"patch": 8, "depth": 2, "heads": 2, "width": 16, "hidden": 32, "size": 32, **changes}).eval()


def test_top_is_the_class_token_and_the_map_the_patches():
    vit, x = tiny(), torch.randn(3, 3, 32, 32)
    assert vit.top(x).shape == (3, 16)
    assert [one.shape for one in vit(x)] == [(3, 16, 4, 4)]


def test_the_map_is_row_by_row():
    vit, x = tiny(depth=0), torch.zeros(1, 3, 32, 32)
    torch.nn.init.zeros_(vit.embed.positions)
    x[:, :, 8:16, 24:32] = 1  # the patch in row 1, column 3
    (one,) = vit(x)
    changed = (one - one[..., :1, :1]).abs().sum(1)[0] > 1e-4
    assert changed.nonzero().tolist() == [[1, 3]]


@pytest.mark.parametrize(("height", "width"), [(32, 48), (64, 64), (16, 8), (35, 34)])
def test_any_whole_patches(height, width):
    vit = tiny()
    assert vit(torch.randn(1, 3, height, width))[0].shape == (1, 16, height // 8, width // 8)


def test_positions_are_stretched_as_a_image():
    vit = tiny(depth=0)
    # A slope over the columns stays one: equal in every row, rising along each.
    slope = torch.arange(4.0).expand(4, 4)
    with torch.no_grad():
        vit.embed.positions.zero_()
        vit.embed.positions[0, 1:, 0] = slope.flatten()
    stretched = vit.embed._positions(8, 8)[0, 1:, 0].reshape(8, 8)
    expected = functional.interpolate(slope[None, None], (8, 8), mode="bicubic")[0, 0]
    assert torch.allclose(stretched, expected, atol=1e-6)
    assert torch.allclose(stretched, stretched[:1].expand(8, 8), atol=1e-6)
    assert (stretched.diff(dim=1)[:, 1:-1] > 0.1).all()
    assert torch.equal(vit.embed._positions(4, 4), vit.embed.positions)


def test_sizes_without_whole_patches_are_refused():
    with pytest.raises(RecipeError, match="take 32 or 40"):
        tiny(size=36)
    with pytest.raises(RecipeError, match="least size is 8"):
        tiny(size=4)
