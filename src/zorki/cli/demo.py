"""`zorki demo`."""

from __future__ import annotations

from typing import Annotated, Any

from cyclopts import Parameter

from zorki.errors import RecipeError, did_you_mean
from zorki.output import say

DEMOS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "classification": ("cifar_resnet20", "scenes:2400@32", {"epochs": 8, "batch_size": 64}),
    "detection": ("fcos_squeezenet", "scenes:400@96", {"image_size": 96, "epochs": 10, "batch_size": 8, "lr": 1e-3}),
    "semantic_segmentation": (
        "unet_squeezenet",
        "scenes:400@96",
        {"image_size": 96, "epochs": 10, "batch_size": 8, "lr": 1e-3},
    ),
    "instance_segmentation": (
        "border_unet_squeezenet",
        "scenes:400@96",
        {"image_size": 96, "epochs": 10, "batch_size": 8, "lr": 1e-3},
    ),
}
NEXT = {
    "classification": (
        "On your own images, in a folder for each class:",
        "zorki train squeezenet1_1 YOUR_IMAGES/ --weights imagenet --freeze backbone",
    ),
    "detection": (
        "On your own images with boxes, as COCO, Pascal VOC, YOLO and others write them:",
        "zorki train fcos_mobilenet_v3_large YOUR_IMAGES/ --weights imagenet",
    ),
    "semantic_segmentation": (
        "On your own images with masks, in folders side by side, by lists, or as Pascal VOC has them:",
        "zorki train unet_resnet18 YOUR_IMAGES/ --weights imagenet --loss ce,dice",
    ),
    "instance_segmentation": (
        "On your own images with a mask for every object, as COCO, labelme, numbered PNGs and others hold them:",
        "zorki train border_unet_resnet18 YOUR_IMAGES/ --weights imagenet",
    ),
}


def demo(
    task: Annotated[str, Parameter(help="What to see; `zorki tasks` lists tasks.")] = "classification",
    *,
    epochs: Annotated[int | None, Parameter(help="Times through the images.")] = None,
    out: Annotated[str, Parameter(help="Folder that holds the runs.")] = "runs",
) -> None:
    """See a network learn on built-in images, and get its report."""
    if task not in DEMOS:
        raise RecipeError(f"no demo for {task!r}.{did_you_mean(task, DEMOS)} There are: {', '.join(DEMOS)}")
    from zorki.engine.training.train import train

    model, data, settings = DEMOS[task]
    chosen: dict[str, Any] = {**settings, "out": out} | ({"epochs": epochs} if epochs is not None else {})
    run = train(model, data, **chosen)
    say()
    say(f"A network has learned. Open {run.report} in a browser. The same, by hand:")
    words = " ".join(f"--{name.replace('_', '-')} {value}" for name, value in chosen.items() if name != "out")
    say(f"    zorki train {model} {data} {words}")
    say(NEXT[task][0])
    say(f"    {NEXT[task][1]}")
