"""Data for semantic segmentation: the formats on disk, and the built-in scenes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from zorki.contracts import Dataset
from zorki.data import formats
from zorki.data.annotations.masks import from_instances as outlined_classes
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
    """Formats of `zorki.data.formats.SEGMENTED`; or `scenes:COUNT@SIZE`, which is made as it is read.

    Where none of these fits, or one is asked for, formats of `zorki.data.formats.OUTLINED`: their objects become a
    class for every pixel, behind a background, see `outlined_classes`.

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
    if _is_outlined(root, format):
        return outlined_classes.read(root, format, class_names=class_names, max_pixels=max_pixels)
    return formats.read(root, format, allowed=formats.SEGMENTED, class_names=class_names, max_pixels=max_pixels)


def _is_outlined(root: Path, format: str | None) -> bool:
    """Whether the data are outlines of objects, and no maps of classes."""
    if format is not None:
        return format in formats.OUTLINED
    for allowed in (formats.SEGMENTED, formats.OUTLINED):
        try:
            formats.recognize(root, allowed=allowed)
        except DataError:
            continue
        return allowed is formats.OUTLINED
    return False
