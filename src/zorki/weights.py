"""Weights: read without running code, matched by name and shape, written whole, fetched when asked and checked.

weights = read_weights(Path("resnet20.th"))
print(load_into(network, weights).summary())
"""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from zorki.errors import WeightsError, did_you_mean
from zorki.fetching import Published, cache_folder, download, fetch, published
from zorki.files import whole
from zorki.registry import Entry

__all__ = [
    "Match",
    "Published",
    "Weights",
    "cache_folder",
    "download",
    "fetch",
    "load_into",
    "published",
    "read_weights",
    "resolve",
    "save_weights",
]

# Where training scripts put the tensors inside a checkpoint. Averaged weights stand first: they are the ones that
# were judged, wherever a checkpoint holds both.
_CONTAINERS = ("state_dict_ema", "model_ema", "ema_state_dict", "ema", "state_dict", "model_state_dict", "model", "net")
_SHARED = "shared_tensors"  # safetensors metadata: which names are one tensor
_COUNTER = "num_batches_tracked"  # of batch norm; no network needs it to answer


@dataclass
class Weights:
    """Tensors by name, on the CPU, and what the file says about them (arch, epoch, ...), as strings."""

    tensors: dict[str, Tensor]
    metadata: dict[str, str]
    path: Path


@dataclass
class Match:
    """What of a file went into a network. Names are the network's, except those of `unused`, which are the file's."""

    matched: list[str]
    mismatched: list[tuple[str, tuple[int, ...], tuple[int, ...]]]  # (name, shape in the file, shape wanted)
    new: list[str]  # the file lacks them: they stay as they were
    unused: list[str]  # the network has no such name
    matched_values: int = 0
    total_values: int = 0
    path: Path = field(default_factory=Path)

    def summary(self) -> str:
        """A few lines for a person: counts, what did not fit and why, what was new, what was left over."""
        total = len(self.matched) + len(self.mismatched) + len(self.new)
        lines = [
            f"{self.path.name}: {len(self.matched)} of {total} tensors match "
            f"({self.matched_values:,} of {self.total_values:,} values)"
        ]
        if head := self._other_head():
            name, theirs, ours = head
            lines.append(f"  {name} starts anew: {theirs} classes in the file, {ours} here")
        elif self.mismatched:
            shown = [f"{name} is {_shape(theirs)} there, {_shape(ours)} here" for name, theirs, ours in self.mismatched]
            lines.append(f"  does not fit, starts anew: {_some(shown, '; ')}")
        if self.new:
            lines.append(f"  not in the file, left as built: {_some(self.new)}")
        if self.unused:
            lines.append(f"  in the file only, not used: {_some(self.unused)}")
        return "\n".join(lines)

    def _other_head(self) -> tuple[str, int, int] | None:
        """(module, classes there, classes here) where all that misfits is one layer with another count of outputs."""
        modules = {name.rpartition(".")[0] for name, _, _ in self.mismatched}
        outputs = {(theirs[:1], ours[:1]) for _, theirs, ours in self.mismatched}
        alike = all(theirs[1:] == ours[1:] and theirs for _, theirs, ours in self.mismatched)
        if len(modules) != 1 or len(outputs) != 1 or not alike:
            return None
        ((theirs, ours),) = outputs
        return modules.pop(), theirs[0], ours[0]


def read_weights(path: Path) -> Weights:
    """The tensors of a safetensors file, a torch file (zip or the older format), or a run folder's best weights.

    Nothing in the file is run. The dictionary of tensors is looked for inside the usual wrappings ("state_dict",
    "model", "ema", ...), and the prefixes that DataParallel and torch.compile put before names are dropped.

    Raises:
        WeightsError: the file is missing, empty, truncated, no file of weights, or cannot be read without running
            code that it brings.
    """
    path = Path(path)
    if path.is_dir():
        path = _best_of_run(path)
    if not path.is_file():
        folder = path.parent
        near = did_you_mean(path.name, (p.name for p in folder.iterdir()) if folder.is_dir() else ())
        raise WeightsError(f"{path}: no such file of weights.{near}")
    tensors, metadata = _read_safetensors(path) if _looks_like_safetensors(path) else _read_torch(path)
    return Weights(_without_wrappers(tensors), metadata, path)


def load_into(model: nn.Module, weights: Weights, rename: Callable[[str], str] | None = None) -> Match:
    """Copies into `model` what fits by name and shape, and says what did and what did not.

    Args:
        model: receives the values, cast to its own dtype and device.
        weights: what `read_weights` returned.
        rename: the model's name for a name of the file; zorki's models bring `rename_weights`.

    Raises:
        WeightsError: nothing fits; `model` is unchanged.
    """
    own = {name: value for name, value in model.state_dict(keep_vars=True).items() if isinstance(value, Tensor)}
    theirs = {(rename(name) if rename else name): name for name in weights.tensors}
    fitting = {
        name: weights.tensors[theirs[name]]
        for name, value in own.items()
        if name in theirs and _fits(model, name, value, weights.tensors[theirs[name]])
    }
    # A tied tensor has several names in the network and often one in the file: filled by one, it is filled for all.
    filled = {id(own[name]) for name in fitting}
    told = [name for name in own if not name.endswith(_COUNTER)]
    match = Match(
        matched=[name for name in told if name in fitting or id(own[name]) in filled],
        mismatched=[
            (name, tuple(weights.tensors[theirs[name]].shape), tuple(own[name].shape))
            for name in told
            if name in theirs and name not in fitting
        ],
        new=[name for name in told if name not in theirs and id(own[name]) not in filled],
        unused=[old for new, old in theirs.items() if new not in own and not old.endswith(_COUNTER)],
        path=weights.path,
    )
    if not match.matched and told:
        raise WeightsError(
            f"{weights.path}: nothing in this file fits the network. Names in the file: "
            f"{_some(list(theirs.values()))}; names wanted: {_some(told)}{_first_misfit(match)}. "
            "Is it another architecture's file?"
        )
    match.matched_values = _values(own[name] for name in match.matched)
    match.total_values = _values(own[name] for name in told)
    model.load_state_dict(fitting, strict=False)
    return match


def save_weights(path: Path, model_or_tensors: nn.Module | Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Writes a safetensors file, whole or not at all; tensors with several names are stored once.

    Raises:
        ZorkiError: the disk is full or the folder cannot be written; a file that stood at `path` is still whole.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    path = Path(path)
    named = model_or_tensors.state_dict() if isinstance(model_or_tensors, nn.Module) else model_or_tensors
    tensors, shared = _stored_once(named)
    notes = {**metadata, **({_SHARED: json.dumps(shared)} if shared else {})}
    with whole(path) as aside:
        try:
            save_file(tensors, aside, notes)
        except SafetensorError as error:  # its own kind also for what the disk refuses
            raise OSError(str(error)) from error


def resolve(wanted: str, entry: Entry | None = None) -> Path:
    """The file behind a word of `--weights`: published weights of that name (fetched), a file, or a run folder.

    Raises:
        WeightsError: there is neither such a file nor published weights of that name.
    """
    words = dict(entry.weights) if entry is not None else {}
    if wanted in words:
        return fetch(words[wanted])
    if Path(wanted).exists():
        return Path(wanted)
    folder = Path(wanted).parent
    near = did_you_mean(wanted, [*words, *(str(p) for p in (folder.iterdir() if folder.is_dir() else ()))])
    known = (
        f"published for {entry.name}: {', '.join(words) or 'nothing'}" if entry is not None else "no model was named"
    )
    raise WeightsError(f"--weights {wanted}: no such file or run folder, and no published weights ({known}).{near}")


# -- reading --------------------------------------------------------------------------------------------------------


def _best_of_run(folder: Path) -> Path:
    if not (folder / "run.json").is_file():
        raise WeightsError(f"{folder}: a folder, but no run (run.json is missing); name a file of weights or a run")
    if not (folder / "best.safetensors").is_file():
        raise WeightsError(f"{folder}: the run has no best.safetensors yet; it is written after the first evaluation")
    return folder / "best.safetensors"


def _looks_like_safetensors(path: Path) -> bool:
    """Judged by content: eight bytes of length, then a JSON object; names may lie."""
    with path.open("rb") as file:
        start = file.read(9)
    if not start:
        raise WeightsError(f"{path}: the file is empty; get it again")
    return len(start) == 9 and start[8:9] == b"{" and start[:2] != b"PK"


def _read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            metadata = dict(file.metadata() or {})
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise WeightsError(f"{path}: the safetensors file is broken ({error}); get it again") from error
    for alias, name in json.loads(metadata.pop(_SHARED, "{}")).items():
        tensors[alias] = tensors[name]
    return tensors, metadata


def _read_torch(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's remarks on old formats; what matters comes as an exception
            content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch.load answers strange bytes with KeyError, EOFError, struct.error, ...
        raise WeightsError(_why_unreadable(path, error)) from error
    found = _find_tensors(content)
    if not found:
        holds = f"a {type(content).__name__}" + (f" with {_some(list(map(str, content)))}" if content else "")
        wanted = f"tensors by name, bare or under one of {', '.join(_CONTAINERS)}"
        raise WeightsError(f"{path}: no weights found: expected {wanted}; it holds {holds if content else 'nothing'}")
    notes = content if isinstance(content, Mapping) else {}
    return found, {str(k): str(v) for k, v in notes.items() if isinstance(v, str | int | float)}


def _why_unreadable(path: Path, error: Exception) -> str:
    with path.open("rb") as file:
        start = file.read(200)
    if re.match(rb"\s*<(!doctype|html|\?xml|head)", start, re.IGNORECASE):
        return f"{path}: a web page, not weights: the download answered with an error or a login page; get it again"
    if start.startswith(b"version https://git-lfs"):
        return f"{path}: a Git LFS pointer, not the weights themselves; run `git lfs pull`"
    if named := re.search(r"GLOBAL (\S+)", str(error)) or re.search(r"Unsupported (?:global|class) (\S+)", str(error)):
        return (
            f"{path}: holds Python objects beside tensors ({named.group(1)}), and reading them would run code from "
            "the file. Where you trust it, save its tensors alone: "
            "`torch.save(torch.load(FILE, weights_only=False)['state_dict'], NEW)`, and pass NEW"
        )
    if start.startswith((b"PK", b"\x80\x02\x8a\nl\xfc\x9cF\xf9")):  # a zip archive, or the older format's magic number
        reason = str(error).splitlines()[0] if str(error) else "it ends too early"
        return f"{path}: truncated or broken ({reason}); get it again"
    return f"{path}: not a file of weights; expected safetensors or what torch.save writes"


def _find_tensors(content: Any, depth: int = 3) -> dict[str, Tensor]:
    if not isinstance(content, Mapping) or depth == 0:
        return {}
    for key in _CONTAINERS:
        if inner := _find_tensors(content.get(key), depth - 1):
            return inner
    return {name: value for name, value in content.items() if isinstance(name, str) and isinstance(value, Tensor)}


def _without_wrappers(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Drops `_orig_mod.` (torch.compile), then a leading `module.` that all names bear (DataParallel, averaging)."""
    tensors = {name.replace("_orig_mod.", ""): value for name, value in tensors.items()}
    rest = {name: value for name, value in tensors.items() if name != "n_averaged"}
    if rest and all(name.startswith("module.") for name in rest):
        return {name.removeprefix("module."): value for name, value in rest.items()}
    return tensors


def _fits(model: nn.Module, name: str, wanted: Tensor, given: Tensor) -> bool:
    """Whether the shapes agree, or the module that holds the tensor takes the other shape (a mean image)."""
    if wanted.shape == given.shape:
        return True
    path, _, last = name.rpartition(".")
    try:
        model.get_submodule(path).load_state_dict({last: given}, strict=False)
    except RuntimeError:
        return False
    return True


# -- telling --------------------------------------------------------------------------------------------------------


def _some(names: list[str], between: str = ", ") -> str:
    return between.join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")


def _shape(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "a number"


def _values(tensors: Iterable[Tensor]) -> int:
    """How many numbers; what has two names counts once."""
    return sum(tensor.numel() for tensor in {id(tensor): tensor for tensor in tensors}.values())


def _first_misfit(match: Match) -> str:
    if not match.mismatched:
        return ""
    name, theirs, ours = match.mismatched[0]
    return f"; shapes differ too: {name} is {_shape(theirs)} there, {_shape(ours)} wanted"


# -- writing --------------------------------------------------------------------------------------------------------


def _stored_once(named: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors without shared memory, and alias -> name for those that are another one's very values."""
    tensors: dict[str, Tensor] = {}
    shared: dict[str, str] = {}
    first: dict[Any, str] = {}
    storages: set[int] = set()
    for name, value in named.items():
        if not isinstance(value, Tensor):
            continue
        tensor = value.detach()
        storage = tensor.untyped_storage().data_ptr()
        place = (storage, tensor.storage_offset(), tensor.shape, tensor.stride(), tensor.dtype)
        if storage and tensor.numel() and place in first:
            shared[name] = first[place]
            continue
        first[place] = name
        overlaps = storage in storages
        storages.add(storage)
        tensors[name] = (tensor.clone() if overlaps else tensor).cpu().contiguous()
    return tensors, shared
