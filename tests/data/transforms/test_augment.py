from __future__ import annotations

import dataclasses
import math
import pickle
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from zorki.data.transforms.augment import Augment, add_noise, blur_image, color_matrix, cover_square, vary_colors
from zorki.data.transforms.geometry import Affine, crop_size, cut_window, mirror, move, turn, warp_image
from zorki.errors import RecipeError

ALL = Augment(
    hflip=0.5,
    vflip=0.5,
    random_crop=0.3,
    translate=0.2,
    rotate=30.0,
    scale_jitter=0.3,
    brightness=0.4,
    contrast=0.4,
    saturation=0.4,
    hue=0.2,
    blur=1.0,
    noise=9.0,
    cutout=0.3,
    elastic=2.0,
)
ALONE = [Augment(**{f.name: getattr(ALL, f.name)}) for f in dataclasses.fields(Augment) if f.name != "image_size"]


def make_image(height: int = 20, width: int = 26, seed: int = 0) -> torch.Tensor:
    return torch.randint(0, 256, (3, height, width), generator=torch.Generator().manual_seed(seed), dtype=torch.uint8)


def chance(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_a_quarter_turn_is_rot90(quarters: int) -> None:
    image = make_image(24, 24)
    turned = warp_image(image, turn(90 * quarters, 1, 12, 12), (24, 24))
    assert torch.equal(turned, torch.rot90(image, quarters, (1, 2)))


def test_warp_is_bilinear_by_hand() -> None:
    image = torch.tensor([[[10, 30], [50, 90]]], dtype=torch.uint8).expand(3, 2, 2)
    moved = warp_image(image, move(0.5, 0.0), (2, 3))
    assert moved[0].tolist() == [[5, 20, 15], [25, 70, 45]]  # black comes in at both sides
    twice = warp_image(image, Affine(2, 0, 0, 0, 1, 0), (2, 4))
    # Centers 0.5, 1.5, .. fall on 0.25, 0.75, 1.25, 1.75: a quarter of black, then between the two centers.
    assert twice[0].tolist() == [[8, 15, 25, 23], [38, 60, 80, 68]]


def slow_warp(image: torch.Tensor, matrix: Affine, size: tuple[int, int]) -> torch.Tensor:
    """Bilinear, written as loops over pixels and their four neighbors."""
    back = matrix.inverse()
    out = torch.zeros((3, *size))
    for i in range(size[0]):
        for j in range(size[1]):
            x = back.a * (j + 0.5) + back.b * (i + 0.5) + back.c - 0.5
            y = back.d * (j + 0.5) + back.e * (i + 0.5) + back.f - 0.5
            for row in (math.floor(y), math.floor(y) + 1):
                for column in (math.floor(x), math.floor(x) + 1):
                    if 0 <= row < image.shape[1] and 0 <= column < image.shape[2]:
                        out[:, i, j] += image[:, row, column] * (1 - abs(y - row)) * (1 - abs(x - column))
    return out


def test_warp_equals_its_slow_twin() -> None:
    image = make_image(9, 13)
    matrix = turn(25, 1.3, 6, 4).then(move(1.2, -0.4)).then(mirror(13))
    assert (warp_image(image, matrix, (8, 11)) - slow_warp(image, matrix, (8, 11))).abs().max() <= 0.51


@pytest.mark.parametrize("strengths", [{"hflip": 1.0}, {"vflip": 1.0}, {"translate": 0.3}, {"random_crop": 0.3}, {}])
@pytest.mark.parametrize("seed", range(4))
def test_cheap_ways_equal_the_warp(strengths: dict[str, float], seed: int) -> None:
    augment = Augment(**{"hflip": 0.5, "random_crop": 0.6, "translate": 0.1, **strengths})
    image = make_image()
    drawn = augment.draw(20, 26, chance(seed))
    warped = warp_image(image, drawn.matrix(), (drawn.window[2], drawn.window[3]))
    assert torch.equal(augment(image, chance(seed)), warped)


@pytest.mark.parametrize("seed", range(5))
def test_a_point_goes_where_the_matrix_says(seed: int) -> None:
    image = torch.zeros((3, 60, 80), dtype=torch.uint8)
    image[:, 33:36, 44:47] = 255
    augment = Augment(
        hflip=0.5, vflip=0.5, rotate=40.0, scale_jitter=0.2, translate=0.1, random_crop=0.8, image_size=64
    )
    out = augment(image, chance(seed))[0].double()
    x, y = (augment.draw(60, 80, chance(seed)).matrix(64).tensor() @ torch.tensor([45.5, 34.5, 1.0])).tolist()
    rows, columns = torch.arange(64) + 0.5, torch.arange(64) + 0.5
    assert out.sum() > 500
    found = (out.sum(0) @ columns.double() / out.sum()).item(), (out.sum(1) @ rows.double() / out.sum()).item()
    assert found == pytest.approx((x, y), abs=0.1)


def test_affine_laws() -> None:
    matrix = turn(25, 1.3, 6, 4).then(move(1.2, -0.4)).then(mirror(13))
    assert matrix.then(matrix.inverse()) == pytest.approx((1, 0, 0, 0, 1, 0), abs=1e-12)
    # By hand: first right by 1, then mirrored in an image 10 wide: 2 -> 3 -> 7.
    assert move(1, 0).then(mirror(10)).tensor()[0].tolist() == [-1, 0, 9]


def test_shift_by_hand() -> None:
    image = torch.arange(1, 10, dtype=torch.uint8).view(1, 3, 3).expand(3, 3, 3)
    # A window one row up and one column to the left: all moves down and to the right.
    assert cut_window(image, -1, -1, 3, 3)[0].tolist() == [[0, 0, 0], [0, 1, 2], [0, 4, 5]]
    assert cut_window(image, 1, 2, 3, 3)[2].tolist() == [[6, 0, 0], [9, 0, 0], [0, 0, 0]]
    assert cut_window(image, 5, 0, 2, 2).sum() == 0
    assert cut_window(image, -1, -1, 5, 5)[1].tolist()[1] == [0, 1, 2, 3, 0]
    assert cut_window(image, 0, 0, 3, 3) is image


@given(top=st.integers(-9, 9), left=st.integers(-9, 9), height=st.integers(1, 9), width=st.integers(1, 9))
@settings(max_examples=60)
def test_windows_do_not_depend_on_the_layout(top: int, left: int, height: int, width: int) -> None:
    image = make_image(6, 7)
    padded = torch.zeros((3, 40, 40), dtype=torch.uint8)
    padded[:, 16:22, 16:23] = image
    expected = padded[:, 16 + top : 16 + top + height, 16 + left : 16 + left + width]
    assert torch.equal(cut_window(image, top, left, height, width), expected)
    interleaved = image.permute(1, 2, 0).contiguous().permute(2, 0, 1)
    assert torch.equal(cut_window(interleaved, top, left, height, width), expected)


@given(height=st.integers(1, 200), width=st.integers(1, 200), area=st.floats(0.05, 1.0), aspect=st.floats(0.0, 1.0))
@settings(max_examples=100)
def test_crops_fit_and_keep_their_area_where_they_can(height: int, width: int, area: float, aspect: float) -> None:
    rows, columns = crop_size(height, width, area, aspect)
    assert 1 <= rows <= height
    assert 1 <= columns <= width
    if min(rows, columns) > 30:
        assert 0.72 < columns / rows < 1.38
        if 3 / 4 < width / height < 4 / 3:
            assert rows * columns / (height * width) == pytest.approx(area, rel=0.05)


def test_crops_cover_the_range_of_areas_and_all_places() -> None:
    generator, augment = chance(), Augment(random_crop=0.25)
    windows = [augment.draw(100, 100, generator).window for _ in range(600)]
    areas = sorted(height * width / 1e4 for _, _, height, width in windows)
    assert 0.24 < areas[0] < 0.28
    assert 0.98 < areas[-1] <= 1
    assert areas[300] == pytest.approx(0.625, abs=0.05)  # even in area
    ratios = sorted(width / height for _, _, height, width in windows)
    assert 0.72 < ratios[0] < 0.78
    assert 1.28 < ratios[-1] < 1.37
    assert all(top >= 0 <= left and top + height <= 100 >= left + width for top, left, height, width in windows)
    assert min(top for top, *_ in windows) == 0
    assert max(top + height for top, _, height, _ in windows) == 100


def test_shifts_are_whole_pixels_up_to_the_share_evenly() -> None:
    generator, augment = chance(), Augment(translate=4 / 32)
    tops = [augment.draw(32, 32, generator).window[0] for _ in range(900)]
    assert set(tops) == set(range(-4, 5))
    assert min(tops.count(value) for value in range(-4, 5)) > 60  # 100 expected, deviation 9.4


def test_flipping_twice_is_the_identity_and_half_are_flipped() -> None:
    image = make_image()
    always = Augment(hflip=1.0, vflip=1.0)
    assert torch.equal(always(always(image, chance()), chance()), image)
    assert torch.equal(Augment(hflip=1.0)(image, chance()), image.flip(2))
    assert torch.equal(Augment(vflip=1.0)(image, chance()), image.flip(1))
    generator, augment = chance(), Augment(hflip=0.5)
    assert 60 < sum(augment.draw(20, 26, generator).flip for _ in range(160)) < 100


def test_hue_turns_in_yiq() -> None:
    import colorsys

    for red, green, blue in [(0.6, 0.4, 0.3), (0.3, 0.5, 0.45), (0.5, 0.5, 0.5)]:
        luma, across, along = colorsys.rgb_to_yiq(red, green, blue)
        angle = 2 * math.pi * 0.1
        turned = (
            across * math.cos(angle) - along * math.sin(angle),
            across * math.sin(angle) + along * math.cos(angle),
        )
        expected = colorsys.yiq_to_rgb(luma, *turned)
        found = torch.tensor(color_matrix(1.0, 0.1)) @ torch.tensor([red, green, blue])
        # The standard library has its coefficients to two digits.
        assert found.tolist() == pytest.approx(expected, abs=0.01)


def test_color_matrices_have_their_laws() -> None:
    gray = torch.full((3,), 7.0)
    assert (torch.tensor(color_matrix(1.7, 0.3)) @ gray).tolist() == pytest.approx([7, 7, 7], abs=1e-4)
    there, back = (torch.tensor(color_matrix(1.0, hue)) for hue in (0.2, -0.2))
    assert torch.allclose(there @ back, torch.eye(3), atol=1e-5)
    assert torch.allclose(torch.tensor(color_matrix(1.0, 1.0)), torch.eye(3), atol=1e-5)
    assert torch.tensor(color_matrix(0.0, 0.0)).tolist() == [pytest.approx([0.299, 0.587, 0.114])] * 3


@pytest.mark.parametrize("factor", [0.6, 1.0, 1.3])
@pytest.mark.parametrize("name", ["brightness", "contrast", "saturation"])
def test_colors_equal_torchvision(name: str, factor: float) -> None:
    from torchvision.transforms.v2 import functional

    image = make_image() // 2 + 40
    theirs = getattr(functional, f"adjust_{name}")(image, factor)
    ours = vary_colors(image, **{name: factor})
    # Torchvision cuts off decimals, and rounds its grays; we round once.
    assert (ours.int() - theirs.int()).abs().max() <= 1


def test_colors_together_equal_one_after_another() -> None:
    image = make_image() // 4 + 90  # nothing is cut off at 0 or 255 on the way
    together = vary_colors(image, 1.2, 0.8, 1.3, 0.05)
    after = vary_colors(vary_colors(vary_colors(vary_colors(image, 1.2), 1, 0.8), 1, 1, 1.3), 1, 1, 1, 0.05)
    assert (together.int() - after.int()).abs().max() <= 3
    assert (together.int() - image.int()).abs().max() > 20


def test_brightness_by_hand() -> None:
    image = torch.tensor([0, 10, 101, 200], dtype=torch.uint8).view(1, 2, 2).expand(3, 2, 2)
    assert vary_colors(image, 1.5)[0].flatten().tolist() == [0, 15, 152, 255]
    assert vary_colors(image, 0.0).sum() == 0


def test_blur_of_a_point_is_the_gaussian() -> None:
    image = torch.zeros((3, 21, 21), dtype=torch.uint8)
    image[:, 10, 10] = 255
    blurred = blur_image(image, 1.5)[0].double()
    for i, j in [(10, 10), (10, 12), (8, 9)]:
        density = math.exp(-((i - 10) ** 2 + (j - 10) ** 2) / (2 * 1.5**2)) / (2 * math.pi * 1.5**2)
        assert blurred[i, j].item() == pytest.approx(255 * density, abs=0.7)
    flat = torch.full((3, 5, 2), 77, dtype=torch.uint8)
    assert torch.equal(blur_image(flat, 3.0), flat)  # wider than the image, and edges do not darken


def test_noise_has_its_deviation() -> None:
    flat = torch.full((3, 64, 64), 128, dtype=torch.uint8)
    noise = add_noise(flat, 12.0, chance()).double() - 128
    assert noise.mean().abs() < 0.5
    assert noise.std().item() == pytest.approx(12, rel=0.03)
    assert not torch.equal(noise[0], noise[1])


def test_cover_by_hand() -> None:
    image = torch.zeros((3, 6, 8), dtype=torch.uint8)
    image[0] = 100
    image[:, 0, 0] = 255
    covered = cover_square(image, 2, 3, 2)
    assert (covered[0, 1:3, 2:4] == 103).all()  # (47 x 100 + 255) / 48
    assert (covered[1, 1:3, 2:4] == 5).all()  # 255 / 48
    covered[:, 1:3, 2:4] = image[:, 1:3, 2:4]
    assert torch.equal(covered, image)
    assert (cover_square(image, 0, 0, 4) != image).any(0).sum() == 4  # the corner: a quarter of 4 x 4
    assert cover_square(image, 2, 3, 0) is image


@pytest.mark.parametrize("augment", [ALL, *ALONE], ids=str)
def test_every_augmentation_keeps_its_promises(augment: Augment) -> None:
    image = make_image()
    before = image.clone()
    first, second = augment(image, chance(3)), augment(image, chance(3))
    assert torch.equal(first, second)
    assert torch.equal(image, before)
    assert first.dtype == torch.uint8
    assert first.shape[0] == 3
    if augment.random_crop == 1:
        assert first.shape == image.shape
    assert any(not torch.equal(augment(image, chance(seed)), first) for seed in range(4, 14)), "nothing varies"
    assert pickle.loads(pickle.dumps(augment)) == augment
    interleaved = image.permute(1, 2, 0).contiguous().permute(2, 0, 1)
    assert torch.equal(augment(interleaved, chance(3)), first)
    state = torch.get_rng_state()
    augment(image, chance())
    assert torch.equal(torch.get_rng_state(), state)


def test_nothing_to_do_returns_the_object_itself() -> None:
    image = make_image()
    assert Augment()(image, chance()) is image
    assert Augment(hflip=0.0, image_size=8)(image, chance()) is image
    assert vary_colors(image) is image
    assert blur_image(image, 0.0) is image
    assert add_noise(image, 0.0, chance()) is image


def test_crops_come_in_the_size_asked_for() -> None:
    image = make_image(50, 70)
    assert Augment(random_crop=0.3, image_size=32)(image, chance()).shape == (3, 32, 32)
    assert Augment(random_crop=0.3, rotate=20.0, image_size=32)(image, chance()).shape == (3, 32, 32)


def test_a_strength_changed_leaves_other_chances_as_they_were() -> None:
    few, more = Augment(hflip=0.5, translate=0.2), Augment(hflip=0.5, translate=0.2, rotate=10.0, brightness=0.3)
    for seed in range(10):
        first, second = few.draw(20, 26, chance(seed)), more.draw(20, 26, chance(seed))
        assert (first.window, first.flip) == (second.window, second.flip)


@pytest.mark.parametrize("seed", range(5))
def test_bending_takes_no_chance_from_the_others(seed: int) -> None:
    """Nor from the noise, which is drawn last: an image that is bent by nothing is the same image."""
    straight = dataclasses.replace(ALL, elastic=0.0)
    first, second = chance(seed), chance(seed)
    assert straight.draw(20, 26, first) == ALL.draw(20, 26, second)._replace(elastic=None)
    assert torch.equal(torch.rand(3, generator=first), torch.rand(3, generator=second))
    hardly = dataclasses.replace(ALL, elastic=1e-9)
    assert torch.equal(straight(make_image(), chance(seed)), hardly(make_image(), chance(seed)))
    assert not torch.equal(straight(make_image(), chance(seed)), ALL(make_image(), chance(seed)))


def test_old_seeds_draw_what_they_drew() -> None:
    drawn = ALL.draw(20, 26, chance(1))
    assert drawn.window == (4, 12, 14, 12)
    assert (drawn.flip, drawn.flip_vertical) == (True, False)
    assert drawn[3:5] == pytest.approx((4.78657538, 0.99800039))
    assert drawn.colors == pytest.approx((1.00830014, 0.86363011, 1.17456491, -0.04619556), abs=1e-7)
    assert (drawn.blur, drawn.noise) == pytest.approx((0.08979680, 1.05710326))
    assert drawn.cover == pytest.approx((0.64023946, 0.19676659, 0.3))
    generator = chance(1)
    ALL.draw(20, 26, generator)
    assert torch.rand(1, generator=generator).item() == pytest.approx(0.9391, abs=1e-4)  # where the noise begins


@pytest.mark.parametrize("augment", [ALL, *ALONE, Augment()], ids=str)
@pytest.mark.parametrize("size", [None, 16])
def test_maps_keep_their_promises(augment: Augment, size: int | None) -> None:
    augment = dataclasses.replace(augment, image_size=size)
    maps = torch.arange(2 * 20 * 26, dtype=torch.int16).view(2, 20, 26)
    before = maps.clone()
    for seed in range(4):
        drawn = augment.draw(20, 26, chance(seed))
        image = augment.vary(make_image(), drawn, chance())
        moved = augment.follow(maps, drawn, -1)
        assert moved.dtype == maps.dtype
        assert moved.shape == (2, *image.shape[1:])
        inside = moved[0] >= 0
        assert torch.equal(moved[1][inside], moved[0][inside] + 520)
        assert (moved[1][~inside] == -1).all()
        weights = augment.follow_weights(torch.ones(1, 20, 26), drawn)
        assert torch.equal(weights[0] > 0.5, inside)
        assert ((weights[0] - inside.float()).abs() < 1e-5).all()
    assert torch.equal(maps, before)


def test_maps_with_nothing_to_do_are_themselves() -> None:
    maps = torch.zeros(1, 20, 26)
    assert Augment().follow(maps, Augment().draw(20, 26, chance()), 255).data_ptr() == maps.data_ptr()


@given(height=st.integers(1, 12), width=st.integers(1, 12), seed=st.integers(0, 99))
@settings(max_examples=40)
def test_the_smallest_images_pass(height: int, width: int, seed: int) -> None:
    assert ALL(make_image(height, width), chance(seed)).numel() > 0


@pytest.mark.parametrize(
    "bad",
    [
        {"elastic": -1.0},
        {"hflip": 1.5},
        {"random_crop": 0.0},
        {"scale_jitter": 1.0},
        {"hue": 0.6},
        {"noise": -1.0},
        {"rotate": -5.0},
    ],
)
def test_bad_strengths_are_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(RecipeError, match=next(iter(bad))):
        Augment(**bad)
