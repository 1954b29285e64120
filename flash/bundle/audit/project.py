"""The audit of one project: its imports, its own shared objects, and what its distributions ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from flash.bundle.audit.distributions import audit_files, audit_requirements
from flash.bundle.audit.findings import Finding, ordered
from flash.bundle.audit.images import distributions_of_images
from flash.bundle.audit.imports import audit_imports, imported_names
from flash.bundle.audit.shared import is_shared_object

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path

    from flash.bundle.audit.wheels import Required
    from flash.bundle.modules import Modules
    from flash.model.app import App

__all__ = ["audit_project", "images_of"]


def images_of(app: App) -> tuple[str, ...]:
    """The kinds of images that the endpoints of *app* have, sorted: ``"cpu"``, ``"gpu"``.

    Those that run an image of their own run nothing of an artifact.
    """
    return tuple(sorted({"gpu" if each.spec.is_gpu else "cpu" for each in app if not each.spec.is_client}))


def audit_project(
    app: App,
    modules: Modules,
    root: Path,
    *,
    files: Sequence[str],
    ignored: Mapping[str, str],
    distributions: Sequence[Required],
    excluded: Mapping[str, str],
    provided: Collection[str],
    python_version: str,
    platform: str,
) -> tuple[Finding, ...]:
    """Everything that depends on the project; :func:`audit_distributions` is for what it shares with others.

    Args:
        app: What is declared.
        modules: The project's.
        root: The project.
        files: What ships of it.
        ignored: What does not, by path, with the rule.
        distributions: What ships beside it.
        excluded: What was left out, by normalised name, with the reason.
        provided: What all images have besides what the tables say: distributions, modules, libraries.
        python_version: The workers'.
        platform: As uv spells it.
    """
    findings = [
        *audit_imports(
            app,
            modules,
            distributions=distributions,
            provided={endpoint.name: provided for endpoint in app},
            excluded=excluded,
            ignored=ignored,
            python_version=python_version,
            files=files,
            platform=platform,
        ),
        *audit_requirements(
            distributions,
            present={*excluded, *distributions_of_images(), *(str(canonicalize_name(name)) for name in provided)},
            python_version=python_version,
        ),
    ]
    if any(is_shared_object(path) for path in files):
        findings += audit_files(
            root,
            files,
            distributions=distributions,
            imported=imported_names(modules, python_version),
            python_version=python_version,
            platform=platform,
            images=images_of(app),
            provided=provided,
        )
    return ordered(findings)
