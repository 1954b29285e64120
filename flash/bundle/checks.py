"""The audit of one build: what is known of a tree of distributions is kept with it."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, replace
from functools import cache as remembered
from pathlib import Path
from typing import TYPE_CHECKING, Final

from flash.bundle import audit as rules
from flash.bundle.audit.findings import Finding, refuse, warnings_of
from flash.bundle.audit.imports import audit_imports, imported_names
from flash.bundle.install import TARGET_PLATFORM

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from flash.bundle.cache import Cache
    from flash.bundle.install import Report
    from flash.bundle.installed import Distribution
    from flash.bundle.modules import Modules
    from flash.bundle.request import BuildRequest
    from flash.bundle.sets import EndpointSet, EndpointSets
    from flash.bundle.sources import Sources
    from flash.bundle.trees import DistributionSet
    from flash.model.app import App

__all__ = ["audit", "rules_digest"]

_RULES: Final = Path(rules.__file__).parent


def audit(
    request: BuildRequest,
    app: App,
    modules: Modules,
    sources: Sources,
    sets: EndpointSets,
    cache: Cache,
    report: Report,
) -> list[str]:
    """Check what was put together against what workers have.

    Returns:
        What the user should know.

    Raises:
        AuditFailed: Something is certain to fail.
    """
    version = request.python_version
    images = _images(app)
    findings = [finding for each in sets.sets for finding in _of_set(each, request, app, cache, report)]
    if any(".so" in path for path in sources.files):
        from flash.bundle.audit.distributions import audit_files

        findings += audit_files(
            request.root,
            sources.files,
            distributions=sets.distributions,
            imported=imported_names(modules, version),
            python_version=version,
            platform=TARGET_PLATFORM,
            images=images,
            provided=request.provided,
        )

    def of_imports(
        distributions: Sequence[Distribution],
        excluded: Mapping[str, str],
        only: Collection[str] | None,
        common: Sequence[Distribution] = (),
    ) -> tuple[Finding, ...]:
        return audit_imports(
            app,
            modules,
            distributions=distributions,
            provided={endpoint.name: request.provided for endpoint in app},
            excluded=excluded,
            ignored=sources.ignored,
            python_version=version,
            files=sources.files,
            platform=TARGET_PLATFORM,
            only=only,
            common=common,
        )

    if len(sets.sets) == 1:
        (only,) = sets.sets
        findings += of_imports(only.found.distributions, only.requirements.excluded, None)
    else:
        # what an endpoint with a set of its own would find at the artifact's top was not chosen to go with it
        common = () if sets.common is None else sets.common.distributions
        for each in sets.sets:
            findings += of_imports(each.found.distributions, each.requirements.excluded, each.endpoints, common)
        everything = [one for each in sets.sets for one in each.found.distributions]
        findings += of_imports(everything, sets.requirements.excluded, ())
    refuse(findings)
    return warnings_of(findings)


def _images(app: App, endpoints: Collection[str] | None = None) -> frozenset[str]:
    return frozenset(
        "gpu" if endpoint.spec.is_gpu else "cpu"
        for endpoint in app
        if not endpoint.spec.is_client and (endpoints is None or endpoint.name in endpoints)
    )


def _of_set(each: EndpointSet, request: BuildRequest, app: App, cache: Cache, report: Report) -> Iterator[Finding]:
    """What is wrong with the distributions themselves, and what they lack."""
    present = {
        *each.requirements.excluded,
        *request.provided,
        *(name for names in each.requirements.provided.values() for name in names),
    }
    images = _images(app, each.endpoints)
    version = request.python_version
    if not each.found.distributions:
        return
    from flash.bundle.audit.distributions import audit_requirements

    for finding in (
        *_of_tree(each.found, images, request, cache, report),
        *audit_requirements(each.found.distributions, present=present, python_version=version),
    ):
        yield replace(finding, path=f"{each.found.folder}{finding.path}")


def _of_tree(
    found: DistributionSet, images: frozenset[str], request: BuildRequest, cache: Cache, report: Report
) -> tuple[Finding, ...]:
    if found.tree is None:
        return ()
    provided = sorted(request.provided)
    asked = (
        *(rules_digest(_RULES), found.tree.name, request.python_version, TARGET_PLATFORM),
        *(*sorted(images), "", *provided),
    )
    known = cache.findings(asked, report)
    if known is None:
        from flash.bundle.audit.distributions import audit_distributions

        made = audit_distributions(
            found.tree,
            found.distributions,
            python_version=request.python_version,
            platform=TARGET_PLATFORM,
            images=images,
            provided=request.provided,
        )
        known = [asdict(finding) for finding in made]
        cache.keep_findings(asked, known)
    return tuple(Finding(**finding) for finding in known)


@remembered
def rules_digest(folder: Path) -> str:
    """What decides what an audit finds besides what it looks at: the rules in *folder*, and those for tags of wheels.

    Their text, not the version: a table that is brought up to date is asked again, and other checkouts share the cache.
    """
    import packaging

    digest = hashlib.sha256(packaging.__version__.encode())
    for file in sorted(folder.glob("*.py")):
        digest.update(file.read_bytes())
    return digest.hexdigest()
