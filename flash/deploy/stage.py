"""Versions beside the live ones: staged, and waited for until each endpoint has a healthy worker."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from flash.deploy.inputs import Placement, endpoint_input
from flash.errors import DeployError, PlatformError, WorkerFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from flash.cloud.control import ControlPlane
    from flash.cloud.records import EndpointRecord, VersionRecord
    from flash.deploy.rollout import Site
    from flash.model.manifest import Manifest

__all__ = ["await_healthy", "stage", "worker_failed"]

# between two questions, a part of the time that it has taken so far: whoever is fast is not made to wait
_SHORTEST_PAUSE_S: Final = 0.1
_PAUSE_PART: Final = 0.08
_LONGEST_PAUSE_S: Final = 2.0
_TOLD_EVERY_S: Final = 10.0
_PUZZLING_S: Final = 30.0
"""After so long it is told, too, what the workers that are waited for say."""
_SHOWN_LINES: Final = 5
_RAISED: Final = re.compile(r"(\w+\.)*\w*(Error|Exception)(: |$)")
"""The last line of a traceback."""


def stage(
    name: str,
    manifest: Manifest,
    placement: Placement,
    *,
    control: ControlPlane,
    endpoint_id: str | None,
    report: Callable[[str], None],
) -> EndpointRecord:
    """Stage a version of one endpoint; creates the endpoint where it has no id.

    Raises:
        DeployError: The platform cannot stage versions.
        PlatformError: It said no.
    """
    resource = manifest.resources[name]
    for volume in resource.network_volumes:
        if not volume.get("id"):
            report(f"! {name}: network volume {volume.get('name')!r} is not attached: only volumes with an id are")
    given = endpoint_input(name, resource, placement, fingerprint=manifest.source_fingerprint, endpoint_id=endpoint_id)
    try:
        return control.save_endpoint(given)
    except PlatformError as error:
        if "flashBuildId" in error.message:
            raise DeployError(
                "this platform cannot stage a version beside the live one",
                hint="is it a local platform of another version of Flash? start it again: flash platform stop",
                detail=error.message,
            ) from error
        raise


def await_healthy(endpoints: Mapping[str, str], build_id: str, site: Site) -> None:
    """Wait until every endpoint, given as ids by name, has a healthy worker of that build.

    Raises:
        WorkerFailed: A worker died, or none was healthy in time; the end of its log is in ``detail``.
    """
    waiting = dict(endpoints)
    started_at = told_at = site.clock()
    said: dict[str, tuple[str, ...]] = {}
    while waiting:
        found = site.control.environment_versions(site.environment_id)
        seen: dict[str, VersionRecord | None] = {}
        for name, endpoint_id in list(waiting.items()):
            of_build = (version for version in found.get(endpoint_id, ()) if version.build_id == build_id)
            version = seen[name] = next(of_build, None)
            if version is not None and version.failure is not None:
                raise worker_failed(name, version.failure, version.log_tail)
            if version is not None and version.is_healthy:
                del waiting[name]
                site.report(f"{name} is healthy")
        if not waiting:
            return
        now = site.clock()
        if now - started_at >= site.deadline_s:
            name = next(iter(waiting))
            last = seen[name]
            reason = f"no worker was healthy after {site.deadline_s:g} s"
            raise worker_failed(name, reason, () if last is None else last.log_tail)
        if now - told_at >= _TOLD_EVERY_S:
            told_at = now
            site.report(f"waiting for {', '.join(waiting)} ({now - started_at:.0f} s)")
            if now - started_at >= _PUZZLING_S:
                for name in waiting:
                    _tell(name, seen[name], said, site, waited_s=now - started_at)
        site.sleep(min(max(_SHORTEST_PAUSE_S, _PAUSE_PART * (now - started_at)), _LONGEST_PAUSE_S))


def _tell(
    name: str, version: VersionRecord | None, said: dict[str, tuple[str, ...]], site: Site, *, waited_s: float
) -> None:
    """What the workers of a version say; not again where they have said nothing since it was told."""
    lines = () if version is None else version.log_tail[-_SHOWN_LINES:]
    if said.get(name) == lines:
        return
    said[name] = lines
    if lines:
        site.report("\n".join([f"{name} is not healthy yet; the end of its log:", *(f"    {line}" for line in lines)]))
    elif version is None or not version.workers:
        site.report(f"{name} has no worker yet, {waited_s:.0f} s after it was staged")
    else:
        site.report(
            f"{name} has written nothing since it was staged {waited_s:.0f} s ago:"
            " does its module wait when it is imported?"
        )


def worker_failed(name: str, reason: str, log_tail: tuple[str, ...]) -> WorkerFailed:
    """What to say of a worker that died or never became healthy; *log_tail* is the end of its log."""
    # where it could not even be started, the platform's error is the reason: message, hint and evidence in one
    reason, _, told = reason.partition("\nhint: ")
    hint, _, evidence = told.partition("\n")
    tail = "\n".join(log_tail) or evidence
    if "ImportError" in tail or "ModuleNotFoundError" in tail:
        hint = hint or "import packages inside the endpoint function, and name them in dependencies=[...]"
    elif log_tail:
        hint = hint or "a worker imports the endpoint's module when it starts: the end of its log shows how far it came"
    else:
        hint = hint or "it wrote nothing: does the endpoint's module wait, or exit, when it is imported?"
    last = next((line for line in reversed(log_tail) if line.strip()), "")
    why = f": {last}" if _RAISED.match(last) else ""
    return WorkerFailed(f"endpoint {name!r}: {reason}{why}", endpoint=name, hint=hint, detail=tail)
