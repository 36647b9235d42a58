"""Data for semantic segmentation: the formats on disk, and the built-in scenes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from zorki.contracts import Dataset
from zorki.data.formats.readers import read_masks
from zorki.data.scenes.masks import parse
from zorki.errors import DataError
from zorki.types import Mask


def read(
    root: Path,
    *,
    format: str | None = None,
    class_names: Sequence[str] | None = None,
    max_pixels: int | None = None,
) -> Dataset[Mask]:
    """Formats that provide masks; or `scenes:COUNT@SIZE`, which is made as it is read.

    Where none of these fits, or one is asked for, formats that provide instances: their objects become a class for
    every pixel, behind a background, see `MasksFromInstances`.

    Raises:
        DataError: nothing is there, the format is not recognized, or its classes are not those of `class_names`.
    """
    scenes = parse(str(root)) if format in (None, "scenes") else None
    if scenes is not None:
        if class_names is not None and list(class_names) != scenes.class_names:
            strange = sorted(set(scenes.class_names) ^ set(class_names))
            raise DataError(
                f"{root}: other classes than the run's; they differ in {', '.join(strange) or 'their order'}"
            )
        return scenes
    return read_masks(root, format, class_names=class_names, max_pixels=max_pixels)
