"""Which file says what a project needs, and how a lock binds it."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from fakes_bundle import project, write
from fakes_index import wheel
from fakes_requirements import endpoint, plan

from flash.bundle.chosen import choose
from flash.bundle.clashes import refuse_contradictions
from flash.bundle.install import child_environment
from flash.bundle.needs import target_environment
from flash.errors import DependencyError

if TYPE_CHECKING:
    from pathlib import Path

PYPROJECT = """
    [project]
    name = "Demo_App"
    version = "1"
    dependencies = [
        "lib>=1",
        "torch",
        "new; python_version >= '3.12'",
    ]

    [dependency-groups]
    worker = ["six", {include-group = "Base_Group"}]
    base.group = ["attrs"]
"""
PYPROJECT = PYPROJECT.replace("base.group", "base-group")

HASH = "sha256:" + "a" * 64
UV_LOCK = f"""
    version = 1
    revision = 3
    requires-python = ">=3.10"
    resolution-markers = ["python_full_version >= '3.12'", "python_full_version < '3.12'"]

    [[package]]
    name = "demo-app"
    version = "1"
    source = {{ virtual = "." }}
    dependencies = [
        {{ name = "lib", extra = ["fast"] }},
        {{ name = "torch" }},
        {{ name = "new", marker = "python_full_version >= '3.12'" }},
    ]

    [package.dev-dependencies]
    worker = [{{ name = "six" }}, {{ name = "attrs" }}]

    [package.metadata]
    requires-dist = [
        {{ name = "lib", specifier = ">=1" }},
        {{ name = "torch" }},
        {{ name = "new", marker = "python_full_version >= '3.12'" }},
        {{ name = "other", marker = "extra == 'x'" }},
    ]

    [package.metadata.requires-dev]
    worker = [{{ name = "six" }}, {{ name = "attrs" }}]

    [[package]]
    name = "lib"
    version = "1.5"
    source = {{ registry = "https://pypi.org/simple" }}
    dependencies = [
        {{ name = "dep", version = "1.0", source = {{ registry = "r" }}, marker = "python_full_version < '3.12'" }},
        {{ name = "dep", version = "2.0", source = {{ registry = "r" }}, marker = "python_full_version >= '3.12'" }},
        {{ name = "windows", marker = "sys_platform == 'win32'" }},
    ]
    wheels = [{{ url = "https://a.invalid/lib-1.5-py3-none-any.whl", hash = "{HASH}" }}]

    [package.optional-dependencies]
    fast = [{{ name = "speed" }}]
""" + "".join(
    f"""
    [[package]]
    name = "{name}"
    version = "{version}"
    source = {{ registry = "r" }}
    dependencies = [{needs}]
    wheels = [{{ url = "https://a.invalid/{name}-{version}-py3-none-any.whl", hash = "{HASH}" }}]
"""
    for name, version, needs in (
        ("dep", "1.0", ""),
        ("dep", "2.0", ""),
        ("new", "1.0", '{ name = "lib" }'),  # a circle
        ("speed", "3.0", ""),
        ("torch", "2.9", '{ name = "nvidia-cublas-cu12" }'),
        ("nvidia-cublas-cu12", "12.8", ""),
        ("six", "1.16", ""),
        ("attrs", "20.1", ""),
    )
)

PYLOCK = f"""
    lock-version = "1.0"
    created-by = "test"
    requires-python = ">=3.10"

    [[packages]]
    name = "six"
    version = "1.16"
    wheels = [
        {{ url = "https://a.invalid/six-1.16-py3-none-any.whl", hashes = {{ sha256 = "{"b" * 64}", md5 = "00" }} }},
    ]

    [[packages]]
    name = "old"
    version = "1"
    marker = "python_version < '3.12'"
    wheels = [{{ path = "old-1-py3-none-any.whl", hashes = {{ sha512 = "{"c" * 128}" }} }}]

    [[packages]]
    name = "extra"
    version = "1"
    marker = "'x' in extras"
    wheels = [{{ url = "https://a.invalid/extra-1-py3-none-any.whl", hashes = {{ sha256 = "{"d" * 64}" }} }}]

    [[packages]]
    name = "torch"
    version = "2.9"
    sdist = {{ url = "https://a.invalid/torch-2.9.tar.gz", hashes = {{ sha256 = "{"e" * 64}" }} }}
"""


# ---------------------------------------------------------------------------------------------------- Which file counts


def test_the_dependencies_of_a_project_are_its_endpoints(tmp_path: Path) -> None:
    """[project].dependencies count where no requirements.txt is."""
    project(tmp_path, {"pyproject.toml": PYPROJECT})
    requirements = plan(tmp_path, endpoint("a", "click"))
    assert requirements.install == ("click", "lib>=1", 'new; python_version >= "3.12"')
    assert requirements.settled(()).notes[0] == (
        "dependencies of all endpoints come from [project].dependencies of pyproject.toml"
    )
    assert [(each.text, each.by) for each in requirements.asked][:2] == [
        ("lib>=1", "pyproject.toml:6"),
        ("torch", "pyproject.toml:7"),
    ]


def test_requirements_txt_comes_before_pyproject_and_the_build_says_so(tmp_path: Path) -> None:
    """Nothing is left unused in silence."""
    project(tmp_path, {"pyproject.toml": PYPROJECT, "requirements.txt": "six\n", "uv.lock": "version = 1"})
    requirements = plan(tmp_path)
    assert requirements.install == ("six",)
    (note,) = requirements.settled(()).notes
    assert note == (
        "dependencies of all endpoints come from requirements.txt; not used: [project].dependencies of pyproject.toml"
        " (requirements.txt is there), uv.lock (it locks pyproject.toml, which nothing is taken from)"
    )


def test_a_plain_requirements_txt_needs_no_words(tmp_path: Path) -> None:
    """Where there is nothing to choose, nothing is told."""
    project(tmp_path, {"requirements.txt": "six\n", "pyproject.toml": "[tool.flash]\n"})
    assert plan(tmp_path).settled(()).notes == ()


def test_a_chosen_group_takes_the_place_of_all_other_files(tmp_path: Path) -> None:
    """With what it includes, whatever the spelling of names."""
    project(tmp_path, {"pyproject.toml": PYPROJECT, "requirements.txt": "click\n"})
    requirements = plan(tmp_path, group="Worker")
    assert requirements.install == ("attrs", "six")
    (note,) = requirements.settled(()).notes
    assert note.startswith("dependencies of all endpoints come from dependency group 'Worker' of pyproject.toml; not")
    assert "requirements.txt (dependency-group names another source)" in note


@pytest.mark.parametrize(
    ("text", "group", "message"),
    [
        ("", "worker", r"pyproject\.toml: there is no dependency group 'worker'\nhint: \[dependency-groups\] has none"),
        (
            '[dependency-groups]\na = [{include-group = "b"}]',
            "a",
            r"pyproject\.toml:2: there is no dependency group 'b'",
        ),
        ('[dependency-groups]\na = [{include-group = "a"}]', "a", r"pyproject\.toml:2: .* 'a' includes itself"),
        ('[dependency-groups]\na = ["x", {set = 1}]', "a", r"has \{'set': 1\}, which is no requirement"),
        ('[dependency-groups]\na = "six"', "a", r"pyproject\.toml:2: .*which is no list"),
        (
            '[project]\nname = "x"\ndependencies = [\n"a",\n"b>>1"]',
            None,
            r"pyproject\.toml:5: .*'b>>1' is no requirement",
        ),
        ('[project]\nname = "x"\ndependencies = ["X[gpu]"]', None, r"pyproject\.toml:3: .*the project itself"),
        ('[project]\nname = "x"\ndependencies = "six"', None, r"pyproject\.toml:3: .*which is no list"),
        ('[project]\nname = "x"\ndynamic = ["dependencies"]', None, r"pyproject\.toml:3: .* is dynamic"),
        ("[project", None, r"pyproject\.toml: cannot read it"),
        (
            '[project]\nname = "x"\ndependencies = ["a"]\n[tool.uv.sources]\na = { git = "https://a.invalid/a" }',
            None,
            r"pyproject\.toml:5: \[tool\.uv\.sources\] takes a from .*nothing is built from source",
        ),
    ],
)
def test_what_pyproject_says_and_nobody_can_read_is_an_error_with_its_place(
    tmp_path: Path, text: str, group: str | None, message: str
) -> None:
    """Never silence."""
    write(tmp_path / "pyproject.toml", text)
    with pytest.raises(DependencyError, match=message):
        plan(tmp_path, group=group)


def test_a_group_without_a_pyproject_is_an_error(tmp_path: Path) -> None:
    """Somebody has named it."""
    with pytest.raises(DependencyError, match=r"there is no pyproject\.toml with a dependency group 'worker'"):
        plan(tmp_path, group="worker")


def test_a_wheel_in_the_sources_of_uv_is_taken_from_there(tmp_path: Path) -> None:
    """An index needs nothing: uv reads the same settings."""
    sources = '[tool.uv.sources]\na = { path = "w/a-1-py3-none-any.whl" }\nb = { index = "mine" }\n'
    write(tmp_path / "pyproject.toml", f'[project]\nname = "x"\ndependencies = ["a>=1", "b"]\n{sources}')
    wheel = tmp_path / "w/a-1-py3-none-any.whl"
    assert plan(tmp_path).install == (f"a @ {wheel.as_uri()}", "b")


def test_dependencies_of_another_tool_are_told_as_not_used(tmp_path: Path) -> None:
    """They are in a language of its own."""
    write(tmp_path / "pyproject.toml", "[tool.poetry.dependencies]\nsix = '^1.16'\n")
    (note,) = plan(tmp_path).settled(()).notes
    assert note.endswith("not used: [tool.poetry.dependencies] of pyproject.toml (only [project].dependencies is read)")


# -------------------------------------------------------------------------------------------------------------- uv.lock


def locked(root: Path, **keywords: object) -> dict[str, str]:
    return {line.split("==")[0]: line for line in plan(root, **keywords).wanted().constraints}  # type: ignore[arg-type]


def test_uv_lock_binds_what_the_workers_need_with_its_hashes(tmp_path: Path) -> None:
    """Of its forks the one for the target; what is left out takes along what only it needs."""
    project(tmp_path, {"pyproject.toml": PYPROJECT, "uv.lock": UV_LOCK})
    assert locked(tmp_path) == {
        "dep": f"dep==2.0 --hash={HASH}",
        "lib": f"lib==1.5 --hash={HASH}",
        "new": f"new==1.0 --hash={HASH}",
        "speed": f"speed==3.0 --hash={HASH}",
    }
    assert locked(tmp_path, python="3.11")["dep"] == f"dep==1.0 --hash={HASH}"
    assert "new" not in locked(tmp_path, python="3.11")
    assert {"torch", "nvidia-cublas-cu12"} <= locked(tmp_path, bundle=("torch",)).keys()
    assert "speed" not in locked(tmp_path, exclude=("lib",))
    assert sorted(locked(tmp_path, group="worker")) == ["attrs", "six"]


def test_the_build_says_what_a_lock_binds_and_what_not(tmp_path: Path) -> None:
    """An endpoint may ask for what no lock has."""
    from flash.bundle.installed import Distribution

    project(tmp_path, {"pyproject.toml": PYPROJECT, "uv.lock": UV_LOCK, "pylock.toml": PYLOCK})
    requirements = plan(tmp_path, endpoint("a", "click"))
    refuse_contradictions(requirements)
    notes = requirements.settled([Distribution("lib", "1.5", 1), Distribution("click", "8.0", 1)]).notes
    assert notes[:3] == (
        "uv.lock binds 4 distributions for the workers",
        (
            "dependencies of all endpoints come from [project].dependencies of pyproject.toml; not used: pylock.toml"
            " (uv.lock is there)"
        ),
        "not in uv.lock, so chosen anew: click 8.0",
    )
    assert sorted(requirements.files) == sorted(
        tmp_path.resolve() / name for name in ("pyproject.toml", "uv.lock", "pylock.toml", "requirements.txt")
    )


def test_an_endpoint_that_contradicts_the_lock_is_told(tmp_path: Path) -> None:
    """With both versions."""
    project(tmp_path, {"pyproject.toml": PYPROJECT, "uv.lock": UV_LOCK})
    with pytest.raises(
        DependencyError, match=r"^a\.py:3: 'lib<1\.5' \(endpoint 'a'\) contradicts uv\.lock, which .*1\.5"
    ):
        refuse_contradictions(plan(tmp_path, endpoint("a", "lib<1.5")))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            '"lib>=1"',
            '"lib>=1.4"',
            r"^pyproject\.toml:6: 'lib>=1\.4' is not what uv\.lock was made of\nhint: run uv lock",
        ),
        ('"lib>=1"', '"lib[fast]>=1"', r"^pyproject\.toml:6: 'lib\[fast\]>=1' is not what uv\.lock was made of"),
        ('"torch",', '"torch", "click",', r"^pyproject\.toml:7: 'click' is not what uv\.lock was made of"),
        ('"torch",', "", r"^uv\.lock: it was made when torch was asked for too"),
        ("Demo_App", "other", r"^uv\.lock: it does not have the project 'other'"),
    ],
)
def test_a_lock_that_is_out_of_date_is_an_error(tmp_path: Path, old: str, new: str, message: str) -> None:
    """It would install what nobody asks for any more."""
    project(tmp_path, {"pyproject.toml": PYPROJECT.replace(old, new), "uv.lock": UV_LOCK})
    with pytest.raises(DependencyError, match=message):
        plan(tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("version = 1\n", "version = 2\n", "its format is version 2, and only 1 is read"),
        ("[[package]]", "[[package]", "cannot read it"),
        ('name = "speed" }', 'name = "gone" }', "it has 0 of gone for the workers, not one"),
        (
            '    source = { registry = "https://pypi.org/simple" }',
            '    source = { git = "g" }',
            "comes from a repository",
        ),
        (
            '    source = { registry = "https://pypi.org/simple" }',
            '    source = { editable = "g" }',
            "comes from a folder",
        ),
        ('lib-1.5-py3-none-any.whl", hash', 'lib-1.5-py3-none-any.whl", hush', None),
    ],
)
def test_a_lock_that_cannot_be_followed_is_an_error(tmp_path: Path, old: str, new: str, message: str | None) -> None:
    """By name. A file without a hash, as those of a local folder, is no error: the build says that it has none."""
    project(tmp_path, {"pyproject.toml": PYPROJECT, "uv.lock": UV_LOCK.replace(old, new, 1)})
    if message is None:
        assert plan(tmp_path).settled(()).notes[0].endswith("for the workers, some of them without a hash")
        return
    with pytest.raises(DependencyError, match=rf"^uv\.lock: .*{message}"):
        plan(tmp_path)


def test_what_is_locked_as_source_only_is_refused_by_name(tmp_path: Path) -> None:
    """Unless it is left out."""
    lines = UV_LOCK.replace('wheels = [{ url = "https://a.invalid/speed', 'sdist = [{ url = "https://a.invalid/speed')
    project(tmp_path, {"pyproject.toml": PYPROJECT, "uv.lock": lines})
    with pytest.raises(DependencyError, match=r"^uv\.lock: it has no wheel of speed 3\.0"):
        plan(tmp_path)
    assert "speed" not in locked(tmp_path, exclude=("speed",))


def test_our_reading_of_uv_lock_is_uvs(tmp_path: Path, uv_program: str) -> None:
    """What it exports for the target, less what its markers take out, is what we take."""
    for name, version, requires in (
        ("app", "1.0", ["lib", "mid[x]; python_version >= '3.11'"]),
        ("lib", "1.0", []),
        ("lib", "2.0", ["deep"]),
        ("mid", "1.0", ["deep; extra == 'x'", "app"]),
        ("deep", "1.0", ["windows; sys_platform == 'win32'"]),
        ("windows", "1.0", []),
        ("dev", "1.0", []),
    ):
        wheel(tmp_path / "wheels", name, version, requires=requires)
    write(
        tmp_path / "pyproject.toml",
        """
        [project]
        name = "p"
        version = "1"
        requires-python = ">=3.10"
        dependencies = ["app", "lib<2; python_version < '3.12'", "lib>=2; python_version >= '3.12'"]
        [dependency-groups]
        dev = ["dev"]
        [tool.uv]
        find-links = ["wheels"]
        no-index = true
        """,
    )

    def uv(*arguments: str) -> str:
        environment = child_environment({"UV_CACHE_DIR": str(tmp_path / "cache"), "HOME": str(tmp_path)})
        command = [uv_program, *arguments, "--python", sys.executable, "--quiet"]
        answer = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True, encoding="utf-8"
        )
        return answer.stdout

    uv("lock")
    exported = uv("export", "--frozen", "--no-emit-project", "--no-dev", "--no-annotate", "--no-header")
    write(tmp_path / "exported/requirements.txt", exported)
    for python in ("3.10", "3.11", "3.12", "3.13"):
        theirs = plan(tmp_path / "exported", python=python).wanted().requirements
        ours = plan(tmp_path, python=python).wanted().constraints
        assert sorted(line.split(";")[0].strip() for line in theirs) == sorted(ours)


@pytest.fixture
def uv_program() -> str:
    """Where uv is."""
    from uv import find_uv_bin

    return str(find_uv_bin())


# ---------------------------------------------------------------------------------------------------------- pylock.toml


def test_a_pylock_by_itself_is_what_is_asked_for(tmp_path: Path) -> None:
    """Of it what its markers give the workers; without extras; what is left out may be what cannot be installed."""
    write(tmp_path / "pylock.toml", PYLOCK)
    requirements = plan(tmp_path, endpoint("a"))
    six = f"six==1.16 --hash=sha256:{'b' * 64}"
    assert requirements.wanted().requirements == (six,)
    assert requirements.wanted().constraints == (six,)
    settled = requirements.settled(())
    assert settled.excluded == {"torch": "the GPU image ships it"}
    assert settled.notes[0] == "pylock.toml binds 1 distribution for the workers"
    refuse_contradictions(requirements)
    old = plan(tmp_path, python="3.11").wanted().requirements
    assert old == (f"old==1 --hash=sha512:{'c' * 128}", six)


def test_a_pylock_binds_what_requirements_txt_asks_for(tmp_path: Path) -> None:
    """And has to have it."""
    project(tmp_path, {"pylock.toml": PYLOCK, "requirements.txt": "six>=1\n"})
    requirements = plan(tmp_path)
    refuse_contradictions(requirements)
    assert (requirements.wanted().requirements, len(requirements.wanted().constraints)) == (("six>=1",), 1)
    write(tmp_path / "requirements.txt", "six\nclick\n")
    with pytest.raises(
        DependencyError, match=r"^requirements\.txt:2: 'click' .* is not in pylock\.toml\nhint: lock again, or"
    ):
        refuse_contradictions(plan(tmp_path))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('lock-version = "1.0"', 'lock-version = "2.0"', "its format is '2.0', and only 1.0 is read"),
        ('">=3.10"', '">=3.13"', r"it is for Python >=3\.13, and the workers have 3\.12"),
        ("'x' in extras", "'x' inside", "is no marker"),
        (
            'name = "extra"\n    version = "1"\n    marker = "\'x\' in extras"',
            'name = "six"',
            "it has two versions of six",
        ),
        (
            'name = "extra"\n    version = "1"\n    marker = "\'x\' in extras"',
            'name = "e"\n[packages.vcs]',
            "e comes from a rep",
        ),
    ],
)
def test_a_pylock_that_cannot_be_followed_is_an_error(tmp_path: Path, old: str, new: str, message: str) -> None:
    """With the reason."""
    assert old in PYLOCK
    write(tmp_path / "pylock.toml", PYLOCK.replace(old, new))
    with pytest.raises(DependencyError, match=rf"^pylock\.toml: .*{message}"):
        plan(tmp_path)


def test_choosing_reads_no_lock_before_it_is_known_what_is_left_out(tmp_path: Path) -> None:
    """A lock may hold what cannot be installed and is left out."""
    project(tmp_path, {"pyproject.toml": PYPROJECT, "uv.lock": "no TOML ["})
    chosen = choose(tmp_path)
    with pytest.raises(DependencyError, match=r"^uv\.lock: cannot read it"):
        chosen.lock(excluded=(), environment=target_environment("3.12"))


# ----------------------------------------------------------------------------------------------------- What is fixed


def test_a_member_of_a_workspace_is_bound_by_its_lock(tmp_path: Path) -> None:
    """Which lies above; what lies above and is of others is none of its."""
    member = UV_LOCK.replace('virtual = "."', 'editable = "apps/demo"')
    project(tmp_path, {"apps/demo/pyproject.toml": PYPROJECT, "uv.lock": member})
    assert sorted(locked(tmp_path / "apps/demo")) == ["dep", "lib", "new", "speed"]
    write(tmp_path / "uv.lock", UV_LOCK)
    assert locked(tmp_path / "apps/demo") == {}
    write(tmp_path / "uv.lock", "no TOML [")
    assert locked(tmp_path / "apps/demo") == {}


def test_what_a_lock_fixes_is_known(tmp_path: Path) -> None:
    """Nobody has to ask the index again; an endpoint may ask for what the lock has not."""
    project(tmp_path, {"pyproject.toml": PYPROJECT, "uv.lock": UV_LOCK})
    assert plan(tmp_path).wanted().is_fixed
    assert plan(tmp_path, endpoint("a", "lib")).wanted().is_fixed
    assert not plan(tmp_path, endpoint("a", "lib[slow]")).wanted().is_fixed
    assert not plan(tmp_path, endpoint("a", "click")).wanted().is_fixed
    project(tmp_path, {"uv.lock": UV_LOCK.replace("hash =", "hush =")})
    assert not plan(tmp_path).wanted().is_fixed
    project(tmp_path, {"requirements.txt": f"six==1 --hash={HASH}\n"})
    assert plan(tmp_path).wanted().is_fixed
    project(tmp_path, {"requirements.txt": "six==1\n"})
    assert not plan(tmp_path).wanted().is_fixed
