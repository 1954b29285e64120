"""A new version is tried with the tests that ask for it: where they find it, and what there is to judge."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from flash.deploy.deployment import deployed_endpoints
from flash.deploy.trial import Trial
from flash.preview.session import Attachment

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from flash.cloud.address import PlatformAddress
    from flash.cloud.records import Look
    from flash.deploy.canary import Canary
    from flash.deploy.rollout import Build, Site, TryBuild
    from flash.deploy.tally import Calls

__all__ = ["CanaryTests", "trial_by"]


class CanaryTests(Protocol):
    """The tests that call a new version while it is tried."""

    @property
    def canary(self) -> Canary:
        """What they ask for."""
        ...

    def skip(self, reason: str) -> None:
        """There is nothing to try: the new version takes over at once."""
        ...

    def run(self, attachment: Attachment, trial: Trial, conduct: Callable[[Calls], None]) -> None:
        """Call what is attached again and again for as long as *conduct* runs; raises what it raises."""
        ...


def trial_by(tests: CanaryTests, look: Look, address: PlatformAddress, backend: str) -> TryBuild:
    """What tries a prepared version with *tests*; *look* is what was live before."""

    def run(site: Site, build: Build, prepared: Mapping[str, str]) -> None:
        trial = Trial(site, build, prepared, tests.canary, splits=address.stages)
        if not trial.judged:
            tests.skip(f"nothing of {site.environment} that was live before changes: there are no calls to split")
            return
        artifact = build.release.artifact
        live = None if look.live is None else look.live.manifest
        attachment = Attachment(
            kind="deployment",
            app=site.app,
            environment=site.environment,
            digest=build.release.digest,
            previous=None if live is None else live.digest,
            address=address,
            endpoints=deployed_endpoints(build.manifest, {**build.kept, **prepared}, address),
            artifact_path=None if artifact is None else artifact.path,
            backend=backend,
        )
        tests.run(attachment, trial, trial.conduct)

    return run
