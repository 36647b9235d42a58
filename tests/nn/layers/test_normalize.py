import pytest
import torch
from torch import Tensor

from zorki.errors import DataError
from zorki.nn.layers.normalize import IMAGENET_MEAN, IMAGENET_STD, Normalize


def pixels(*shape: int, seed: int = 0) -> Tensor:
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))


def test_is_the_textbook_formula():
    x = pixels(2, 3, 5, 7)
    mean, std = (torch.tensor(values)[:, None, None] for values in (IMAGENET_MEAN, IMAGENET_STD))
    assert torch.allclose(Normalize()(x), (x / 255 - mean) / std, atol=1e-6)


def test_by_hand():
    normalize = Normalize(1, mean=[0.2], std=[0.5])
    assert normalize(torch.full((1, 1, 1, 1), 51, dtype=torch.uint8)).item() == pytest.approx(0.0, abs=1e-7)
    assert normalize(torch.full((1, 1, 1, 1), 255, dtype=torch.uint8)).item() == pytest.approx(1.6)


def test_float_pixels_count_0_to_255_and_stay_unchanged():
    x = pixels(2, 3, 4, 4)
    floats = x.float()
    assert torch.equal(Normalize()(floats), Normalize()(x))
    assert torch.equal(floats, x.float())


def test_rgb_turns_gray_by_luma():
    red = torch.zeros(1, 3, 1, 1, dtype=torch.uint8)
    red[0, 0] = 255
    normalize = Normalize(1, mean=[0.0], std=[1.0])
    assert normalize(red).item() == pytest.approx(0.299)
    gray = pixels(2, 1, 3, 3)
    assert torch.allclose(normalize(gray.expand(-1, 3, -1, -1)), normalize(gray), atol=1e-6)


def test_gray_serves_a_network_of_three():
    gray = pixels(2, 1, 3, 3)
    assert torch.equal(Normalize()(gray), Normalize()(gray.expand(-1, 3, -1, -1)))


def test_three_numbers_serve_other_channel_counts():
    assert Normalize(1).mean.item() == pytest.approx(0.299 * 0.485 + 0.587 * 0.456 + 0.114 * 0.406)
    assert Normalize(4).mean.flatten().tolist() == pytest.approx([sum(IMAGENET_MEAN) / 3] * 4)
    with pytest.raises(ValueError, match="expected 4 numbers"):
        Normalize(4, mean=[0.5, 0.5])


def test_wrong_channels_are_told():
    with pytest.raises(DataError, match="3 channels, but 4 came"):
        Normalize()(pixels(1, 4, 2, 2))


def test_std_must_be_positive():
    with pytest.raises(ValueError, match="positive"):
        Normalize(std=[0.2, 0.0, 0.2])


def test_measured_images_have_mean_0_and_std_1():
    x = pixels(70, 3, 6, 5) // torch.tensor([1, 2, 3], dtype=torch.uint8)[:, None, None]
    normalize = Normalize()
    normalize.measure(x, "mean_std")
    y = normalize(x)
    assert torch.allclose(y.mean((0, 2, 3)), torch.zeros(3), atol=1e-5)
    assert torch.allclose(y.std((0, 2, 3), correction=0), torch.ones(3), atol=1e-5)
    assert torch.allclose(normalize.mean[:, 0, 0], (x / 255).mean((0, 2, 3)), atol=1e-6)


def test_mean_a_channel_leaves_std_1():
    normalize = Normalize()
    x = pixels(9, 3, 4, 4)
    normalize.measure(x, "mean")
    assert torch.equal(normalize.std, torch.ones(3, 1, 1))
    assert torch.allclose(normalize(x), x / 255 - (x / 255).mean((0, 2, 3))[:, None, None], atol=1e-6)


def test_mean_image():
    normalize = Normalize()
    x = pixels(9, 3, 4, 6)
    normalize.measure(x, "mean_image")
    assert normalize.mean.shape == (3, 4, 6)
    assert torch.allclose(normalize(x), x / 255 - (x / 255).mean(0), atol=1e-6)
    with pytest.raises(DataError, match="mean image is 4x6, but the images are 6x4"):
        normalize(pixels(1, 3, 6, 4))


def test_gray_is_measured_from_rgb():
    normalize = Normalize(1)
    x = pixels(5, 3, 4, 4)
    normalize.measure(x, "mean_std")
    assert normalize(x).mean().item() == pytest.approx(0, abs=1e-5)
    assert normalize(x).std(correction=0).item() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("kind", ["mean_std", "mean", "mean_image"])
def test_constant_images_give_zeros(kind):
    normalize = Normalize()
    x = torch.full((300, 3, 4, 4), 77, dtype=torch.uint8)
    normalize.measure(x, kind)
    assert torch.allclose(normalize(x), torch.zeros(300, 3, 4, 4), atol=1e-5)


def test_no_image_is_told():
    with pytest.raises(DataError, match="at least one"):
        Normalize().measure(pixels(0, 3, 4, 4), "mean_std")


def test_a_mean_image_survives_saving_and_back():
    x = pixels(9, 3, 4, 6)
    image, plain = Normalize(), Normalize()
    image.measure(x, "mean_image")
    plain.load_state_dict(image.state_dict())
    assert torch.equal(plain(x), image(x))
    plain.load_state_dict(Normalize().state_dict())
    assert torch.equal(plain(x), Normalize()(x))


def test_buffers_of_other_channels_are_refused():
    with pytest.raises(RuntimeError, match="size mismatch"):
        Normalize(3).load_state_dict(Normalize(4).state_dict())


def test_memory_format_is_kept():
    x = pixels(2, 3, 8, 8).contiguous(memory_format=torch.channels_last)
    assert Normalize()(x).is_contiguous(memory_format=torch.channels_last)


def test_gradient_reaches_float_pixels():
    x = torch.rand(1, 3, 2, 2, requires_grad=True)
    Normalize()(x).sum().backward()
    assert torch.allclose(x.grad[0, :, 0, 0], 1 / (255 * torch.tensor(IMAGENET_STD)))
