"""What endpoints accept and return, asked of whoever imports them, or known from before."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Protocol

from flash import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from flash.bundle.cache import Cache
    from flash.bundle.install import Report
    from flash.model.manifest import CallSchema, Manifest

__all__ = ["Describer", "about_undescribed", "describe"]


class Describer(Protocol):
    """Imports what a worker would, and says what its functions accept."""

    @property
    def identity(self) -> str:
        """What decides its answers besides what it is given: the versions of what it works with."""
        ...

    def __call__(
        self, staging: Path, manifest: Manifest, packages: Path | None
    ) -> Mapping[str, Mapping[str, Mapping[str, CallSchema]]]:
        """By endpoint, function, and method or ``""``, a schema.

        Args:
            staging: The project with its handlers and Flash's own part.
            manifest: The endpoints to describe.
            packages: The folder of the distributions, which a worker has beside all that. Nothing is written there.
        """
        ...


def describe(
    manifest: Manifest,
    stage: Callable[[Manifest], Path],
    packages: Path | None,
    describer: Describer,
    cache: Cache,
    report: Report,
) -> Manifest:
    """The manifest with the schemas that *describer* finds, or has found before.

    Args:
        manifest: That of the artifact, without schemas.
        stage: Makes the tree to describe, with that manifest, and returns it.
        packages: The folder of the distributions.
        describer: Who imports.
        cache: What was described before.
        report: Takes lines for the user.
    """
    keys = {name: _description_key(name, manifest, describer) for name in manifest.resources}
    known = {name: cache.described(key, report) for name, key in keys.items() if key is not None}
    contracts = {name: schemas for name, schemas in known.items() if schemas is not None}
    unknown = {name: resource for name, resource in manifest.resources.items() if name not in contracts}
    if any(resource.functions for resource in unknown.values()):
        found = describer(stage(manifest), manifest.model_copy(update={"resources": unknown}), packages)
        for name in unknown:
            contracts[name] = found.get(name, {})
            if (key := keys[name]) is not None:
                cache.keep_description(key, contracts[name])
    resources = {
        name: resource.model_copy(
            update={
                "functions": [
                    entry.model_copy(update={"contract": dict(contracts.get(name, {}).get(entry.name, {}))})
                    for entry in resource.functions
                ]
            }
        )
        for name, resource in manifest.resources.items()
    }
    return manifest.model_copy(update={"resources": resources})


def _description_key(name: str, manifest: Manifest, describer: Describer) -> str | None:
    """What decides how an endpoint is described: what its workers run, how it is declared, and who describes."""
    resource = manifest.resources[name]
    if not resource.fingerprint or not resource.functions:
        return None
    parts = (__version__, describer.identity, resource.fingerprint, resource.model_dump_json())
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def about_undescribed(manifest: Manifest) -> list[str]:
    """What could not be imported here has no schema: its contract is not checked, and it may not start either."""
    return [
        f"! {endpoint}: {entry.name} is {schema.error}"
        for endpoint, resource in manifest.resources.items()
        for entry in resource.functions
        for schema in list(entry.contract.values())[:1]
        if schema.error is not None
    ]
