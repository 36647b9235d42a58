"""The values of every mask of a dataset: which values or colors are stored in it, how often, and whether it fits.

All masks are decoded once when a dataset is read. Less would not do: which classes there are, whether 255 is a class
or nobody's, and which file holds a value that it should not, is found from all pixels only. It is quick, since masks
pack well: about 3000 of 240 x 180 pixels a second and core. Nothing is kept on the disk, which could grow stale.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from zorki.data.annotations.masks.stored import MIDDLE, Palette, is_gray, read_stored, shown_colors
from zorki.data.images import image_size
from zorki.errors import DataError

_THREADS = 8  # threads: decoders work side by side


@dataclass(frozen=True)
class ValueCounts:
    """What one mask holds, and the size of its image.

    Args:
        size: (height, width).
        image_size: (height, width) of the upright image.
        counts: pixels of each stored value, or of each color 0xRRGGBB where the file is `rgb`.
        rgb, palette, lossy: see `StoredMask`.
        ones: where values are split in the middle, 1 is white; see `StoredMask.holds_ones`.
    """

    size: tuple[int, int]
    image_size: tuple[int, int]
    counts: dict[int, int]
    rgb: bool = False
    palette: Palette | None = None
    lossy: bool = False
    ones: bool = False

    @property
    def colored(self) -> bool:
        """Whether pixels are stored as colors that are not all gray."""
        return self.rgb and not all(map(is_gray, self.counts))

    def values(self) -> dict[int, int]:
        """Pixels of each value; of gray kept as RGB, its gray value."""
        return {key & 255: count for key, count in self.counts.items()} if self.rgb else self.counts

    def halved(self) -> ValueCounts:
        """The counts of `StoredMask.halved`."""
        halves = {0: 0, 255: 0}
        for value, count in self.values().items():
            halves[255 if value >= (1 if self.ones else MIDDLE) else 0] += count
        counts = {value: count for value, count in halves.items() if count}
        return ValueCounts(self.size, self.image_size, counts, lossy=self.lossy)

    def colors(self) -> dict[int, int]:
        """Pixels of each color 0xRRGGBB that is shown."""
        if self.rgb:
            return self.counts
        table = shown_colors(self.palette).tolist()
        shown: Counter[int] = Counter()
        for value, count in self.counts.items():
            shown[table[min(max(value, 0), 255)]] += count
        return dict(shown)


def count_values(pairs: Sequence[tuple[Path, Path]], max_pixels: int) -> list[ValueCounts | tuple[Path, str]]:
    """What each mask holds, of (image, mask); or which of the two files cannot be read, and why."""
    palettes: dict[tuple[tuple[int, int, int], ...], Palette] = {}  # most files of a set share one

    def mask_counts(pair: tuple[Path, Path]) -> ValueCounts | tuple[Path, str]:
        image, path = pair
        try:
            stored = read_stored(path, max_pixels=max_pixels)
            counts = stored.counts()
        except DataError as error:
            return path, str(error).removeprefix(f"{path}: ")
        try:
            source_size = image_size(image)
        except DataError as error:
            return image, str(error).removeprefix(f"{image}: ")
        height, width = stored.values.shape
        palette = None if stored.palette is None else palettes.setdefault(tuple(stored.palette), stored.palette)
        return ValueCounts((height, width), source_size, counts, stored.rgb, palette, stored.lossy)

    with ThreadPoolExecutor(_THREADS) as pool:
        return list(pool.map(mask_counts, pairs))


def total(counts: Iterable[dict[int, int]]) -> dict[int, int]:
    """The sum of counts."""
    whole: Counter[int] = Counter()
    for one in counts:
        whole.update(one)
    return dict(whole)
