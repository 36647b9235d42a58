"""What `zorki check` looks for: one table of stable ids, names, severities and remedies."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from zorki.errors import RecipeError, suggestion

Severity = Literal["error", "warning", "note"]


@dataclass(frozen=True)
class Check:
    """One thing that is looked for.

    Attributes:
        id: stable: ZD of data, ZA of augmentation and preprocessing, ZM of model and loss.
        name: a short one, of words and hyphens.
        severity: errors and warnings make the exit code 1; notes are worth knowing.
        about: what is looked for, a sentence.
        remedy: what to do where it is found.
    """

    id: str
    name: str
    severity: Severity
    about: str
    remedy: str


CHECKS = (
    Check(
        "ZD001", "broken-image", "error", "An image that is missing, cut short, or cannot be decoded.",
        "Repair or remove it; training leaves it out.",
    ),
    Check(
        "ZD002", "broken-annotation", "warning", "An annotation that was left out, cut off or changed while reading.",
        "Mend it at the file and line, and see with `zorki show --all` what was read.",
    ),
    Check(
        "ZD003", "duplicate-image", "warning", "Images of one split with equal pixels.",
        "Keep one of each: copies weigh more than others in training, and in evaluation.",
    ),
    Check(
        "ZD004", "near-duplicate", "warning", "Images of two splits that are nearly the same.",
        "Put copies of one scene into one split; `zorki duplicates DATA --across train,test` lists them by hashes.",
    ),
    Check(
        "ZD005", "class-imbalance", "note", "A class with a twentieth of the largest one's training samples, or fewer.",
        "Look at its own score, not at the mean; --class-balanced draws rare classes more often.",
    ),
    Check(
        "ZD006", "class-drift", "warning", "Shares of classes that differ between training and held-out samples.",
        "Split anew, by a chance that is the same for all classes, or say why they differ.",
    ),
    Check(
        "ZD007", "class-missing-in-train", "error", "A class with held-out samples and no training sample.",
        "Move samples of it to train, or leave the class out: it cannot be predicted.",
    ),
    Check(
        "ZD008", "alike-class-names", "warning", "Class names that differ in case, spaces or hyphens alone.",
        "Join them: --class-map OLD=NEW.",
    ),
    Check(
        "ZD009", "near-duplicate-boxes", "warning", "Two objects of one class in one place, IoU .9 or more.",
        "Remove one: the network is told to find one object twice.",
    ),
    Check(
        "ZD010", "small-objects", "warning", "A tenth or more of the objects below 8 pixels at the network's size.",
        "Set a larger --image-size, or train on tiles: at a stride of 8 they are less than a cell.",
    ),
    Check(
        "ZD011", "suspicious-boxes", "warning", "Boxes of a pixel or two, very long ones, many cut off at the edge.",
        "Look at them: such boxes come from a slip of the mouse, or from a scale that was lost.",
    ),
    Check(
        "ZD012", "leak", "error", "The same image in training and in a held-out split.",
        "Remove it from one of them: what is learned by heart is evaluated.",
    ),
    Check(
        "ZD013", "group-leak", "warning", "A group, such as a film, a person or a patient, in two splits.",
        "Split by groups: --group, --hold-out, or folders named train, val and test.",
    ),
    Check(
        "ZD014", "conflicting-labels", "error", "Images with equal pixels and different labels.",
        "Decide which label is right, or remove them.",
    ),
    Check(
        "ZD015", "shuffled-labels", "error", "Labels that neighbors among the images tell no better than chance.",
        "Check that images and labels are in one order: an off-by-one, a sort or a join may have parted them.",
    ),
    Check(
        "ZD016", "box-format", "error", "Boxes whose numbers fit another format than the one they were read in.",
        "Write them as x0, y0, x1, y1, or name the format that they have.",
    ),
    Check(
        "ZD017", "mask-offset", "error", "Masks whose borders lie beside the images' edges by the same shift.",
        "Move the masks back: they were cut, padded or rounded otherwise than the images.",
    ),
    Check(
        "ZD018", "channel-order", "error", "Images read as BGR, or gray, where their files say RGB.",
        "Exchange the channels in the reader: image[..., ::-1] of what OpenCV gives.",
    ),
    Check(
        "ZD019", "blank-image", "warning", "Images of one color, and one file in many copies: stand-ins.",
        "Remove them, or fetch the images that they stand for.",
    ),
    Check(
        "ZD020", "background-only", "error", "Training samples of which nine in ten show background alone.",
        "Check class names and --only-classes: the annotations were read as nothing.",
    ),
    Check(
        "ZD021", "reader-note", "note", "What the reader took for granted, or passed over.",
        "See whether it is what you meant.",
    ),
    Check(
        "ZA001", "boxes-lost", "warning", "Augmentation that leaves out three in ten boxes or more.",
        "Raise --random-crop, or lower --translate and --scale-jitter.",
    ),
    Check(
        "ZA002", "mirrored-sides", "error", "Images mirrored in training, of data that know left and right.",
        "Set --hflip 0, or name the classes so that left and right are told: arrow_left, arrow_right.",
    ),
    Check(
        "ZA003", "normalization", "error", "Inputs of the first layer that were normalized twice, or not at all.",
        "Batches carry pixels 0..255, and the network normalizes them: once.",
    ),
    Check(
        "ZA004", "targets-not-moved", "error", "Targets that stay where they were while their image is flipped or cut.",
        "Vary image and target by one drawing of chance; the sheet shows targets on what the network receives.",
    ),
    Check(
        "ZA005", "channels-exchanged", "error", "Red that reaches the first layer as blue.",
        "Remove the second exchange of channels: images are RGB from the reader on.",
    ),
    Check(
        "ZM001", "dummy-score", "warning", "A metric by which a prediction that looks at no image scores .95 or more.",
        "Look at scores by class: balanced accuracy, IoU a class, AP.",
    ),
    Check(
        "ZM002", "loss-not-finite", "error", "A loss of the first batch that is no number.",
        "Look for labels beyond the classes, empty boxes, and logarithms of 0; try --precision 32.",
    ),
    Check(
        "ZM003", "loss-at-start", "warning", "A first loss 2.5 times, or 1/2.5, of what an untrained network has.",
        "Look at the normalization, at the initial weights of the head, and at what the loss is divided by.",
    ),
    Check(
        "ZM004", "one-batch", "error", "A loss of one batch, over and over, that falls at no learning rate.",
        "The network cannot learn at all: look at what is frozen, at the loss, and at what the head is given.",
    ),
    Check(
        "ZM005", "frozen-head", "error", "Weights of the head that do not learn, though --freeze does not say so.",
        "Set requires_grad, and give them to the optimizer.",
    ),
    Check(
        "ZM006", "zero-gradient", "error", "Weights that should learn and got no gradient in any step.",
        "Look for detach, no_grad and argmax on the way from them to the loss, and for parts that nothing uses.",
    ),
    Check(
        "ZM007", "gradient-range", "warning", "Gradients that vanish on the way to the first layers, or explode.",
        "Initialize by the number of inputs, add norms or shortcuts, set --clip-grad 1.",
    ),
    Check(
        "ZM008", "dead-relu", "error", "ReLUs of which nearly all channels give 0 for all images of a batch.",
        "Look at the biases and norms before them, and lower the learning rate.",
    ),
    Check(
        "ZM009", "batch-dependence", "error", "Outputs for an image that depend on the others of its batch.",
        "Put norms into evaluation mode, and take no mean over the batch in forward.",
    ),
    Check(
        "ZM010", "learning-rate-too-high", "error", "A loss of one batch that falls at a lower learning rate only.",
        "Lower --lr; `zorki find-lr MODEL DATA` proposes one.",
    ),
    Check(
        "ZM011", "background-batches", "error", "First batches of training without any object, of data that have some.",
        "Look at crops, at the sampler, and at what becomes of the annotations on the way: the sheet shows them.",
    ),
    Check(
        "ZM012", "run-length", "note", "A planned training of more than a day on this machine.",
        "Set --time, fewer --epochs, a smaller --image-size, or another --device.",
    ),
)  # fmt: skip

GROUPS = {"ZD": "data", "ZA": "augmentation and preprocessing", "ZM": "model and loss"}


def find(id: str) -> Check:
    """The check of this id."""
    return next(check for check in CHECKS if check.id == id)


def choose(only: str | None, skip: str | None) -> frozenset[str]:
    """The ids that are looked for.

    Args:
        only: ids, names, or beginnings of ids, separated by commas; None: all.
        skip: such that are not looked for.

    Raises:
        RecipeError: one is none; with those that are near. Or none is left: that would pass whatever the data are.
    """
    chosen = {check.id for check in CHECKS} if only is None else _ids("only", only)
    left = frozenset(chosen - (set() if skip is None else _ids("skip", skip)))
    if not left:
        raise RecipeError(f"skip is {skip!r}, which leaves no check; leave some out of it")
    return left


def _ids(flag: str, text: str) -> set[str]:
    found: set[str] = set()
    for word in filter(None, (part.strip() for part in text.split(","))):
        own = {check.id for check in CHECKS if check.id.startswith(word.upper()) or check.name == word.lower()}
        if not own:
            raise RecipeError(f"{flag} names {word!r}, which is no check.{_near(word)} `zorki check --list` lists all")
        found |= own
    if not found:
        raise RecipeError(f"{flag} is {text!r}; expected ids or beginnings of ids, such as ZD, or ZD012,ZM003")
    return found


def _near(word: str) -> str:
    upper, lower = word.upper(), word.lower()
    ids = difflib.get_close_matches(upper, [*GROUPS, *(check.id for check in CHECKS)], n=3, cutoff=0.6)
    names = difflib.get_close_matches(lower, [check.name for check in CHECKS], n=2, cutoff=0.6)
    return suggestion([*ids, *names][:3])


def listing() -> Sequence[dict[str, str]]:
    """A row a check: id, name, severity, what is looked for, and what to do."""
    return [
        {"id": one.id, "name": one.name, "severity": one.severity, "about": one.about, "remedy": one.remedy}
        for one in CHECKS
    ]
