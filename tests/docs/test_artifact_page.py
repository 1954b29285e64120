"""docs/artifact.md says what is written beside an artifact, and its commands come to what is written."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest
from fakes_artifact import demo, packed

from flash.bundle import contents
from flash.bundle.sbom import sbom_of
from flash.bundle.statement import BUILD_TYPE, BUILDER_ID, statement_of
from flash.preview.checkout import Checkout

PAGE = (Path(__file__).parents[2] / "docs/artifact.md").read_text(encoding="utf-8")


@pytest.fixture
def found(tmp_path: Path) -> contents.Contents:
    """What is in an artifact."""
    return contents.read(packed(tmp_path / "artifact.tar.gz", demo()))


def test_the_page_has_every_field_of_the_statement(found: contents.Contents) -> None:
    """And the URNs that it documents."""
    stated = statement_of(
        found, settings={}, declared={"uv.lock": ""}, source=Checkout(commit="", branch=None), byproducts={"b": ""}
    )
    definition, details = stated["predicate"]["buildDefinition"], stated["predicate"]["runDetails"]
    names = {*definition, *definition["externalParameters"], *definition["internalParameters"], *details}
    names |= {one["name"] for one in definition["resolvedDependencies"][2:4]} | {"checkout", "subject"}
    assert {name for name in names if f"`{name}`" not in PAGE and f".{name}`" not in PAGE} == set()
    assert f"`{BUILD_TYPE}`" in PAGE
    assert f"`{BUILDER_ID}`" in PAGE


def test_the_page_has_what_is_said_of_the_app(found: contents.Contents) -> None:
    """The properties that stand for names, and the version of the format."""
    bill = json.loads(sbom_of(found))
    assert f"CycloneDX](https://cyclonedx.org) {bill['specVersion']}" in PAGE
    for name in (one["name"] for one in bill["metadata"]["component"]["properties"]):
        shown = re.sub(r"(left-out|provided-by-image):.*", lambda match: match[1], name)
        assert shown in PAGE or name in {"flash:platform", "flash:python", "flash:source-fingerprint"}


def test_the_commands_come_to_what_is_written(found: contents.Contents, tmp_path: Path) -> None:
    """The artifact's sha256, and the ``dirHash`` of Flash's own part."""
    if shutil.which("sha256sum") is None:
        pytest.skip("no sha256sum here")
    command = re.search(r"^find flash .*$", PAGE, re.MULTILINE)
    assert command is not None
    with tarfile.open(found.artifact.path) as tar:
        for member in tar.getmembers():
            place = tmp_path / "app" / member.name
            place.parent.mkdir(parents=True, exist_ok=True)
            packed_file = tar.extractfile(member)
            place.write_bytes(b"" if packed_file is None else packed_file.read())
    told = subprocess.run(["sh", "-c", command[0]], cwd=tmp_path / "app", capture_output=True, check=True, text=True)
    assert told.stdout.split()[0] == found.digest_of(found.runtime_files())
    assert hashlib.sha256(found.artifact.path.read_bytes()).hexdigest() == found.artifact.sha256
