"""Damaged files against every reader: no traceback, no case above a few seconds, none above a gigabyte.

    python benchmarks/fuzz_readers.py [--cases 5000] [--first 0] [--seed 0] [--kinds coco,yolo] [--json FILE]

A case is one of the small valid datasets below, copied, one of its files damaged, and read to the end as whatever it
is recognized as, and as what it was: bits are flipped, pieces are cut out, doubled or exchanged; values of JSON, YAML,
XML and CSV become values of other types, large numbers, long words, or are left out. Case N of a seed is always the
same one: `--first N --cases 1` repeats it, and `--keep FOLDER` leaves its files there. A case is a process of its own
with a limit of time and of memory (Linux). What is counted as right: the data are read, or one `ZorkiError` says why
not.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import random
import re
import resource
import shutil
import signal
import struct
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from zorki.data.formats.detect import detect
from zorki.data.formats.readers import read_boxes, read_instances, read_labels, read_masks
from zorki.data.formats.writers import write_boxes, write_instances, write_masks
from zorki.errors import ZorkiError

SECONDS, BYTES = 5.0, 1 << 30  # what no case may take
PATIENCE = 12  # seconds after which a case is stopped
ROOM = 3 << 30  # bytes of address space that a case may take
READ: dict[str, Callable[..., Any]] = {
    "labels": read_labels, "boxes": read_boxes, "instances": read_instances, "masks": read_masks,
}  # fmt: skip
TEXT = (".json", ".xml", ".csv", ".yaml", ".txt", ".data", ".names", ".tsv")
HUGE: list[Any] = [0, -1, 1, 255, 256, 65536, 10**6, 10**9, 2**31, 2**63, 2**64, 10**20, 1e308, -1e308, 0.1]
OTHER: list[Any] = [
    *HUGE, None, True, "", "x", "1", "../../x", "/etc/hostname", "a" * 300, [], {}, [1], [[1, 2]], {"a": 1}, "\x1b[31m",
    "9" * 5000, float("nan"), float("inf"), [["1", "2", "3", "4", "5", "6"]],
]  # fmt: skip


@dataclass
class Outcome:
    """What became of a case."""

    case: int
    kind: str
    file: str
    damage: str
    result: str  # read, refused, traceback, time, memory, died
    words: str
    seconds: float
    bytes: int


# -- small valid datasets --


def _photo(path: Path, seed: int, size: tuple[int, int] = (24, 32)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 255, (*size, 3), np.uint8)
    Image.fromarray(pixels).save(path)


def _coco_of_all(folder: Path) -> None:
    """COCO's JSON with boxes, polygons, run lengths and sizes: what the others are written from."""
    rows, images = [], []
    for number in range(1, 5):
        name = f"{number}.png"
        _photo(folder / name, number)
        images.append({"id": number, "file_name": name, "height": 24, "width": 32})
        shapes: list[Any] = [
            [[2, 2, 12, 2, 12, 10, 2, 10]],
            {"size": [24, 32], "counts": [24 * 20, 5, 19, 5, 24 * 32 - 24 * 20 - 29]},
        ]
        for place, segments in enumerate(shapes):
            box = [2, 2, 10, 8] if place == 0 else [20, 0, 2, 5]
            rows.append({
                "id": len(rows) + 1, "image_id": number, "category_id": place + 1, "bbox": box, "area": 80,
                "iscrowd": 0, "segmentation": segments,
            })  # fmt: skip
    table = {"images": images, "annotations": rows, "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}]}
    (folder / "_annotations.coco.json").write_text(json.dumps(table, indent=1))


def make_all(root: Path) -> dict[str, str]:
    """Writes every dataset into a folder of its own; the kind of annotation that each has, by its name."""
    source = root / "coco"
    source.mkdir(parents=True)
    _coco_of_all(source)
    kinds = {"coco": "instances"}
    boxes, instances = read_boxes(source, need_segments=True), read_instances(source)
    masks = read_masks(source)
    for format in ("voc", "yolo", "labelme", "via", "label_studio"):
        write_boxes(boxes, root / f"{format}_boxes", format)
        kinds[f"{format}_boxes"] = "boxes"
    for format in ("yolo", "labelme", "via", "voc", "label_studio", "label_map_png", "instance_png"):
        write_instances(instances, root / f"{format}_instances", format)
        kinds[f"{format}_instances"] = "instances"
    for format in ("mask_folders", "voc"):
        write_masks(masks, root / f"{format}_masks", format)
        kinds[f"{format}_masks"] = "masks"
    for make in (_cvat, _createml, _csv_boxes, _openimages, _darknet, _via_shapes, _labelme_shapes, _shapes_of_studio):
        make(root / make.__name__.strip("_"))
        kinds[make.__name__.strip("_")] = "instances" if make in (_cvat, _via_shapes, _labelme_shapes) else "boxes"
    for make in (_csv_labels, _idx, _class_folders, _choices):
        make(root / make.__name__.strip("_"))
        kinds[make.__name__.strip("_")] = "labels"
    for make in (_colors, _weights, _run, _recipe, _results):
        make(root / make.__name__.strip("_"))
        kinds[make.__name__.strip("_")] = "masks" if make is _colors else make.__name__.strip("_")
    return kinds


def _photos(folder: Path, count: int = 3) -> list[str]:
    names = [f"{number}.jpg" for number in range(1, count + 1)]
    for number, name in enumerate(names):
        _photo(folder / name, number)
    return names


def _cvat(folder: Path) -> None:
    shapes = (
        '<box label="cat" xtl="1" ytl="2" xbr="9" ybr="8" rotation="30"/>\n'
        '<polygon label="cat" points="1,1;9,1;9,9" group_id="1"/>\n<ellipse label="dog" cx="9" cy="9" rx="4" ry="3"/>\n'
        '<mask label="dog" left="2" top="3" width="4" height="2" rle="2, 4, 2"/>'
    )
    names = _photos(folder / "images")
    rows = [f'<image name="{name}" width="32" height="24" subset="train">\n{shapes}\n</image>' for name in names]
    text = '<?xml version="1.0"?>\n<annotations>\n' + "\n".join(rows) + "\n</annotations>"
    (folder / "annotations.xml").write_text(text)


def _createml(folder: Path) -> None:
    box = {"label": "cat", "coordinates": {"x": 9, "y": 9, "width": 8, "height": 6}}
    table = [{"image": name, "annotations": [box, box]} for name in _photos(folder)]
    (folder / "_annotations.createml.json").write_text(json.dumps(table, indent=1))


def _csv_boxes(folder: Path) -> None:
    rows = [f"{name},32,24,cat,1,2,9,8" for name in _photos(folder / "images")]
    (folder / "train.csv").write_text("filename,width,height,class,xmin,ymin,xmax,ymax\n" + "\n".join(rows))


def _openimages(folder: Path) -> None:
    rows = [f"{name[:-4]},/m/01,0.1,0.5,0.1,0.6,0" for name in _photos(folder / "images")]
    (folder / "train.csv").write_text("ImageID,LabelName,XMin,XMax,YMin,YMax,IsGroupOf\n" + "\n".join(rows))
    (folder / "class-descriptions-boxable.csv").write_text("/m/01,Person\n")


def _darknet(folder: Path) -> None:
    names = _photos(folder / "obj_train_data")
    for name in names:
        (folder / "obj_train_data" / name).with_suffix(".txt").write_text("0 0.5 0.5 0.2 0.2\n1 0.1 0.1 0.2 0.1\n")
    (folder / "obj.names").write_text("cat\ndog\n")
    (folder / "train.txt").write_text("".join(f"data/obj_train_data/{name}\n" for name in names))
    (folder / "obj.data").write_text("classes = 2\ntrain = data/train.txt\nnames = data/obj.names\n")


def _via_shapes(folder: Path) -> None:
    shapes: list[dict[str, Any]] = [
        {"name": "circle", "cx": 9, "cy": 9, "r": 5},
        {"name": "ellipse", "cx": 9, "cy": 9, "rx": 5, "ry": 3, "theta": 0.3},
        {"name": "polygon", "all_points_x": [1, 9, 9], "all_points_y": [1, 1, 9]},
        {"name": "rect", "x": 1, "y": 2, "width": 5, "height": 6},
    ]
    regions = [{"shape_attributes": shape, "region_attributes": {"type": "cat"}} for shape in shapes]
    table = {name: {"filename": name, "size": 100, "regions": regions} for name in _photos(folder)}
    (folder / "via_region_data.json").write_text(json.dumps(table, indent=1))


def _labelme_shapes(folder: Path) -> None:
    part = io.BytesIO()
    Image.fromarray(np.full((4, 5), 255, np.uint8)).save(part, "png")
    import base64

    png = base64.b64encode(part.getvalue()).decode()
    for name in _photos(folder):
        shapes: list[dict[str, Any]] = [
            {"label": "cat", "shape_type": "circle", "points": [[9, 9], [12, 9]]},
            {"label": "cat", "shape_type": "mask", "points": [[3, 3], [7, 6]], "mask": png},
            {"label": "dog", "shape_type": "polygon", "points": [[1, 1], [9, 1], [9, 9]], "group_id": 1},
            {"label": "dog", "shape_type": "rectangle", "points": [[1, 1], [9, 9]], "group_id": 1},
        ]
        table = {"imagePath": name, "imageData": None, "imageHeight": 24, "imageWidth": 32, "shapes": shapes}
        (folder / name).with_suffix(".json").write_text(json.dumps(table, indent=1))


def _shapes_of_studio(folder: Path) -> None:
    size = {"original_width": 32, "original_height": 24, "image_rotation": 0}
    box = {"x": 10, "y": 20, "width": 30, "height": 40, "rotation": 10}
    results = [
        {"id": "a", "type": "rectanglelabels", **size, "value": {**box, "rectanglelabels": ["cat"]}},
        {"id": "b", "type": "ellipselabels", **size,
         "value": {"x": 50, "y": 50, "radiusX": 10, "radiusY": 5, "rotation": 20, "ellipselabels": ["dog"]}},
        {"id": "c", "type": "polygonlabels", **size,
         "value": {"points": [[10, 10], [50, 10], [50, 50]], "polygonlabels": ["dog"]}},
    ]  # fmt: skip
    tasks = [
        {"id": number, "data": {"image": f"/data/upload/1/{name}"}, "annotations": [{"result": results}]}
        for number, name in enumerate(_photos(folder / "images"))
    ]
    (folder / "export.json").write_text(json.dumps(tasks, indent=1))


def _choices(folder: Path) -> None:
    tasks = [
        {"id": number, "data": {"image": f"/data/upload/1/{name}"}, "annotations": [{"result": [
            {"type": "choices", "from_name": "kind", "value": {"choices": ["cat" if number else "dog"]}}]}]}
        for number, name in enumerate(_photos(folder / "images"))
    ]  # fmt: skip
    (folder / "export.json").write_text(json.dumps(tasks, indent=1))


def _csv_labels(folder: Path) -> None:
    rows = [f"{name},{'cat' if number else 'dog'},train" for number, name in enumerate(_photos(folder / "images"))]
    (folder / "labels.csv").write_text("path,label,split\n" + "\n".join(rows))


def _idx(folder: Path) -> None:
    folder.mkdir()
    for part, count in (("train", 6), ("t10k", 3)):
        header = bytes([0, 0, 8, 3]) + struct.pack(">III", count, 4, 4)
        (folder / f"{part}-images-idx3-ubyte").write_bytes(header + bytes(range(16)) * count)
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(
            bytes([0, 0, 8, 1]) + struct.pack(">I", count) + b"\1" * count
        )


def _class_folders(folder: Path) -> None:
    for number, name in enumerate(("cat", "dog")):
        for suffix in ("jpg", "png", "bmp", "gif", "tif", "webp"):
            _photo(folder / name / f"{suffix}.{suffix}", number)


def _colors(folder: Path) -> None:
    for name in _photos(folder / "images"):
        mask = np.zeros((24, 32, 3), np.uint8)
        mask[:, 9:] = (128, 0, 64)
        (folder / "masks").mkdir(exist_ok=True)
        Image.fromarray(mask).save((folder / "masks" / name).with_suffix(".png"))
    (folder / "colors.txt").write_text("sky 0 0 0\nroad 128 0 64\n")


def _weights(folder: Path) -> None:
    from zorki.weights import save_weights

    folder.mkdir()
    state = _network().state_dict()
    save_weights(folder / "w.safetensors", state, {"model": "tiny", "class_names": '["a", "b"]'})
    torch.save({"state_dict": state, "epoch": 3}, folder / "w.pth")
    torch.save(state, folder / "old.pth", _use_new_zipfile_serialization=False)


def _network() -> torch.nn.Module:
    return torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.Linear(4, 2))


def _run(folder: Path) -> None:
    from zorki import registry
    from zorki.recipe import Recipe
    from zorki.weights import save_weights

    folder.mkdir()
    model = registry.build("lenet5", 3, {})
    about = {
        "model": "lenet5", "task": "classification", "class_names": ["a", "b", "c"], "recipe": Recipe().to_json(),
        "explicit": {"lr": 0.1}, "choices": [{"name": "lr", "value": 0.1, "reason": "said"}], "plugins": [],
        "preprocess": model.preprocess.to_json(), "class_info": {"score_threshold": 0.5}, "data": "nowhere",
        "parameters": 1000, "train_count": 9, "environment": {},
    }  # fmt: skip
    (folder / "run.json").write_text(json.dumps(about, indent=1))
    results = {"val": {"split": "val", "count": 3, "metrics": {"accuracy": 0.5}, "losses": {"loss": 1.0}}}
    (folder / "results.json").write_text(json.dumps(results, indent=1))
    save_weights(folder / "best.safetensors", model, {"model": "lenet5"})


def _recipe(folder: Path) -> None:
    folder.mkdir()
    (folder / "recipe.yaml").write_text("epochs: 5\nlr: 0.1\nbatch_size: 8\nclass_map: {a: b}\ntrain_on: train\n")


def _results(folder: Path) -> None:
    _coco_of_all(folder)
    rows = [
        {"image_id": number, "category_id": 1, "bbox": [2, 2, 10, 8], "score": 0.5, "segmentation":
         {"size": [24, 32], "counts": [24 * 20, 5, 19, 5, 24 * 32 - 24 * 20 - 29]}}
        for number in range(1, 5)
    ]  # fmt: skip
    (folder / "predictions.results").write_text(json.dumps(rows, indent=1))


# -- damage --


def damage(path: Path, chance: random.Random) -> str:
    """Damages a file, and says how."""
    data = path.read_bytes()
    ways: list[Callable[[bytes, random.Random], bytes]] = [_flip, _cut, _double, _exchange, _truncate]
    suffix = path.suffix.lower()
    if suffix in (".json", ".results"):
        ways += [_json] * 12
    elif suffix in TEXT:
        ways += [_number, _number, _word, _word, _long, _blank, _line]
    way = chance.choice(ways)
    try:
        path.write_bytes(way(data, chance))
    except (ValueError, IndexError):
        path.write_bytes(_flip(data, chance))
    return way.__name__.strip("_")


def _flip(data: bytes, chance: random.Random) -> bytes:
    found = bytearray(data)
    for _ in range(chance.choice([1, 1, 3, 20])):
        if found:
            found[chance.randrange(len(found))] ^= 1 << chance.randrange(8)
    return bytes(found)


def _span(data: bytes, chance: random.Random) -> tuple[int, int]:
    start = chance.randrange(len(data) + 1)
    return start, min(len(data), start + chance.choice([1, 8, 64, 512]))


def _cut(data: bytes, chance: random.Random) -> bytes:
    start, end = _span(data, chance)
    return data[:start] + data[end:]


def _double(data: bytes, chance: random.Random) -> bytes:
    start, end = _span(data, chance)
    return data[:end] + data[start:end] * chance.choice([1, 3, 50]) + data[end:]


def _exchange(data: bytes, chance: random.Random) -> bytes:
    start, end = _span(data, chance)
    return data[:start] + chance.randbytes(end - start) + data[end:]


def _truncate(data: bytes, chance: random.Random) -> bytes:
    return data[: chance.randrange(len(data) + 1)]


def _json(data: bytes, chance: random.Random) -> bytes:
    values = json.loads(data)
    for _ in range(chance.choice([1, 1, 2, 5])):
        place = values
        while isinstance(place, dict | list) and place:
            keys = list(place) if isinstance(place, dict) else range(len(place))
            key = chance.choice(keys)
            inner = place[key]
            if not (isinstance(inner, dict | list) and inner) or chance.random() < 0.2:
                if chance.random() < 0.2:
                    del place[key]
                else:
                    place[key] = chance.choice(OTHER)
                break
            place = inner
    if chance.random() < 0.02:
        values = chance.choice(OTHER)
    text = json.dumps(values, indent=1)
    if chance.random() < 0.05:
        text = text.replace("1", "1" * 5000, 1)
    return text.encode()


def _number(data: bytes, chance: random.Random) -> bytes:
    found = list(re.finditer(rb"-?\d+(?:\.\d+)?", data))
    match = chance.choice(found)
    return data[: match.start()] + str(chance.choice(OTHER)).encode() + data[match.end() :]


def _word(data: bytes, chance: random.Random) -> bytes:
    match = chance.choice(list(re.finditer(rb"[A-Za-z_./-]+", data)))
    return data[: match.start()] + str(chance.choice(OTHER)).encode() + data[match.end() :]


def _long(data: bytes, chance: random.Random) -> bytes:
    start = chance.randrange(len(data) + 1)
    piece = chance.choice([b"9", b"a", b" ", b",", b" a", b"/", b";1", b"<a>", b"&b;"])
    return data[:start] + piece * chance.choice([300, 5000, 50_000]) + data[start:]


def _blank(data: bytes, chance: random.Random) -> bytes:
    return data.replace(
        chance.choice([b" ", b",", b"\n", b'"', b":"]), chance.choice([b"", b"   ", b"\t", b"\0", b"\x85"])
    )


def _line(data: bytes, chance: random.Random) -> bytes:
    lines = data.split(b"\n")
    place = chance.randrange(len(lines))
    return b"\n".join(lines[:place] + lines[place : place + 1] * chance.choice([0, 2, 500]) + lines[place + 1 :])


# -- reading --


def read(folder: Path, kind: str, format: str | None) -> None:
    """Reads all that a folder holds. Raises ZorkiError."""
    if kind == "weights":
        _read_weights(folder)
    elif kind == "run":
        _read_run(folder)
    elif kind == "recipe":
        from zorki.cli.flags.recipe import read_recipe

        read_recipe(folder / "recipe.yaml")
    elif kind == "results":
        from zorki.engine.evaluation.results_file import evaluate_file

        for task in ("detection", "instance_segmentation"):
            str(evaluate_file(folder / "predictions.results", folder / "_annotations.coco.json", task=task))
    else:
        refused: ZorkiError | None = None
        for match in detect(folder).matches():
            try:
                if match.kind in READ:
                    _read_data(folder, match.kind, match.format)
            except ZorkiError as error:
                refused = error
        _read_data(folder, kind, format)
        if refused is not None:
            raise refused


def _read_data(folder: Path, kind: str, format: str | None) -> None:
    data = READ[kind](folder, format)
    [str(defect) for defect in data.defects]
    for index in range(len(data)):
        with contextlib.suppress(ZorkiError):
            data.check(index)
            data[index]
    if kind == "boxes":
        read_boxes(folder, format, need_images=False, need_segments=True)


def _read_weights(folder: Path) -> None:
    from zorki.weights import load_into, read_weights

    refused: ZorkiError | None = None
    for name in ("w.safetensors", "w.pth", "old.pth"):
        try:
            load_into(_network(), read_weights(folder / name)).summary()
        except ZorkiError as error:
            refused = error
    if refused is not None:
        raise refused


def _read_run(folder: Path) -> None:
    from zorki.engine.prediction.predict import predict
    from zorki.engine.run.open import load

    run = load(folder)
    str(run.results)
    predict([run], torch.zeros(3, 28, 28, dtype=torch.uint8), quiet=True)


# -- cases, each a process --


def _child(folder: Path, kind: str, format: str | None, answer: int) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (_size() + ROOM,) * 2)
    before, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
    result, words = "read", ""
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            read(folder, kind, format)
    except ZorkiError as error:
        result, words = "refused", str(error)[:300]
    except MemoryError:
        result, words = "memory", _where()
    except BaseException:
        result, words = "traceback", _where()
    seconds = time.perf_counter() - started
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) << 10
    os.write(answer, json.dumps([result, words, seconds, grown]).encode())


def _size() -> int:
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def _where() -> str:
    return traceback.format_exc()[-1500:]


def run_case(number: int, seed: int, root: Path, kinds: dict[str, str], keep: Path | None) -> Outcome:
    chance = random.Random(f"{seed} {number}")
    name = chance.choice(sorted(kinds))
    folder = (keep or Path(tempfile.mkdtemp(prefix="fuzz-"))) / name
    shutil.copytree(root / name, folder)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    telling = [path for path in files if path.suffix in (*TEXT, ".results", ".safetensors", ".pth") or not path.suffix]
    path = chance.choice(telling if telling and chance.random() < 0.85 else files)
    how = damage(path, chance)
    format = (
        None if kinds[name] not in READ else next((f.format for f in detect(root / name).matches(kinds[name])), None)
    )
    reading, writing = os.pipe()
    started = time.perf_counter()
    child = os.fork()
    if child == 0:
        os.close(reading)
        try:
            _child(folder, kinds[name], format, writing)
        finally:
            os._exit(0)
    os.close(writing)
    found, died = _wait(child, reading)
    if keep is None:
        shutil.rmtree(folder.parent, ignore_errors=True)
    result, words, seconds, grown = found or [died, "", time.perf_counter() - started, 0]
    if result in ("read", "refused") and (seconds > SECONDS or grown > BYTES):
        result = "time" if seconds > SECONDS else "memory"
    return Outcome(number, name, str(path.relative_to(folder)), how, result, words, seconds, grown)


def _wait(child: int, reading: int) -> tuple[list[Any] | None, str]:
    """What the child returned, or how it ended without a result."""
    end = time.monotonic() + PATIENCE
    os.set_blocking(reading, False)
    answer = b""
    while True:
        with contextlib.suppress(BlockingIOError):
            answer += os.read(reading, 1 << 16)
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            with contextlib.suppress(BlockingIOError):
                answer += os.read(reading, 1 << 16)
            os.close(reading)
            return (json.loads(answer), "") if answer else (None, f"died: {status}")
        if time.monotonic() > end:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            os.close(reading)
            return None, "time"
        time.sleep(0.002)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=5000)
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kinds", help="names of datasets, separated by commas; empty: all")
    parser.add_argument("--keep", type=Path, help="new folder where the damaged files are left")
    parser.add_argument("--json", type=Path, help="file to which every case is appended, a line each")
    given = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as top:
        kinds = make_all(Path(top) / "whole")
        chosen = {name: kind for name, kind in kinds.items() if given.kinds is None or name in given.kinds.split(",")}
        found = []
        for number in range(given.first, given.first + given.cases):
            outcome = run_case(number, given.seed, Path(top) / "whole", chosen, given.keep)
            found.append(outcome)
            if given.json:
                with given.json.open("a") as file:
                    file.write(json.dumps(asdict(outcome)) + "\n")
            if outcome.result not in ("read", "refused"):
                print(f"{number}: {outcome.kind} {outcome.file}, {outcome.damage}: {outcome.result}\n{outcome.words}")
    _report(found)


def _report(found: list[Outcome]) -> None:
    print(f"{len(found)} cases over {len({one.kind for one in found})} datasets")
    for result, count in Counter(one.result for one in found).most_common():
        print(f"  {result:<12}{count}")
    slowest, largest = max(found, key=lambda one: one.seconds), max(found, key=lambda one: one.bytes)
    print(f"slowest: case {slowest.case} ({slowest.kind}), {slowest.seconds:.2f} s")
    print(f"largest: case {largest.case} ({largest.kind}), {largest.bytes / 2**20:.0f} MiB beyond the start")
    if any(one.result not in ("read", "refused") for one in found):
        sys.exit(1)


if __name__ == "__main__":
    main()
