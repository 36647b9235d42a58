"""Which formats a folder is of, why, and what each of them provides."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast, runtime_checkable

from zorki.data import formats
from zorki.data.annotations.listing import bare_images, holds_image, missing_root, no_images
from zorki.data.formats.probe import Probe
from zorki.data.formats.unread import unread
from zorki.errors import DataError


@runtime_checkable
class Reader(Protocol):
    """What a format's module for reading offers; what `read` gives depends on the kind, see `zorki.data.formats`."""

    EXPECTED: str
    probe: Callable[[Path], Probe]
    read: Callable[..., Any]


@dataclass(frozen=True)
class FormatMatch:
    """A format that a folder is of, what of it is meant, and why it is of it."""

    format: str
    kind: str
    reason: str

    def __str__(self) -> str:
        return f"{self.format}: {self.reason}"

    @property
    def reader(self) -> Reader:
        return reader_of(self.format, self.kind)


class DetectedFormats:
    """What a folder or file is. Each format is looked for when it is asked for, and once."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._probes: dict[str, Probe] = {}

    def probe(self, format: str, kind: str) -> Probe:
        """Whether `root` is of a format that provides `kind`, and why or why not."""
        module = formats.module_of(format, "read", kind).__name__
        if module not in self._probes:
            self._probes[module] = reader_of(format, kind).probe(self.root)
        return self._probes[module]

    def matches(self, *kinds: str) -> Iterator[FormatMatch]:
        """All formats that fit, in the order in which they are tried: by kind, and within it by precedence."""
        for kind in kinds or formats.KINDS:
            for format in formats.names(kind):
                if (probe := self.probe(format, kind)).fits:
                    yield FormatMatch(format, kind, probe.reason)

    def match(self, *kinds: str, format: str | None = None) -> FormatMatch:
        """The first of the formats that provide one of the kinds; the kinds stand in order of preference.

        A `format` that was asked for is taken whether it fits or not: its reader then says what is wrong.

        Raises:
            DataError: `root` does not exist, `format` is none that provides such, or no format fits.
        """
        if format is not None:
            return self._explicit(format, kinds)
        if (error := missing_root(self.root)) is not None:
            raise error
        if (found := next(self.matches(*kinds), None)) is not None:
            return found
        tried = [
            f"\n  {name}: {self.probe(name, kind).reason}; expected {reader_of(name, kind).EXPECTED}"
            for kind in kinds
            for name in formats.names(kind)
        ]
        listed = "".join(dict.fromkeys(tried))
        if (other_format := unread(self.root)) is not None:
            raise DataError(f"{self.root}: {other_format}; tried{listed}")
        if (other := self._other_kind(kinds)) is not None:
            needed = " or ".join(formats.WORDS[kind] for kind in kinds)
            raise DataError(
                f"{self.root}: read as {other.format}: {formats.WORDS[other.kind]}; {needed} are needed "
                f"({other.reason}). `zorki tasks` tells which task takes what is there"
            )
        if self.root.is_dir() and not holds_image(self.root):
            raise DataError(f"{no_images(self.root)}; tried{listed}")
        bare = len(bare_images(self.root))
        if bare:
            images = "1 image" if bare == 1 else f"{bare} images"
            raise DataError(
                f"{self.root}: {images} and no annotation: `zorki predict RUN {self.root}` runs inference on them; "
                f"to learn from them, tell what is on them; tried{listed}"
            )
        raise DataError(f"{self.root}: the format of the data was not recognized; tried{listed}")

    def _other_kind(self, kinds: Sequence[str]) -> FormatMatch | None:
        """What the data are, where they are none of the kinds; any folders could be classes, which tells nothing."""
        others = [kind for kind in formats.KINDS if kind not in kinds]
        return next((match for match in self.matches(*others) if match.format != "class_folders"), None)

    def error(self) -> DataError | None:
        """What is wrong with data that are meant to be boxes and are broken; None where none are meant."""
        probes = (self.probe(name, "boxes") for name in formats.names("boxes"))
        return next((error for probe in probes if (error := probe.error()) is not None), None)

    def _explicit(self, word: str, kinds: Sequence[str]) -> FormatMatch:
        name, only = formats.resolve(word, *kinds)
        if (error := missing_root(self.root)) is not None:
            raise error
        provided = [kind for kind in kinds if kind in formats.formats()[name].provides and only in (None, kind)]
        probes = {kind: self.probe(name, kind) for kind in provided}
        kind = next((kind for kind, probe in probes.items() if probe.fits), provided[0])
        return FormatMatch(name, kind, probes[kind].reason if probes[kind].fits else "as asked for")


def detect(root: Path) -> DetectedFormats:
    """What lies at `root`: `.match("boxes")` chooses by what is needed, `.matches()` gives all."""
    return DetectedFormats(root)


def reader_of(format: str, kind: str) -> Reader:
    """The module that reads `kind` from a format."""
    return cast(Reader, formats.module_of(format, "read", kind))
