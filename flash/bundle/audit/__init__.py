"""Whether what was built will run: every wheel, shared object and import against what a worker has."""

from flash.bundle.audit.distributions import audit_distributions, audit_files, audit_requirements
from flash.bundle.audit.findings import Finding, refuse, warnings_of
from flash.bundle.audit.imports import audit_imports, imported_names
from flash.bundle.audit.project import audit_project, images_of
from flash.bundle.audit.remembered import audit_set

__all__ = [
    "Finding",
    "audit_distributions",
    "audit_files",
    "audit_imports",
    "audit_project",
    "audit_requirements",
    "audit_set",
    "images_of",
    "imported_names",
    "refuse",
    "warnings_of",
]
