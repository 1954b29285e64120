"""Network volumes that are named and not numbered: found on the platform, or made there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flash.errors import DeployError

if TYPE_CHECKING:
    from collections.abc import Callable

    from flash.cloud.control import ControlPlane
    from flash.cloud.workers import VolumeRecord
    from flash.model.manifest import Manifest, Resource

__all__ = ["with_volume_ids"]


def with_volume_ids(manifest: Manifest, control: ControlPlane, report: Callable[[str], None]) -> Manifest:
    """The manifest with an id for every network volume; asks only where one has none.

    A volume is found by its name in its data center. One that is not there is made; none is ever removed, because of
    what is on it.

    Raises:
        DeployError: There are several of that name.
        PlatformError: The platform has no volumes, or said no.
    """
    if all(volume.get("id") for one in manifest.resources.values() for volume in one.network_volumes):
        return manifest
    known = list(control.workers.volumes())
    resources = {name: _resolved(one, known, control, report) for name, one in manifest.resources.items()}
    return manifest.model_copy(update={"resources": resources})


def _resolved(
    resource: Resource, known: list[VolumeRecord], control: ControlPlane, report: Callable[[str], None]
) -> Resource:
    given = resource.network_volumes
    volumes = [volume if volume.get("id") else _found(volume, known, control, report) for volume in given]
    return resource.model_copy(update={"network_volumes": volumes})


def _found(
    volume: dict[str, Any], known: list[VolumeRecord], control: ControlPlane, report: Callable[[str], None]
) -> dict[str, Any]:
    name, data_center = str(volume.get("name")), str(volume.get("dataCenterId"))
    fitting = [one for one in known if (one.name, one.data_center) == (name, data_center)]
    if len(fitting) > 1:
        raise DeployError(
            f"there are {len(fitting)} network volumes {name!r} in {data_center}",
            hint=f"name the one that is meant: NetworkVolume(id={fitting[0].id!r})",
        )
    if fitting:
        return {**volume, "id": fitting[0].id}
    made = control.workers.create_volume(name, size_gb=int(volume.get("size") or 100), data_center=data_center)
    known.append(made)
    report(f"created network volume {name} in {data_center}")
    return {**volume, "id": made.id}
