"""Data for pose: images with objects and the joints of each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zorki.class_selection import ClassSelection
from zorki.contracts import Dataset, Targets, TaskData
from zorki.contracts.statistics import DatasetStatistics
from zorki.data.transforms.flip_pairs import Pairs, parse_flip_pairs
from zorki.errors import DataError, RecipeError
from zorki.tasks.pose.settings import PoseSettings
from zorki.types import ClassInfo, Keypoints, Sample

if TYPE_CHECKING:
    import torch

    from zorki.contracts import Model


class PoseData(TaskData[Keypoints]):
    """Images with the joints of any number of objects, all of one skeleton."""

    needs = ("keypoints",)
    usual_classes = 17  # COCO's joints

    def read(
        self,
        root: Path,
        *,
        format: str | None = None,
        class_names: Sequence[str] | None = None,
        max_pixels: int | None = None,
        selection: ClassSelection | None = None,
    ) -> Dataset[Keypoints]:
        """COCO, YOLO, CVAT, MPII, Label Studio, CSV, or the built-in scenes. Raises DataError."""
        from zorki.data.formats.readers import read_keypoints
        from zorki.data.scenes.choose import is_scenes, scenes_of

        if is_scenes(root, format):
            from zorki.data.scenes.keypoints import parse  # painted with torch, which data in files have no need of

            return scenes_of(parse, root, class_names, selection)
        return read_keypoints(root, format, class_names=class_names, max_pixels=max_pixels, selection=selection)

    def augment(
        self, sample: Sample[Keypoints], recipe: PoseSettings, info: ClassInfo, generator: torch.Generator
    ) -> Sample[Keypoints]:
        """Image, boxes and joints varied together."""
        from zorki.tasks.pose.augment import augment_keypoints
        from zorki.tasks.recipe_augment import augment_of

        return augment_keypoints(sample, augment_of(recipe), generator, flip_pairs_of(recipe, info))

    def check(self, dataset: Dataset[Keypoints], train: Sequence[int]) -> None:
        """One training image at least must have an object with a labeled joint."""
        if self.has_ground_truth(dataset, train):
            return
        raise DataError(
            f"{dataset.root}: none of the {len(train)} training images has a labeled joint; see with "
            "`zorki show --task pose` how the annotations were read"
        )

    def has_ground_truth(self, dataset: Dataset[Keypoints], indices: Sequence[int]) -> bool:
        return any(bool(target.labeled.any()) for target in Targets(dataset, indices).readable())

    def configure(
        self,
        model: Model[Any, Keypoints, Keypoints],
        recipe: PoseSettings,
        dataset: Dataset[Keypoints],
        indices: Sequence[int],
    ) -> None:
        """Checks that images that shall be mirrored can be.

        Raises:
            RecipeError: they cannot, since no flip pairs are known; or `flip_pairs` are none of these joints.
        """
        from zorki.tasks.pose.augment import NO_PAIRS

        pairs = flip_pairs_of(recipe, dataset.class_info())
        if pairs is None and (recipe.hflip or recipe.vflip):
            raise RecipeError(f"hflip is {recipe.hflip}, but {NO_PAIRS}")

    def statistics(self, dataset: Dataset[Keypoints]) -> DatasetStatistics:
        """Objects and images a class, labeled joints, sizes, and the skeleton with its flip pairs."""
        from zorki.tasks.pose.statistics import keypoint_statistics

        return keypoint_statistics(dataset)

    def default_classes(self, num_classes: int) -> ClassInfo:
        """A person of COCO's 17 joints; of another number, joints with numbers for names."""
        from zorki.data.annotations.keypoints.skeletons import COCO_NAMES, skeleton_of, unnamed_skeleton

        if num_classes == len(COCO_NAMES):
            return ClassInfo(("person",), skeleton=skeleton_of(COCO_NAMES))
        return ClassInfo(("object",), skeleton=unnamed_skeleton(num_classes))


def flip_pairs_of(recipe: PoseSettings, info: ClassInfo) -> Pairs | None:
    """Those of the recipe, else of the data; None where neither knows any. Raises RecipeError."""
    if info.skeleton is None or recipe.flip_pairs is None:
        return None if info.skeleton is None else info.skeleton.flip_pairs
    return parse_flip_pairs(recipe.flip_pairs, info.skeleton.names)
