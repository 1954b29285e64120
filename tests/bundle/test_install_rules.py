"""Rules that runpod-flash 1.21 breaks (seen), from declarations to installed files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fakes_bundle import project, write
from fakes_index import digest, wheel

from flash.bundle.clashes import refuse_contradictions
from flash.bundle.discover import discover
from flash.bundle.install import Distribution, Uv
from flash.bundle.requirements import Requirements, plan_requirements
from flash.errors import BuildError, DependencyError, DiscoveryError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

ENDPOINT = """
    from flash import Endpoint
    {before}
    @Endpoint(name="a", cpu="cpu3c-1-2", dependencies={dependencies})
    def work(text: str) -> str:
        return text
"""


@pytest.fixture
def uv(tmp_path: Path) -> Uv:
    """An uv with a folder of wheels as its only index, of stand-ins for what people use."""
    folder = tmp_path / "wheels"
    linux = "cp312-cp312-manylinux_2_28_x86_64"
    binary = {"numpy/__init__.py": "", "numpy.libs/libblas.so": "blas"}
    wheel(folder, "numpy", "2.0", tag=linux, files=binary)
    wheel(folder, "scipy", "1.0", requires=["numpy"], tag=linux, files={"scipy/__init__.py": "", "scipy.libs/x.so": ""})
    wheel(folder, "joblib")
    wheel(folder, "scikit-learn", requires=["numpy", "scipy", "joblib"], files={"sklearn/__init__.py": ""})
    wheel(folder, "PyYAML", "6.0.1", files={"yaml/__init__.py": "", "_yaml/__init__.py": ""})
    wheel(folder, "PyYAML", "6.0.2", files={"yaml/__init__.py": "", "_yaml/__init__.py": ""})
    wheel(folder, "opencv-python-headless", requires=["numpy"], files={"cv2/__init__.py": "", "opencv.libs/x.so": ""})
    wheel(folder, "vision", requires=["opencv-python-headless", "PyYAML"])
    wheel(folder, "runpod-flash", requires=["boto"])
    wheel(folder, "boto")
    wheel(folder, "torch", requires=["nvidia-cublas-cu12"])
    wheel(folder, "nvidia-cublas-cu12")
    wheel(folder, "accelerate", requires=["torch", "numpy"])
    for name in ("six", "toolz", "requests", "urllib3"):
        wheel(folder, name)
    wheel(folder, "huge", requires=["missing-everywhere"])
    return Uv(
        {"UV_FIND_LINKS": str(folder), "UV_NO_INDEX": "1", "UV_CACHE_DIR": str(tmp_path / "uv"), "HOME": str(tmp_path)}
    )


def planned(root: Path, *, python: str = "3.12", exclude: Sequence[str] = (), group: str | None = None) -> Requirements:
    files = [path.relative_to(root).as_posix() for path in sorted(root.rglob("*.py"))]
    app = discover(root, files, app_name="demo")
    plan = plan_requirements(app, root, exclude=exclude, python_version=python, dependency_group=group)
    refuse_contradictions(plan)
    return plan


def declare(root: Path, dependencies: str, before: str = "", **files: str) -> Path:
    text = ENDPOINT.format(before=before, dependencies=dependencies)
    return project(root, {"main.py": text, **{name.replace("__", "."): body for name, body in files.items()}})


def install(uv: Uv, plan: Requirements, target: Path) -> tuple[Distribution, ...]:
    try:
        return uv.install(plan.wanted(), target=target, report=lambda _: None)
    except DependencyError as error:
        raise plan.blame(error) from error


def tops(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if not path.name.endswith(".dist-info")}


# -------------------------------------------------------------------------------------------- However they are written


@pytest.mark.parametrize(
    ("dependencies", "before", "expected"),
    [
        ('("six",)', "", ("six",)),
        ("DEPS", 'DEPS = ["six", "toolz"]', ("six", "toolz")),
        ('[*DEPS, "toolz"]', 'DEPS = ["six"]', ("six", "toolz")),
        ('DEPS + ["toolz"]', 'DEPS = ["six"]', ("six", "toolz")),
        ("SHARED", "from common import SHARED", ("requests", "six")),
        ('common.SHARED + ["toolz"]', "import common", ("requests", "six", "toolz")),
        ("tuple(sorted({'six', 'toolz'}))", "", ("six", "toolz")),
        ('[f"six=={VERSION}"]', 'VERSION = "1.0"', ("six==1.0",)),
        ('[name for name in ("six", "toolz")]', "", ("six", "toolz")),
    ],
)
def test_dependencies_count_however_they_are_written(
    tmp_path: Path, dependencies: str, before: str, expected: tuple[str, ...]
) -> None:
    """runpod-flash reads literal lists alone, and installs nothing for the others."""
    declare(tmp_path, dependencies, before, common__py='SHARED = ["requests", "six"]\n')
    assert planned(tmp_path).install == expected


@pytest.mark.parametrize("dependencies", ["UNKNOWN", "[missing.NAME]", "open('nowhere.txt').read().split()"])
def test_dependencies_that_nobody_can_work_out_are_an_error_with_their_place(tmp_path: Path, dependencies: str) -> None:
    """Never none at all."""
    declare(tmp_path, dependencies)
    with pytest.raises(DiscoveryError, match=r"^main\.py:\d+: "):
        planned(tmp_path)


def test_a_dependency_that_is_no_requirement_is_an_error(tmp_path: Path) -> None:
    """``numpy>>1``: pip of a while ago takes it, and installs some numpy."""
    declare(tmp_path, '["numpy>>1"]')
    with pytest.raises(DependencyError, match=r"^main\.py:\d+: endpoint 'a': 'numpy>>1' is no requirement"):
        planned(tmp_path)


# ------------------------------------------------------------------------------------------- Wherever they are written


def test_dependencies_of_pyproject_and_of_a_group_are_installed(uv: Uv, tmp_path: Path) -> None:
    """runpod-flash reads neither."""
    text = '[project]\nname = "p"\ndependencies = ["six"]\n[dependency-groups]\nworker = ["toolz"]\n'
    declare(tmp_path / "p", "[]", pyproject__toml=text)
    assert [each.name for each in install(uv, planned(tmp_path / "p"), tmp_path / "one")] == ["six"]
    assert [each.name for each in install(uv, planned(tmp_path / "p", group="worker"), tmp_path / "two")] == ["toolz"]


def test_an_included_file_is_read_where_it_is(uv: Uv, tmp_path: Path) -> None:
    """``-r base.txt`` breaks the build of runpod-flash."""
    declare(tmp_path / "p", "[]", requirements__txt="-r more/base.txt\n-c limits.txt\n", limits__txt="PyYAML<6.0.2\n")
    write(tmp_path / "p/more/base.txt", "six\nPyYAML\n")
    found = install(uv, planned(tmp_path / "p"), tmp_path / "tree")
    assert {each.name: each.version for each in found} == {"six": "1.0", "pyyaml": "6.0.1"}


def test_a_lock_decides_what_is_installed(uv: Uv, tmp_path: Path) -> None:
    """By version and by hash: a file that has changed since is refused, with who asked."""
    file = tmp_path / "wheels/PyYAML-6.0.1-py3-none-any.whl"
    lock = f"""
        lock-version = "1.0"
        [[packages]]
        name = "pyyaml"
        version = "6.0.1"
        wheels = [{{ path = "{file.name}", hashes = {{ sha256 = "{digest(file)[7:]}" }} }}]
    """
    declare(tmp_path / "p", '["vision"]', requirements__txt="PyYAML\n", pylock__toml=lock)
    plan = planned(tmp_path / "p")
    found = install(uv, plan, tmp_path / "one")
    assert {each.name: each.version for each in found}["pyyaml"] == "6.0.1"
    assert "not in pylock.toml, so chosen anew: numpy 2.0, opencv-python-headless 1.0, vision 1.0" in (
        plan.settled(found).notes
    )
    write(tmp_path / "p/pylock.toml", lock.replace(digest(file)[7:], "0" * 64))
    with pytest.raises(
        DependencyError, match=r"^requirements\.txt:1: cannot install 'PyYAML' .* is not the one that was"
    ):
        install(uv, planned(tmp_path / "p"), tmp_path / "two")


# -------------------------------------------------------------------------------------------- What cannot be installed


def test_endpoints_that_pin_two_versions_are_both_named(tmp_path: Path) -> None:
    """runpod-flash says ResolutionImpossible."""
    two = ENDPOINT.replace('"a"', '"b"').replace("work", "other")
    declare(tmp_path, '["PyYAML==6.0.2"]', other__py=two.format(before="", dependencies='["pyyaml==6.0.1"]'))
    with pytest.raises(DependencyError) as raised:
        planned(tmp_path)
    for part in ("endpoint 'a'", "endpoint 'b'", "PyYAML==6.0.2", "pyyaml==6.0.1", "main.py:", "other.py:"):
        assert part in raised.value.headline


def test_what_does_not_exist_is_told_with_who_asked(uv: Uv, tmp_path: Path) -> None:
    """runpod-flash does not say which endpoint did."""
    declare(tmp_path / "p", '["six", "missing"]')
    with pytest.raises(
        DependencyError, match=r"^main\.py:\d+: cannot install 'missing' \(endpoint 'a'\): missing is in no"
    ):
        install(uv, planned(tmp_path / "p"), tmp_path / "tree")


# ---------------------------------------------------------------------------------------------------- What is left out


def test_excluding_a_transitive_distribution_drops_all_of_it_and_says_why(uv: Uv, tmp_path: Path) -> None:
    """runpod-flash says that nothing matched, drops numpy and keeps numpy.libs."""
    declare(tmp_path / "p", '["scikit-learn"]')
    plan = planned(tmp_path / "p", exclude=["numpy", "scipy"])
    found = install(uv, plan, tmp_path / "tree")
    assert tops(tmp_path / "tree") == {"joblib.py", "sklearn"}
    settled = plan.settled(found)
    assert settled.excluded == dict.fromkeys(("numpy", "scipy"), "--exclude, or exclude in [tool.flash]")
    assert settled.notes == ()


def test_what_only_an_excluded_distribution_needs_goes_with_it(uv: Uv, tmp_path: Path) -> None:
    """It is not downloaded either: the excluded one is not looked at."""
    declare(tmp_path / "p", '["scikit-learn", "six"]')
    install(uv, planned(tmp_path / "p", exclude=["scikit-learn"]), tmp_path / "tree")
    assert tops(tmp_path / "tree") == {"six.py"}


def test_what_is_excluded_need_not_exist(uv: Uv, tmp_path: Path) -> None:
    """It is neither resolved nor downloaded."""
    declare(tmp_path / "p", '["huge"]')
    install(uv, planned(tmp_path / "p", exclude=["Missing_Everywhere"]), tmp_path / "tree")
    assert tops(tmp_path / "tree") == {"huge.py"}


def test_modules_of_another_name_leave_with_their_distribution(uv: Uv, tmp_path: Path) -> None:
    """PyYAML is yaml and _yaml, opencv-python-headless is cv2 and opencv.libs."""
    declare(tmp_path / "p", '["vision"]')
    install(uv, planned(tmp_path / "p", exclude=["pyyaml", "opencv-python-headless"]), tmp_path / "tree")
    assert tops(tmp_path / "tree") == {"vision.py"}


def test_torch_is_not_downloaded_and_takes_its_libraries_along(uv: Uv, tmp_path: Path) -> None:
    """runpod-flash downloads it, drops its folder, and ships 2 GB of nvidia-*."""
    declare(tmp_path / "p", '["accelerate"]')
    plan = planned(tmp_path / "p")
    found = install(uv, plan, tmp_path / "tree")
    assert tops(tmp_path / "tree") == {"accelerate.py", "numpy", "numpy.libs"}
    assert plan.settled(found).excluded == {"torch": "the GPU image ships it"}


def test_flash_itself_brings_nothing_along(uv: Uv, tmp_path: Path) -> None:
    """The skeleton of runpod-flash ships 47 MB for the line ``runpod-flash`` of its requirements.txt."""
    declare(tmp_path / "p", "[]", requirements__txt="runpod-flash\nsix\n")
    install(uv, planned(tmp_path / "p"), tmp_path / "tree")
    assert tops(tmp_path / "tree") == {"six.py"}


def test_a_name_that_nothing_needs_is_told(uv: Uv, tmp_path: Path) -> None:
    """runpod-flash says so of what it does drop."""
    declare(tmp_path / "p", '["six"]')
    plan = planned(tmp_path / "p", exclude=["scipy"])
    assert plan.settled(install(uv, plan, tmp_path / "tree")).notes == ("nothing needs 'scipy', which is excluded",)


# ------------------------------------------------------------------------------------------- What is another machine's


@pytest.mark.parametrize(("python", "expected"), [("3.12", {"six.py"}), ("3.11", {"toolz.py"})])
def test_markers_are_the_targets(uv: Uv, tmp_path: Path, python: str, expected: set[str]) -> None:
    """Those of runpod-flash are those of the Python that runs it."""
    declare(tmp_path / "p", """["six; python_version >= '3.12'", "toolz; python_version < '3.12'"]""")
    install(uv, planned(tmp_path / "p", python=python), tmp_path / "tree")
    assert tops(tmp_path / "tree") == expected


@pytest.mark.parametrize(
    "line", ["-e .", ".", "git+https://a.invalid/x.git", "x @ git+https://a.invalid/x.git", "./lib"]
)
def test_what_would_have_to_be_built_is_refused_by_name(tmp_path: Path, line: str) -> None:
    """With file, line and what to do."""
    (tmp_path / "lib").mkdir()
    declare(tmp_path, "[]", requirements__txt=f"six\n{line}\n")
    with pytest.raises(BuildError, match=r"(?s)^requirements\.txt:2: .*\nhint: .") as raised:
        planned(tmp_path)
    assert line.rsplit("@", maxsplit=1)[-1].strip() in raised.value.message
