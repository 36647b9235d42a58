"""Runs and files on the Hugging Face hub: hf://OWNER/NAME[@REVISION][/FILE], fetched into the hub's own cache.

HF_ENDPOINT names another hub that speaks the same language, HF_TOKEN who asks; $ZORKI_CACHE/huggingface is the cache
where that is set.
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from zorki.errors import DataError, WeightsError
from zorki.input_files.content import read_text
from zorki.input_files.yaml_files import parse_yaml
from zorki.output import say

SCHEME = "hf://"
CARD = "README.md"
RUN, RUN_FILES = "run.json", ("best.safetensors", "recipe.yaml", "results.json", CARD)
"""What makes a folder a run, and what else of a run is fetched, as far as it is there."""

FOREIGN_WEIGHTS = ("model.safetensors", "pytorch_model.bin")
_ADDRESS = re.compile(
    r"hf:/{1,2}(?P<repository>[\w.-]+/[\w.-]+?)(?:@(?P<revision>[\w./-]+?))?(?P<file>/[^@]+)?", re.ASCII
)
FENCE = "---\n"


@dataclass(frozen=True)
class HubAddress:
    """What an address names; `revision` is a branch, a tag or a commit, `file` a path within the repository."""

    repository: str
    revision: str | None = None
    file: str | None = None

    def __str__(self) -> str:
        revision = f"@{self.revision}" if self.revision else ""
        return f"{SCHEME}{self.repository}{revision}{f'/{self.file}' if self.file else ''}"


def is_address(given: Any) -> bool:
    """Whether what was named for a run or a file is meant to lie on the hub; a `Path` makes one slash of two."""
    return isinstance(given, str | Path) and str(given).startswith("hf:/")


def parse_address(given: str | Path) -> HubAddress:
    """An address in its parts.

    >>> parse_address("hf://ann/bees@v1/model.onnx")
    HubAddress(repository='ann/bees', revision='v1', file='model.onnx')

    Raises:
        WeightsError: it is none.
    """
    found = _ADDRESS.fullmatch(str(given))
    parts = (found["file"] or "").strip("/").split("/") if found else []
    if found is None or ".." in parts or ".." in found["repository"] or "--" in found["repository"]:
        raise WeightsError(
            f"{given}: expected hf://OWNER/NAME, with @REVISION and /FILE where one is meant, such as "
            "hf://ann/bees@main/model.onnx"
        )
    return HubAddress(found["repository"], found["revision"], "/".join(parts) or None)


def local_path(given: str | Path) -> Path:
    """Where a run or a file lies on this machine: what is on the hub is fetched first, all else is as it is.

    Of a repository that holds no run it is the one exported file, or else the one file of weights.

    Raises:
        WeightsError: no such repository or file, no permission, no network and nothing in the cache.
    """
    return _fetched(str(parse_address(given)), endpoint(), hub_cache()) if is_address(given) else Path(given)


def endpoint() -> str | None:
    """The hub's address where another one is to be asked; None: Hugging Face's."""
    return os.environ.get("HF_ENDPOINT") or None


def hub_cache(cache: Path | None = None) -> Path | None:
    """The folder of the hub's cache; None: its own, which other programs share."""
    chosen = cache or (Path(os.environ["ZORKI_CACHE"]).expanduser() if os.environ.get("ZORKI_CACHE") else None)
    return chosen / "huggingface" if chosen else None


def fetch_file(address: HubAddress, *, cache: Path | None = None) -> Path | None:
    """One file of a repository, from the cache where it is still the one of that revision; None: it has no such file.

    Raises:
        WeightsError: as `local_path`, or the file came with another checksum than the hub's (it is removed then).
    """
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    asked: dict[str, Any] = {"cache_dir": cache or hub_cache(), "local_files_only": not reachable()}
    if (host := endpoint()) is not None:
        asked["endpoint"] = host
    with hub_errors(address):
        try:
            found = Path(hf_hub_download(address.repository, str(address.file), revision=address.revision, **asked))
        except LocalEntryNotFoundError:  # neither cached nor reachable; it is an EntryNotFoundError too
            raise
        except EntryNotFoundError:
            return None
    check_blob(found, str(address))
    return found


@contextmanager
def hub_errors(address: HubAddress) -> Iterator[None]:
    """Turns what the hub's client raises into a WeightsError that says what to do."""
    from huggingface_hub import errors

    try:
        yield
    except errors.LocalEntryNotFoundError as error:
        raise WeightsError(
            f"{address}: cannot be fetched: no connection to the hub, and no copy in its cache"
        ) from error
    except errors.GatedRepoError as error:
        raise WeightsError(
            f"{address}: its owner asks for consent to conditions first: give it on {page_of(address)}"
        ) from error
    except errors.RepositoryNotFoundError as error:
        raise WeightsError(
            f"{address}: there is no such repository, or it is private: check the name, and log in with "
            "`hf auth login` (or HF_TOKEN) where it is yours"
        ) from error
    except errors.RevisionNotFoundError as error:
        raise WeightsError(f"{address}: the repository has no revision {address.revision}") from error
    except errors.HfHubHTTPError as error:
        status = error.response.status_code if error.response is not None else None
        if status in (401, 403):
            raise WeightsError(
                f"{address}: the hub does not allow it (HTTP {status}): log in with `hf auth login` (or HF_TOKEN) and "
                "a token that may do so"
            ) from error
        raise WeightsError(f"{address}: the hub failed (HTTP {status}): {_first_line(error)}") from error
    except (errors.HFValidationError, errors.EntryNotFoundError) as error:
        raise WeightsError(f"{address}: {_first_line(error)}") from error
    except Exception as error:
        if not _is_of_connection(error):
            raise
        raise WeightsError(f"{address}: the hub cannot be reached: {_first_line(error)}") from error


def page_of(address: HubAddress) -> str:
    """Where a person looks at a repository."""
    return f"{(endpoint() or 'https://huggingface.co').rstrip('/')}/{address.repository}"


def cached_license(given: str) -> str | None:
    """What the card of a repository that was fetched says of its license; None: nothing, or it was not fetched."""
    from huggingface_hub import try_to_load_from_cache

    address = parse_address(given)
    found = try_to_load_from_cache(address.repository, CARD, cache_dir=hub_cache(), revision=address.revision)
    return card_license(Path(found)) if isinstance(found, str) else None


def card_license(path: Path) -> str | None:
    """What the head of a card says of the license; None: nothing, or the card is not there or cannot be read."""
    try:
        values, _ = card_head(read_text(path), str(path))
    except (DataError, OSError, UnicodeDecodeError):
        return None
    found = (values or {}).get("license")
    return found if isinstance(found, str) else None


def card_head(text: str, source: str) -> tuple[dict[str, Any] | None, str]:
    """The values of a card's YAML head, None where there is none, and what follows it.

    Raises:
        DataError: the head is no YAML, or holds no names with values.
    """
    if not text.startswith(FENCE):
        return None, text
    inside, fence, body = text[len(FENCE) :].partition(f"\n{FENCE}")
    if not fence:
        return None, text
    values = parse_yaml(inside.encode(), source)
    if not isinstance(values, dict):
        raise DataError(f"{source}: its head holds no names with values")
    return values, body


def reachable() -> bool:
    """Whether the host's name is known here: without a network the hub's client would retry for half a minute."""
    import socket
    from urllib.parse import urlsplit
    from urllib.request import getproxies

    from huggingface_hub import constants

    if getproxies():
        return True
    try:
        socket.getaddrinfo(urlsplit(endpoint() or constants.ENDPOINT).hostname, None)
    except OSError:
        return False
    return True


def check_blob(path: Path, source: str) -> None:
    """The hub's cache names a large file by its SHA-256 and links to it; other files bear a git hash.

    Raises:
        WeightsError: the file has another checksum; it is removed.
    """
    blob = path.resolve()
    if not re.fullmatch(r"[a-f0-9]{64}", blob.name):
        return
    with blob.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != blob.name:
        path.unlink(missing_ok=True)
        blob.unlink(missing_ok=True)
        raise WeightsError(f"{source}: SHA-256 {blob.name} expected, {found} came; the file was removed. Try again")


@cache
def _fetched(text: str, host: str | None, folder: Path | None) -> Path:
    """`local_path` of an address, once a process: whoever opens a run twice gets the same one."""
    _check_installed()
    address = parse_address(text)
    if address.file is not None:
        found = fetch_file(address)
        if found is None:
            raise WeightsError(f"{address}: the repository has no such file; it has {_listed(_names(address))}")
        _tell(address, found, found.parents[address.file.count("/")])
        return found
    about = fetch_file(HubAddress(address.repository, address.revision, RUN))
    if about is None:
        return _only_file(address)
    commit = about.parent.name  # all files are of one commit, whoever pushes meanwhile
    for name in RUN_FILES:
        fetch_file(HubAddress(address.repository, commit, name))
    _tell(address, about.parent, about.parent)
    return about.parent


def _only_file(address: HubAddress) -> Path:
    """The one exported file of a repository without a run, or else its file of weights.

    Raises:
        WeightsError: there is none, or several.
    """
    names = _names(address)
    exported = [name for name in names if name.endswith(".onnx")]
    found = exported or [name for name in FOREIGN_WEIGHTS if name in names][:1]
    if len(found) != 1:
        raise WeightsError(
            f"{address}: expected a run ({RUN}), one exported file or {' or '.join(FOREIGN_WEIGHTS)}; it has "
            f"{_listed(names)}. Name a file behind the address, as {address}/model.onnx"
        )
    return local_path(str(HubAddress(address.repository, address.revision, found[0])))


def _names(address: HubAddress) -> list[str]:
    from huggingface_hub import HfApi

    with hub_errors(address):
        return sorted(HfApi(endpoint=endpoint()).list_repo_files(address.repository, revision=address.revision))


def _listed(names: list[str]) -> str:
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "") if names else "no file"


def _tell(address: HubAddress, path: Path, snapshot: Path) -> None:
    """Says which commit it is, and under which license; on stderr, beside what verbs print."""
    fetch_file(HubAddress(address.repository, snapshot.name, CARD))
    license = card_license(snapshot / CARD) or "not stated"
    say(f"{address}: commit {snapshot.name[:12]}, license {license}, in {path}", file=sys.stderr)


def _check_installed() -> None:
    try:
        import huggingface_hub  # noqa: F401
    except ImportError as error:
        raise WeightsError(
            "addresses hf:// need huggingface_hub, which is not installed: pip install 'zorki-lite[hub]'"
        ) from error


def _is_of_connection(error: Exception) -> bool:
    """Whether an error is the network's: of Python's own, or of what the hub's client of that version stands on."""
    if isinstance(error, RuntimeError) and isinstance(error.__cause__, Exception):  # of an upload that broke
        error = error.__cause__
    return isinstance(error, OSError) or type(error).__module__.partition(".")[0] in ("httpx", "httpx2", "requests")


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), "") or type(error).__name__
