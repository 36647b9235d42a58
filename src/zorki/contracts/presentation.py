"""How annotations look: to a person, and in files."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from zorki.contracts.example import Example
from zorki.types import ClassInfo

if TYPE_CHECKING:
    from jaxtyping import UInt8
    from numpy import ndarray

T = TypeVar("T")  # target
P = TypeVar("P")  # prediction


class Presentation(ABC, Generic[T, P]):
    """How annotations of a task, ground truth and predictions alike, are drawn and written.

    Images are in numpy, and so may annotations be: what only draws data has no need of torch.
    """

    thumbnail_side: ClassVar[int] = 128  # pixels: what shows enough of one image on a sheet of many
    example: ClassVar[Example | None] = None  # for `zorki demo`; None: there is none
    further_examples: ClassVar[Mapping[str, Example]] = {}  # of what else the task's networks serve, by names
    exchange_format: ClassVar[str] = ""  # the field's format that `exchange` writes; empty: zorki's own

    @abstractmethod
    def draw(self, image: UInt8[ndarray, "3 H W"], annotation: T | P, info: ClassInfo) -> UInt8[ndarray, "3 H2 W2"]:
        """The image with the annotation, of tensors or of arrays, on it; it may be enlarged."""

    @abstractmethod
    def to_record(self, annotation: T | P, info: ClassInfo) -> dict[str, Any]:
        """The annotation in plain JSON with names of classes, for predictions.json and the report."""

    def shown(self, annotation: P, info: ClassInfo) -> P:
        """What of a prediction is worth showing to a person, such as what scores enough; all of it, where in doubt."""
        return annotation

    def caption(self, annotation: T | P, info: ClassInfo) -> str:
        """A few words for under an image."""
        return ""

    def thumbnail(
        self, image: UInt8[ndarray, "*T 3 H W"], annotation: T | P, info: ClassInfo, ground_truth: T | None = None
    ) -> UInt8[ndarray, "3 H2 W2"]:
        """The uint8 image for the small grids of reports and sheets, which write `caption` under it.

        With what of the annotation can be drawn on it; beside the `ground_truth`, right and wrong are told apart. Of a
        clip the frame in the middle.
        """
        return image if image.ndim == 3 else image[len(image) // 2]

    def legend(self, info: ClassInfo) -> list[tuple[str, tuple[int, int, int] | None]]:
        """What the colors of `thumbnail` mean beside a ground truth: words and RGB, 0..255.

        None in the place of a color: hatched. Empty: there are none.
        """
        return []

    def write_files(self, annotation: P, info: ClassInfo, place: Callable[[str, str], Path]) -> dict[str, Any]:
        """Writes what of a prediction belongs into a file of its own, such as a map of classes, and tells of it.

        What comes back joins the record in predictions.json; paths in it are written relative to its folder.

        Args:
            place: (folder, suffix) to a free path for this prediction: ("masks", ".png") gives OUT/masks/IMAGE.png.
        """
        return {}

    def exchange(
        self, annotation: P, info: ClassInfo, *, path: str, frame: int | None = None
    ) -> list[dict[str, Any]] | None:
        """A prediction's entries in the `exchange_format`, of which predictions.json then is the list; None: none.

        Args:
            path: of the image, or of the video with that `frame`.
        """
        return None
