"""How tracks look: the box in a frame, with its score; in files, a row a frame."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from zorki.contracts import Presentation
from zorki.contracts.example import Example, ExampleVideo
from zorki.types import Boxes, ClassInfo, TrackedBoxes
from zorki.types.arrays import array_of

if TYPE_CHECKING:
    from jaxtyping import UInt8
    from numpy import ndarray
    from torch import Tensor

    from zorki.types import Frames


def _moving() -> tuple[UInt8[Tensor, "T 3 H W"], TrackedBoxes]:
    """An object that moves among others."""
    from zorki.data.scenes.clips import clip

    made = clip(7, 2, frames=50, motion="circle", size=(128, 160), objects=2)
    first = next(iter(made.motions))
    return made.frames, made.tracks[made.tracks.identities == first]


class TrackingPresentation(Presentation[TrackedBoxes, TrackedBoxes]):
    """Boxes in the colors of the objects; of a whole video, its last frame with ground truth and prediction."""

    thumbnail_side = 224
    example = Example(
        model="siamfc_squeezenet",
        data="scenes:200@96",
        settings={"epochs": 4, "batch_size": 8, "lr": 3e-4, "limit_val": 5},
        own_data="videos with the box of an object in every frame, or images with boxes",
        own_model="siamfc_squeezenet",
        video=ExampleVideo(_moving),
    )

    def draw(
        self, image: UInt8[ndarray, "3 H W"], annotation: TrackedBoxes | Boxes, info: ClassInfo
    ) -> UInt8[ndarray, "3 H W"]:
        """The frame with its boxes; of a whole track, the boxes of the first frame."""
        from zorki.tasks.tracking.drawing import draw_tracked

        return draw_tracked(image, _in_frame(annotation, 0))

    def to_record(self, annotation: TrackedBoxes | Boxes, info: ClassInfo) -> dict[str, Any]:
        """A row a box: the object's identity, xyxy in pixels, its score, and its frame where they are of several."""
        values = annotation.to_json()
        identities = values.get("identities", list(range(len(annotation))))
        columns = {"id": identities, "xyxy": values["xyxy"]}
        columns |= {name: values[key] for name, key in (("frame", "frames"), ("score", "scores")) if key in values}
        return {"boxes": [{name: column[row] for name, column in columns.items()} for row in range(len(annotation))]}

    def caption(self, annotation: TrackedBoxes | Boxes, info: ClassInfo) -> str:
        """The scores of the objects in a frame; of a whole track, its length."""
        if isinstance(annotation, TrackedBoxes):
            frames = len(set(annotation.frames.tolist()))
            return f"{frames} frame{'' if frames == 1 else 's'}"
        if annotation.scores is None:
            return f"{len(annotation)} object{'' if len(annotation) == 1 else 's'}"
        return ", ".join(f"{score:.0%}" for score in annotation.scores.tolist())

    def thumbnail(
        self,
        image: UInt8[ndarray, "*T 3 H W"] | Frames,
        annotation: TrackedBoxes | Boxes,
        info: ClassInfo,
        ground_truth: TrackedBoxes | None = None,
    ) -> UInt8[ndarray, "3 H2 W2"]:
        """The last annotated frame with its box; beside the ground truth, both. Of one frame's boxes that frame."""
        from zorki.tasks.tracking.drawing import thumbnail

        if isinstance(annotation, Boxes):
            return thumbnail(np.asarray(image), annotation, None, self.thumbnail_side)
        shown = annotation if ground_truth is None else ground_truth
        frame = int(shown.frames.max()) if len(shown) else 0
        annotated = None if ground_truth is None else _in_frame(ground_truth, frame)
        return thumbnail(array_of(image[frame]), _in_frame(annotation, frame), annotated, self.thumbnail_side)

    def legend(self, info: ClassInfo) -> list[tuple[str, tuple[int, int, int] | None]]:
        """Right, wrong, and the ground truth."""
        from zorki.draw.palette import mark_color
        from zorki.tasks.tracking.drawing import TRUTH_COLOR

        return [("right", mark_color(True)), ("wrong", mark_color(False)), ("ground truth", TRUTH_COLOR)]


def _in_frame(annotation: TrackedBoxes | Boxes, frame: int) -> Boxes:
    """The boxes of a frame of a track; boxes of one frame are those themselves."""
    if isinstance(annotation, Boxes):
        return annotation
    rows = annotation[annotation.frames == frame]
    return Boxes(rows.xyxy, rows.identities, rows.scores)
