"""Pascal VOC: an XML file for each image, splits in ImageSets/Main (Everingham et al., 2010).

    Annotations/0001.xml   JPEGImages/0001.jpg   ImageSets/Main/{train,val,trainval,test}.txt

Also `annotations` and `images`, files beside their images, folders train, valid and test of such, and all of it one
or two folders down (VOCdevkit/VOC2012).

Corners are taken as they stand, as continuous pixels. In Everingham's own files pixels count from 1 and the last one is
inside, so that the strict reading would put left and upper edges a pixel further out. But all tools that write this
format since, and converters to COCO and YOLO, take the numbers as they are, and so does this reader: one box is the
same box in every format.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from functools import partial
from itertools import islice
from math import isfinite
from pathlib import Path, PurePosixPath
from xml.etree.ElementTree import Element

from zorki.data.annotations.image_lists import DEEPEST
from zorki.data.annotations.listing import is_image, loose_files, subfolders, walk_files
from zorki.data.annotations.records import ImageRecord, ObjectRecord, Records
from zorki.data.annotations.splits import split_name
from zorki.data.formats.probe import Probe
from zorki.errors import DataError
from zorki.input_files.content import LONGEST_PATH_LINE, open_file, text_lines
from zorki.input_files.numbers import number_of, whole_number_of
from zorki.input_files.xml_files import element_lines, read_xml, text_of
from zorki.types import Defect

EXPECTED = "a folder Annotations with one XML file an image, or such files beside the images"

ANNOTATION_FOLDERS = ("Annotations", "annotations", "Annotation", "annotation", "xmls", "xml", "labels")
IMAGE_FOLDERS = ("JPEGImages", "images", "Images", "imgs", "JPEGImage", "image")
_DEPTH = 2  # folders down to which a VOC folder is looked for
_PROBE_FILES = 10  # XML files that are looked at to recognize the format


def probe(root: Path) -> Probe:
    """Whether `root` is of this format, and why or why not."""
    found = _find(root)
    return Probe.no(found, partial(_broken, root)) if isinstance(found, str) else Probe.yes(_reason(root, found))


def _broken(root: Path) -> DataError | None:
    """What is wrong with the first XML file, where a folder with VOC's name holds nothing but broken ones."""
    for folder in (root, *(root / name for name in subfolders(root))) if root.is_dir() else ():
        for name in ANNOTATION_FOLDERS:
            if (folder / name).is_dir() and (error := _all_broken(folder / name)) is not None:
                return error
    return None


def _all_broken(folder: Path) -> DataError | None:
    first: DataError | None = None
    for name in _first_files(folder, below=True):
        try:
            read_xml(folder / name)
        except DataError as error:
            first = first or error
        else:
            return None
    return first


def read(root: Path, images: Path | None = None) -> Records:
    """The images that have an XML file, with their boxes; `images` is for likeness with other formats.

    Splits are those of ImageSets/Main, or folders named train, val and test. Images without an XML file may hold
    anything and are left out; those whose file tells of no object are background. An image is looked for by its XML
    file's path below its folder, then by what `filename` says, which is often out of date. A file that is no XML is
    left out, and told.

    Raises:
        DataError: there is no such folder, or no file is XML.
    """
    found = _find(root)
    if isinstance(found, str):
        raise DataError(f"{root}: {found}; expected {EXPECTED}")
    return _records(root, found)


def _find(root: Path) -> list[tuple[Path, Path, str | None]] | str:
    """(the VOC folder, its folder of XML files, the split that it is) for each; or why there is none."""
    if not root.is_dir():
        return "it is not a folder" if root.exists() else "it is neither a file nor a folder"
    folders = [root]
    for _ in range(_DEPTH + 1):
        found = [(folder, xml, None) for folder in folders if (xml := _xml_folder(folder)) is not None]
        if len(found) == 1:
            return list(found)
        if len(found) > 1:
            return _several(root, [folder for folder, _, _ in found])
        folders = [folder / name for folder in folders for name in subfolders(folder)]
    return "no folder in it holds XML files that begin with <annotation>"


def _several(root: Path, folders: Sequence[Path]) -> list[tuple[Path, Path, str | None]] | str:
    """Folders side by side are one dataset where they are its splits."""
    words = [split_name(folder.name) for folder in folders]
    if all(words):
        parts = [(folder, _xml_folder(folder), word) for folder, word in zip(folders, words, strict=True)]
        return [(folder, xml, word) for folder, xml, word in parts if xml is not None]
    names = ", ".join(str(folder.relative_to(root)) for folder in folders)
    return f"several folders in it hold such data: {names}; name one of them"


def _xml_folder(folder: Path) -> Path | None:
    """The folder of XML files that belongs to a VOC folder."""
    for name in (*ANNOTATION_FOLDERS, ""):
        if (folder / name).is_dir() and _holds_annotations(folder / name, below=bool(name)):
            return folder / name
    return None


def _holds_annotations(folder: Path, below: bool) -> bool:
    return any(_begins_well(folder / name) for name in _first_files(folder, below))


def _first_files(folder: Path, below: bool) -> list[str]:
    names = walk_files(folder) if below else iter(loose_files(folder))
    return list(islice((name for name in names if name.lower().endswith(".xml")), _PROBE_FILES))


def _begins_well(path: Path) -> bool:
    try:
        with open_file(path) as file:
            return re.search(rb"<annotation[\s>]", file.read(4096)) is not None
    except OSError:
        return False


def _reason(root: Path, found: Sequence[tuple[Path, Path, str | None]]) -> str:
    where = ", ".join(str(xml.relative_to(root)) if xml != root else "the folder itself" for _, xml, _ in found)
    return f"it holds Pascal VOC's XML files: {where}"


def _records(root: Path, found: Sequence[tuple[Path, Path, str | None]]) -> Records:
    records = Records(root, "voc", _reason(root, found), [], [])
    folders: list[Path] = []
    errors: list[DataError] = []
    for folder, xml, split in found:
        first = len(records.images)
        for name in walk_files(xml) if xml != folder else loose_files(xml):
            if name.lower().endswith(".xml"):
                try:
                    _read_file(records, xml / name, PurePosixPath(name).with_suffix("").as_posix())
                except DataError as error:
                    errors.append(error)
                    records.defects.append(_left_out(error, xml / name))
        if split is not None:
            records.given.setdefault(split, []).extend(range(first, len(records.images)))
        else:
            _read_sets(records, folder, xml)
        folders += [folder / name for name in IMAGE_FOLDERS] + [xml, folder]
    if errors and not records.images:
        raise errors[0]
    records.folders = [*folders, root]
    return records


def _left_out(error: DataError, path: Path) -> Defect:
    """The defect of a file that could not be read, with the line that the error tells."""
    place = re.match(r"(?::(\d+))?: ", words := str(error).removeprefix(str(path)))
    reason = words[place.end() :] if place else words
    return Defect(path, f"{reason}; the file was left out", int(place[1]) if place and place[1] else None)


def _read_file(records: Records, path: Path, name: str) -> None:
    tree, data = read_xml(path)
    if tree.tag != "annotation":
        records.defects.append(Defect(path, f"expected <annotation>, and it begins with <{tree.tag}>; left out", 1))
        return
    file_name = text_of(tree, "filename").replace("\\", "/")
    # The suffix tells apart images of one name; the name itself follows the XML file and the folders it lies in.
    suffix = PurePosixPath(file_name).suffix if is_image(file_name) else ""
    image = ImageRecord(name + suffix, path, other_name=file_name or None)
    size = tree.find("size")
    if size is not None:
        image.height, image.width = (whole_number_of(size.findtext(side)) for side in ("height", "width"))
    lines = element_lines(data, "object")
    for number, element in enumerate(tree.findall("object")):
        line = lines[number] if number < len(lines) else None
        thing = _object(element, line)
        if isinstance(thing, str):
            records.defects.append(Defect(path, f"{thing}; the object was left out", line))
        else:
            image.objects.append(thing)
    records.images.append(image)


def _object(element: Element, line: int | None) -> ObjectRecord | str:
    """One object, or what it lacks."""
    box, name = element.find("bndbox"), text_of(element, "name")
    if not name:
        return "it has no <name>"
    if box is None:
        return f"{name!r} has no <bndbox>"
    left, top, right, bottom = (number_of(box.findtext(tag)) for tag in ("xmin", "ymin", "xmax", "ymax"))
    crowd = text_of(element, "crowd") == "1"  # of our own writer, which marks them difficult for all other tools
    difficult = text_of(element, "difficult") == "1" and not crowd
    return ObjectRecord(name, (left, top, right, bottom), crowd, difficult, line, _polygon(element))


def _polygon(element: Element) -> list[list[float]] | None:
    """Roboflow's outline: <polygon><x1/><y1/><x2/>..."""
    polygon = element.find("polygon")
    if polygon is None:
        return None
    values = [number_of(child.text) for child in polygon if re.fullmatch(r"[xy]\d+", child.tag)]
    return [values] if len(values) >= 6 and all(map(isfinite, values)) else None


def _read_sets(records: Records, folder: Path, xml: Path) -> None:
    """Splits from ImageSets/Main/train.txt and its like; trainval only where neither train nor val is there."""
    for sets in (folder / "ImageSets" / "Main", folder / "ImageSets"):
        files = {Path(name).stem.lower(): sets / name for name in loose_files(sets)} if sets.is_dir() else {}
        words = {word: split for word in files if (split := split_name(word))}
        if "trainval" in files and not {"train", "val"} & set(words.values()):
            words["trainval"] = "train"
        if words:
            break
    else:
        return
    stems = Counter(image.source.stem for image in records.images)
    places = {image.source.stem: place for place, image in enumerate(records.images)}
    places = {stem: place for stem, place in places.items() if stems[stem] == 1}  # else the folders must be named too
    for place, image in enumerate(records.images):
        places[image.source.relative_to(xml).with_suffix("").as_posix()] = place
    for word, split in words.items():
        _read_set(records, files[word], records.given.setdefault(split, []), places)


def _read_set(records: Records, path: Path, members: list[int], places: dict[str, int]) -> None:
    missing = []
    for line, text in text_lines(path, longest=LONGEST_PATH_LINE, errors="replace"):
        if not (whole := text.strip().replace("\\", "/")):
            continue
        place = _place_of(whole, places)
        if place is None:  # lists of one class tell whether the image has it: "0001 -1"
            place = _place_of(re.sub(r"\s+-?[01]$", "", whole), places)
        if place is None:
            missing.append((line, PurePosixPath(whole).name))
        else:
            members.append(place)
    if missing:
        count = "1 image has" if len(missing) == 1 else f"{len(missing)} images have"
        reason = f"{count} no XML file, {missing[0][1]!r} first; left out"
        records.defects.append(Defect(path, reason, missing[0][0]))


def _place_of(path: str, places: dict[str, int]) -> int | None:
    """The image that a line of a list means, by the longest end of its path that is known."""
    parts = PurePosixPath(path).parts[-DEEPEST:]
    for start in range(len(parts)):
        name = "/".join(parts[start:])
        plain = PurePosixPath(name).with_suffix("").as_posix() if is_image(name) else name
        if (place := places.get(name, places.get(plain))) is not None:
            return place
    return None
