"""What an index may do to a build: each failure says which distribution it is about, and what to do."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from fakes_bundle import write
from fakes_index import Index, digest, serving, wheel
from fakes_requirements import endpoint, plan

from flash.bundle.install import Distribution, Uv, Wanted
from flash.errors import DependencyError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

LINUX = "manylinux_2_28_x86_64"


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    """App → lib, native; native 1.0 for 3.12, 2.0 for 3.13."""
    folder = tmp_path / "wheels"
    wheel(folder, "app", requires=["lib>=1", "native"])
    wheel(folder, "lib")
    wheel(folder, "lib", "2.0")
    wheel(folder, "native", tag=f"cp312-cp312-{LINUX}")
    wheel(folder, "native", "2.0", tag=f"cp313-cp313-{LINUX}")
    return folder


@pytest.fixture
def index(wheels: Path) -> Iterator[Index]:
    """That as an index."""
    with serving(wheels) as served:
        yield served


@pytest.fixture
def install(index: Index, tmp_path: Path) -> Callable[..., dict[str, str]]:
    """Install from it with a cache of its own: requirements to names and versions."""
    runs = 0

    def run(
        *requirements: str, wanted: Wanted | None = None, python: str = "3.12", **environment: str
    ) -> dict[str, str]:
        nonlocal runs
        runs += 1
        uv = Uv(
            {
                "UV_DEFAULT_INDEX": index.url,
                "UV_CACHE_DIR": str(tmp_path / "cache"),
                "HOME": str(tmp_path),
                "UV_HTTP_RETRIES": "0",
                **environment,
            }
        )
        found: tuple[Distribution, ...] = uv.install(
            wanted or Wanted(requirements, python), target=tmp_path / f"tree-{runs}", report=lambda _: None
        )
        return {each.name: each.version for each in found}

    return run


def failure(install: Callable[..., dict[str, str]], *requirements: str, **keywords: object) -> DependencyError:
    with pytest.raises(DependencyError) as raised:
        install(*requirements, **keywords)
    assert "\n" not in raised.value.message
    return raised.value


def test_what_an_index_has_is_installed(install: Callable[..., dict[str, str]]) -> None:
    """The newest that has a wheel for the target."""
    assert install("app") == {"app": "1.0", "lib": "2.0", "native": "1.0"}


def test_large_downloads_are_told_when_they_begin(index: Index, wheels: Path, tmp_path: Path) -> None:
    """With their size; what is in the cache is none."""
    wheel(wheels, "large", files={"large.bin": os.urandom(3 * 2**20)})
    uv = Uv({"UV_DEFAULT_INDEX": index.url, "UV_CACHE_DIR": str(tmp_path / "cache"), "HOME": str(tmp_path)})
    told: list[list[str]] = [[], []]
    for lines, name in zip(told, "ab", strict=True):
        uv.install(Wanted(("large", "lib"), "3.12"), target=tmp_path / name, report=lines.append)
    assert [lines[1:-1] for lines in told] == [["downloading large (3.0 MiB)"], []]


def test_after_an_interrupted_installation_the_next_one_succeeds(index: Index, wheels: Path, tmp_path: Path) -> None:
    """The one that was interrupted is over, and holds no lock of uv's cache any more."""
    wheel(wheels, "large", files={"large.bin": os.urandom(3 * 2**20)})

    def interrupt(line: str) -> None:
        if line.startswith("downloading"):
            raise KeyboardInterrupt

    uv = Uv({"UV_DEFAULT_INDEX": index.url, "UV_CACHE_DIR": str(tmp_path / "cache"), "HOME": str(tmp_path)})
    wanted = Wanted(("large", "lib"), "3.12")
    with pytest.raises(KeyboardInterrupt):
        uv.install(wanted, target=tmp_path / "a", report=interrupt)
    assert len(uv.install(wanted, target=tmp_path / "b", report=lambda _: None)) == 2


def test_a_missing_wheel_names_the_distribution_and_those_that_are_there(
    install: Callable[..., dict[str, str]],
) -> None:
    """The versions that have one for the target, and the Pythons that this version has one for."""
    error = failure(install, "app", "native==2.0")
    assert error.message.endswith("native 2.0 has no wheel for Python 3.12 on Linux x86-64: it has some for cp313")
    assert error.hint == "native 1.0 has one; native 2.0 has one for Python 3.13: python in [tool.flash] chooses that"


@pytest.mark.parametrize(
    "platform", ["win_amd64", "macosx_11_0_arm64", "musllinux_1_2_x86_64", "manylinux_2_39_x86_64"]
)
def test_a_wheel_for_another_platform_is_none(
    wheels: Path, install: Callable[..., dict[str, str]], platform: str
) -> None:
    """Another system, another C library, or a newer one than the workers have."""
    wheel(wheels, "other", tag=f"cp312-cp312-{platform}")
    error = failure(install, "other")
    assert error.message.endswith(f"other 1.0 has no wheel for Python 3.12 on Linux x86-64: it has some for {platform}")
    assert error.hint.startswith("nothing is built from source")


def test_sources_alone_are_not_built(wheels: Path, install: Callable[..., dict[str, str]]) -> None:
    """No code of theirs runs in a build."""
    (wheels / "src-1.0.tar.gz").write_bytes(b"")
    assert "src 1.0 has no wheel for Python 3.12 on Linux x86-64: it has none" in failure(install, "src").message


@pytest.mark.parametrize("path", ["/simple/lib/", "/files/lib-2.0-py3-none-any.whl"])
def test_an_index_that_answers_500_is_named(index: Index, install: Callable[..., dict[str, str]], path: str) -> None:
    """With what was asked of it."""
    index.statuses[path] = 500
    error = failure(install, "app")
    assert f"the package index answers 500 Internal Server Error to {index.url.removesuffix('/simple')}{path}" in (
        error.message
    )
    assert "try again" in error.hint


def test_an_index_that_wants_a_user_says_so(index: Index, install: Callable[..., dict[str, str]]) -> None:
    """Where what is asked for is not to be seen without one."""
    index.statuses["/simple/lib/"] = 401
    error = failure(install, "app")
    assert "asks for a user and a password: it answers 401" in error.message
    assert "UV_INDEX_NAME_USERNAME" in error.hint


def test_an_index_that_never_answers_is_given_up(index: Index, install: Callable[..., dict[str, str]]) -> None:
    """After the time that UV_HTTP_TIMEOUT has, which the hint names."""
    index.hangs.add("/simple/lib/")
    error = failure(install, "app", UV_HTTP_TIMEOUT="1")
    assert f"no answer in time from {index.url}/lib/" in error.message
    assert "UV_HTTP_TIMEOUT" in error.hint
    assert "UV_NO_INDEX" in error.hint


def test_an_index_that_is_not_there_is_named(install: Callable[..., dict[str, str]]) -> None:
    """And what to do without a network; its password is not shown."""
    error = failure(install, "lib", UV_DEFAULT_INDEX="http://user:secret@127.0.0.1:1/simple")
    assert "cannot reach http://" in error.message
    assert "is the package index reachable? without a network, name a folder of wheels with UV_FIND_LINKS" in error.hint
    assert "secret" not in str(error)


def test_a_file_that_is_not_what_the_index_says_is_not_installed(
    index: Index, wheels: Path, install: Callable[..., dict[str, str]]
) -> None:
    """Also where nobody has given a hash."""
    index.lies.add("lib-2.0-py3-none-any.whl")
    real = digest(wheels / "lib-2.0-py3-none-any.whl")
    error = failure(install, "lib")
    assert error.message.endswith(
        f"the file of lib 2.0 is not the one that was meant: its hash is {real[:19]}…, not sha256:000000000000…"
    )


def test_a_file_that_is_not_the_locked_one_is_not_installed(install: Callable[..., dict[str, str]]) -> None:
    """Whether the lock's hash comes with what is asked for or with what that needs."""
    wrong = f"lib==1.0 --hash=sha256:{'1' * 64}"
    for wanted in (Wanted((wrong,), "3.12"), Wanted(("app",), "3.12", constraints=(wrong,))):
        assert "the file of lib 1.0 is not the one that was meant" in failure(install, wanted=wanted).message


def test_what_is_needed_indirectly_needs_a_hash_too(wheels: Path, install: Callable[..., dict[str, str]]) -> None:
    """Where the list asks for hashes."""
    app, lib = (f"{name}==1.0 --hash={digest(wheels / f'{name}-1.0-py3-none-any.whl')}" for name in ("app", "lib"))
    native = f"native==1.0 --hash={digest(wheels / f'native-1.0-cp312-cp312-{LINUX}.whl')}"
    assert len(install(wanted=Wanted((app, lib, native), "3.12", hashes_required=True))) == 3
    error = failure(install, wanted=Wanted((app, lib), "3.12", hashes_required=True))
    assert "native has no hash" in error.message
    without = Wanted((app, lib), "3.12", hashes_required=True, excluded=("native",))
    assert install(wanted=without) == {"app": "1.0", "lib": "1.0"}


def test_a_wheel_that_is_no_archive_is_named(wheels: Path, install: Callable[..., dict[str, str]]) -> None:
    """And is not taken for a missing network."""
    (wheels / "broken-1.0-py3-none-any.whl").write_bytes(b"PK no more")
    assert "the file of broken 1.0 is no wheel that can be read" in failure(install, "broken").message


def test_a_wheel_is_installed_by_its_url(index: Index, install: Callable[..., dict[str, str]]) -> None:
    """If it is for the target, and has the hash that the URL says."""
    files = index.url.replace("/simple", "/files")
    assert install(f"lib @ {files}/lib-1.0-py3-none-any.whl", "lib>=1") == {"lib": "1.0"}
    error = failure(install, f"native @ {files}/native-2.0-cp313-cp313-{LINUX}.whl")
    assert "is for another Python or platform" in error.message
    assert error.hint == "The wheel is compatible with CPython 3.13 (`cp313`)"
    error = failure(install, f"lib @ {files}/lib-1.0-py3-none-any.whl#sha256={'1' * 64}")
    assert "the file of lib is not the one that was meant" in error.message


def test_a_dependency_that_wants_another_by_url_is_named(wheels: Path, install: Callable[..., dict[str, str]]) -> None:
    """With the URL, for whoever wants to ask for that."""
    wheel(wheels, "greedy", requires=["lib @ git+https://a.invalid/lib.git"])
    error = failure(install, "greedy")
    assert error.message.endswith(
        "greedy==1.0 asks for lib by a URL, which only the project itself may: lib @ git+https://a.invalid/lib.git"
    )
    assert "nothing is built from source" in error.hint


def test_what_is_for_another_python_says_for_which(wheels: Path, install: Callable[..., dict[str, str]]) -> None:
    """By its metadata, whatever its file is called."""
    wheel(wheels, "young", python=">=3.13")
    error = failure(install, "young")
    assert error.message.endswith("young 1.0 is for Python >=3.13")
    assert "python in [tool.flash]" in error.hint
    assert install("young", python="3.13") == {"young": "1.0"}


def test_an_extra_that_is_not_there_is_told(index: Index, tmp_path: Path) -> None:
    """It may be a misspelt one."""
    lines: list[str] = []
    uv = Uv({"UV_DEFAULT_INDEX": index.url, "UV_CACHE_DIR": str(tmp_path / "cache"), "HOME": str(tmp_path)})
    uv.install(Wanted(("lib[fsat]",), "3.12"), target=tmp_path / "tree", report=lines.append)
    assert "! lib 2.0 has no extra 'fsat'" in lines


def test_a_wheelhouse_needs_no_network(index: Index, wheels: Path, install: Callable[..., dict[str, str]]) -> None:
    """UV_FIND_LINKS and UV_NO_INDEX, or a list's own options; what is not in it is said to be not in it."""
    house = {"UV_FIND_LINKS": str(wheels), "UV_NO_INDEX": "1"}
    assert len(install("app", **house)) == 3
    options = (f"--find-links {wheels.as_uri()}", "--no-index")
    assert len(install(wanted=Wanted(("app",), "3.12", options=options))) == 3
    error = failure(install, "missing", **house)
    assert error.message.endswith("missing is in none of the folders of wheels")
    assert "pip download" in error.hint
    assert index.seen == []


def test_without_a_network_earlier_builds_suffice(index: Index, install: Callable[..., dict[str, str]]) -> None:
    """UV_OFFLINE takes what uv's cache has, and says what it has not."""
    found = install("app")
    index.statuses |= dict.fromkeys(index.seen, 500)
    assert install("app", UV_OFFLINE="1") == found
    error = failure(install, "missing", UV_OFFLINE="1")
    assert error.message.endswith("missing is in no cache, and UV_OFFLINE is set")


def test_an_index_of_a_list_is_asked(index: Index, tmp_path: Path, install: Callable[..., dict[str, str]]) -> None:
    """From requirements.txt to the wheel; --extra-index-url of a file of the project."""
    with serving(wheel(tmp_path / "more", "private").parent) as other:
        write(tmp_path / "app/requirements.txt", f"--extra-index-url {other.url}\nprivate\nlib\n")
        assert install(wanted=plan(tmp_path / "app").wanted()) == {"lib": "2.0", "private": "1.0"}


def test_settings_of_uv_in_the_project_count(
    tmp_path: Path, wheels: Path, install: Callable[..., dict[str, str]]
) -> None:
    """[tool.uv] of its pyproject.toml, wherever the distributions are put."""
    write(tmp_path / "app/pyproject.toml", "[tool.uv]\nfind-links = ['../wheels']\nno-index = true\n")
    write(tmp_path / "app/requirements.txt", "app\n")
    assert len(install(wanted=plan(tmp_path / "app").wanted(), UV_DEFAULT_INDEX="http://127.0.0.1:1/simple")) == 3


@pytest.mark.parametrize("python", ["3.10", "3.11", "3.12", "3.13"])
def test_markers_mean_the_same_to_the_installer_and_to_the_plan(
    wheels: Path, install: Callable[..., dict[str, str]], tmp_path: Path, python: str
) -> None:
    """For every target, whatever Python runs this: the installer drops no line that the plan keeps."""
    markers = [
        "python_version >= '3.12'",
        "python_version < '3.11'",
        "python_full_version >= '3.11'",
        "python_full_version < '3.12.1'",
        "sys_platform == 'linux' and platform_machine == 'x86_64'",
        "platform_system != 'Linux'",
        "implementation_name == 'cpython'",
        "platform_python_implementation == 'PyPy'",
        "os_name == 'posix' and python_version in '3.10 3.13'",
    ]
    for number, marker in enumerate(markers):
        wheel(wheels, f"direct-{number}", requires=[f"indirect-{number}; {marker}"])
        wheel(wheels, f"indirect-{number}")
    everything = [f"direct-{number}; {marker}" for number, marker in enumerate(markers)]
    planned = {each.name for each in plan(tmp_path, endpoint("a", *everything), python=python).asked}
    indirect = install(*(f"direct-{number}" for number in range(len(markers))), python=python)
    assert {name.replace("indirect", "direct") for name in indirect if name.startswith("in")} == planned
    assert {name for name in install(*everything, python=python) if name.startswith("direct")} == planned
