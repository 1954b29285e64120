"""Endpoints whose requirements contradict one another have distributions of their own, in one artifact."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tarfile
from typing import TYPE_CHECKING, Any

import pytest
from fakes_bundle import FakeDescriber, project
from fakes_index import wheel

from flash.bundle.assemble import BuildRequest, build
from flash.bundle.cache import Cache
from flash.bundle.contents import read
from flash.bundle.install import Uv
from flash.bundle.memo import Memo, recall
from flash.bundle.sbom import sbom_of
from flash.bundle.statement import problems_of, statement_of
from flash.errors import ArtifactTooLarge, AuditFailed, BuildError, DependencyError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from flash.model.manifest import Artifact

ENDPOINT = """
from flash import Endpoint

@Endpoint(name={name!r}, cpu="cpu3c-1-2", dependencies={dependencies!r})
def of_{name}() -> str:
    import {module}
    return {module}.VERSION
"""
GPU = "from flash import Endpoint, GpuGroup"
TWO = {"a": ["lib==1.0"], "b": ["lib==2.0"]}


def declared(name: str, dependencies: list[str], *, module: str = "") -> str:
    """An endpoint that answers with the version of *module*: what it asks for first, unless something else is said."""
    return ENDPOINT.format(name=name, dependencies=dependencies, module=module or re.split("[<=>]", dependencies[0])[0])


class Making:
    """A project with a wheelhouse beside it, built with the real installer."""

    def __init__(self, folder: Path) -> None:
        self.root, self.wheels = folder / "app", folder / "wheels"
        (self.root / ".flash").mkdir(parents=True)
        for version in ("1.0", "2.0", "3.0"):
            wheel(self.wheels, "lib", version)
        wheel(self.wheels, "plain", requires=["deep"])
        wheel(self.wheels, "deep", "1.0")
        wheel(self.wheels, "deep", "2.0")
        wheel(self.wheels, "old", requires=["deep<2"])
        wheel(self.wheels, "new", requires=["deep>=2"])
        self.describer = FakeDescriber()
        self.lines: list[str] = []
        self._environment = {
            "UV_FIND_LINKS": str(self.wheels),
            "UV_NO_INDEX": "1",
            "UV_CACHE_DIR": str(folder / "uv"),
            "HOME": str(folder),
        }
        self._cache = Cache(folder / "cache")

    def endpoints(self, endpoints: Mapping[str, list[str]], files: Mapping[str, str] | None = None) -> None:
        modules = {f"{name}.py": declared(name, dependencies) for name, dependencies in endpoints.items()}
        project(self.root, {**modules, **(files or {})})

    def request(self, **request: Any) -> BuildRequest:
        asked = {"app_name": "demo", "python_version": "3.11", **request}
        return BuildRequest(root=self.root, **asked)

    def recall(self, artifact: Artifact) -> Memo | None:
        uv, describer = Uv(self._environment), self.describer.identity
        return recall(self.request(), artifact.path, describer=describer, key_of=uv.key, now=0.0)

    def build(self, **request: Any) -> Artifact:
        self.lines.clear()
        return build(
            self.request(**request),
            installer=Uv(self._environment),
            describer=self.describer,
            cache=self._cache,
            report=self.lines.append,
        )

    def folders(self, artifact: Artifact) -> dict[str, str | None]:
        return {name: resource.packages for name, resource in artifact.manifest.resources.items()}


@pytest.fixture
def making(tmp_path: Path) -> Making:
    return Making(tmp_path)


def answers(artifact: Artifact, folder: Path) -> dict[str, str]:
    """What each endpoint's handler says, in a process of its own that has the artifact and Flash's dependencies."""
    with tarfile.open(artifact.path) as archive:
        archive.extractall(folder, filter="data")
    text = "import sys; sys.path.insert(0, '.'); import importlib; m = importlib.import_module(sys.argv[1]);"
    found = {}
    for name in artifact.manifest.resources:
        done = subprocess.run(
            [sys.executable, "-c", f"{text} print(m.handler({{'id': 'x', 'input': {{}}}}))", f"handler_{name}"],
            cwd=folder,
            env={"PATH": ""},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        found[name] = done.stdout.strip()
    return found


def test_two_endpoints_whose_pins_conflict_are_each_given_their_own_set(making: Making, tmp_path: Path) -> None:
    """Both versions are in the artifact, and each handler has its endpoint's first."""
    making.endpoints(TWO)
    artifact = making.build()
    folders = making.folders(artifact)
    assert len({*folders.values()}) == 2
    for name, version in (("a", "1.0"), ("b", "2.0")):
        assert f"{folders[name]}lib.py" in artifact.files
        assert f"{folders[name]}lib-{version}.dist-info/METADATA" in artifact.files
    assert "lib.py" not in artifact.files
    assert answers(artifact, tmp_path / "unpacked") == {"a": "1.0", "b": "2.0"}
    assert [line for line in making.lines if "own" in line or "has 1" in line] == [
        "'lib==2.0' (endpoint 'b') contradicts 'lib==1.0' (endpoint 'a'): each has distributions of its own",
        f"{folders['a']} has 1, for a",
        f"{folders['b']} has 1, for b",
    ]


def test_who_contradicts_nobody_has_what_lies_at_the_top(making: Making, tmp_path: Path) -> None:
    """What the project's files ask for is there, and whole again in each set of its own."""
    making.endpoints({**TWO, "c": ["lib"]}, {"requirements.txt": "deep<2\n"})
    artifact = making.build()
    folders = making.folders(artifact)
    assert folders["c"] is None
    assert [path for path in artifact.files if path.endswith("deep.py")] == sorted(
        ["deep.py", f"{folders['a']}deep.py", f"{folders['b']}deep.py"]
    )
    assert answers(artifact, tmp_path / "unpacked") == {"a": "1.0", "b": "2.0", "c": "3.0"}
    text = (tmp_path / "unpacked/requirements.txt").read_text(encoding="utf-8")
    assert text.splitlines()[:5] == [
        "# What this artifact holds.",
        "deep==1.0",
        "lib==3.0",
        f"# In {folders['a']}, for a:",
        "#   deep==1.0",
    ]


def test_endpoints_that_agree_share_a_set(making: Making) -> None:
    """As few sets as there can be, in the order of names: neither is the one who asks, nor the order of files."""
    making.endpoints(
        {"a": ["lib==1.0"], "b": ["lib==2.0"], "c": ["lib==1.0", "plain"], "d": ["lib>1"], "e": ["deep==2.0"]}
    )
    folders = making.folders(making.build())
    assert folders["a"] == folders["c"] is not None
    assert folders["b"] == folders["d"] is not None
    assert folders["e"] is None


def test_what_two_need_indirectly_may_conflict_too(making: Making, tmp_path: Path) -> None:
    """Which only the installer can tell; whoever it speaks of has a set of its own."""
    endpoints = {"a": ["old"], "b": ["new"], "c": ["plain"]}
    making.endpoints(
        endpoints, {f"{name}.py": declared(name, asked, module="deep") for name, asked in endpoints.items()}
    )
    artifact = making.build()
    assert making.folders(artifact)["c"] is None
    assert answers(artifact, tmp_path / "unpacked") == {"a": "1.0", "b": "2.0", "c": "2.0"}
    assert "'old' (endpoint 'a') and 'new' (endpoint 'b') do not go together: each has distributions of its own" in (
        making.lines
    )


def test_with_one_set_asked_for_both_endpoints_and_both_pins_are_named(making: Making) -> None:
    """Also where only the installer can tell."""
    making.endpoints(TWO)
    with pytest.raises(
        DependencyError, match=r"'lib==2.0' \(endpoint 'b'\) contradicts 'lib==1.0' \(endpoint 'a'"
    ) as one:
        making.build(one_set=True)
    assert "one-set in [tool.flash]" in one.value.hint
    making.endpoints({"a": ["old"], "b": ["new"]})
    with pytest.raises(DependencyError, match=r"'old' \(endpoint 'a'\) and 'new' \(endpoint 'b'\)") as two:
        making.build(one_set=True)
    assert "one-set in [tool.flash]" in two.value.hint


@pytest.mark.parametrize(
    ("listed", "endpoints", "message"),
    [
        ("lib==3.0", TWO, r"'lib==1.0' \(endpoint 'a'\) contradicts 'lib==3.0' \(requirements.txt:1\)"),
        ("old", {"b": ["new"], "c": ["plain"]}, r"'old' \(requirements.txt:1\) and 'new' \(endpoint 'b'\)"),
        ("", {"a": ["lib==1.0", "lib==2.0"], "b": ["lib==2.0"]}, r"'lib==2.0' \(endpoint 'a'\) contradicts 'lib==1.0'"),
        ("", {"a": ["old", "new"], "b": ["plain"]}, r"'old' \(endpoint 'a'\) and 'new' \(endpoint 'a'\)"),
        ("", {"a": ["nowhere"], "b": ["plain"]}, r"'nowhere' \(endpoint 'a'\)"),
    ],
)
def test_what_no_set_can_have_is_an_error(
    making: Making, listed: str, endpoints: Mapping[str, list[str]], message: str
) -> None:
    """The project's files are in every set; and an endpoint may contradict itself."""
    making.endpoints(endpoints, {"requirements.txt": f"{listed}\n"})
    with pytest.raises(DependencyError, match=message):
        making.build()


def test_the_same_project_gives_the_same_bytes(making: Making, tmp_path: Path) -> None:
    """Elsewhere, with nothing kept, and after a change that was taken back, for which nothing is installed."""
    endpoints = {**TWO, "c": ["plain"]}
    making.endpoints(endpoints)
    first = making.build()
    making.endpoints(endpoints, {"c.py": f"{declared('c', ['plain'])}# changed\n"})
    assert making.build().sha256 != first.sha256
    assert not any(line.startswith(("resolving", "installed")) for line in making.lines)
    making.endpoints(endpoints)
    assert making.build().sha256 == first.sha256
    (tmp_path / "elsewhere").mkdir()
    other = Making(tmp_path / "elsewhere")
    other.endpoints(endpoints)
    assert other.build().sha256 == first.sha256


def test_an_unchanged_project_is_not_built_again(making: Making) -> None:
    """Nor is it where one set would be another now."""
    making.endpoints(TWO)
    artifact = making.build()
    memo = making.recall(artifact)
    assert memo is not None
    assert memo.artifact == artifact
    wheel(making.wheels, "lib", "1.0.post1")
    assert making.recall(artifact) is None


def test_a_change_of_one_set_touches_those_who_have_it(making: Making) -> None:
    """What lies at the top is for the others, and for who may find it there."""

    def fingerprints(**more: list[str]) -> dict[str, str]:
        making.endpoints({**TWO, "c": ["plain"], "d": ["lib==2.0"], **more})
        return {name: resource.fingerprint for name, resource in making.build().manifest.resources.items()}

    def touched(**more: list[str]) -> set[str]:
        after = fingerprints(**more)
        return {name for name in before if before[name] != after[name]}

    before = fingerprints()
    assert touched(d=["lib==2.0", "deep"]) == {"b", "d"}
    wheel(making.wheels, "plain", "2.0", requires=["deep"])
    assert touched() == {"c"}


def test_each_set_is_described_by_itself(making: Making) -> None:
    """With the distributions that its workers have."""
    endpoints = {**TWO, "c": ["plain"], "d": ["lib==2.0"]}
    # what its type comes to, only who imports it can tell
    files = {f"{name}.py": declared(name, asked).replace("-> str", "-> object()") for name, asked in endpoints.items()}
    making.endpoints(endpoints, files)
    making.build()
    assert sorted(making.describer.asked) == [["a"], ["b", "d"], ["c"]]


def test_who_has_a_set_of_its_own_is_audited_by_that(making: Making) -> None:
    """What lies at the artifact's top would be found, and was not chosen to go with it."""
    making.endpoints({**TWO, "c": ["deep"]}, {"a.py": declared("a", TWO["a"], module="deep")})
    with pytest.raises(AuditFailed, match=r"endpoint 'a' imports 'deep', which is not in its own set"):
        making.build()


def test_a_script_is_told_of_once_and_only_if_no_set_has_what_it_imports(making: Making) -> None:
    """A module that no endpoint imports is nobody's."""
    making.endpoints({**TWO, "c": ["plain"]}, {"script.py": "import lib, nowhere\n"})
    making.build()
    assert ["nowhere" in line for line in making.lines if line.startswith("!")] == [True]


def test_a_wheel_that_is_not_for_workers_is_named_where_it_lies(making: Making) -> None:
    """In its set; others are audited too."""
    wheel(
        making.wheels,
        "odd",
        requires=["absent; python_full_version < '1'"],
        files={"odd/native.cpython-39-x86_64-linux-gnu.so": ""},
    )
    making.endpoints({"a": ["lib==1.0", "odd"], "b": ["lib==2.0"]})
    with pytest.raises(AuditFailed) as caught:
        making.build()
    assert str(caught.value.path).startswith("_flash/sets/")


def test_what_is_left_out_is_judged_for_each_set(making: Making) -> None:
    """A GPU image ships numpy, and is left to it there, whatever another set has."""
    wheel(making.wheels, "numpy", "1.0")
    wheel(making.wheels, "numpy", "2.0")
    gpu = ENDPOINT.replace('cpu="cpu3c-1-2"', "gpu=GpuGroup.AMPERE_16").replace("from flash import Endpoint", GPU)
    asked = gpu.format(name="a", dependencies=["numpy==1.0", "lib==1.0"], module="lib")
    making.endpoints({"b": ["numpy==2.0", "lib==2.0"]}, {"a.py": asked})
    artifact = making.build()
    folders = making.folders(artifact)
    assert f"{folders['b']}numpy.py" in artifact.files
    assert f"{folders['a']}numpy.py" not in artifact.files
    assert artifact.manifest.resources["a"].provided == ["numpy"]
    assert artifact.manifest.resources["b"].provided == []


def test_a_module_of_the_project_is_not_hidden_by_what_a_set_leaves_about(making: Making) -> None:
    """A distribution's own scripts or examples, which nobody means."""
    litter = {"lib.py": "VERSION = '4.0'", "scripts/__init__.py": "", "samples.py": ""}
    wheel(making.wheels, "lib", "4.0", files=litter)
    making.endpoints({"a": ["lib==4.0"], "b": ["lib==2.0"]}, {"scripts/__init__.py": "", "scripts/one.py": ""})
    artifact = making.build()
    folder = making.folders(artifact)["a"]
    assert f"{folder}samples.py" in artifact.files
    assert f"{folder}scripts/__init__.py" not in artifact.files
    assert "scripts/__init__.py" in artifact.files


def test_no_file_of_the_project_may_lie_where_sets_do(making: Making) -> None:
    """Somebody's unpacked artifact, for instance."""
    making.endpoints(TWO, {"_flash/sets/0/lib.py": ""})
    with pytest.raises(BuildError, match="the build generates"):
        making.build()


def test_over_the_limit_each_version_is_named_with_its_place(making: Making) -> None:
    """Twice the same name would say nothing."""
    for version in ("5.0", "6.0"):
        wheel(making.wheels, "lib", version, files={"lib.py": "#" * 2**20})
    making.endpoints({"a": ["lib==5.0"], "b": ["lib==6.0"]})
    with pytest.raises(ArtifactTooLarge) as caught:
        making.build(size_limit_bytes=1000)
    assert "lib 5.0 in _flash/sets/" in caught.value.detail
    assert "lib 6.0 in _flash/sets/" in caught.value.detail


def test_the_bill_has_each_with_its_set(making: Making) -> None:
    """Two versions are two components; who looks into the artifact sees whose they are."""
    making.endpoints(TWO)
    artifact = making.build()
    contents = read(artifact.path)
    assert [(part.name, part.version, part.only) for part in contents.distributions] == [
        ("lib", "1.0", ("a",)),
        ("lib", "2.0", ("b",)),
    ]
    assert contents.own_files() == ("a.py", "b.py")
    components = json.loads(sbom_of(contents))["components"]
    said = {
        one["purl"]: {each["name"]: each["value"] for each in one["properties"]}
        for one in components
        if one["name"] == "lib"
    }
    folders = making.folders(artifact)
    assert said["pkg:pypi/lib@1.0"]["flash:set"] == folders["a"]
    assert said["pkg:pypi/lib@2.0"]["flash:only"] == "b"
    assert problems_of(statement_of(contents), contents) == ()


def test_a_kept_build_folder_is_the_artifact(making: Making) -> None:
    """As a worker has it."""
    making.endpoints({**TWO, "c": ["plain"]})
    artifact = making.build(keep_build_dir=True)
    kept = making.root / ".flash/.build"
    assert {path.relative_to(kept).as_posix() for path in kept.rglob("*") if path.is_file()} == {*artifact.files}
    with tarfile.open(artifact.path) as archive:
        assert tuple(sorted(archive.getnames())) == artifact.files
