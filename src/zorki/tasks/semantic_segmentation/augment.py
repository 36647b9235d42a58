"""Masks that follow their image: through flips, crops, shifts, turns, changes of scale and bending."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import torch

from zorki.data.transforms.augment import Augment, AugmentParameters
from zorki.data.transforms.mirrored_labels import mirrored_labels
from zorki.types import Mask, Sample


def augment_mask(
    sample: Sample[Mask], augment: Augment, generator: torch.Generator, class_names: Sequence[str] = ()
) -> Sample[Mask]:
    """Image and mask varied together; see `move_mask`. What is covered in the image is still asked for.

    Classes of two sides among `class_names` change places where the image is mirrored, see `flip_pairs`.
    """
    drawn = augment.draw(sample.image.shape[1], sample.image.shape[2], generator)
    image = augment.vary(sample.image, drawn, generator)
    target = move_mask(sample.target, augment, drawn)
    if drawn.mirrors:
        target = dataclasses.replace(target, classes=mirrored_labels(target.classes, class_names))
    return dataclasses.replace(sample, image=image, target=target)


def move_mask(mask: Mask, augment: Augment, drawn: AugmentParameters) -> Mask:
    """The mask where `augment.vary` takes its image.

    Classes by nearest neighbor, so that none is invented, and weights bilinearly. Where something comes in from
    outside, is ignored: `ignore`, with a weight of 0.
    """
    weights = mask.weights
    return dataclasses.replace(
        mask,
        classes=augment.follow(mask.classes[None], drawn, mask.ignore)[0],
        weights=None if weights is None else augment.follow_weights(weights[None], drawn)[0],
    )


def weigh_borders(sample: Sample[Mask], weight: float, *, deviation: float = 5.0, background: int = 0) -> Sample[Mask]:
    """The sample with U-Net's weights of the gaps between objects, see `border_weights`; itself for a weight of 0.

    Objects are the connected pieces of each class but the background. To be called after the image was varied,
    so that gaps have their widths. A mask that has weights keeps them as w_c.

    Args:
        weight: w0, by which the narrowest gaps count more.
        deviation: sigma, in pixels: how wide gaps are that count.
        background: the class between objects.
    """
    if not weight:
        return sample
    from zorki.ops.border_weights import border_weights
    from zorki.ops.components import connected_components

    mask = sample.target
    objects = connected_components(mask.classes, background=background, ignore=mask.ignore)
    base = 1.0 if mask.weights is None else mask.weights
    weights = border_weights(objects, base=base, weight=weight, deviation=deviation)
    return dataclasses.replace(sample, target=dataclasses.replace(mask, weights=weights))
