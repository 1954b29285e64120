"""Whether what was built will run: every wheel, shared object and import against what a worker has."""

from flash.bundle.audit.distributions import audit_distributions, audit_files, audit_requirements
from flash.bundle.audit.findings import Finding, refuse, warnings_of
from flash.bundle.audit.imports import audit_imports, imported_names

__all__ = [
    "Finding",
    "audit_distributions",
    "audit_files",
    "audit_imports",
    "audit_requirements",
    "imported_names",
    "refuse",
    "warnings_of",
]
