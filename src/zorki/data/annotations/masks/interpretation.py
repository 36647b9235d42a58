"""What the values or colors of masks mean: which classes there are, what is ignored, and what is no class at all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from zorki.class_selection import ClassSelection
from zorki.data.annotations.classes import map_classes
from zorki.data.annotations.masks.class_names import CAMVID, VOC, ColorNames, ValueNames
from zorki.data.annotations.masks.color_fringes import fringe_colors, plain_colors
from zorki.data.annotations.masks.dataset import IGNORE, ClassMap
from zorki.data.annotations.masks.levels import Halved, in_halves, names_of_levels, percent
from zorki.data.annotations.masks.stored import Palette, color_of
from zorki.data.annotations.masks.value_counts import ValueCounts, total
from zorki.errors import DataError
from zorki.types import Defect

_VOID_VALUES = (IGNORE, 65535)  # values that mean "ignored" where no file names them; so do negative ones
_MAX_CLASSES = 255  # classes: labels 0 to 254, since 255 is ignored
_LISTED = 16  # colors in a message
_CROWDED = 128  # classes that no image shows all of

Names = dict[int, str | None]


@dataclass(frozen=True)
class Hints:
    """What is given about the classes beside the masks: files that name them, and the layout's usual names."""

    root: Path
    values: ValueNames | None = None
    colors: ColorNames | None = None
    usual: str | None = None  # "camvid" or "voc"


@dataclass
class Interpretation:
    """Classes, and how they are found in files.

    `names` tells the name of each stored key, None for ignored ones; `all_counts` are those of the masks, split in the
    middle where they are.
    """

    class_names: list[str]
    class_map: ClassMap
    names: Names
    all_counts: Mapping[Path, ValueCounts]
    palette: Palette | None = None
    notes: list[Defect] = field(default_factory=list)


def decide(
    all_counts: Mapping[Path, ValueCounts],
    hints: Hints,
    class_names: Sequence[str] | None = None,
    selection: ClassSelection | None = None,
) -> Interpretation:
    """What the masks' values mean.

    A color map decides where masks hold colors, or show no color that it does not know; otherwise pixels are
    values, whatever a palette shows. Values get their names from a file; else from the layout, where they fit; else
    they are "class 0", "class 1", ... What is called void, and 255 where nothing names it, is ignored; unless values
    are levels of gray, see `levels`.

    Args:
        class_names: fixes the labels' order (a run's). Values without names of their own are places in it, unless
            there is a `selection`, which needs names first.
        selection: classes are renamed, merged and left out; pixels of those that are left out are ignored.

    Raises:
        DataError: masks hold colors and nothing says what they mean, there are more than 255 classes, a class is not
            among `class_names`, or `selection` names one that is not there.
    """
    notes: list[Defect] = []
    halved: Halved = "none"
    if hints.colors is not None and _speaks_in(all_counts.values(), hints.colors):
        counts = total(mask_counts.colors() for mask_counts in all_counts.values())
        colored = any(mask_counts.colored for mask_counts in all_counts.values())
        if colored and not counts.keys() & hints.colors.names.keys():
            raise _unnamed_colors(hints.root, all_counts, f"none of them is in {hints.colors.path}")
        names, by_color = dict(hints.colors.names), True
    else:
        if any(mask_counts.colored for mask_counts in all_counts.values()):
            raise _unnamed_colors(hints.root, all_counts, "no file says what they mean")
        expected_names = None if selection else class_names
        all_counts, halved = in_halves(all_counts, _expected_names(hints, expected_names), hints.root, notes)
        counts = total(mask_counts.values() for mask_counts in all_counts.values())
        hints = hints if halved == "none" else replace(hints, usual=None)  # which know indices, and no halves
        names, by_color = _names_of_values(all_counts, counts, hints, expected_names, notes), False
        notes += _other_palettes(hints.root, all_counts)
    if not by_color:
        for value in counts:
            if value < 0 or (value in _VOID_VALUES and value not in names):
                names[value] = None
    if selection:
        own = list(dict.fromkeys(name for name in names.values() if name is not None))
        new = selection.new_names(own, hints.root, strict=class_names is None)
        names = {key: None if name is None else new[name] for key, name in names.items()}
    order, labels = order_classes(hints.root, names, counts, class_names)
    class_map = ClassMap.of(labels, by_color, halved)
    if not by_color and class_names is None:
        notes += _moved(hints, class_map)
    palette = _palette(all_counts, names, order, hints.colors, by_color)
    return Interpretation(order, class_map, names, all_counts, palette, notes)


def _speaks_in(all_counts: Iterable[ValueCounts], colors: ColorNames) -> bool:
    """Whether a color map is what the masks need: they hold colors, or show none but its own."""
    all_counts = list(all_counts)
    if any(mask_counts.colored for mask_counts in all_counts):
        return True
    for mask_counts in all_counts:
        shown = mask_counts.colors() if mask_counts.palette is None else _shown_but_255(mask_counts)
        if not shown.keys() <= colors.names.keys():
            return False
    return True


def _shown_but_255(mask_counts: ValueCounts) -> dict[int, int]:
    """A palette's index 255 is what is ignored, in a color of which maps need not know."""
    counts = {value: count for value, count in mask_counts.counts.items() if value != IGNORE}
    return ValueCounts(mask_counts.size, mask_counts.image_size, counts, palette=mask_counts.palette).colors()


def _names_of_values(
    all_counts: Mapping[Path, ValueCounts],
    counts: Mapping[int, int],
    hints: Hints,
    class_names: Sequence[str] | None,
    notes: list[Defect],
) -> Names:
    named = _named(hints)
    found = {value for value in counts if value >= 0}
    if named is None and hints.usual == "camvid" and found <= {*range(len(CAMVID) + 1), IGNORE}:
        return {**dict(enumerate(CAMVID)), len(CAMVID): None}
    if named is None and hints.usual == "voc" and found <= {*range(len(VOC)), IGNORE}:
        return dict(enumerate(VOC))
    bare = all(mask_counts.palette is None for mask_counts in all_counts.values())
    if (
        bare
        and (levels := names_of_levels(all_counts.values(), _expected_names(hints, class_names), hints.root, notes))
        is not None
    ):
        return levels
    if named is not None:
        _note_shifted(found, named, hints, notes)
        return named
    if _number_objects(all_counts.values()):
        raise DataError(
            f"{hints.root}: the masks seem to number single objects, 1, 2, 3, ... in every one, and not classes; they "
            "are for instance segmentation. If they are classes, name them in a file classes.txt, one a line"
        )
    return _numbered(found - set(_VOID_VALUES), counts, class_names, hints.root, notes)


def _named(hints: Hints) -> Names | None:
    """The names that files beside give values; those of colors by their order."""
    if hints.values:
        return dict(hints.values.names)
    return None if hints.colors is None else dict(enumerate(hints.colors.names.values()))


def _expected_names(hints: Hints, class_names: Sequence[str] | None) -> Sequence[str] | None:
    """The classes in order, a file's before a run's, with "" for what is ignored; None where there are none."""
    named = _named(hints)
    return class_names if named is None else [name or "" for name in named.values()]


def _number_objects(all_counts: Iterable[ValueCounts]) -> bool:
    """Whether most masks hold all numbers from 1 to some, which gets large, and differs from mask to mask.

    It need not differ where it is so large that no image shows as many classes: in maps of more objects than 8 bits
    number, all numbers are there.
    """
    own = [sorted(value for value in mask_counts.values() if 0 < value != IGNORE) for mask_counts in all_counts]
    counts = [len(values) for values in own if values and values[-1] == len(values)]
    if len(counts) <= 0.8 * len(own) or max(counts) < 16:
        return False
    return len(set(counts)) > 2 or min(counts) >= _CROWDED


def _note_shifted(found: set[int], named: Names, hints: Hints, notes: list[Defect]) -> None:
    """Names that fit but for one value, 0 or the one after the last."""
    last = max(named)
    if last + 1 in found and not [value for value in found if last + 1 < value < IGNORE]:
        source = hints.values or hints.colors
        reason = (
            f"it names {len(named)} values, {min(named)} to {last}, and the masks hold {last + 1} too; if value 0 is "
            f"what has no name, put background first; if {last + 1} is what is ignored, put void last"
        )
        notes.append(Defect(source.path if source else hints.root, reason, note=True))


def _numbered(
    found: set[int], counts: Mapping[int, int], class_names: Sequence[str] | None, root: Path, notes: list[Defect]
) -> Names:
    """Names for values that nothing names: their numbers, or a run's classes at these places."""
    if not found:
        raise DataError(f"{root}: every pixel of every mask is {max(counts, default=IGNORE)}, which is ignored")
    if len(found) > _MAX_CLASSES:
        raise DataError(
            f"{root}: the masks hold {len(found)} values up to {max(found)}, and at most {_MAX_CLASSES} classes can be "
            "told apart; masks that number single objects are for instance segmentation"
        )
    top = max(found)
    scattered = top >= _MAX_CLASSES or (top >= 16 and 2 * len(found) <= top)
    word = "value" if scattered else "class"
    names: Names = {value: f"{word} {value}" for value in (sorted(found) if scattered else range(top + 1))}
    if class_names is not None and not {names[value] for value in found} <= set(class_names):
        if top >= len(class_names):
            raise DataError(
                f"{root}: the masks hold value {top} ({counts[top]:,} pixels), and the model knows {len(class_names)} "
                "classes; a file classes.txt with a name for every value tells which are which"
            )
        return dict(enumerate(class_names))
    if class_names is None and scattered:
        values = ", ".join(map(str, sorted(found)[:_LISTED])) + (", ..." if len(found) > _LISTED else "")
        reason = f"no file names the values; each of those found is a class: {values}"
        notes.append(Defect(root, reason, note=True))
    elif class_names is None and (missing := [str(value) for value in range(top) if value not in found]):
        reason = f"no file names the values, and between 0 and {top} no pixel has {', '.join(missing[:_LISTED])}"
        notes.append(Defect(root, reason, note=True))
    return names


def order_classes(
    root: Path, names: Names, counts: Mapping[int, int], class_names: Sequence[str] | None
) -> tuple[list[str], dict[int, int]]:
    """The classes in order, and each key's label; names that a run does not know, and no pixel has, are dropped."""
    own = list(dict.fromkeys(name for name in names.values() if name is not None))
    if class_names is not None:
        there = {name for key, name in names.items() if name is not None and counts.get(key)}
        own = map_classes([name for name in own if name in there], class_names, root)
    if len(own) > _MAX_CLASSES:
        raise DataError(f"{root}: {len(own)} classes, and at most {_MAX_CLASSES} can be told apart")
    places = {name: place for place, name in enumerate(own)}
    return own, {key: IGNORE if name is None else places.get(name, IGNORE) for key, name in names.items()}


def _moved(hints: Hints, class_map: ClassMap) -> list[Defect]:
    """A note where a file names values so that labels, which number the evaluated classes from 0, are others."""
    source = hints.values or hints.colors
    if source is None or class_map.halved != "none":
        return []
    pairs = zip(class_map.keys.tolist(), class_map.labels.tolist(), strict=True)
    moved = [f"value {key} is label {label}" for key, label in pairs if label not in (key, IGNORE)]
    if not moved:
        return []
    words = ", ".join(moved[:3]) + (", ..." if len(moved) > 3 else "")
    return [Defect(source.path, f"{words}: labels number the classes that are evaluated, from 0", note=True)]


def _palette(
    all_counts: Mapping[Path, ValueCounts],
    names: Names,
    order: Sequence[str],
    expected_names: ColorNames | None,
    by_color: bool,
) -> Palette | None:
    """The data's own colors; None where one is missing, two are alike, or they are shades of gray."""
    table: Mapping[int, tuple[int, int, int]] = {}
    if by_color:
        table = {key: color_of(key) for key in names}
    elif (
        own := next((mask_counts.palette for mask_counts in all_counts.values() if mask_counts.palette), None)
    ) is not None:
        table = dict(enumerate(own))
    elif expected_names is not None:
        table = dict(enumerate(map(color_of, expected_names.names)))
    colors = {name: table[key] for key, name in reversed(names.items()) if name is not None and key in table}
    chosen = [colors[name] for name in order if name in colors]
    gray = all(red == green == blue for red, green, blue in chosen) and expected_names is None
    return None if len(set(chosen)) < len(order) or gray else chosen


def _other_palettes(root: Path, all_counts: Mapping[Path, ValueCounts]) -> list[Defect]:
    """A note where one index is shown in different colors: a palette of each file's own makes indices mean nothing."""
    seen: dict[int, tuple[Path, tuple[int, int, int]]] = {}
    for path, mask_counts in all_counts.items():
        for value in mask_counts.counts if mask_counts.palette else ():
            if value >= len(mask_counts.palette or ()):
                continue
            rgb = mask_counts.palette[value]  # type: ignore[index]
            other, before = seen.setdefault(value, (path, rgb))
            if before != rgb:
                reason = (
                    f"index {value} is shown as {before} in {other.name} and as {rgb} in {path.name}; indices are "
                    "taken as classes. If the colors are what counts, say in a file colors.txt what they mean"
                )
                return [Defect(root, reason, note=True)]
    return []


def _unnamed_colors(root: Path, all_counts: Mapping[Path, ValueCounts], why: str) -> DataError:
    """The colors found, and the file to write."""
    colored = [path for path, mask_counts in all_counts.items() if mask_counts.colored]
    counts = total(mask_counts.colors() for mask_counts in all_counts.values())
    common = sorted(counts, key=lambda code: -counts[code])
    words = {code: " ".join(map(str, color_of(code))) for code in common}
    whole = sum(counts.values())
    plain = plain_colors(counts)
    fringes = fringe_colors(all_counts.values(), plain) if len(plain) < len(counts) else set()
    common = [code for code in common if code not in fringes]
    lines = [f"  {words[code]:<11}  {counts[code]:,} pixels, {counts[code] / whole:.1%}" for code in common[:_LISTED]]
    if len(common) > _LISTED:
        lines.append(f"  ... and {len(common) - _LISTED} more")
    if fringes:
        share = percent(sum(counts[code] for code in fringes), whole)
        lines.append(f"  ... and {len(fringes)} mixes of these, {share} of the pixels, as at smoothed edges")
    if len(common) > _MAX_CLASSES:
        lines.append("So many are no classes: the masks were scaled or compressed with loss. Export them anew, as PNG")
    else:
        lines.append(f"Write {root / 'colors.txt'} with a name for each, void for what is ignored:")
        lines += [f"  name_{place} {words[code]}" for place, code in enumerate(common[:3])]
    return DataError(
        f"{root}: {len(colored)} of {len(all_counts)} masks, {colored[0].name} first, hold colors instead of class "
        f"indices, and {why}. Found:\n" + "\n".join(lines)
    )
