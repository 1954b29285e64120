"""The bill of materials of an artifact, judged by the library's own schemas."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from fakes_artifact import MANIFEST, demo, packed, wheel
from hypothesis import given, settings
from hypothesis import strategies as st

from flash.bundle import contents
from flash.bundle.licences import SPDX_IDS
from flash.bundle.sbom import sbom_of
from flash.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

STRICT = JsonStrictValidator(SchemaVersion.V1_6)


def bill(folder: Path, files: Mapping[str, str | bytes], **options: Any) -> dict[str, Any]:
    """The bill of an artifact of *files*, which is a valid one."""
    text = sbom_of(contents.read(packed(folder / "artifact.tar.gz", files)), **options)
    assert STRICT.validate_str(text) is None
    found: dict[str, Any] = json.loads(text)
    return found


def component(found: dict[str, Any], name: str) -> dict[str, Any]:
    """The component of that name."""
    [one] = [one for one in found["components"] if one["name"] == name]
    return dict(one)


def licence(folder: Path, *headers: str) -> list[dict[str, Any]]:
    """What the bill says of the licence of a distribution with these lines in its metadata."""
    found = component(bill(folder, demo() | wheel("one", "1", {}, *headers)), "one").get("licenses", [])
    return [{key: value for key, value in one.get("license", one).items() if key != "acknowledgement"} for one in found]


def test_the_app_is_what_it_is_about(tmp_path: Path) -> None:
    """With the artifact's own sha256, and what was left out."""
    found = bill(tmp_path, demo())
    app = found["metadata"]["component"]
    digest = contents.read(tmp_path / "artifact.tar.gz").artifact.sha256
    assert (app["type"], app["name"], app["hashes"]) == ("application", "demo", [{"alg": "SHA-256", "content": digest}])
    assert {one["name"]: one["value"] for one in app["properties"]} == {
        "flash:left-out:torch": "every image ships it",
        "flash:platform": "x86_64-manylinux_2_28",
        "flash:provided-by-image:gpu_worker": "torch",
        "flash:python": "3.12",
        "flash:source-fingerprint": "cd" * 32,
    }


def test_each_distribution_is_a_component(tmp_path: Path) -> None:
    """By its package URL; the hash is that of its record, and says so."""
    files = demo()
    found = component(bill(tmp_path, files), "six")
    shipped = {one.name: one for one in contents.read(tmp_path / "artifact.tar.gz").shipped}["six"]
    assert found["purl"] == "pkg:pypi/six@1.17.0"
    assert found["components"] == [
        {
            "bom-ref": "six-1.17.0.dist-info/RECORD",
            "type": "file",
            "name": "six-1.17.0.dist-info/RECORD",
            "hashes": [{"alg": "SHA-256", "content": shipped.record_sha256}],
        }
    ]
    assert {"name": "flash:dirHash", "value": shipped.tree_sha256} in found["properties"]


def test_flash_itself_is_a_component(tmp_path: Path) -> None:
    """Of the version that is in the artifact, not of the one that looks."""
    found = component(bill(tmp_path, demo(**{"flash/__init__.py": '__version__ = "9.8.7"\n'})), "pytest-flash")
    assert (found["version"], found["purl"]) == ("9.8.7", "pkg:pypi/pytest-flash@9.8.7")


def test_the_graph_is_what_the_metadata_requires(tmp_path: Path) -> None:
    """From the app to what nothing else needs; what only needs each other is reached too."""
    files = (
        demo()
        | wheel("ping", "1", {}, "Requires-Dist: pong")
        | wheel("pong", "1", {}, "Requires-Dist: ping")
        | wheel("pydantic", "2.12", {})
    )
    graph = {one["ref"]: one.get("dependsOn", []) for one in bill(tmp_path, files)["dependencies"]}
    assert graph["application"] == [
        "pkg:pypi/left-pad@1.2.0",
        "pkg:pypi/ping@1",
        "pkg:pypi/pydantic@2.12",
        "runtime",
    ]
    assert graph["runtime"] == ["pkg:pypi/pydantic@2.12"]
    assert graph["pkg:pypi/left-pad@1.2.0"] == ["pkg:pypi/six@1.17.0"]
    assert graph["pkg:pypi/ping@1"] == ["pkg:pypi/pong@1"]


def test_a_distribution_may_be_there_twice(tmp_path: Path) -> None:
    """In a set of its own: two components with one package URL."""
    found = bill(tmp_path, demo() | wheel("six", "1.17.0", {"six.py": ""}, folder="_flash/sets/0a/"))
    refs = [one["bom-ref"] for one in found["components"] if one["name"] == "six"]
    assert sorted(refs) == ["pkg:pypi/six@1.17.0", "pkg:pypi/six@1.17.0#six-1.17.0.dist-info"]


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        (["License-Expression: MIT"], [{"id": "MIT"}]),
        (["License-Expression: MIT OR Apache-2.0"], [{"expression": "MIT OR Apache-2.0"}]),
        (["License-Expression: whatever you like"], [{"name": "whatever you like"}]),
        (["License: apache-2.0"], [{"id": "Apache-2.0"}]),
        (["Classifier: License :: OSI Approved :: BSD License"], [{"name": "BSD License"}]),
        (
            [
                "Classifier: License :: OSI Approved :: MIT License",
                "Classifier: License :: OSI Approved :: BSD License",
            ],
            [{"id": "MIT"}, {"name": "BSD License"}],
        ),
        ([], []),
    ],
    ids=["id", "expression", "words", "field", "vague", "several", "none"],
)
def test_a_licence_is_an_spdx_one_where_there_is_no_doubt(
    tmp_path: Path, headers: list[str], expected: list[dict[str, str]]
) -> None:
    """Else it has the name that the distribution gives it."""
    assert licence(tmp_path, *headers) == expected


def test_every_licence_of_the_table_is_one_of_spdx() -> None:
    """As the library has its list."""
    from cyclonedx.spdx import is_supported_id

    assert [one for one in SPDX_IDS.values() if not is_supported_id(one)] == []


def test_the_same_artifact_gives_the_same_bytes(tmp_path: Path) -> None:
    """No time, no random number; another artifact has another serial number."""
    first, again, other = bill(tmp_path, demo()), bill(tmp_path, demo()), bill(tmp_path, demo(**{"new.py": ""}))
    assert json.dumps(first) == json.dumps(again)
    assert "timestamp" not in first["metadata"]
    assert first["serialNumber"] != other["serialNumber"]


def test_it_says_at_its_beginning_whose_it_is(tmp_path: Path) -> None:
    """So that one which lies in a project is known for what it is."""
    bill(tmp_path, demo())
    head = sbom_of(contents.read(tmp_path / "artifact.tar.gz"))[:1024]
    assert '"bomFormat": "CycloneDX"' in head
    assert '"name": "flash:generator"' in head


def test_a_time_is_said_where_it_is_given(tmp_path: Path) -> None:
    """``SOURCE_DATE_EPOCH``, as the command line reads it."""
    found = bill(tmp_path, demo(), timestamp=datetime(2026, 11, 23, tzinfo=timezone.utc))
    assert found["metadata"]["timestamp"] == "2026-11-23T00:00:00+00:00"


def test_an_app_without_a_name_has_a_bill_too(tmp_path: Path) -> None:
    """The format asks for one."""
    found = bill(tmp_path, demo(manifest=MANIFEST.model_copy(update={"project_name": ""})))
    assert found["metadata"]["component"]["name"] == "unnamed"


@settings(max_examples=40, deadline=None)
@given(
    name=st.text(st.characters(exclude_characters="/\0\r\n", exclude_categories=("Cs",)), max_size=12),
    header=st.sampled_from(["License-Expression", "License", "Classifier: License ::", "Version", "Requires-Dist"]),
    value=st.text(st.characters(exclude_categories=("Cs",)), max_size=30),
)
def test_whatever_metadata_says_the_bill_is_valid(
    tmp_path_factory: pytest.TempPathFactory, name: str, header: str, value: str
) -> None:
    """Somebody else has written it."""
    files = {f"{name}-1.dist-info/METADATA": f"{header}: {value}\n", f"{name}-1.dist-info/RECORD": value}
    if name not in {".", ".."}:
        bill(tmp_path_factory.mktemp("artifact"), demo() | files)


def test_without_the_extra_it_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Most projects make none."""
    monkeypatch.setitem(__import__("sys").modules, "cyclonedx", None)
    with pytest.raises(SettingsError, match="extra 'sbom'") as refused:
        sbom_of(contents.read(packed(tmp_path / "a.tar.gz", demo())))
    assert refused.value.hint == "pip install 'pytest-flash[sbom]'"
