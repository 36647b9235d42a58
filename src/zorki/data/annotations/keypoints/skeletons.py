"""Skeletons completed: what a file leaves open of joints is told by their names, or by a known set of joints."""

from __future__ import annotations

from collections.abc import Sequence

from zorki.data.transforms.flip_pairs import flip_pairs as pairs_of_names
from zorki.data.transforms.flip_pairs import one_sided
from zorki.metrics.oks import COCO_SIGMAS
from zorki.types import Skeleton

ONE_SIGMA = 0.05
"""OKS's falloff of joints that nobody has measured, as share of the root of the object's area."""

COCO_NAMES = (
    "nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder", "left_elbow",
    "right_elbow", "left_wrist", "right_wrist", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle",
    "right_ankle",
)  # fmt: skip
COCO_LIMBS = (
    (15, 13), (13, 11), (16, 14), (14, 12), (11, 12), (5, 11), (6, 12), (5, 6), (5, 7), (6, 8), (7, 9), (8, 10),
    (1, 2), (0, 1), (0, 2), (1, 3), (2, 4), (3, 5), (4, 6),
)  # fmt: skip
MPII_NAMES = (
    "right_ankle", "right_knee", "right_hip", "left_hip", "left_knee", "left_ankle", "pelvis", "thorax", "upper_neck",
    "head_top", "right_wrist", "right_elbow", "right_shoulder", "left_shoulder", "left_elbow", "left_wrist",
)  # fmt: skip
MPII_LIMBS = (
    (0, 1), (1, 2), (2, 6), (6, 3), (3, 4), (4, 5), (6, 7), (7, 8), (8, 9), (10, 11), (11, 12), (12, 7), (7, 13),
    (13, 14), (14, 15),
)  # fmt: skip


def _face_names() -> tuple[str, ...]:
    names = [f"contour_{place}" for place in range(1, 18)]
    names += [f"right_brow_{place}" for place in range(1, 6)] + [f"left_brow_{place}" for place in range(5, 0, -1)]
    names += [f"nose_bridge_{place}" for place in range(1, 5)]
    names += ["right_nostril_1", "right_nostril_2", "nose_base", "left_nostril_2", "left_nostril_1"]
    names += ["right_eye_outer_corner", "right_eye_upper_1", "right_eye_upper_2"]
    names += ["right_eye_inner_corner", "right_eye_lower_2", "right_eye_lower_1"]
    names += ["left_eye_inner_corner", "left_eye_upper_2", "left_eye_upper_1"]
    names += ["left_eye_outer_corner", "left_eye_lower_1", "left_eye_lower_2"]
    return (*names, *(f"mouth_{place}" for place in range(1, 21)))


FACE_NAMES = _face_names()
"""The 68 points of 300-W (Sagonas et al., 2013), in their order; right is the person's."""

# Contour and mouth are numbered round, so that their names have no sides.
_FACE_ROUND = (
    *((place, 16 - place) for place in range(8)),
    (48, 54), (49, 53), (50, 52), (55, 59), (56, 58), (60, 64), (61, 63), (65, 67),
)  # fmt: skip
FACE_PAIRS = tuple(sorted((*pairs_of_names(FACE_NAMES), *_FACE_ROUND)))
FACE_LIMBS = (
    *((place, place + 1) for first, last in ((0, 16), (17, 21), (22, 26), (27, 30), (31, 35)) for place in
      range(first, last)),
    *((first + step, first + (step + 1) % count) for first, count in ((36, 6), (42, 6), (48, 12), (60, 8)) for step in
      range(count)),
)  # fmt: skip


def skeleton_of(
    names: Sequence[str],
    limbs: Sequence[tuple[int, int]] = (),
    flip_pairs: Sequence[tuple[int, int]] | None = None,
    sigmas: Sequence[float] | None = None,
) -> Skeleton:
    """The skeleton of these joints, with what a file says of it, and the rest by names.

    Limbs and flip pairs of known sets of joints (COCO's 17, MPII's 16, the 68 of 300-W) are known; other pairs follow
    from the names, see `flip_pairs`. Where these tell no pair, None is known: a name without a side may yet be one.
    Sigmas are COCO's where all names are COCO's, else one value for all.
    """
    named = tuple(names)
    pairs = None if flip_pairs is None else tuple(flip_pairs)
    if pairs is None:
        pairs = FACE_PAIRS if named == FACE_NAMES else pairs_of_names(named)
        pairs = None if not pairs or one_sided(named, pairs) else pairs
    known_limbs = {COCO_NAMES: COCO_LIMBS, MPII_NAMES: MPII_LIMBS, FACE_NAMES: FACE_LIMBS}
    bare = Skeleton(named, tuple(limbs) or known_limbs.get(named, ()), pairs)
    places = [Skeleton(COCO_NAMES).place(name) for name in named]
    if sigmas is not None:
        values, reason = tuple(sigmas), "the data's own"
    elif all(place is not None for place in places):
        values, reason = tuple(COCO_SIGMAS[place] for place in places if place is not None), "COCO's"
    else:
        values, reason = (ONE_SIGMA,) * len(named), f"{ONE_SIGMA} for every joint, since nobody has measured them"
    return Skeleton(bare.names, bare.limbs, bare.flip_pairs, values, reason)


def unnamed_skeleton(count: int, flip_pairs: Sequence[tuple[int, int]] | None = None) -> Skeleton:
    """The skeleton of joints of which only the number, and perhaps the pairs, are told.

    68 are taken for 300-W's, and 17 with the pairs of COCO's 17 for those.
    """
    if count == len(FACE_NAMES) and (flip_pairs is None or set(flip_pairs) == set(FACE_PAIRS)):
        return skeleton_of(FACE_NAMES)
    if count == len(COCO_NAMES) and flip_pairs is not None and set(flip_pairs) == set(pairs_of_names(COCO_NAMES)):
        return skeleton_of(COCO_NAMES)
    return skeleton_of([f"joint_{place}" for place in range(1, count + 1)], flip_pairs=flip_pairs)
