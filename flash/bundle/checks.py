"""The audit of one build: what is known of a tree of distributions is kept with it."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from flash.bundle.audit import (
    Finding,
    audit_distributions,
    audit_files,
    audit_imports,
    audit_requirements,
    imported_names,
    refuse,
    warnings_of,
)
from flash.bundle.install import TARGET_PLATFORM

if TYPE_CHECKING:
    from flash.bundle.cache import Cache
    from flash.bundle.install import Report
    from flash.bundle.modules import Modules
    from flash.bundle.request import BuildRequest
    from flash.bundle.requirements import Requirements
    from flash.bundle.sources import Sources
    from flash.bundle.trees import DistributionSet
    from flash.model.app import App

__all__ = ["audit"]


def audit(
    request: BuildRequest,
    app: App,
    modules: Modules,
    sources: Sources,
    requirements: Requirements,
    found: DistributionSet,
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
    images = frozenset("gpu" if endpoint.spec.is_gpu else "cpu" for endpoint in app if not endpoint.spec.is_client)
    findings = list(_of_distributions(request, images, found, cache, report))
    findings += audit_files(
        request.root,
        sources.files,
        distributions=found.distributions,
        imported=imported_names(modules, version),
        python_version=version,
        platform=TARGET_PLATFORM,
        images=images,
        provided=request.provided,
    )
    findings += audit_imports(
        app,
        modules,
        distributions=found.distributions,
        provided={endpoint.name: request.provided for endpoint in app},
        excluded=requirements.excluded,
        ignored=sources.ignored,
        python_version=version,
        files=sources.files,
        platform=TARGET_PLATFORM,
    )
    present = {
        *requirements.excluded,
        *request.provided,
        *(name for names in requirements.provided.values() for name in names),
    }
    findings += audit_requirements(found.distributions, present=present, python_version=version)
    refuse(findings)
    return warnings_of(findings)


def _of_distributions(
    request: BuildRequest, images: frozenset[str], found: DistributionSet, cache: Cache, report: Report
) -> tuple[Finding, ...]:
    if found.tree is None:
        return ()
    asked = (found.tree.name, request.python_version, TARGET_PLATFORM, *sorted(images), "", *sorted(request.provided))
    known = cache.findings(asked, report)
    if known is None:
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
