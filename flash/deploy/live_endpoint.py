"""One live endpoint of a platform without versions: brought to another build in place, and put back as it was.

Source of the sequence: ``runpod-flash`` 1.21.0, read 2026-08: ``saveEndpoint`` with id and template, then
``saveTemplate``, whose changed variables make the platform replace the workers one after the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from flash.deploy.readiness import Watched, worker_count
from flash.errors import DeployError, NotAuthorized, PlatformError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from flash.cloud.control import ControlPlane
    from flash.cloud.records import EndpointSettings, TemplateRecord
    from flash.deploy.rollout import Site

__all__ = ["FINGERPRINT", "LiveEndpoint", "created_input", "look", "updated_input"]

FINGERPRINT: Final = "_FLASH_SOURCE_FINGERPRINT"
_FROM_CLIENTS: Final = frozenset(
    {
        FINGERPRINT, "FLASH_APP", "FLASH_APP_VARIABLE", "FLASH_ENDPOINT_TYPE", "FLASH_ENV", "FLASH_ENVIRONMENT_ID",
        "FLASH_MAIN_FILE", "FLASH_MODULE_PATH", "FLASH_RESOURCE_NAME", "RUNPOD_API_KEY",
    }
)  # fmt: skip
"""What Flash and its peer set: never the platform's, so never kept. The peer gives every endpoint the user's key."""
_FROM_PLATFORM: Final = frozenset({"PORT", "PORT_HEALTH"})
_RECREATES: Final = ("gpuIds", "gpuCount", "instanceIds", "networkVolumeId", "networkVolumeIds", "flashBootType",
                     "minCudaVersion", "allowedCudaVersions")  # fmt: skip
"""Source: Runpod docs, Flash, "Update endpoints", read 2026-08."""
_RARE: Final = ("containerRegistryAuthId", "ports", "startScript")


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveEndpoint:
    """An endpoint as it was before anything was done to it.

    Attributes:
        ready: Its workers that are ready.
        is_told: Whether the platform says which workers are ready; otherwise they have to be restarted to be sure.
    """

    name: str
    settings: EndpointSettings
    template: TemplateRecord
    ready: frozenset[str]
    is_told: bool

    @property
    def id(self) -> str:
        """The platform's id."""
        return self.settings.id

    @property
    def is_load_balanced(self) -> bool:
        """Whether it has routes instead of a queue."""
        return self.settings.kept.get("type") == "LB"

    def update(self, given: Mapping[str, Any], *, was_given: Collection[str] | None, site: Site) -> Watched:
        """Bring it to what *given* says; returns what is to be waited for.

        Args:
            given: Its ``EndpointInput``, as for a new endpoint.
            was_given: Names of the variables that its version had; None where nobody knows.
            site: Where it is.
        """
        kept = self._platform_variables(was_given, site)
        template = _template_input(self.template, given["template"], kept)
        is_rolled = _differs(self.template.given, template)
        wanted = updated_input(given, self.id, self.template.id)
        is_recreated = any((self.settings.kept.get(key) or None) != (wanted.get(key) or None) for key in _RECREATES)
        before = frozenset[str]()
        if is_rolled or is_recreated:
            # once more, for some may have started since
            before = self.ready | _ready(self.id, self.name, site.control)[0]
        site.control.save_endpoint(wanted)
        if is_rolled:
            site.control.save_template(template)
        if (is_rolled or is_recreated) and not self.is_told:
            _restart(self.name, wanted, site)
        return Watched(
            name=self.name,
            id=self.id,
            is_load_balanced=self.is_load_balanced,
            before=before,
            may_sleep=not wanted.get("workersMin"),
        )

    def put_back(self, site: Site) -> Watched:
        """Make it what it was; returns what is to be waited for."""
        ready, is_told = _ready(self.id, self.name, site.control)
        now = site.control.template(self.template.id)
        is_rolled = now is None or _differs(now.given, self.template.given)
        site.control.save_endpoint(self.settings.kept)
        if is_rolled:
            site.control.save_template(self.template.given)
            if not is_told:
                _restart(self.name, self.settings.kept, site)
        return Watched(
            name=self.name,
            id=self.id,
            is_load_balanced=self.is_load_balanced,
            # those that were not replaced yet run the right version
            before=ready - self.ready if is_rolled else frozenset(),
            may_sleep=not self.settings.kept.get("workersMin"),
        )

    def _platform_variables(self, was_given: Collection[str] | None, site: Site) -> dict[str, str]:
        live = self.template.env
        if was_given is None:
            kept = {name: value for name, value in live.items() if name in _FROM_PLATFORM}
            if dropped := sorted(live.keys() - kept.keys() - _FROM_CLIENTS):
                site.report(f"! {self.name}: variables of a version that Flash did not deploy go: {', '.join(dropped)}")
            return kept
        return {name: value for name, value in live.items() if name not in was_given and name not in _FROM_CLIENTS}


def look(name: str, endpoint_id: str, site: Site) -> LiveEndpoint:
    """An endpoint as it is, with everything that is needed to put it back.

    Raises:
        DeployError: It is another environment's, or the platform does not tell enough to put it back.
    """
    settings = site.control.endpoint_settings(endpoint_id)
    if settings is None:
        raise DeployError(f"endpoint {name!r} is gone from the platform", hint="run it again: it is made anew")
    if settings.environment_id != site.environment_id:
        raise DeployError(
            f"endpoint {name!r} ({endpoint_id}) belongs to environment {settings.environment_id!r}, "
            f"not to {site.environment_id!r}",
            hint="`runpod-flash deploy` moves endpoints between environments: deploy that environment again first",
        )
    template_id = settings.kept.get("templateId")
    template = None if not template_id else site.control.template(template_id)
    if template is None:
        raise DeployError(
            f"endpoint {name!r}: the platform does not show its template {template_id or ''!r}, so it could not be "
            "put back after an update",
            hint="delete the endpoint in the console, and deploy again: it is made anew",
        )
    ready, is_told = _ready(endpoint_id, name, site.control)
    return LiveEndpoint(name=name, settings=settings, template=template, ready=ready, is_told=is_told)


def created_input(given: Mapping[str, Any]) -> dict[str, Any]:
    """``EndpointInput`` for a new endpoint, without what Runpod does not know."""
    return {key: value for key, value in given.items() if key not in {"id", "flashBuildId"}}


def updated_input(given: Mapping[str, Any], endpoint_id: str, template_id: str) -> dict[str, Any]:
    """``EndpointInput`` for an endpoint that is there; its template is saved apart."""
    plain = {key: value for key, value in given.items() if key not in {"template", "flashBuildId"}}
    return {**plain, "id": endpoint_id, "templateId": template_id}


def _template_input(live: TemplateRecord, wanted: Mapping[str, Any], kept: Mapping[str, str]) -> dict[str, Any]:
    own = {entry["key"]: entry["value"] for entry in wanted["env"]}
    return {
        **live.given,
        "imageName": wanted["imageName"],
        "containerDiskInGb": wanted["containerDiskInGb"],
        "dockerArgs": wanted["dockerArgs"],
        "env": [{"key": key, "value": value} for key, value in {**kept, **own}.items()],
        **{key: wanted[key] for key in _RARE if wanted.get(key)},
    }


def _differs(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    def plain(given: Mapping[str, Any]) -> dict[str, Any]:
        return {**given, "env": {entry["key"]: entry["value"] for entry in given["env"]}}

    return plain(before) != plain(after)


def _ready(endpoint_id: str, name: str, control: ControlPlane) -> tuple[frozenset[str], bool]:
    """The workers that are ready, and whether the platform tells.

    Raises:
        DeployError: It tells neither which workers are ready, nor how many there are.
    """
    try:
        return frozenset(control.workers.ready(endpoint_id)), True
    except NotAuthorized:
        raise
    except PlatformError as error:
        try:
            return frozenset(), worker_count(control.health(endpoint_id)) == 0
        except NotAuthorized:
            raise
        except PlatformError:
            raise DeployError(
                f"endpoint {name!r}: the platform tells nothing of its workers, so nobody could know whether they take "
                f"a new version: {error.message}",
                hint="please report what it answered; delete the endpoint and deploy again, and it is made anew",
            ) from error


def _restart(name: str, given: Mapping[str, Any], site: Site) -> None:
    """All workers stop, and new ones start: the one way to be sure where the platform does not tell which are ready."""
    site.report(f"! {name}: the platform does not say which workers are ready: all are stopped, then started again")
    site.control.save_endpoint({**given, "workersMin": 0, "workersMax": 0})
    deadline = site.clock() + site.deadline_s
    while worker_count(site.control.health(given["id"])):
        if site.clock() >= deadline:
            raise DeployError(
                f"endpoint {name!r}: its workers had not stopped after {site.deadline_s:g} s",
                hint="jobs that run so long keep them: run it again when they have ended",
            )
        site.sleep(1.0)
    site.control.save_endpoint(given)
