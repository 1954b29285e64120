"""What a worker is told: pure functions from what is deployed to a :class:`WorkerSpec`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from flash.emulator.launchers import Code, WorkerSpec
from flash.errors import NotFound
from flash.model.hardware import IMAGE_DISTRIBUTIONS

if TYPE_CHECKING:
    from pathlib import Path

    from flash.emulator.record import EndpointRecord, VersionRecord
    from flash.model.manifest import Manifest, Resource

__all__ = ["Addresses", "code_of", "resource_of", "worker_spec"]

_PING_INTERVAL_MS: Final = 10_000
_PREFIXES: Final = ("", "live-", "tmp-")


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the platform answers, as workers reach it."""

    base: str

    @property
    def data(self) -> str:
        """Base of queue endpoints."""
        return f"{self.base}/v2"

    @property
    def load_balanced(self) -> str:
        """Base of load-balanced endpoints."""
        return f"{self.base}/lb"


def resource_of(manifest: Manifest, endpoint: EndpointRecord, version: VersionRecord) -> tuple[str, Resource]:
    """The manifest's entry for an endpoint, and its name there.

    The peer adds ``live-`` and ``tmp-`` to names and drops ``-fb``; ``FLASH_RESOURCE_NAME`` tells the true one.

    Raises:
        NotFound: The manifest has none.
    """
    names = [version.env.get("FLASH_RESOURCE_NAME", "")]
    for prefix in _PREFIXES:
        if endpoint.name.startswith(prefix):
            bare = endpoint.name[len(prefix) :]
            names += [bare, f"{bare}-fb", bare.removesuffix("-fb")]
    for name in names:
        if name in manifest.resources:
            return name, manifest.resources[name]
    raise NotFound(
        f"the build's manifest has no endpoint {endpoint.name!r}",
        operation="saveEndpoint",
        hint=f"it has: {', '.join(sorted(manifest.resources)) or 'none'}",
    )


def code_of(artifact_dir: Path, resource: Resource) -> Code:
    """What an unpacked artifact has for an endpoint."""
    if (artifact_dir / "flash" / "runtime" / "worker.py").is_file():
        return Code.FLASH
    return Code.PROGRAM if resource.client_mode else Code.HANDLER


def worker_spec(
    *,
    worker_id: str,
    token: str,
    endpoint: EndpointRecord,
    version: VersionRecord,
    manifest: Manifest,
    app_name: str,
    environment_name: str,
    addresses: Addresses,
    artifact_dir: Path,
    log_path: Path,
) -> WorkerSpec:
    """A worker of a version.

    Its environment: the user's own variables, of the manifest and then of the template, and over them what the platform
    must tell it (contract §6.5). The only key in it is the worker's own token, whatever a template says.

    What others have built does not say which distributions of its image it uses: it gets them all, but torch and its
    kin, which are larger than everything else together. So the artifact must be unpacked before.

    Raises:
        NotFound: The manifest has no such endpoint.
    """
    name, resource = resource_of(manifest, endpoint, version)
    is_load_balanced = version.is_load_balanced or resource.is_load_balanced
    job_base = f"{addresses.data}/{endpoint.id}"
    environment = {
        **resource.env,
        **version.env,
        "FLASH_RESOURCE_NAME": name,
        "FLASH_ENDPOINT_TYPE": "lb" if is_load_balanced else "qb",
        "FLASH_ENVIRONMENT_ID": endpoint.environment_id or "",
        "FLASH_APP": app_name,
        "FLASH_ENV": environment_name,
        "FLASH_MAX_CONCURRENCY": str(resource.max_concurrency),
        "FLASH_LB_BASE_URL": addresses.load_balanced,
        "RUNPOD_API_BASE_URL": addresses.base,
        "RUNPOD_ENDPOINT_BASE_URL": addresses.data,
        "RUNPOD_ENDPOINT_ID": endpoint.id,
        "RUNPOD_POD_ID": worker_id,
        "RUNPOD_POD_HOSTNAME": worker_id,
        "RUNPOD_AI_API_KEY": token,
        # the SDK appends "&…" to these: each must have a query
        "RUNPOD_WEBHOOK_GET_JOB": f"{job_base}/job-take/$ID?v=1",
        "RUNPOD_WEBHOOK_POST_OUTPUT": f"{job_base}/job-done/$RUNPOD_POD_ID/$ID?v=1",
        "RUNPOD_WEBHOOK_POST_STREAM": f"{job_base}/job-stream/$RUNPOD_POD_ID/$ID?v=1",
        "RUNPOD_WEBHOOK_PING": f"{job_base}/ping/$RUNPOD_POD_ID?v=1",
        "RUNPOD_PING_INTERVAL": str(_PING_INTERVAL_MS),
        # the stock SDK refuses to start where there is little memory or no way out
        "RUNPOD_SKIP_AUTO_SYSTEM_CHECKS": "true",
        "RUNPOD_SKIP_GPU_CHECK": "true",
    }
    environment.pop("RUNPOD_API_KEY", None)
    if resource.makes_remote_calls:
        environment["RUNPOD_API_KEY"] = token
    code = code_of(artifact_dir, resource)
    return WorkerSpec(
        worker_id=worker_id,
        endpoint_id=endpoint.id,
        endpoint_name=name,
        is_load_balanced=is_load_balanced,
        python_version=resource.target_python_version or manifest.python_version,
        provided=tuple(resource.provided) if code is Code.FLASH else IMAGE_DISTRIBUTIONS,
        image=str(version.template.get("imageName") or resource.image_name),
        artifact_dir=artifact_dir,
        environment=environment,
        log_path=log_path,
        max_concurrency=resource.max_concurrency,
        code=code,
    )
