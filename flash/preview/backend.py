"""What workers are: processes of this machine, or containers. Chosen once for a platform, and told with the reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from flash import project
from flash.emulator.launchers import engine
from flash.errors import PreviewError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["BACKENDS", "PROCESSES", "Backend", "Wanted", "choose"]

Wanted = Literal["auto", "docker", "process"]
BACKENDS: Final[tuple[Wanted, ...]] = ("auto", "docker", "process")


@dataclass(frozen=True, slots=True)
class Backend:
    """What the workers of a platform are.

    Attributes:
        reason: Why, in a few words; empty where it was asked for.
        host: The Docker engine's address; empty for processes.
    """

    name: Literal["docker", "process"]
    reason: str = ""
    host: str = ""

    def __str__(self) -> str:
        return f"{self.name} ({self.reason})" if self.reason else self.name


PROCESSES: Final = Backend("process")


def choose(
    wanted: Wanted,
    python_versions: Sequence[str],
    *,
    look: Callable[[str], engine.Engine | str] = engine.look,
    has_extra: Callable[[], bool] = engine.has_extra,
) -> Backend:
    """What the workers will be.

    ``auto`` takes containers where a Docker engine answers and a base image is there or can be pulled, and processes
    elsewhere. Nothing is pulled yet.

    Args:
        wanted: What was asked for.
        python_versions: What workers may have to run: the base image of one must be there, or the first can be pulled.
        look: Looks at an engine.
        has_extra: Whether the packages are installed.

    Raises:
        PreviewError: Containers were asked for, and cannot be had.
    """
    if wanted == "process":
        return PROCESSES
    host = engine.docker_host(project.environment())
    found = look(host)
    obstacle, hint = _obstacle(host, found, python_versions, has_extra=has_extra())
    if not obstacle:
        version = found.version if isinstance(found, engine.Engine) else ""
        return Backend("docker", f"Docker {version}", host)
    if wanted == "auto":
        return Backend("process", obstacle)
    raise PreviewError(f"no containers: {obstacle}", hint=hint)


def _obstacle(
    host: str, found: engine.Engine | str, python_versions: Sequence[str], *, has_extra: bool
) -> tuple[str, str]:
    """What stands in the way of containers, and what to do about it; both empty where nothing does."""
    without = "or do without: --flash-backend=process (flash: --backend process)"
    if isinstance(found, str):
        # one that somebody chose may be the wrong one
        remedy = "correct or unset DOCKER_HOST" if host != engine.DEFAULT_HOST else "start Docker"
        return found, f"{remedy}, {without}"
    if found.refusal:
        return found.refusal, f"use a Docker engine of this machine, {without}"
    if not has_extra:
        return "the extra 'docker' is not installed", engine.EXTRA_HINT
    images = [engine.base_image(version) for version in python_versions]
    image = images[0]
    if not any(map(found.has_image, images)) and not found.can_pull(image):
        return f"image {image} is not here and cannot be pulled", f"docker pull {image}, {without}"
    return "", ""
