"""What goes into an archive, compressed while a build goes on."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from flash.bundle import archive
from flash.bundle.cache import Cache
from flash.bundle.installed import Distribution
from flash.bundle.layers import Damaged, Member
from flash.bundle.packing import Packing
from flash.bundle.trees import DistributionSet

KIB = 2**10


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    """An empty one."""
    return Cache(tmp_path / "cache")


@pytest.fixture
def told() -> list[str]:
    """What was told of the progress."""
    return []


def installed(tree: Path, **sizes: int) -> DistributionSet:
    """Distributions of a module each, of so many bytes."""
    for name, size in sizes.items():
        (tree / name).mkdir(parents=True)
        (tree / name / "__init__.py").write_bytes(name.encode() * (size // len(name)))
    found = tuple(
        Distribution(name, "1", size // len(name) * len(name), files=(f"{name}/__init__.py",))
        for name, size in sizes.items()
    )
    return DistributionSet(
        tree, found, {f"{name}/__init__.py": f"sha256={name}-{size} -" for name, size in sizes.items()}
    )


def packed(cache: Cache, told: list[str], found: DistributionSet, own: list[Member], *late: Member) -> bytes:
    """An archive of all that."""
    out = found.tree.parent / "out.tar.gz" if found.tree is not None else Path()
    with Packing(cache, tell=told.append, progress=told.append, worth_telling=100 * KIB, step=1024 * KIB) as packing:
        packing.start([found], own, digests={member.name: member.name for member in own})
        archive.write(out, packing.layers([*own, *late]))
    return out.read_bytes()


def names(content: bytes) -> list[str]:
    """Of the members, in their order."""
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        return tar.getnames()


def test_what_is_known_late_comes_last(cache: Cache, told: list[str], tmp_path: Path) -> None:
    """Distributions, large files, small ones, and what had to wait for them."""
    large = tmp_path / "large.bin"
    large.write_bytes(bytes(2048 * KIB))
    own = [Member.of_text("app.py", "x"), Member("large.bin", large, 2048 * KIB), Member.of_text("z.py", "x")]
    found = installed(tmp_path / "tree", one=10, two=10)
    content = packed(cache, told, found, own, Member.of_text("manifest.json", "{}"))
    assert names(content) == ["one/__init__.py", "two/__init__.py", "large.bin", "app.py", "z.py", "manifest.json"]


def test_many_small_files_are_not_kept_in_memory(
    cache: Cache, told: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They go through a file without a name, which is gone afterwards."""
    own = [Member.of_text(f"{number}.txt", f"{number}" * 1000) for number in range(50)]
    in_memory = packed(cache, told, installed(tmp_path / "a"), own)
    monkeypatch.setattr("flash.bundle.cache._MOST_IN_MEMORY", 1)
    assert packed(cache, told, installed(tmp_path / "b"), own) == in_memory
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]


def test_what_is_kept_makes_the_same_bytes(cache: Cache, told: list[str], tmp_path: Path) -> None:
    """Whatever of it is."""
    one, both = installed(tmp_path / "a", one=300 * KIB), installed(tmp_path / "b", one=300 * KIB, two=5000)
    packed(cache, told, one, [])
    some = packed(cache, told, both, [])
    all_of_it = packed(cache, told, both, [])
    none = packed(Cache(tmp_path / "other"), told, both, [])
    assert some == all_of_it == none


def test_little_is_compressed_in_silence(cache: Cache, told: list[str], tmp_path: Path) -> None:
    """Nobody has to wait for it."""
    packed(cache, told, installed(tmp_path / "tree", one=90 * KIB), [])
    assert told == []


def test_much_is_told_and_then_how_far_it_is(cache: Cache, told: list[str], tmp_path: Path) -> None:
    """By what is compressed, not by what is kept; the end is told by who has the whole archive."""
    found = installed(tmp_path / "tree", one=1500 * KIB, three=1500 * KIB)
    packed(cache, told, found, [])
    assert told[0] == "compressing 2.9 MiB"
    # at whole steps, and what ends a layer is less than one
    assert [line[: len("compressed 1")] for line in told[1:]] == ["compressed 1", "compressed 2"]
    assert all(line.endswith(" of 2.9 MiB") for line in told[1:])
    told.clear()
    packed(cache, told, found, [Member.of_text("app.py", "x" * 200 * KIB)])
    assert told == ["compressing 0.2 MiB"]


def test_a_file_that_is_gone_is_told_by_who_joins(cache: Cache, told: list[str], tmp_path: Path) -> None:
    """So that the set is installed again."""
    found = installed(tmp_path / "tree", one=10, two=10)
    (tmp_path / "tree/two/__init__.py").unlink()
    with pytest.raises(Damaged):
        packed(cache, told, found, [])
    assert not (tmp_path / "out.tar.gz").exists()


def test_an_error_elsewhere_leaves_no_half_of_a_layer(cache: Cache, told: list[str], tmp_path: Path) -> None:
    """What was being made is dropped, or whole."""
    found = installed(tmp_path / "tree", **{f"part{number}": 3000 * KIB for number in range(8)})
    with Packing(cache, tell=told.append, progress=told.append) as packing:
        # as if something had been raised here
        packing.start([found], [], digests={})
    assert not list((tmp_path / "cache").glob("layers/*/.*"))
    whole = packed(Cache(tmp_path / "other"), told, found, [])
    assert packed(cache, told, found, []) == whole
