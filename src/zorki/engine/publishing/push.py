"""A run on the Hugging Face hub: what opens it again, its results and its card, in one commit."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from zorki.engine.publishing.model_card import write_card
from zorki.engine.publishing.public_facts import public_about, public_values
from zorki.engine.run.folder import ABOUT, BEST, RECIPE, RESULTS, read_about
from zorki.errors import WeightsError, ZorkiError
from zorki.files import plain
from zorki.hub import CARD, HubAddress, endpoint, hub_errors, page_of, parse_address
from zorki.input_files.content import read_bytes
from zorki.input_files.json_files import read_json
from zorki.output import say
from zorki.weights.read import read_metadata

_BESIDE = {".xml": ".bin"}  # OpenVINO's weights


@dataclass(frozen=True)
class HubFile:
    """One file: its name in the repository, and its content or where that lies."""

    name: str
    content: bytes | Path

    @property
    def size(self) -> int:
        """Bytes."""
        return len(self.content) if isinstance(self.content, bytes) else self.content.stat().st_size


def push(
    run: str | Path,
    address: str,
    *,
    private: bool = False,
    files: Sequence[str | Path] = (),
    license: str | None = None,
    message: str | None = None,
    dry_run: bool = False,
    quiet: bool = False,
) -> str:
    """Uploads a run's folder to hf://OWNER/NAME, and returns the address of its page.

    Args:
        private: the repository is made a private one; one that is public already is refused.
        files: exported files that go along, each with its parity file, where there is one.
        license: of the weights, for the card; None: that of the weights that training began with, where it is known.
        message: of the commit.
        dry_run: say what would be uploaded, and upload nothing.
        quiet: print nothing.

    Raises:
        ZorkiError: no run is there, it has no weights, the address is none, there is no token, no permission or no
            network; or the hub refuses the card.
    """
    target = parse_address(address)
    if target.file is not None or target.revision is not None:
        raise ZorkiError(f"{address}: expected the repository alone, as hf://{target.repository}")
    folder, tell = Path(run), _silent if quiet else say
    _check(folder)
    anew = not dry_run or not (folder / CARD).exists()
    if anew and (kept := write_card(folder, address=str(target), license=license)) is not None:
        tell(kept)
    uploads = _uploads(folder, files)
    tell(f"{'would upload' if dry_run else 'uploading'} to {target}{', private' if private else ''}:")
    for one in uploads:
        tell(f"  {one.name:<24}{one.size / 1e6:10.3f} MB")
    if dry_run:
        return page_of(target)
    commit = _commit(target, uploads, private, message or f"{folder.name}, by zorki")
    tell(f"commit {commit[:12]}: {page_of(target)}; use it as {target}")
    return page_of(target)


def _silent(text: str) -> None:
    """Says nothing."""


def _check(folder: Path) -> None:
    """Raises WeightsError where the folder is no run's, or its weights are missing or broken."""
    read_about(folder)
    if not (folder / BEST).is_file():
        raise WeightsError(f"{folder / BEST}: not there yet, so there is nothing to push; train the run first")
    read_metadata(folder / BEST)


def _uploads(folder: Path, files: Sequence[str | Path]) -> list[HubFile]:
    """All that is uploaded."""
    public = public_about(read_about(folder))
    recipe = {name: value for name, value in public["recipe"].items() if name != "name"}
    found = [
        HubFile(BEST, folder / BEST),
        HubFile(ABOUT, _json(public)),
        HubFile(RECIPE, yaml.safe_dump(recipe, sort_keys=False, allow_unicode=True).encode()),
        HubFile(CARD, read_bytes(folder / CARD)),
    ]
    if (folder / RESULTS).is_file():
        found.append(HubFile(RESULTS, _json(public_values(read_json(folder / RESULTS)))))
    for file in map(Path, files):
        found += _exported(file)
    names = [one.name for one in found]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ZorkiError(f"{', '.join(twice)}: would be uploaded twice; rename one of the files")
    return found


def _exported(file: Path) -> list[HubFile]:
    """A file with what stands beside it: its parity, and the weights of formats that keep them apart."""
    if not file.is_file():
        raise ZorkiError(f"--file {file}: no such file; `zorki export` writes one")
    found = [HubFile(file.name, file)]
    beside = file.with_suffix(_BESIDE.get(file.suffix, ""))
    if file.suffix in _BESIDE and beside.is_file():
        found.append(HubFile(beside.name, beside))
    parity = file.with_suffix(".parity.json")
    if parity.is_file():
        found.append(HubFile(parity.name, _json(public_values(read_json(parity)))))
    return found


def _json(values: Any) -> bytes:
    return (json.dumps(plain(values), indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


def _commit(target: HubAddress, uploads: Sequence[HubFile], private: bool, message: str) -> str:
    """The id of one commit with all files."""
    from huggingface_hub import CommitOperationAdd, HfApi, get_token

    if get_token() is None:
        raise ZorkiError(
            f"{target}: no token: log in with `hf auth login`, or set HF_TOKEN to a token that may write, of "
            "https://huggingface.co/settings/tokens"
        )
    api = HfApi(endpoint=endpoint())
    operations = [
        CommitOperationAdd(one.name, str(one.content) if isinstance(one.content, Path) else one.content)
        for one in uploads
    ]
    with hub_errors(target):
        api.create_repo(target.repository, private=private or None, exist_ok=True)
        if private and not api.model_info(target.repository).private:  # it was there already
            raise ZorkiError(f"{target}: --private, but the repository is public: change that on {page_of(target)}")
        try:
            return str(api.create_commit(target.repository, operations, commit_message=message).oid)
        except ValueError as error:
            raise ZorkiError(f"{target}: the hub refuses the upload: {' '.join(str(error).split())}") from error
