"""Removes what killed runs left behind: what is ours beyond doubt, and whose owner is dead beyond doubt."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from flash import project as settings
from flash.bundle.archive import mebibytes
from flash.bundle.cache import Cache
from flash.bundle.claims import remove_abandoned
from flash.cloud.client import PlatformClient
from flash.deploy import leftovers as deployments
from flash.deploy.journal import Journal, Pending
from flash.errors import FlashError, SettingsError
from flash.preview.bases import MAKING_PREFIX
from flash.preview.building import CACHE_FOLDER
from flash.preview.local import find_platform
from flash.preview.promote import address
from flash.preview.session import PREVIEW_PREFIX, local_address

if TYPE_CHECKING:
    from pathlib import Path

    from flash.cloud.address import PlatformAddress
    from flash.project import Project

__all__ = ["Swept", "containers", "sweep"]

_UNUSED_DAYS: Final = 30


@dataclass(frozen=True, slots=True)
class Swept:
    """What became of what was found.

    Attributes:
        removed: In words.
        left: What stays, with the reason.
    """

    removed: tuple[str, ...] = ()
    left: tuple[str, ...] = ()

    def __add__(self, other: Swept) -> Swept:
        return Swept(self.removed + other.removed, self.left + other.left)


def containers(home: Path) -> Swept:
    """Containers and networks of this user's platforms that are dead; nothing where no engine answers."""
    from flash.emulator.launchers import engine
    from flash.emulator.launchers.leftovers import Labels, sweep
    from flash.emulator.launchers.sdk import DockerContainers

    host = engine.docker_host(settings.environment())
    if isinstance(engine.look(host), str) or not engine.has_extra():
        return Swept()
    # no platform's folder: nothing of a live one's is taken for ours
    return Swept(sweep(DockerContainers(host), Labels.of(home, home / "sweep")))


def sweep(
    project: Project,
    *,
    may_touch_runpod: Callable[[str], bool],
    containers: Callable[[Path], Swept] = containers,
) -> Swept:
    """Remove what killed runs of this user left on this machine, and killed deployments of *project* on platforms.

    Args:
        project: Whose journal is looked at.
        may_touch_runpod: Asked with what is to go, before it goes from Runpod.
        containers: Sweeps what dead platforms left in a Docker engine.
    """
    home = settings.flash_home()
    # platforms' folders last: their locks say whose the containers are
    return containers(home) + _folders(home) + _deployments(project, may_touch_runpod)


def _folders(home: Path) -> Swept:
    gone = (
        *remove_abandoned(home / "previews", PREVIEW_PREFIX),
        *remove_abandoned(home / "bases", MAKING_PREFIX),
    )
    freed = Cache(home / CACHE_FOLDER).trim(unused_s=_UNUSED_DAYS * 24 * 3600)
    cache = (f"{mebibytes(freed)} of the build cache, unused for {_UNUSED_DAYS} days",) if freed else ()
    return Swept((*(f"folder {path}" for path in gone), *cache))


def _deployments(project: Project, may_touch_runpod: Callable[[str], bool]) -> Swept:
    journal = Journal.of(project)
    dead, busy = journal.abandoned(), journal.busy()
    runs: dict[str, list[Pending]] = defaultdict(list)
    for one in dead:
        runs[one.run].append(one)
    swept = Swept()
    for name, run in runs.items():
        if run[0].where in busy:
            swept += Swept(left=(f"{run[0].where}: somebody deploys there now",))
            continue
        try:
            swept += _deployment(name, run, project, journal, may_touch_runpod)
        except FlashError as error:
            swept += Swept(left=(f"{run[0].where}: {error.headline}",))
    return swept


def _deployment(
    name: str, run: list[Pending], project: Project, journal: Journal, may_touch_runpod: Callable[[str], bool]
) -> Swept:
    api_url = run[0].where.partition(" ")[0]
    where, is_local = _address(api_url, project)
    with PlatformClient(where) as client:
        found = deployments.look(run, client=client)
        if found.names and not is_local and not may_touch_runpod(", ".join(found.names)):
            return Swept(left=tuple(f"{one}: not removed from Runpod" for one in found.names))
        deployments.clear(found, name, client=client, journal=journal)
    return Swept(found.names, (f"{found.app}/{found.environment}: {found.left}",) if found.left else ())


def _address(api_url: str, project: Project) -> tuple[PlatformAddress, bool]:
    """The platform of that URL, and whether it is the local one.

    Raises:
        SettingsError: It is neither the local one, nor the one that the key is for.
    """
    platform = find_platform()
    if platform is not None and platform.url == api_url:
        return local_address(platform), True
    if settings.api_key(project) is not None and settings.runpod_urls()[0] == api_url:
        return address(project, "runpod", start=False, report=lambda _line: None), False
    raise SettingsError(f"{api_url} is no platform that can be asked now", hint="flash platform start")
