"""A software bill of materials of an artifact, from the artifact itself: CycloneDX, as JSON.

``cyclonedx-python-lib`` is loaded when one is made, never before: it is an extra, and most builds make none.
"""

from __future__ import annotations

import json
import uuid
from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final

import flash
from flash.bundle.install import TARGET_PLATFORM
from flash.bundle.licences import SPDX_IDS
from flash.bundle.needs import target_environment
from flash.bundle.reading import printable
from flash.bundle.shipped import dependencies
from flash.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from cyclonedx.model import Property
    from cyclonedx.model.bom import Bom
    from cyclonedx.model.component import Component
    from cyclonedx.model.license import License

    from flash.bundle.contents import Contents
    from flash.bundle.shipped import Shipped

__all__ = ["GENERATOR", "OWN_NAME", "check_extra", "purl_of", "sbom_of"]

OWN_NAME: Final = "pytest-flash"
_OWN_LICENCE: Final = "MIT"
GENERATOR: Final = "flash:generator"
"""A property near the beginning, which says whose file this is: it is no part of a project that it lies in."""
_FIRST: Final = ("$schema", "bomFormat", "specVersion", "serialNumber", "version", "properties", "metadata")
_SERIAL: Final = uuid.UUID("6f1c0a5e-8f0a-5d4e-9d0b-7a1b6c2d3e4f")
"""Ours, chosen once: what serial numbers are derived in."""


def purl_of(name: str, version: str) -> str:
    """The package URL of a distribution on PyPI.

    >>> purl_of("torch", "2.7.0+cu128")
    'pkg:pypi/torch@2.7.0%2Bcu128'
    """
    from urllib.parse import quote

    return f"pkg:pypi/{quote(name, safe='.-_~')}@{quote(version, safe='.-_~:')}" if version else f"pkg:pypi/{name}"


def sbom_of(contents: Contents, *, timestamp: datetime | None = None) -> str:
    """The bill of materials of an artifact, CycloneDX 1.6. The same artifact gives the same text.

    The app is what it describes; each distribution, and Flash's own part, is a component. Hashes are of what the
    artifact has: of the app, the artifact's own; of a distribution, that of its ``RECORD``, as a file of it, and the
    ``dirHash`` of all of its files, as a property. The wheel's is not known to an artifact.

    Args:
        contents: What is in the artifact.
        timestamp: When it was made, in UTC, if that is to be said.

    Raises:
        SettingsError: The extra is missing.
    """
    check_extra()
    from cyclonedx.output.json import JsonV1Dot6

    bill: dict[str, Any] = json.loads(JsonV1Dot6(_bom(contents, timestamp)).output_as_string())
    ordered = {key: bill[key] for key in (*_FIRST, *bill) if key in bill}
    return json.dumps(ordered, indent=2) + "\n"


def _bom(contents: Contents, timestamp: datetime | None) -> Bom:
    from cyclonedx.model.bom import Bom, BomMetaData
    from cyclonedx.model.component import Component, ComponentType
    from cyclonedx.model.tool import ToolRepository

    artifact = contents.artifact
    root, runtime = _application(contents), _runtime(contents)
    tool = Component(type=ComponentType.APPLICATION, name=OWN_NAME, version=flash.__version__)
    components = {one.info: _library(one, ref) for one, ref in _refs(contents.shipped)}
    metadata = BomMetaData(component=root, tools=ToolRepository(components=[tool]))
    # the library puts the present moment where none is given
    metadata.timestamp = timestamp  # type: ignore[assignment]  # None is written as nothing
    said = f"{artifact.sha256} {flash.__version__} {timestamp}"
    bom = Bom(
        serial_number=uuid.uuid5(_SERIAL, said),
        metadata=metadata,
        components=[runtime, *components.values()],
        properties=_properties({GENERATOR: f"{OWN_NAME} {flash.__version__}"}),
    )
    needs = dependencies(contents.shipped, target_environment(artifact.manifest.python_version))
    for info, others in needs.items():
        bom.register_dependency(components[info], [components[other] for other in others])
    own = [components[one.info] for one in contents.shipped if one.name == "pydantic"]
    bom.register_dependency(runtime, own)
    bom.register_dependency(root, [runtime, *(components[info] for info in _first(needs))])
    return bom


def _application(contents: Contents) -> Component:
    from cyclonedx.model import HashAlgorithm, HashType
    from cyclonedx.model.component import Component, ComponentType

    manifest = contents.artifact.manifest
    said = {
        "flash:python": manifest.python_version,
        "flash:platform": TARGET_PLATFORM,
        "flash:source-fingerprint": manifest.source_fingerprint,
        **{f"flash:left-out:{name}": reason for name, reason in manifest.excluded.items()},
        **{
            f"flash:provided-by-image:{name}": ", ".join(resource.provided)
            for name, resource in manifest.resources.items()
        },
    }
    return Component(
        type=ComponentType.APPLICATION,
        name=manifest.project_name or "unnamed",
        bom_ref="application",
        description="artifact.tar.gz, whose sha256 the hash is",
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=contents.artifact.sha256)],
        properties=_properties(said),
    )


def _runtime(contents: Contents) -> Component:
    from cyclonedx.model.component import Component, ComponentType
    from packageurl import PackageURL

    version = contents.flash_version
    return Component(
        type=ComponentType.FRAMEWORK,
        name=OWN_NAME,
        version=version or None,
        bom_ref="runtime",
        description="the part of Flash that runs in workers: the folder flash/",
        purl=PackageURL(type="pypi", name=OWN_NAME, version=version or None),
        licenses=_licences(_OWN_LICENCE, ()),
        properties=_properties({"flash:dirHash": contents.digest_of(contents.runtime_files())}),
    )


def _library(one: Shipped, ref: str) -> Component:
    from cyclonedx.model import HashAlgorithm, HashType
    from cyclonedx.model.component import Component, ComponentType
    from packageurl import PackageURL

    record = f"{printable(one.info)}/RECORD"
    hashed = [] if one.record_sha256 is None else [HashType(alg=HashAlgorithm.SHA_256, content=one.record_sha256)]
    return Component(
        type=ComponentType.LIBRARY,
        name=one.name,
        version=one.version,
        bom_ref=ref,
        purl=PackageURL(type="pypi", name=one.name, version=one.version or None),
        licenses=_licences(one.licence_expression, one.licences),
        components=[Component(type=ComponentType.FILE, name=record, bom_ref=record, hashes=hashed)] if hashed else [],
        properties=_properties({"flash:dirHash": one.tree_sha256, "flash:files": str(len(one.files))}),
    )


def _refs(shipped: Sequence[Shipped]) -> Iterable[tuple[Shipped, str]]:
    """Each with a reference of its own: one distribution may be there twice, in sets of their own."""
    seen: dict[str, int] = defaultdict(int)
    for one in shipped:
        purl = purl_of(one.name, one.version)
        yield one, purl if not seen[purl] else f"{purl}#{printable(one.info)}"
        seen[purl] += 1


def _first(needs: Mapping[str, Sequence[str]]) -> list[str]:
    """What nothing else needs; of those that only need each other, one: everything is reached from them."""
    inner = {other for others in needs.values() for other in others}
    first = [info for info in sorted(needs) if info not in inner]
    reached: set[str] = set()
    for info in (*first, *sorted(needs)):
        if info in reached:
            continue
        if info not in first:
            first.append(info)
        pending = [info]
        while pending:
            current = pending.pop()
            if current not in reached:
                reached.add(current)
                pending += needs[current]
    return first


def _licences(expression: str, others: Sequence[str]) -> list[License]:
    from cyclonedx.contrib.license.factories import LicenseFactory
    from cyclonedx.model.license import DisjunctiveLicense, LicenseAcknowledgement

    make = LicenseFactory()
    declared = LicenseAcknowledgement.DECLARED
    if expression:
        return [make.make_from_string(expression, license_acknowledgement=declared)]
    if len(others) == 1:
        return [make.make_from_string(SPDX_IDS.get(others[0], others[0]), license_acknowledgement=declared)]
    # an expression stands alone: of several, each is an id or a name
    return [
        DisjunctiveLicense(id=SPDX_IDS[one], acknowledgement=declared)
        if one in SPDX_IDS
        else DisjunctiveLicense(name=one, acknowledgement=declared)
        for one in others
    ]


def _properties(said: Mapping[str, str]) -> list[Property]:
    from cyclonedx.model import Property

    return [Property(name=name, value=value) for name, value in sorted(said.items()) if value]


def check_extra() -> None:
    """Look whether the library is there, before anything is done for a bill.

    Raises:
        SettingsError: It is not.
    """
    try:
        import cyclonedx  # noqa: F401
    except ImportError as error:
        raise SettingsError(
            "a bill of materials needs the extra 'sbom'", hint="pip install 'pytest-flash[sbom]'"
        ) from error
