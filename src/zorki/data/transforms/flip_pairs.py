"""Names that a mirrored image exchanges: the left ear of a cat is the right ear of its mirror image.

Of classes and keypoints alike. Names alone tell: `left_ear` and `right_ear`, `ear_L` and `ear_R`, `lShoulder` and
`rShoulder`; a name is of a side only where the other side's name is there as well, so "bright" is none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache

from zorki.errors import RecipeError, did_you_mean

Pairs = tuple[tuple[int, int], ...]
"""Places of names that are exchanged, the left one first; names that are in no pair stay as they are."""

_SIDES = (
    ("left", "right"),
    ("l", "r"),
    ("lt", "rt"),
    ("lft", "rgt"),
    ("links", "rechts"),
    ("gauche", "droite"),
    ("gauche", "droit"),
    ("izquierda", "derecha"),
    ("izquierdo", "derecho"),
    ("sinistra", "destra"),
    ("sinistro", "destro"),
)
_WORD = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+|[^A-Za-z0-9]+")
_JOINED = re.compile(r"^(left|right)(?=\w)|(?<=\w)(left|right)$", re.IGNORECASE)


@lru_cache(maxsize=64)
def flip_pairs(names: tuple[str, ...]) -> Pairs:
    """The pairs that the names tell, in the order of the left ones; none where no two names differ by their side.

    >>> flip_pairs(("nose", "left_eye", "right_eye", "Tail.R", "Tail.L"))
    ((1, 2), (4, 3))
    """
    places = {name: place for place, name in reversed(list(enumerate(names)))}
    folded = {name.lower(): place for name, place in places.items()}
    found: dict[int, int] = {}
    for place, name in enumerate(names):
        if place in found.values():
            continue
        for mirrored, is_left in _mirrored(name):
            other = places.get(mirrored, folded.get(mirrored.lower()))
            if is_left and other is not None and other != place and other not in found.values():
                found[place] = other
                break
    return tuple(sorted((left, right) for left, right in found.items()))


def _mirrored(name: str) -> Iterator[tuple[str, bool]]:
    """What the name may be on the other side, the surest first, and whether this one is left."""
    words = _WORD.findall(name)
    for left, right in _SIDES:
        other = {left: right, right: left}
        at = [place for place, word in enumerate(words) if word.lower() in other]
        for chosen in [at, at[:1], at[-1:]] if at else []:
            turned = [_cased(other[word.lower()], word) if n in chosen else word for n, word in enumerate(words)]
            yield "".join(turned), words[chosen[0]].lower() == left
    for match in _JOINED.finditer(name):
        side = match[0]
        is_left = side.lower() == "left"
        mirrored = _cased("right" if is_left else "left", side)
        yield name[: match.start()] + mirrored + name[match.end() :], is_left


def _cased(word: str, like: str) -> str:
    """The word in the case of another one; a single letter says nothing but its own."""
    if like.isupper():
        return word.upper()
    return word.capitalize() if like[0].isupper() else word


def parse_flip_pairs(text: str | Mapping[str, str], names: Sequence[str]) -> Pairs:
    """The pairs of `--flip-pairs`: "left_eye=right_eye,left_ear=right_ear"; empty: none.

    Raises:
        RecipeError: it is no such list, a name is none of these, or it is in two pairs.
    """
    places = {name: place for place, name in enumerate(names)}
    pairs: list[tuple[int, int]] = []
    for left, right in _typed(text):
        for name in (left, right):
            if name not in places:
                listed = ", ".join(names[:20])
                raise RecipeError(f"flip_pairs names {name!r}.{did_you_mean(name, places)} The names are {listed}")
            if left == right or any(places[name] in pair for pair in pairs):
                raise RecipeError(f"flip_pairs has {name!r} twice; expected each name in one pair at most")
        pairs.append((places[left], places[right]))
    return tuple(sorted(pairs))


def _typed(text: str | Mapping[str, str]) -> Iterator[tuple[str, str]]:
    if not isinstance(text, str):
        yield from text.items()
        return
    for part in filter(None, (word.strip() for word in text.split(","))):
        left, sign, right = (word.strip() for word in part.partition("="))
        if not (left and sign and right):
            raise RecipeError(f"flip_pairs is {text!r}: expected LEFT=RIGHT,LEFT=RIGHT,..., and got {part!r}")
        yield left, right


@lru_cache(maxsize=64)
def mirrored_order(count: int, pairs: Pairs) -> tuple[int, ...]:
    """Which name stands in the place of each of `count` names after a mirroring; its own inverse.

    >>> mirrored_order(4, ((1, 3),))
    (0, 3, 2, 1)
    """
    order = list(range(count))
    for left, right in pairs:
        order[left], order[right] = right, left
    return tuple(order)


def swapped_by_flip(names: Sequence[str]) -> tuple[int, ...] | None:
    """Which label each label becomes in a mirrored image, as names of classes tell; None where all stay.

    >>> swapped_by_flip(["cat", "left ear", "right ear"])
    (0, 2, 1)
    """
    pairs = flip_pairs(tuple(names))
    return mirrored_order(len(names), pairs) if pairs else None


def one_sided(names: Sequence[str], pairs: Pairs) -> list[str]:
    """Names that say left or right and are in no pair: of these the other side is missing, or its name is another.

    >>> one_sided(["left_eye", "nose"], ())
    ['left_eye']
    """
    paired = {place for pair in pairs for place in pair}
    sure = {"left", "right"}
    return [
        name
        for place, name in enumerate(names)
        if place not in paired and any(word.lower() in sure for word in _WORD.findall(name))
    ]


def describe_pairs(names: Sequence[str], pairs: Pairs, most: int = 10) -> str:
    """The pairs for a person: "left_eye and right_eye, left_ear and right_ear"."""
    listed = [f"{names[left]} and {names[right]}" for left, right in pairs[:most]]
    return ", ".join(listed) + (f", ... ({len(pairs)} pairs)" if len(pairs) > most else "")
