"""Twelve faults, each planted on three datasets: does `zorki check` name them, and nothing on clean data?

    python benchmarks/planted_faults.py DATA --out planted.json                       # all 36, and the clean ones
    python benchmarks/planted_faults.py DATA --fault masks_off_by_one --no-clean      # one of them

DATA holds the folders fashion-mnist, cifar10-subset, bccd, raccoon, voc2012-100, camvid-small, dsb2018-nuclei and
isbi2012-membrane. Faults of data are planted into the dataset as it was read, those of files into a copy, and those of
code into a task or a network that is derived from the real one. Faults of data are looked for by `zorki check DATA`
with all its checks, those of code by the checks of augmentation and of the model, each within `--budget` seconds.
"""

from __future__ import annotations

import argparse
import copy
import dataclasses
import json
import shutil
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from zorki import registry
from zorki.contracts import Dataset
from zorki.engine.checks.catalog import choose
from zorki.engine.checks.check_data import check_dataset
from zorki.engine.checks.check_plan import check_plan
from zorki.engine.checks.report import CheckReport, Inspection
from zorki.engine.training.plan import TrainingPlan, draft_plan
from zorki.types import Boxes, Instances, Label, Mask, Sample

# Folder, task, model, and settings that make its steps quick on a busy processor.
SETS: dict[str, tuple[str, str, str, dict[str, Any]]] = {
    "fashion-mnist": ("fashion-mnist", "classification", "lenet5", {}),
    "cifar10": ("cifar10-subset", "classification", "cifar_resnet20", {}),
    "bccd": ("bccd/BCCD", "detection", "fcos_squeezenet", {"image_size": 160}),
    "raccoon": ("raccoon", "detection", "fcos_squeezenet", {"image_size": 160}),
    "voc": ("voc2012-100", "detection", "fcos_squeezenet", {"image_size": 160}),
    "camvid": ("camvid-small", "semantic_segmentation", "unet_resnet18", {"image_size": 128}),
    "dsb": ("dsb2018-nuclei", "instance_segmentation", "deep_watershed_squeezenet", {"image_size": 160}),
    "isbi": ("isbi2012-membrane/train", "semantic_segmentation", "unet", {"image_size": 128}),
}


# -- faults of data


class View(Dataset[Any]):
    """A dataset with one thing changed: its targets, its images, or its splits."""

    def __init__(self, own: Dataset[Any], change: Callable[[int, Sample[Any]], Sample[Any]]) -> None:
        self.own, self.change = own, change
        self.root, self.format, self.reason, self.class_names = own.root, own.format, own.reason, own.class_names
        self.in_memory, self.may_be_mirrored = own.in_memory, own.may_be_mirrored
        self.splits, self.split_reason, self.defects = own.splits, own.split_reason, own.defects

    def __len__(self) -> int:
        return len(self.own)

    def __getitem__(self, index: int) -> Sample[Any]:
        return self.change(index, self.own[index])

    def target(self, index: int) -> Any:
        target = self.own.target(index)
        return self.change(index, Sample(torch.zeros((3, 1, 1), dtype=torch.uint8), target, self.path(index))).target

    def path(self, index: int) -> Path:
        return self.own.path(index)

    def check(self, index: int) -> Any:
        return self.own.check(index)

    def class_info(self) -> Any:
        return self.own.class_info()


def labels_shuffled(dataset: Dataset[Any]) -> Dataset[Any]:
    rng = np.random.default_rng(0)
    if isinstance(dataset.target(0), Label):
        order = rng.permutation(len(dataset)).tolist()
        return View(dataset, lambda index, one: dataclasses.replace(one, target=dataset.target(order[index])))
    targets = [dataset.target(index) for index in range(len(dataset))]
    labels = torch.cat([target.labels for target in targets])
    parts = labels[torch.from_numpy(rng.permutation(len(labels)))].split([len(target) for target in targets])

    def change(index: int, one: Sample[Any]) -> Sample[Any]:
        return dataclasses.replace(one, target=dataclasses.replace(one.target, labels=parts[index]))

    return View(dataset, change)


def class_missing_in_train(dataset: Dataset[Any]) -> Dataset[Any]:
    lacking = len(dataset.class_names) - 1
    found = View(dataset, lambda index, one: one)
    train = [index for index in dataset.splits["train"] if lacking not in _labels_of(dataset.target(index))]
    found.splits = {**dataset.splits, "train": train}
    return found


def _labels_of(target: Any) -> set[int]:
    return {target.index} if isinstance(target, Label) else set(target.labels.tolist())


def masks_off_by_one(dataset: Dataset[Any]) -> Dataset[Any]:
    def change(index: int, one: Sample[Any]) -> Sample[Any]:
        target = one.target
        if isinstance(target, Mask):
            return dataclasses.replace(one, target=dataclasses.replace(target, classes=_moved(target.classes)))
        return dataclasses.replace(
            one, target=dataclasses.replace(target, masks=_moved(target.masks), xyxy=target.xyxy + 1)
        )

    return View(dataset, change)


def _moved(maps: Tensor) -> Tensor:
    """One pixel down and right, the edge continued, as padding on the wrong side does it."""
    moved = maps.roll((1, 1), (-2, -1))
    moved[..., 0, :], moved[..., :, 0] = moved[..., 1, :], moved[..., :, 1]
    return moved


# -- faults of files


def test_images_in_train(root: Path, out: Path) -> Path:
    """A twentieth of the test images once more in train, under other names and as other files."""
    shutil.copytree(root, out)
    folder = next(out / name for name in ("test", "testing") if (out / name).is_dir())
    train = next(out / name for name in ("train", "training") if (out / name).is_dir())
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in (".png", ".jpg", ".pgm"))[::20]
    for path in paths:
        below = path.relative_to(folder)
        new = train / below.with_name(f"again_{below.stem}.png")
        new.parent.mkdir(parents=True, exist_ok=True)
        Image.open(path).save(new)
        if (out / "trainannot").is_dir():
            mask = (out / "testannot" / below).with_suffix(".png")
            shutil.copy(mask, out / "trainannot" / new.name)
            with (out / "train.txt").open("a") as lines:
                lines.write(f"train/{new.name} trainannot/{new.name}\n")
    return out


def test_images_in_voc_train(root: Path, out: Path) -> Path:
    shutil.copytree(root, out)
    lists = out / "ImageSets" / "Main"
    names = (lists / "test.txt").read_text().split()[::10]
    for name in names:
        new = f"again_{name}"
        Image.open(out / "JPEGImages" / f"{name}.jpg").save(out / "JPEGImages" / f"{new}.png")
        text = (out / "Annotations" / f"{name}.xml").read_text()
        (out / "Annotations" / f"{new}.xml").write_text(text.replace(f"{name}.jpg", f"{new}.png"))
    for file in ("train.txt", "trainval.txt"):
        (lists / file).write_text((lists / file).read_text().rstrip() + "\n" + "".join(f"again_{n}\n" for n in names))
    return out


def boxes_as_cxcywh(root: Path, out: Path) -> Path:
    """Pascal VOC's four numbers hold the center, width and height."""
    shutil.copytree(root, out)
    for path in sorted(out.rglob("*.xml")):
        tree = ElementTree.parse(path)  # files of the benchmark's own copy
        for box in tree.iter("bndbox"):
            values = {one.tag: float(one.text or 0) for one in box}
            x0, y0, x1, y1 = (values[name] for name in ("xmin", "ymin", "xmax", "ymax"))
            new = {"xmin": (x0 + x1) / 2, "ymin": (y0 + y1) / 2, "xmax": x1 - x0, "ymax": y1 - y0}
            for one in box:
                one.text = str(round(new[one.tag]))
        tree.write(path)
    return out


# -- faults of code


def learning_rate_100(plan: TrainingPlan) -> TrainingPlan:
    assert plan.recipe.lr is not None
    return dataclasses.replace(plan, recipe=dataclasses.replace(plan.recipe, lr=100 * plan.recipe.lr))


def frozen_head(plan: TrainingPlan) -> TrainingPlan:
    in_backbone = {id(p) for stage in plan.model.backbone_stages() for p in stage.parameters()}
    for parameter in plan.model.parameters():
        if id(parameter) not in in_backbone:
            parameter.requires_grad_(False)
    return plan


class ReluOfNothing(nn.Module):
    """A layer whose bias has run far below zero, and the ReLU behind it."""

    def __init__(self, own: nn.Module) -> None:
        super().__init__()
        self.own = own

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.own(x) - 1000)


def dead_relu(plan: TrainingPlan) -> TrainingPlan:
    """The bias before a ReLU in the middle is -1000; in networks without a ReLU, such as LeNet, one is put in."""
    norms = [one for one in plan.model.modules() if isinstance(one, nn.BatchNorm2d) and one.bias.requires_grad]
    relus = any(isinstance(one, nn.ReLU) for one in plan.model.modules())
    with torch.no_grad():
        if norms:
            for one in norms[len(norms) // 2 : len(norms) // 2 + 2]:
                one.bias.fill_(-1000.0)
            return plan
        convolutions = [
            (n, m) for n, m in plan.model.named_modules() if isinstance(m, nn.Conv2d) and m.bias is not None
        ]
        name, middle = convolutions[len(convolutions) // 3]
        if relus:
            middle.bias.fill_(-1000.0)  # type: ignore[union-attr]
            return plan
    parent, _, own = name.rpartition(".")
    setattr(plan.model.get_submodule(parent), own, ReluOfNothing(middle))
    return plan


def _with_augment(plan: TrainingPlan, augment: Callable[[Any, Sample[Any], Sample[Any]], Any]) -> TrainingPlan:
    kind, data = type(plan.task), type(plan.task.data)

    class Data(data):  # type: ignore[misc,valid-type]
        def augment(self, sample: Any, recipe: Any, info: Any, generator: Any) -> Any:
            return augment(self, sample, super().augment(sample, recipe, info, generator))

    faulty: Any = type("Faulty", (kind,), {"data": Data()})
    return dataclasses.replace(plan, entry=dataclasses.replace(plan.entry, task=faulty()))


def targets_not_flipped(plan: TrainingPlan) -> TrainingPlan:
    """The image is flipped in half of the samples, by a chance that the target does not hear of."""

    def augment(data: Any, sample: Sample[Any], varied: Sample[Any]) -> Sample[Any]:
        flip = int(varied.image.sum()) % 2 == 0
        return dataclasses.replace(varied, image=varied.image.flip(-1)) if flip else varied

    return _with_augment(plan, augment)


def background_batches(plan: TrainingPlan) -> TrainingPlan:
    """Objects are lost on the way: a window that misses them, or a map of classes that is ignored as a whole."""

    def augment(data: Any, sample: Sample[Any], varied: Sample[Any]) -> Sample[Any]:
        target = varied.target
        if isinstance(target, Boxes | Instances):
            return dataclasses.replace(varied, target=target[:0])
        classes = torch.full_like(target.classes, target.ignore)
        return dataclasses.replace(varied, target=dataclasses.replace(target, classes=classes))

    return _with_augment(plan, augment)


class Twice(nn.Module):
    """A normalization, and then the same once more."""

    def __init__(self, own: nn.Module) -> None:
        super().__init__()
        self.own = own

    def forward(self, pixels: Tensor) -> Tensor:
        return self.own(self.own(pixels))  # type: ignore[no-any-return]


def normalization_twice(plan: TrainingPlan) -> TrainingPlan:
    name = next(name for name, module in plan.model.named_modules() if type(module).__name__ == "Normalize")
    parent, _, own = name.rpartition(".")
    setattr(plan.model.get_submodule(parent), own, Twice(plan.model.get_submodule(name)))
    return plan


@dataclasses.dataclass(frozen=True)
class Exchanged:
    """Preprocessing that takes what it is given for BGR."""

    own: Any

    @property
    def size(self) -> int:
        return int(self.own.size)

    def __call__(self, images: Any, generators: Any = None) -> Any:
        return self.own([image.flip(-3) for image in images], generators)

    def whole(self) -> Exchanged:
        return Exchanged(self.own.whole())

    def to_json(self) -> dict[str, Any]:
        return dict(self.own.to_json())


def bgr_for_rgb(plan: TrainingPlan) -> TrainingPlan:
    plan.model.restore_preprocess(Exchanged(plan.model.preprocess))
    return plan


# Fault: how it is planted, on which sets, and which of the ids name it.
DATA_FAULTS: dict[str, tuple[Callable[..., Any], tuple[str, ...], tuple[str, ...]]] = {
    "labels shuffled": (labels_shuffled, ("fashion-mnist", "cifar10", "bccd"), ("ZD015",)),
    "class missing in train": (class_missing_in_train, ("fashion-mnist", "cifar10", "bccd"), ("ZD007",)),
    "masks off by one": (masks_off_by_one, ("camvid", "dsb", "isbi"), ("ZD017",)),
}
FILE_FAULTS: dict[str, tuple[Callable[..., Any], tuple[str, ...], tuple[str, ...]]] = {
    "test images in train": (test_images_in_train, ("cifar10", "camvid", "bccd"), ("ZD012",)),
    "boxes cxcywh as xyxy": (boxes_as_cxcywh, ("bccd", "raccoon", "voc"), ("ZD016",)),
}
CODE_FAULTS: dict[str, tuple[Callable[..., Any], tuple[str, ...], tuple[str, ...]]] = {
    "learning rate x 100": (learning_rate_100, ("fashion-mnist", "cifar10", "bccd"), ("ZM010",)),
    "frozen head": (frozen_head, ("fashion-mnist", "cifar10", "bccd"), ("ZM005",)),
    "dead ReLU": (dead_relu, ("fashion-mnist", "cifar10", "bccd"), ("ZM008",)),
    "targets not flipped": (targets_not_flipped, ("bccd", "camvid", "dsb"), ("ZA004",)),
    "normalization twice": (normalization_twice, ("fashion-mnist", "cifar10", "bccd"), ("ZA003",)),
    "BGR for RGB": (bgr_for_rgb, ("cifar10", "bccd", "camvid"), ("ZA005", "ZD018")),
    "all-background batches": (background_batches, ("bccd", "camvid", "dsb"), ("ZM011",)),
}
ALL = {**DATA_FAULTS, **FILE_FAULTS, **CODE_FAULTS}


def found_in_data(name: str, root: Path, budget: float, plant: Callable[[Any], Any] = lambda one: one) -> CheckReport:
    """What the checks of data find in a set, as it is or with a fault."""
    task = registry.tasks()[SETS[name][1]]
    inspection = Inspection(choose("ZD", None), CheckReport(name), budget)
    check_dataset(inspection, task, plant(task.data.read(root)))
    return inspection.finish()


def found_in_plan(name: str, root: Path, budget: float, plant: Callable[[Any], Any] = lambda one: one) -> CheckReport:
    """What the checks of augmentation and of the model find in a training, as it is or with a fault."""
    _, _, model, settings = SETS[name]
    plan = draft_plan(model, str(root), None, {"workers": 0, **settings}, None, lambda line: None)
    inspection = Inspection(choose("ZA,ZM", None), CheckReport(name), budget)
    check_plan(inspection, plant(dataclasses.replace(plan, model=copy.deepcopy(plan.model))))
    return inspection.finish()


def row(fault: str, name: str, report: CheckReport, ids: tuple[str, ...]) -> dict[str, Any]:
    """One line of the table."""
    told = {one.id: one.reason for one in report.findings if one.severity != "note"}
    named = bool(set(told) & set(ids)) if ids else None
    said = f"{fault:24} {name:14} {'' if named is None else 'named ' if named else 'MISSED '}{', '.join(told) or '-'}"
    print(f"{said}  {report.seconds:.0f} s", flush=True)
    return {"fault": fault, "set": name, "ids": list(ids), "named": named, "found": told, "seconds": report.seconds,
            "left_out": report.left_out, "facts": report.facts}  # fmt: skip


def planted(fault: str, name: str, options: argparse.Namespace) -> dict[str, Any]:
    """One fault on one set."""
    plant, _, ids = ALL[fault]
    root = options.data / SETS[name][0]
    if fault in DATA_FAULTS:
        return row(fault, name, found_in_data(name, root, options.budget, plant), ids)
    if fault in CODE_FAULTS:
        return row(fault, name, found_in_plan(name, root, options.budget, plant), ids)
    with tempfile.TemporaryDirectory() as folder:
        if name == "bccd" and plant is test_images_in_train:
            plant = test_images_in_voc_train
        return row(fault, name, found_in_data(name, plant(root, Path(folder) / "data"), options.budget), ids)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--fault", help="Only this one, such as masks_off_by_one.")
    parser.add_argument("--set", help="Only this set, such as bccd.")
    parser.add_argument("--no-clean", action="store_true", help="Leave the clean sets out.")
    parser.add_argument("--no-faults", action="store_true", help="The clean sets alone.")
    parser.add_argument("--budget", type=float, default=60.0, help="Seconds of each check.")
    parser.add_argument("--out", type=Path, help="JSON of all rows.")
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows: list[dict[str, Any]] = []
    faults = [] if options.no_faults else [one for one in ALL if options.fault in (None, one.replace(" ", "_"))]
    if not faults and not options.no_faults:
        sys.exit(f"no fault {options.fault!r}; there are {', '.join(one.replace(' ', '_') for one in ALL)}")
    began = time.monotonic()
    for fault in faults:
        rows += [planted(fault, name, options) for name in ALL[fault][1] if options.set in (None, name)]
    for name in [] if options.no_clean else [one for one in SETS if options.set in (None, one)]:
        root = options.data / SETS[name][0]
        rows.append(row("(clean, data)", name, found_in_data(name, root, options.budget), ()))
        rows.append(row("(clean, training)", name, found_in_plan(name, root, options.budget), ()))
    named = [one["named"] for one in rows if one["named"] is not None]
    print(f"named {sum(named)} of {len(named)}, in {time.monotonic() - began:.0f} s")
    if options.out is not None:
        options.out.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
