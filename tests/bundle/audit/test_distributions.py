"""Real wheels, with real shared objects, against the workers."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from fakes_audit import PLATFORM, Shipped, Wheel, compiled, has_compiler, installed, shared_object
from hypothesis import given, settings
from hypothesis import strategies as st

from flash.bundle.audit import audit_distributions, audit_files, audit_requirements
from flash.bundle.audit.elf import inspect

if TYPE_CHECKING:
    from collections.abc import Collection

    from flash.bundle.audit import Finding

LINUX = "cp312-cp312-manylinux_2_17_x86_64"
AARCH64 = 183
EXTENSION = "thing.cpython-312-x86_64-linux-gnu.so"
MODULE = shared_object("libc.so.6", versions={"libc.so.6": ["GLIBC_2.17"]}, symbols=["PyInit_thing"])


OLD = {"thing.so": MODULE}


def audited(
    folder: Path, *wheels: Wheel, python: str = "3.12", images: Collection[str] = ("cpu", "gpu")
) -> list[Finding]:
    """What is found in a tree of *wheels*."""
    tree = folder / "tree"
    shipped = installed(tree, *wheels)
    return list(audit_distributions(tree, shipped, python_version=python, platform=PLATFORM, images=images))


def needs(*libraries: str, runpath: str = "", **versions: list[str]) -> bytes:
    """A module linked with *libraries*; of libc it needs the given versions."""
    wanted = {"libc.so.6": versions["libc"]} if versions else {}
    return shared_object("libc.so.6", *libraries, runpath=runpath, versions=wanted, symbols=["PyInit_thing"])


BROKEN = {
    "a wheel of another Python": (
        Wheel(tag="cp311-cp311-manylinux_2_17_x86_64", files=OLD),
        "wheel-tag",
        "another Python: cp311",
    ),
    "a wheel for musl": (Wheel(tag="cp312-cp312-musllinux_1_2_x86_64"), "wheel-tag", "Linux with musl"),
    "a wheel for macOS": (Wheel(tag="cp312-cp312-macosx_11_0_arm64"), "wheel-tag", "macOS"),
    "a wheel for Windows": (Wheel(tag="cp312-cp312-win_amd64"), "wheel-tag", "Windows"),
    "a wheel for ARM": (Wheel(tag="cp312-cp312-manylinux_2_17_aarch64"), "wheel-tag", "another machine"),
    "a wheel for PyPy": (
        Wheel(tag="pp310-pypy310_pp73-manylinux_2_17_x86_64", files=OLD),
        "wheel-tag",
        "another Python: pp310",
    ),
    "a wheel for too new a glibc": (Wheel(tag="cp312-cp312-manylinux_2_39_x86_64"), "wheel-tag", "another Linux"),
    "free threads": (
        Wheel(tag="cp312-cp312t-manylinux_2_17_x86_64", files=OLD),
        "wheel-tag",
        "thing 1.0 is a wheel for",
    ),
    "an extension of another Python": (
        Wheel(tag=LINUX, files={"thing.cpython-311-x86_64-linux-gnu.so": MODULE}),
        "extension-tag",
        "cannot be imported by CPython 3.12, which looks for thing.cpython-312-x86_64-linux-gnu.so",
    ),
    "an extension of another system": (
        Wheel(files={"thing/__init__.py": b"", "thing/core.cpython-312-darwin.so": b"\xcf\xfa\xed\xfe"}),
        "extension-tag",
        "core.cpython-312-darwin.so",
    ),
    "an extension for musl by its name": (
        Wheel(tag=LINUX, files={"thing.cpython-312-x86_64-linux-musl.so": MODULE}),
        "extension-tag",
        "linux-musl.so",
    ),
    "another machine": (
        Wheel(tag=LINUX, files={EXTENSION: shared_object(machine=AARCH64)}),
        "binary-machine",
        "is for Linux aarch64",
    ),
    "linked with musl": (
        Wheel(tag=LINUX, files={EXTENSION: shared_object("libc.musl-x86_64.so.1")}),
        "library-missing",
        "is linked with musl",
    ),
    "too new a glibc": (
        Wheel(tag=LINUX, files={EXTENSION: needs(libc=["GLIBC_2.17", "GLIBC_2.38"])}),
        "glibc",
        "needs GLIBC_2.38, and the images have 2.35",
    ),
    "relocations of a newer glibc": (
        Wheel(tag=LINUX, files={EXTENSION: needs(libc=["GLIBC_ABI_DT_RELR"])}),
        "glibc",
        "GLIBC_2.36",
    ),
    "a library that nobody has": (
        Wheel(tag=LINUX, files={EXTENSION: needs("libnowhere.so.1")}),
        "library-missing",
        "needs libnowhere.so.1, which neither the artifact nor the images have",
    ),
    "a library of a library": (
        Wheel(tag=LINUX, files={EXTENSION: needs("libinner.so"), "thing.libs/libinner.so": needs("libnowhere.so.1")}),
        "library-missing",
        "libinner.so needs libnowhere.so.1",
    ),
    "another Python's library": (
        Wheel(tag=LINUX, files={EXTENSION: needs("libpython3.11.so.1.0")}),
        "library-missing",
        "libpython3.11.so.1.0",
    ),
    "a folder of libraries that was left out": (
        Wheel(
            tag=LINUX,
            files={
                EXTENSION: needs("libblas-5f890258.so", runpath="$ORIGIN/thing.libs"),
                "other.cpython-312-x86_64-linux-gnu.so": needs(),
            },
        ),
        "library-missing",
        "needs libblas-5f890258.so",
    ),
    "a text": (
        Wheel(tag=LINUX, files={EXTENSION: b"version https://git-lfs"}),
        "binary-unreadable",
        "no shared object",
    ),
    "half a file": (Wheel(tag=LINUX, files={EXTENSION: MODULE[:90]}), "binary-unreadable", "cut off or damaged"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_a_worker_cannot_load_is_an_error(case: str, tmp_path: Path) -> None:
    """One finding, which names the file and why."""
    wheel, code, words = BROKEN[case]
    (finding,) = audited(tmp_path, wheel)
    assert (finding.code, finding.is_error) == (code, True)
    assert words in finding.message
    assert finding.path in {*wheel.files, "thing-1.0.dist-info/WHEEL"}
    assert finding.hint or code == "binary-unreadable"


CLEAN = {
    "pure Python": Wheel(files={"thing.py": b""}),
    "of two Pythons": Wheel(tag="py2.py3-none-any", files={"thing.py": b""}),
    "for this one": Wheel(tag=LINUX, files={EXTENSION: MODULE}),
    "by two names": Wheel(tag="cp312-cp312-manylinux_2_17_x86_64.manylinux2014_x86_64", files={EXTENSION: MODULE}),
    "an old spelling": Wheel(tag="cp312-cp312-manylinux1_x86_64", files={EXTENSION: MODULE}),
    "as new as the workers promise": Wheel(tag="cp312-cp312-manylinux_2_28_x86_64", files={EXTENSION: MODULE}),
    "built here": Wheel(tag="cp312-cp312-linux_x86_64", files={EXTENSION: MODULE}),
    "the stable interface": Wheel(tag="cp38-abi3-manylinux_2_17_x86_64", files={"thing.abi3.so": MODULE}),
    "a library without a module": Wheel(tag="py3-none-manylinux_2_17_x86_64", files={"thing/libthing.so": needs()}),
    "as new as the images": Wheel(tag=LINUX, files={EXTENSION: needs(libc=["GLIBC_2.34"])}),
    "no suffix but .so": Wheel(tag=LINUX, files={"thing.so": MODULE}),
    "for several Pythons at once": Wheel(
        tag="py3-none-manylinux_2_17_x86_64",
        files={f"thing.cpython-3{minor}-x86_64-linux-gnu.so": MODULE for minor in (10, 11, 12, 13)},
    ),
    "with its source beside it": Wheel(files={"thing.py": b"", "thing.cpython-311-x86_64-linux-gnu.so": MODULE}),
    "helpers of other systems": Wheel(
        files={
            "thing/__init__.py": b"",
            "thing/a.dylib": b"\xcf\xfa\xed\xfe",
            "thing/b.pyd": b"MZ",
            "thing/c.dll": b"MZ",
        }
    ),
    "helpers of other machines": Wheel(
        tag=LINUX, files={EXTENSION: MODULE, "thing/agent-arm64.so": shared_object(machine=AARCH64)}
    ),
    "its own libraries": Wheel(
        tag=LINUX,
        files={
            EXTENSION: needs("libblas-5f890258.so", runpath="$ORIGIN/thing.libs"),
            "thing.libs/libblas-5f890258.so": needs("libgcc_s.so.1", "libstdc++.so.6", "libm.so.6", "libz.so.1"),
        },
    ),
    "libraries of another distribution, loaded before": Wheel(
        tag=LINUX, files={EXTENSION: needs("libother.so"), "other/lib/libother.so": needs()}
    ),
    "the driver and CUDA": Wheel(
        tag=LINUX,
        files={EXTENSION: needs("libcuda.so.1", "libcublasLt.so.12", "libnvidia-ml.so.1", "libcudnn.so.9")},
    ),
    "torch, which was left out": Wheel(
        tag=LINUX, files={EXTENSION: needs("libtorch.so", "libc10.so", "libtorch_python.so", "libc10_cuda.so")}
    ),
    "this Python's library": Wheel(tag=LINUX, files={EXTENSION: needs("libpython3.12.so.1.0")}),
    "a library with letters in its version": Wheel(
        tag=LINUX, files={EXTENSION: needs("libssl-81259c47.so.1.1.1k"), "t.libs/libssl-81259c47.so.1.1.1k": needs()}
    ),
    "a script for the linker": Wheel(tag=LINUX, files={EXTENSION: MODULE, "thing/libthing.so": b"INPUT(libother.so)"}),
}


@pytest.mark.parametrize("case", CLEAN)
def test_what_a_worker_can_load_is_left_alone(case: str, tmp_path: Path) -> None:
    """Nothing is said of it."""
    assert audited(tmp_path, CLEAN[case]) == []


WARNED = {
    "one of its modules": (
        Wheel(tag=LINUX, files={EXTENSION: MODULE, "thing/mpi.cpython-312-x86_64-linux-gnu.so": needs("libmpi.so.40")}),
        "library-missing",
    ),
    "one of its modules, for another Python": (
        Wheel(tag=LINUX, files={EXTENSION: MODULE, "other.cpython-311-x86_64-linux-gnu.so": MODULE}),
        "extension-tag",
    ),
    "a library that GPU images have": (
        Wheel(tag="py3-none-manylinux_2_17_x86_64", files={"thing/libthing.so": needs("libgomp.so.1")}),
        "library-missing",
    ),
    "a label for another Python, and no module": (
        Wheel(tag="cp36-cp36m-manylinux2010_x86_64", files={"thing/__init__.py": b"", "thing/libthing.so": needs()}),
        "wheel-tag",
    ),
    "a wheel newer than promised": (
        Wheel(tag="cp312-cp312-manylinux_2_34_x86_64", files={EXTENSION: MODULE}),
        "glibc-newer",
    ),
}


@pytest.mark.parametrize("case", WARNED)
def test_what_may_do_is_a_warning(case: str, tmp_path: Path) -> None:
    """It stops no build."""
    wheel, code = WARNED[case]
    assert [(finding.code, finding.is_error) for finding in audited(tmp_path, wheel)] == [(code, False)]


def test_what_the_only_images_lack_is_an_error(tmp_path: Path) -> None:
    """A library of GPU images is fine where all endpoints have one, and missing where none has."""
    wheel, _ = WARNED["a library that GPU images have"]
    assert audited(tmp_path / "gpu", wheel, images=["gpu"]) == []
    (finding,) = audited(tmp_path / "cpu", wheel, images=["cpu"])
    assert finding.is_error


@pytest.mark.parametrize("python", ["3.10", "3.11", "3.12", "3.13"])
def test_a_wheel_is_for_its_own_python_only(python: str, tmp_path: Path) -> None:
    """Whatever Python builds."""
    digits = python.replace(".", "")
    wheel = Wheel(
        tag=f"cp{digits}-cp{digits}-manylinux_2_17_x86_64",
        files={f"thing.cpython-{digits}-x86_64-linux-gnu.so": MODULE},
    )
    assert audited(tmp_path / "same", wheel, python=python) == []
    (finding,) = audited(tmp_path / "next", wheel, python="3.12" if python != "3.12" else "3.13")
    assert finding.code == "wheel-tag"


def test_the_user_knows_what_else_the_images_have(tmp_path: Path) -> None:
    """Libraries are said by their names, as distributions are."""
    wheel, _, _ = BROKEN["a library that nobody has"]
    tree = tmp_path / "tree"
    shipped = installed(tree, wheel)
    found = audit_distributions(tree, shipped, python_version="3.12", platform=PLATFORM, provided=["libnowhere.so.1"])
    assert found == ()


def test_on_another_system_nothing_is_known(tmp_path: Path) -> None:
    """A preview on macOS has wheels for macOS."""
    shipped = installed(tmp_path, Wheel(tag="cp312-cp312-macosx_11_0_arm64"))
    assert audit_distributions(tmp_path, shipped, python_version="3.12", platform="aarch64-apple-darwin") == ()


@pytest.mark.skipif(not has_compiler(), reason="there is no gcc")
class TestCompiled:
    """What a compiler and a linker make."""

    def test_a_module_is_read(self, tmp_path: Path) -> None:
        """Its machine, what it is linked with, and that it is one."""
        module = compiled('#include <stdio.h>\nvoid *PyInit_thing(void) { puts(""); return 0; }\n')
        (tmp_path / "thing.so").write_bytes(module)
        binary = inspect(tmp_path, "thing.so", stem="thing")
        assert (binary.system, binary.needed, binary.is_extension) == ("Linux", ("libc.so.6",), True)
        assert [family for _, family, _ in binary.versions] == ["GLIBC"]

    def test_its_search_path_is_read(self, tmp_path: Path) -> None:
        """As the linker has it, and as folders of the tree."""
        module = compiled("void *PyInit_thing(void) { return 0; }\n", "-Wl,-rpath,$ORIGIN/../thing.libs:/usr/lib")
        (tmp_path / "thing").mkdir()
        (tmp_path / "thing/thing.so").write_bytes(module)
        assert inspect(tmp_path, "thing/thing.so", stem="thing").search == ("thing.libs",)

    def test_a_library_that_was_left_out_is_found(self, tmp_path: Path) -> None:
        """The module was linked with it."""
        library = tmp_path / "libinner-5f890258.so"
        library.write_bytes(compiled("int inner(void) { return 1; }\n", "-Wl,-soname,libinner-5f890258.so"))
        code = "int inner(void);\nint PyInit_thing(void) { return inner(); }\n"
        module = compiled(code, str(library), "-Wl,-rpath,$ORIGIN/thing.libs")
        whole = Wheel(tag=LINUX, files={EXTENSION: module, f"thing.libs/{library.name}": library.read_bytes()})
        assert audited(tmp_path / "whole", whole) == []
        (finding,) = audited(tmp_path / "part", Wheel(tag=LINUX, files={EXTENSION: module}))
        assert f"needs {library.name}" in finding.message
        assert finding.is_error


@settings(deadline=None)
@given(cut=st.integers(0, len(MODULE)), changes=st.dictionaries(st.integers(0, len(MODULE) - 1), st.integers(0, 255)))
def test_no_damage_to_a_file_stops_the_audit(
    cut: int, changes: dict[int, int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Bytes that are changed or gone make it broken, or another file."""
    folder = tmp_path_factory.mktemp("damaged")
    damaged = bytearray(MODULE)
    for place, value in changes.items():
        damaged[place] = value
    (folder / "thing.so").write_bytes(damaged[: len(damaged) - cut])
    assert inspect(folder, "thing.so", stem="thing").path == "thing.so"
    shutil.rmtree(folder)


@given(order=st.permutations(sorted(BROKEN)[:8]))
@settings(max_examples=15, deadline=None)
def test_the_order_of_distributions_does_not_matter(order: list[str], tmp_path_factory: pytest.TempPathFactory) -> None:
    """Findings come in an order of their own."""
    folder = tmp_path_factory.mktemp("order")
    wheels = []
    for case in order:
        name = f"thing{sorted(BROKEN).index(case)}"
        files = {f"{name}/{path}": content for path, content in BROKEN[case][0].files.items()}
        wheels.append(replace(BROKEN[case][0], name=name, files=files))
    tree = folder / "tree"
    shipped = installed(tree, *wheels)
    found = audit_distributions(tree, shipped, python_version="3.12", platform=PLATFORM)
    by_name = sorted(shipped, key=lambda one: one.name)
    again = audit_distributions(tree, by_name, python_version="3.12", platform=PLATFORM)
    assert found == again
    assert len(found) == len(order)
    shutil.rmtree(folder)


class TestFilesOfTheProject:
    """Shared objects that somebody has put among the sources."""

    def audited(self, root: Path, files: dict[str, bytes], *imported: str) -> list[tuple[str, str, bool]]:
        for path, content in files.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_bytes(content)
        found = audit_files(
            root,
            tuple(files),
            distributions=[Shipped("other", ("other.libs/libother.so.1",))],
            imported=imported,
            python_version="3.12",
            platform=PLATFORM,
        )
        return [(finding.code, finding.path, finding.is_error) for finding in found]

    def test_one_for_another_machine_is_an_error_where_it_is_imported(self, tmp_path: Path) -> None:
        """Else it is a warning: somebody may load it where it belongs."""
        files = {"fast.so": shared_object(machine=AARCH64), "lib/extra.so": shared_object(machine=AARCH64)}
        found = self.audited(tmp_path, files, "fast")
        assert found == [("binary-machine", "fast.so", True), ("binary-machine", "lib/extra.so", False)]

    def test_one_for_another_python_is_a_warning(self, tmp_path: Path) -> None:
        """What imports it is an error, told there."""
        found = self.audited(tmp_path, {"fast.cpython-311-x86_64-linux-gnu.so": MODULE})
        assert found == [("extension-tag", "fast.cpython-311-x86_64-linux-gnu.so", False)]

    def test_what_ships_beside_it_counts(self, tmp_path: Path) -> None:
        """Libraries of distributions, and its own."""
        files = {"fast.so": needs("libother.so.1", "libown.so"), "lib/libown.so": needs()}
        assert self.audited(tmp_path, files, "fast") == []

    def test_what_nobody_has_is_found(self, tmp_path: Path) -> None:
        """With the file that needs it."""
        found = self.audited(tmp_path, {"fast.so": needs("libnowhere.so.1")}, "fast")
        assert found == [("library-missing", "fast.so", True)]


class TestRequirements:
    """What the metadata of a distribution asks for."""

    def audited(self, *lines: str, present: Collection[str] = ()) -> list[str]:
        shipped = [Shipped("thing", ("thing.py",), requires=lines), Shipped("six", ("six.py",))]
        return [finding.message for finding in audit_requirements(shipped, present=present, python_version="3.12")]

    def test_what_is_neither_there_nor_left_out_is_named(self) -> None:
        """A warning: overrides may mean it."""
        (message,) = self.audited("six>=1", "Left_Pad>=2", "toolz; python_version < '3.12'", "torch", present=["torch"])
        assert message == "thing 1.0 needs left-pad, which nothing provides"

    def test_what_nobody_can_judge_is_left_alone(self) -> None:
        """Extras that nobody asked for, the exact version, lines of long ago."""
        assert self.audited("a; extra == 'b'", "c; python_full_version >= '3.12.4'", "not a requirement (") == []
