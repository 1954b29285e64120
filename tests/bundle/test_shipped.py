"""What the metadata of distributions in an artifact says."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tarfile
from typing import TYPE_CHECKING

import pytest
from fakes_artifact import demo, packed, wheel

from flash.bundle.reading import read_archive
from flash.bundle.shipped import Shipped, dependencies, is_metadata, shipped_in, tree_digest

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

LINUX = {"python_version": "3.12", "sys_platform": "linux"}


def shipped(folder: Path, files: Mapping[str, str | bytes]) -> dict[str, Shipped]:
    """By name, what an artifact of *files* ships."""
    found = read_archive(packed(folder / "a.tar.gz", files), keep=is_metadata)
    return {one.name: one for one in shipped_in(found.files, found.kept)}


def test_everything_is_from_the_distributions_own_metadata(tmp_path: Path) -> None:
    """Name, version, licence, requirements, and the digest of its record."""
    found = shipped(tmp_path, demo())
    pad, six = found["left-pad"], found["six"]
    assert (pad.version, pad.licence_expression, pad.requires) == ("1.2.0", "MIT", ("six",))
    assert (six.licence_expression, six.licences) == ("", ("MIT License",))
    assert six.files == ("six-1.17.0.dist-info/METADATA", "six-1.17.0.dist-info/RECORD", "six.py")
    assert six.record_sha256 == hashlib.sha256(demo()["six-1.17.0.dist-info/RECORD"].encode()).hexdigest()


def test_a_name_is_normalised_and_a_version_is_as_it_is_written(tmp_path: Path) -> None:
    """A folder's name cannot hold everything."""
    found = shipped(
        tmp_path, wheel("zope.interface", "7.2", {}) | {"Torch-2.7.0.dist-info/METADATA": "Version: 2.7.0+cu128\n"}
    )
    assert {name: one.version for name, one in found.items()} == {"zope-interface": "7.2", "torch": "2.7.0+cu128"}


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        (("License: BSD-3-Clause",), ("BSD-3-Clause",)),
        (("License: " + "whereas " * 30,), ()),
        (("License: UNKNOWN",), ()),
        (("License: x", "Classifier: License :: OSI Approved"), ("OSI Approved",)),
        (("Classifier: Topic :: License",), ()),
    ],
)
def test_a_licence_is_what_is_said_in_few_words(
    tmp_path: Path, headers: tuple[str, ...], expected: tuple[str, ...]
) -> None:
    """Classifiers first; the old field may hold a whole text, which is no name."""
    assert shipped(tmp_path, wheel("one", "1", {}, *headers))["one"].licences == expected


@pytest.mark.parametrize("broken", [b"\xff\xfe\x00", b"\0" * 40, b'"' * 200_000, b"Name\nVersion: \x1b[2J\n"])
def test_metadata_that_cannot_be_read_says_nothing(tmp_path: Path, broken: bytes) -> None:
    """The folder's name is what is left of it."""
    files = {"one-1.dist-info/METADATA": broken, "one-1.dist-info/RECORD": broken}
    [one] = shipped(tmp_path, files).values()
    assert (one.name, one.version, one.requires, len(one.files)) == ("one", "1", (), 2)


def test_what_is_required_is_judged_for_the_workers(tmp_path: Path) -> None:
    """Markers, and extras that another distribution asks for; what is not there is not named."""
    files = {
        **wheel("web", "1", {}, "Requires-Dist: Core[fast,odd]>=1", "Requires-Dist: gone", "Requires-Dist: web"),
        **wheel(
            "core",
            "2",
            {},
            'Requires-Dist: quick; extra == "fast"',
            'Requires-Dist: slow; extra == "slow"',
            'Requires-Dist: win; sys_platform == "win32"',
            'Requires-Dist: tool[deep]; python_version >= "3.12" and extra == "odd"',
            "Requires-Dist: not a requirement",
        ),
        **wheel("tool", "1", {}, 'Requires-Dist: slow; extra == "deep"'),
        **{key: text for name in ("quick", "slow", "win") for key, text in wheel(name, "1", {}).items()},
    }
    found = dependencies(list(shipped(tmp_path, files).values()), LINUX)
    names = {info.partition("-")[0]: [one.partition("-")[0] for one in others] for info, others in found.items()}
    assert names == {"web": ["core"], "core": ["quick", "tool"], "tool": ["slow"], "quick": [], "slow": [], "win": []}


def test_sets_of_their_own_do_not_mix(tmp_path: Path) -> None:
    """Each requirement is met by what lies beside it."""
    found = read_archive(
        packed(
            tmp_path / "a.tar.gz",
            {
                **wheel("web", "1", {}, "Requires-Dist: core", folder="_flash/sets/0a/"),
                **wheel("core", "1", {"core.py": ""}, folder="_flash/sets/0a/"),
                **wheel("core", "2", {"core.py": ""}),
            },
        ),
        keep=is_metadata,
    )
    both = shipped_in(found.files, found.kept)
    assert [(one.name, one.version, one.folder) for one in both] == [
        ("core", "1", "_flash/sets/0a/"),
        ("core", "2", ""),
        ("web", "1", "_flash/sets/0a/"),
    ]
    assert "_flash/sets/0a/core.py" in both[0].files
    assert dependencies(both, LINUX)["_flash/sets/0a/web-1.dist-info"] == ("_flash/sets/0a/core-1.dist-info",)


def test_a_tree_has_the_digest_that_everybody_can_compute(tmp_path: Path) -> None:
    """With the commands of in-toto's own page."""
    files = {"b.py": "b", "a/ä.py": "a", "a/b c.py": "", "B.py": "x"}
    with tarfile.open(packed(tmp_path / "a.tar.gz", files)) as tar:
        (tmp_path / "tree").mkdir()
        for member in tar.getmembers():
            place = tmp_path / "tree" / member.name
            place.parent.mkdir(exist_ok=True)
            place.write_text(files[member.name], encoding="utf-8")
    if shutil.which("sha256sum") is None:
        pytest.skip("no sha256sum here")
    command = (
        "find . -type f | cut -c3- | LC_ALL=C sort | tr '\\n' '\\0' | xargs -0 -r sha256sum | sha256sum | cut -f1 -d' '"
    )
    told = subprocess.run(["sh", "-c", command], cwd=tmp_path / "tree", capture_output=True, check=True, text=True)
    digests = {name: hashlib.sha256(text.encode()).hexdigest() for name, text in files.items()}
    assert tree_digest(digests) == told.stdout.strip()
