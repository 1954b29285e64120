"""``flash_manifest.json``: read, written, and of which generation."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flash.errors import ManifestError
from flash.model.manifest import CallSchema, FunctionEntry, Manifest, Resource

PAGE = {
    "resources": {
        "lb_worker": {
            "is_load_balanced": True,
            "imageName": "runpod/flash-lb-cpu:latest",
            "workersMin": 1,
            "functions": [{"name": "process", "module": "lb_worker"}, {"name": "health", "module": "lb_worker"}],
        },
        "gpu_worker": {
            "imageName": "runpod/flash:latest",
            "gpuIds": "AMPERE_16",
            "workersMax": 3,
            "functions": [{"name": "gpu_hello", "module": "gpu_worker"}],
        },
    },
    "routes": {"lb_worker": {"POST /process": "process", "GET /health": "health"}},
}

NAMES = st.from_regex(r"[a-z]{1,6}", fullmatch=True)
FUNCTIONS = st.builds(
    FunctionEntry,
    name=NAMES,
    module=NAMES,
    is_async=st.booleans(),
    http_method=st.sampled_from([None, "GET", "POST"]),
    contract=st.dictionaries(
        NAMES, st.builds(CallSchema, untyped=st.lists(NAMES), example=st.just({"x": 1})), max_size=2
    ),
)
RESOURCES = st.builds(
    Resource,
    functions=st.lists(FUNCTIONS, max_size=2),
    image_name=NAMES,
    gpu_ids=st.sampled_from([None, "ADA_24"]),
    workers_max=st.integers(0, 9),
    env=st.dictionaries(NAMES, st.text()),
)
MANIFESTS = st.builds(
    Manifest,
    project_name=st.text(),
    resources=st.dictionaries(NAMES, RESOURCES, max_size=3),
    routes=st.dictionaries(NAMES, st.dictionaries(NAMES, NAMES), max_size=2),
    excluded=st.dictionaries(NAMES, st.text()),
    digest=st.none() | NAMES,
)


@given(MANIFESTS)
def test_what_is_written_is_read_as_it_was(manifest: Manifest) -> None:
    """And written again with the same bytes."""
    text = manifest.text()
    again = Manifest.parse(json.loads(text))
    assert again == manifest
    assert again.text() == text


def test_the_pages_manifest_is_read() -> None:
    """What it lacks has defaults."""
    manifest = Manifest.parse(PAGE)
    balanced, queue = manifest.resources["lb_worker"], manifest.resources["gpu_worker"]
    assert (balanced.is_load_balanced, balanced.workers_min, balanced.is_gpu) == (True, 1, False)
    assert (queue.gpu_ids, queue.workers_max, queue.is_gpu, queue.idle_timeout_s) == ("AMPERE_16", 3, True, 60)
    assert manifest.routes["lb_worker"] == {"POST /process": "process", "GET /health": "health"}
    assert (manifest.version, manifest.python_version) == ("1.0", "3.12")


def test_wire_spelling_is_written() -> None:
    """With everything that the page shows."""
    data = Manifest.parse(PAGE).as_json()
    assert data["routes"] == PAGE["routes"]
    assert data["resources"]["gpu_worker"]["gpuIds"] == "AMPERE_16"
    assert data["resources"]["lb_worker"]["imageName"] == "runpod/flash-lb-cpu:latest"
    assert "gpuIds" not in data["resources"]["lb_worker"]


def test_nothing_in_it_tells_the_time() -> None:
    """A peer's is read and not written."""
    manifest = Manifest.parse({"generated_at": "2026-01-01T00:00:00Z", "resources": {}})
    assert manifest.generated_at == "2026-01-01T00:00:00Z"
    assert "generated_at" not in manifest.text()


def test_keys_that_we_do_not_know_are_kept() -> None:
    """Of the manifest, a resource and a function."""
    data = {
        "new": 1,
        "resources": {"a": {"is_live_resource": True, "functions": [{"name": "f", "module": "m", "later": [1]}]}},
    }
    written = Manifest.parse(data).as_json()
    assert written["new"] == 1
    assert written["resources"]["a"]["is_live_resource"] is True
    assert written["resources"]["a"]["functions"][0]["later"] == [1]


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ([], "the document"),
        ({"resources": []}, "resources"),
        ({"resources": {"a": {"workersMax": "many"}}}, "resources.a.workersMax"),
        ({"resources": {"a": {"functions": [{"name": "f"}]}}}, "resources.a.functions.0.module"),
    ],
)
def test_what_is_no_manifest_is_refused_by_field(data: object, field: str) -> None:
    """The first that is wrong."""
    with pytest.raises(ManifestError) as caught:
        Manifest.parse(data, where="here.json")
    assert caught.value.message.startswith(f"here.json is not a manifest: {field}: ")


def test_a_file_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    """Absent, or no JSON."""
    file = tmp_path / "flash_manifest.json"
    with pytest.raises(ManifestError, match="cannot read"):
        Manifest.read(file)
    file.write_text("{")
    with pytest.raises(ManifestError, match="cannot read"):
        Manifest.read(file)
    file.write_text(Manifest.parse(PAGE).text())
    assert Manifest.read(file) == Manifest.parse(PAGE)
