"""What a server refuses, with the status of HTTP that says so, and how much it takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from zorki.errors import RecipeError


class Refusal(Exception):
    """Why a request, or one of its images, is refused: a status of HTTP and one sentence."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.headers = status, dict(headers or {})


@dataclass(frozen=True)
class ServerLimits:
    """How much a server takes.

    Attributes:
        max_bytes: of the body of a request, and of an image from an address.
        max_pixels: of an image, by its header, before it is decoded.
        max_images: of a request.
        max_queue: images that wait for their predictions; requests above are refused until there is room.
        timeout: seconds until a request is predicted, and that its body may take to come.
    """

    max_bytes: int = 32_000_000
    max_pixels: int = 50_000_000
    max_images: int = 32
    max_queue: int = 128
    timeout: float = 30.0

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if name != "timeout" and value < 1:
                raise RecipeError(f"{name} is {value}; expected at least 1")
        if not self.timeout > 0:
            raise RecipeError(f"timeout is {self.timeout}; expected more than 0 seconds")

    @property
    def max_held_bytes(self) -> int:
        """Of all requests at hand together."""
        return 16 * self.max_bytes


@dataclass
class HeldBytes:
    """The bytes of the bodies of all requests at hand, which no number of clients makes too many."""

    limits: ServerLimits
    count: int = field(default=0)

    def add(self, count: int) -> None:
        """Raises Refusal where there is no room; what was added before stays until it is removed."""
        if self.count + count > self.limits.max_held_bytes:
            raise busy("the server holds as many uploads as it takes")
        self.count += count

    def remove(self, count: int) -> None:
        """Lets bytes go."""
        self.count -= count


def busy(reason: str) -> Refusal:
    """A refusal of what may be asked again in a second."""
    return Refusal(503, f"{reason}; try again", {"Retry-After": "1"})
