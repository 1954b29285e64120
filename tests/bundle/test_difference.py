"""What differs between two artifacts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fakes_artifact import MANIFEST, demo, packed, wheel
from hypothesis import given
from hypothesis import strategies as st

from flash.bundle import contents
from flash.bundle.difference import Changed, FileChanges, difference
from flash.model.manifest import CallSchema, FunctionEntry, Manifest

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import pytest

    from flash.bundle.difference import Difference


def between(folder: Path, before: Mapping[str, str | bytes], after: Mapping[str, str | bytes]) -> Difference:
    """The difference of two artifacts."""
    return difference(
        contents.read(packed(folder / "a.tar.gz", before)), contents.read(packed(folder / "b.tar.gz", after))
    )


def changed(**of_gpu: object) -> Manifest:
    """The manifest, with another configuration of one endpoint."""
    endpoint = MANIFEST.resources["gpu_worker"].model_copy(update=of_gpu)
    return MANIFEST.model_copy(update={"resources": {**MANIFEST.resources, "gpu_worker": endpoint}})


def without(files: Mapping[str, str], start: str) -> dict[str, str]:
    """Files but for those that begin so."""
    return {path: text for path, text in files.items() if not path.startswith(start)}


def test_an_artifact_does_not_differ_from_itself(tmp_path: Path) -> None:
    """Nor from one that was packed otherwise."""
    found = between(tmp_path, demo(), dict(reversed(demo().items())))
    assert found.is_empty
    assert not found.is_same_file
    assert between(tmp_path, demo(), demo()).is_empty
    assert (found.settings, found.sizes, found.files) == ({}, {}, {})


def test_files_are_told_by_what_brought_them(tmp_path: Path) -> None:
    """By content, not by size or time; a permission to execute is part of a file."""
    after = without(demo(), "data/") | {"gpu_worker.py": "def hullo(): ...\n", "new/a.txt": "", "six.py": "z" * 900}
    found = between(tmp_path, demo(), after)
    assert found.files == {
        "project": FileChanges(("new/a.txt",), ("data/deep/words.txt",), ("gpu_worker.py",)),
        "six": FileChanges((), (), ("six.py",)),
    }
    assert found.sizes == {"project": (len("def hello(): ...\n") + len("def health(): ...\n") + 6, 35)}
    one = contents.read(packed(tmp_path / "a.tar.gz", demo()))
    other = contents.read(packed(tmp_path / "b.tar.gz", demo(), executable=["gpu_worker.py"]))
    assert difference(one, other).files == {"project": FileChanges(changed=("gpu_worker.py",))}


def test_distributions_are_told_by_version(tmp_path: Path) -> None:
    """Come, gone, changed."""
    after = without(without(demo(), "six"), "left_pad") | wheel(
        "left-pad", "1.3.0", {"left_pad/__init__.py": "x" * 5000}
    )
    found = between(tmp_path, demo(), after | wheel("rich", "15.0", {"rich.py": ""}))
    assert found.distributions == (
        Changed("left-pad", "1.2.0", "1.3.0"),
        Changed("rich", None, "15.0"),
        Changed("six", "1.17.0", None),
    )
    assert found.sizes["six"][1] == 0


def test_endpoints_come_go_and_change(tmp_path: Path) -> None:
    """Of one that is in both, each setting that differs."""
    gone = MANIFEST.model_copy(update={"resources": {"gpu_worker": MANIFEST.resources["gpu_worker"]}})
    found = between(tmp_path, demo(), demo(manifest=gone))
    assert found.endpoints == (Changed("lb_worker", "load-balanced", None),)
    found = between(tmp_path, demo(), demo(manifest=changed(workers_max=3, gpu_ids="ADA_24", fingerprint="ef" * 32)))
    assert found.endpoints == ()
    assert [(one.name, one.before, one.after) for one in found.settings["gpu_worker"]] == [
        ("fingerprint", "ab" * 32, "ef" * 32),
        ("gpuIds", "AMPERE_16", "ADA_24"),
        ("workersMax", "1", "3"),
    ]


def test_a_function_and_its_contract_are_told_apart(tmp_path: Path) -> None:
    """A contract is long: that it differs is told, and by a digest which it is."""
    entry = FunctionEntry(name="hello", module="gpu_worker", is_async=True, contract={"": CallSchema()})
    found = between(tmp_path, demo(), demo(manifest=changed(functions=[entry])))
    assert [one.name for one in found.settings["gpu_worker"]] == ["contract of hello", "function hello"]
    assert (found.settings["gpu_worker"][0].after or "").startswith("sha256 ")


def test_values_of_variables_are_never_shown(tmp_path: Path) -> None:
    """They may be anybody's secrets."""

    def with_env(value: str) -> dict[str, str]:
        template = {"containerDiskInGb": 5, "env": [{"key": "TOKEN", "value": value}]}
        return demo(manifest=changed(env={"KEY": value, value: ""}, template=template))

    found = between(tmp_path, with_env("hunter1"), with_env("hunter2"))
    assert [(one.name, one.after) for one in found.settings["gpu_worker"]] == [
        ("env", "KEY, hunter2"),
        ("env KEY", "another value"),
        ("template env TOKEN", "another value"),
    ]
    assert "hunter1" not in str(found.settings["gpu_worker"][1:])


def test_what_the_manifest_says_besides_counts_too(tmp_path: Path) -> None:
    """Nothing in it is nobody's business."""
    other = MANIFEST.model_copy(update={"python_version": "3.13", "excluded": {}, "version": "1.1"})
    found = between(tmp_path, demo(), demo(manifest=other, **{"flash/__init__.py": '__version__ = "0.2.0"\n'}))
    assert [one.name for one in found.about] == ["flash", "python", "version"]
    assert found.excluded == (Changed("torch", "every image ships it", None),)


PATHS = st.dictionaries(
    st.sampled_from(["a.py", "b/c.py", "six.py", "flash/x.py", "handler_gpu_worker.py", "six-1.17.0.dist-info/RECORD"]),
    st.sampled_from(["", "one", "other", "six.py,,\n"]),
)


@given(PATHS, PATHS, st.booleans())
def test_the_difference_the_other_way_round_is_its_reverse(
    tmp_path_factory: pytest.TempPathFactory, one: dict[str, str], other: dict[str, str], has_other_settings: bool
) -> None:
    """Whatever differs; and of one artifact there is none."""
    folder = tmp_path_factory.mktemp("artifacts")
    settings = changed(workers_min=int(has_other_settings))
    before = contents.read(packed(folder / "a.tar.gz", demo(**one)))
    after = contents.read(packed(folder / "b.tar.gz", demo(manifest=settings, **other)))
    found = difference(before, after)
    assert difference(after, before) == found.reversed()
    assert found.reversed().reversed() == found
    assert difference(before, before).is_empty
    assert found.is_empty == (demo(**one) == demo(**other) and not has_other_settings)
