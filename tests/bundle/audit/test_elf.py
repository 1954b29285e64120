"""What shared objects say about themselves, and that no file stops who reads it."""

from __future__ import annotations

import sysconfig
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from typing import Any

import deflate
import pytest
from elftools.elf.elffile import ELFFile
from fakes_audit import shared_object
from hypothesis import given, settings
from hypothesis import strategies as st

from flash.bundle.audit.elf import Binary, inspect

VERSIONS = {"libc.so.6": ["GLIBC_2.17", "GLIBC_2.3.4"], "libstdc++.so.6": ["GLIBCXX_3.4.29", "CXXABI_1.3"]}
MODULE = shared_object(
    *("libc.so.6", "libstdc++.so.6"), runpath="$ORIGIN/../thing.libs", versions=VERSIONS, symbols=["PyInit_thing"]
)
INSTALLED = Path(sysconfig.get_path("platlib"))
REAL = next(file for file in Path(deflate.__file__).parent.iterdir() if file.name.endswith(tuple(EXTENSION_SUFFIXES)))


def read(folder: Path, content: bytes, *, stem: str = "thing") -> Binary:
    """What is read of a file."""
    (folder / "a").mkdir(exist_ok=True)
    (folder / "a/thing.so").write_bytes(content)
    return inspect(folder, "a/thing.so", stem=stem)


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for all examples of a law."""
    return tmp_path_factory.mktemp("elf")


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("is_64", [True, False])
def test_all_that_decides_is_read_whatever_the_machine(tmp_path: Path, order: str, *, is_64: bool) -> None:
    """Words of 32 and 64 bits, in both orders."""
    made = shared_object(
        *("libc.so.6", "libm.so.6"),
        runpath="$ORIGIN/../thing.libs:/usr/lib:${ORIGIN}:$ORIGIN/../../..",
        versions=VERSIONS,
        symbols=["PyInit_thing"],
        machine=22,
        is_64=is_64,
        order=order,
    )
    assert read(tmp_path, made) == Binary(
        "a/thing.so",
        system="Linux",
        machine="s390x",
        needed=("libc.so.6", "libm.so.6"),
        search=("thing.libs", "a"),
        versions=(
            ("libc.so.6", "GLIBC", (2, 17)),
            ("libstdc++.so.6", "CXXABI", (1, 3)),
            ("libstdc++.so.6", "GLIBCXX", (3, 4, 29)),
        ),
        is_extension=True,
    )


@pytest.mark.parametrize(
    ("machine", "is_64", "named"),
    [(62, True, "x86_64"), (62, False, "x32"), (183, True, "aarch64"), (77, True, "machine 77")],
)
def test_machines_have_the_names_of_wheels(tmp_path: Path, machine: int, named: str, *, is_64: bool) -> None:
    """One that nobody has heard of has its number."""
    assert read(tmp_path, shared_object(machine=machine, is_64=is_64)).machine == named


def test_an_initialisation_of_another_name_makes_no_module(tmp_path: Path) -> None:
    """It has to be this file's, from its first letter to its last."""
    made = shared_object(symbols=["PyInit_thing", "xPyInit_thin"])
    assert [read(tmp_path, made, stem=stem).is_extension for stem in ("thing", "thin", "hing", "")] == [
        *(True, False, False, False)
    ]


BEYOND = 2**40
HOSTILE = {
    "names that are nowhere": {5: BEYOND},
    "names without an end": {10: 8},
    "more names than there is file": {10: BEYOND},
    "a library without a name": {1: BEYOND},
    "versions that are nowhere": {0x6FFFFFFE: BEYOND},
    "versions that are none": {0x6FFFFFFE: 16},
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_table_that_leads_elsewhere_is_broken(tmp_path: Path, case: str) -> None:
    """Nothing outside the file is looked for, and what is there is not taken for what it is not."""
    made = shared_object("libc.so.6", versions=VERSIONS, dynamic=HOSTILE[case])
    assert read(tmp_path, made).is_broken


def test_a_dynamic_table_has_an_end(tmp_path: Path) -> None:
    """One that has none is no table."""
    whole = shared_object("libc.so.6")
    at = 64 + 2 * 56
    entries = whole[at : at + 16] * 4
    assert read(tmp_path, whole[:at] + entries + whole[at + 64 :]).is_broken


@settings(deadline=None, max_examples=300)
@given(changes=st.dictionaries(st.integers(0, len(MODULE) - 1), st.integers(0, 255), min_size=1, max_size=8))
def test_no_changed_byte_stops_who_reads(changes: dict[int, int], scratch: Path) -> None:
    """It is another file then, or a broken one, or as good as before."""
    damaged = bytearray(MODULE)
    for place, value in changes.items():
        damaged[place] = value
    assert read(scratch, bytes(damaged)).path == "a/thing.so"


def test_what_is_cut_off_is_broken_wherever_that_is(tmp_path: Path) -> None:
    """Its sections lie at the end, so that each byte that is gone shows."""
    for length in range(4, len(MODULE)):
        assert read(tmp_path, MODULE[:length]).is_broken, length
    assert not read(tmp_path, MODULE).is_broken


class TestReal:
    """What compilers have made: of a distribution that Flash needs itself."""

    CONTENT = REAL.read_bytes()

    @settings(deadline=None)
    @given(length=st.integers(4, len(CONTENT) - 1))
    def test_a_part_of_it_is_broken(self, length: int, scratch: Path) -> None:
        """As when a download has ended too early."""
        assert read(scratch, self.CONTENT[:length]).is_broken

    @settings(deadline=None, max_examples=300)
    @given(
        changes=st.dictionaries(
            # where its tables are, more often than elsewhere
            st.one_of(st.integers(0, 4095), st.integers(0, len(CONTENT) - 1)),
            st.integers(0, 255),
            min_size=1,
            max_size=20,
        )
    )
    def test_no_changed_byte_stops_who_reads(self, changes: dict[int, int], scratch: Path) -> None:
        """A machine of another number, a name of other letters, or a broken file."""
        damaged = bytearray(self.CONTENT)
        for place, value in changes.items():
            damaged[place] = value
        found = read(scratch, bytes(damaged))
        assert found.path == "a/thing.so"
        assert len(found.needed) <= 4096

    def test_another_reader_finds_the_same(self) -> None:
        """In what is installed here: pyelftools by the sections, Flash by the segments."""
        files = {file.relative_to(INSTALLED).parts[0]: file for file in INSTALLED.glob("**/*.so")}.values()
        assert REAL.parent.name in {file.parent.name for file in files}
        for file in files:
            stem = file.name.partition(".")[0]
            found = inspect(file.parent, file.name, stem=stem)
            assert not found.is_broken, file
            assert (list(found.needed), newest(found), found.is_extension) == _witnessed(file, stem), file


def newest(binary: Binary) -> set[tuple[str, str]]:
    """The versions of glibc that it needs, as they are written."""
    return {
        (library, f"GLIBC_{'.'.join(map(str, number))}")
        for library, family, number in binary.versions
        if family == "GLIBC"
    }


def _witnessed(file: Path, stem: str) -> tuple[list[str], set[tuple[str, str]], bool]:
    with file.open("rb") as stream:
        elf: Any = ELFFile(stream)
        needed = [tag.needed for tag in elf.get_section_by_name(".dynamic").iter_tags("DT_NEEDED")]
        strings = elf.get_section_by_name(".dynstr").data()
        section = elf.get_section_by_name(".gnu.version_r")
        of: dict[str, list[str]] = {}
        for library, wanted in () if section is None else section.iter_versions():
            of[library.name] = [version.name for version in wanted if version.name.startswith("GLIBC_2")]
    versions = {(library, max(names, key=_number)) for library, names in of.items() if names}
    return needed, versions, f"\0PyInit_{stem}\0".encode() in strings


def _number(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.partition("_")[2].split(".")))
