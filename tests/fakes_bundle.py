"""What stands in for the package index and for the describing worker in tests of the build."""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING

from flash.bundle import archive
from flash.bundle.assemble import BuildRequest, build
from flash.bundle.cache import Cache
from flash.bundle.install import Distribution, Report, Wanted
from flash.bundle.layers import Compressing, Member
from flash.cli.main import main
from flash.errors import DependencyError
from flash.model.manifest import Artifact, CallSchema, Manifest
from flash.project import flash_home

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from flash.project import Project

QUEUE = """
from flash import Endpoint

@Endpoint(name="worker", cpu="cpu3c-1-2")
def work(text: str) -> str:
    return text
"""


@dataclass(frozen=True)
class Package:
    """A distribution of the index: its files, and what it requires."""

    version: str = "1.0"
    requires: tuple[str, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)


@dataclass
class FakeInstaller:
    """Implements `Installer` over an index in memory. Versions are not resolved: there is one of each."""

    index: Mapping[str, Package] = field(default_factory=dict)
    calls: list[tuple[tuple[str, ...], tuple[str, ...]]] = field(default_factory=list)

    def key(self, wanted: Wanted) -> str:
        return wanted.digest({"index": repr(sorted(self.index.items()))})

    def install(self, wanted: Wanted, *, target: Path, report: Report) -> tuple[Distribution, ...]:
        requirements, excluded = wanted.requirements, wanted.excluded
        self.calls.append((tuple(requirements), tuple(excluded)))
        pending, found = [re.split(r"[\[=<>;~! ]", line)[0] for line in requirements], {}
        while pending:
            name = pending.pop()
            if name in found or name in excluded:
                continue
            if name not in self.index:
                detail = f"Because {name} was not found in the package registry and you require {name}"
                raise DependencyError(f"cannot install the dependencies: {detail}", hint="check it", detail=detail)
            found[name] = self.index[name]
            pending += [re.split(r"[\[=<>;~! ]", line)[0] for line in found[name].requires]
        distributions = []
        for name, package in sorted(found.items()):
            files = dict(package.files) or {f"{name.replace('-', '_')}.py": ""}
            for path, text in files.items():
                write(target / path, text)
            distributions.append(
                Distribution(
                    name,
                    package.version,
                    sum(map(len, files.values())),
                    package.requires,
                    tuple(sorted({path.split("/")[0] for path in files})),
                    tuple(sorted(files)),
                )
            )
        report(f"installed {len(distributions)}")
        return tuple(distributions)


@dataclass
class FakeDescriber:
    """Implements `Describer` with answers that are given, and leaves behind what importing might."""

    answers: Mapping[str, Mapping[str, Mapping[str, CallSchema]]] = field(default_factory=dict)
    leaves: tuple[str, ...] = ()
    seen: list[Manifest] = field(default_factory=list)
    asked: list[list[str]] = field(default_factory=list)

    identity = "fake"

    def __call__(
        self, staging: Path, manifest: Manifest, packages: Path | None
    ) -> Mapping[str, Mapping[str, Mapping[str, CallSchema]]]:
        self.seen.append(Manifest.read(staging / "flash_manifest.json"))
        self.asked.append(sorted(manifest.resources))
        for path in self.leaves:
            write(staging / path, "left behind")
        return self.answers


def write(path: Path, text: str) -> Path:
    """Write a file, and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(dedent(text), encoding="utf-8")
    return path


def pack(staging: Path, out: Path, *, limit_bytes: int | None = None, largest: Sequence[str] = ()) -> tuple[str, int]:
    """Pack a folder into an archive, as a build would."""
    with Compressing() as compressing:
        files = sorted(path for path in staging.rglob("*") if path.is_file())
        members = [
            Member(path.relative_to(staging).as_posix(), path, path.stat().st_size, os.access(path, os.X_OK))
            for path in files
        ]
        layer = compressing.layer(members)
        return archive.write(out, [layer], limit_bytes=limit_bytes, largest=largest)


def project(root: Path, files: Mapping[str, str]) -> Path:
    """Make a project of *files* at *root*."""
    for name, text in files.items():
        write(root / name, text)
    return root


class Building:
    """Of what the command line works through, the build: the real one, with stand-ins for index and worker."""

    def __init__(self, installer: FakeInstaller | None = None, describer: FakeDescriber | None = None) -> None:
        self.installer = installer or FakeInstaller({"six": Package(), "numpy": Package()})
        self.describer = describer or FakeDescriber()

    def pipeline(self, wanted: str) -> Building:
        """Itself: whatever workers are, the build is the same."""
        return self

    def build(self, project: Project, *, report: Report, keep_build_dir: bool, upgrade: bool) -> Artifact:
        """Build *project*."""
        request = BuildRequest(
            root=project.root,
            app_name=project.settings.app,
            python_version=project.settings.python,
            keep_build_dir=keep_build_dir,
            upgrade=upgrade,
            allowed_secrets=project.settings.allow_secrets,
        )
        cache = Cache(flash_home() / "cache")
        return build(request, installer=self.installer, describer=self.describer, cache=cache, report=report)


def flash_build(root: Path, services: Building | None = None) -> int:
    """``flash build --root ROOT``, in this process; its exit status."""
    return main(["build", "--root", str(root)], services or Building())  # type: ignore[arg-type]  # a part of it


if __name__ == "__main__":
    sys.exit(flash_build(Path(sys.argv[1])))
