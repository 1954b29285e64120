"""A live environment is brought to another build in place, endpoint by endpoint, and put back where that fails."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from flash.deploy.claim import find_app
from flash.deploy.inputs import Placement, endpoint_input
from flash.deploy.live_endpoint import FINGERPRINT, LiveEndpoint, created_input
from flash.deploy.readiness import Watched, await_ready
from flash.errors import DeployError, FlashError, NotAuthorized, PlatformError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from flash.cloud.records import LiveEnvironment
    from flash.deploy.rollout import Build, Site
    from flash.model.manifest import Manifest

__all__ = ["Roll", "fingerprint_of", "placement"]


@dataclass(slots=True)
class Roll:
    """One environment on its way from one build to another.

    Attributes:
        manifest: The build's, with the ids of its network volumes.
        live: What is there, before.
        before: Its endpoints that change, by name.
        candidates: Ids of the endpoints that stand in for them elsewhere.
    """

    site: Site
    build: Build
    manifest: Manifest
    live: LiveEnvironment
    before: Mapping[str, LiveEndpoint]
    candidates: frozenset[str]
    touched: list[LiveEndpoint] = field(default_factory=list)
    made: set[str] = field(default_factory=set)
    has_begun: bool = False

    def forward(self) -> dict[str, str]:
        """Bring every endpoint to the build; returns the ids of all that serve, by name."""
        site, build = self.site, self.build
        self.has_begun = True
        _activate(site, build.id)
        watched = [self._bring(step.name) for step in build.plan.staged]
        await_ready(watched, site)
        ids = {**build.kept, **{one.name: one.id for one in watched}}
        self._check_taken()
        site.control.update_build_manifest(build.id, build.manifest_json(site, "activated", ids))
        return ids

    def back(self, error: BaseException) -> None:
        """Undo what :meth:`forward` did, in the order in which users notice it least.

        Raises:
            DeployError: That failed too; says what is live.
        """
        if not self.has_begun:
            return
        site, base = self.site, self.live.active_build_id
        site.report(f"putting back what was live in {site.environment}")
        try:
            if base is not None:
                _activate(site, base)
            await_ready([endpoint.put_back(site) for endpoint in self.touched], site)
            self._unmake()
            if base is None:
                # no platform takes back that a build is active: as there was nothing, the environment is made anew
                site.control.delete_environment(site.environment_id)
                site.environment_id = site.control.create_environment(site.app_id, site.environment).id
        except FlashError as failure:
            why = error.headline if isinstance(error, FlashError) else type(error).__name__
            raise DeployError(
                f"{site.environment}: build {self.build.id} failed ({why}), and what was live before, build "
                f"{base or 'none'}, could not be put back entirely: {failure.headline}",
                hint="some endpoints may run either version: deploy again to settle it, or: flash rollback",
                detail=failure.detail,
            ) from error

    def _unmake(self) -> None:
        if not self.made:
            return
        now = self.site.control.environment(self.site.app, self.site.environment)
        for name, endpoint_id in () if now is None else now.endpoints.items():
            if name in self.made and endpoint_id not in self.live.endpoints.values():
                self.site.control.delete_endpoint(endpoint_id)
                self.site.journal.removed(self.site.run, "endpoint", name)

    def _bring(self, name: str) -> Watched:
        site, resource = self.site, self.manifest.resources[name]
        where = placement(site, self.build.id, environment=site.environment, environment_id=site.environment_id)
        given = endpoint_input(name, resource, where, fingerprint=fingerprint_of(self.manifest, name, self.build))
        endpoint = self.before.get(name)
        if endpoint is None:
            return self._make(name, given)
        site.report(f"updating {name}")
        self.touched.append(endpoint)
        return endpoint.update(given, was_given=self._was_given(name), site=site)

    def _make(self, name: str, given: Mapping[str, Any]) -> Watched:
        site = self.site
        site.report(f"creating {name}")
        site.journal.intended(site.run, "endpoint", name)
        # by name, for its answer may get lost
        self.made.add(name)
        saved = site.control.save_endpoint(created_input(given))
        if saved.id in self.candidates or saved.id in self.live.endpoints.values():
            raise DeployError(
                f"the platform has not made endpoint {name!r}: it gave another one's id, {saved.id}",
                hint="it seems to take endpoints of one name for one: please report it (docs/runpod.md)",
            )
        site.journal.made(site.run, "endpoint", name, saved.id)
        return Watched(
            name=name,
            id=saved.id,
            is_load_balanced=given["type"] == "LB",
            may_sleep=not given["workersMin"],
        )

    def _check_taken(self) -> None:
        """Whether the platform has stored what makes it replace the workers."""
        for endpoint in self.touched:
            resource = self.manifest.resources[endpoint.name]
            now = self.site.control.template(endpoint.template.id)
            wanted = None if resource.client_mode else fingerprint_of(self.manifest, endpoint.name, self.build)
            if now is None or now.env.get(FINGERPRINT) != wanted:
                raise DeployError(
                    f"endpoint {endpoint.name!r}: the platform has not taken the new version: its template says "
                    f"{'nothing' if now is None else now.env.get(FINGERPRINT)!r}, not {wanted!r}",
                    hint="run it again; if it stays so, delete the endpoint in the console, and deploy again",
                )

    def _was_given(self, name: str) -> Collection[str] | None:
        manifest = self.live.manifest
        resource = None if manifest is None else manifest.resources.get(name)
        if resource is None:
            return None
        return {
            *resource.env,
            *(resource.secrets or {}),
            *(entry["key"] for entry in (resource.template or {}).get("env", ())),
        }


def fingerprint_of(manifest: Manifest, name: str, build: Build) -> str:
    """What differs wherever the workers of an endpoint would run something else."""
    return manifest.resources[name].fingerprint or build.release.digest or build.id


def placement(site: Site, build_id: str, *, environment: str, environment_id: str) -> Placement:
    """Where an endpoint of the site's app goes."""
    return Placement(
        app=site.app,
        environment=environment,
        environment_id=environment_id,
        build_id=build_id,
        caller_key=site.control.address.api_key,
        secrets=site.secrets.now,
    )


def _activate(site: Site, build_id: str) -> None:
    try:
        site.control.activate(site.environment_id, build_id)
    except NotAuthorized:
        raise
    except PlatformError:
        # the answer may have got lost on its way: what is active is read from the platform
        now = next((one for one in find_app(site).environments if one.id == site.environment_id), None)
        if now is None or now.active_build_id != build_id:
            raise
