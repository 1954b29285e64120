"""A project is read or built with its settings. Promotions load none of this: they change nothing that was built."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from filelock import FileLock

from flash import project as settings
from flash.bundle.install import Uv
from flash.bundle.memo import recall
from flash.bundle.request import BuildRequest
from flash.errors import TargetPythonMissing
from flash.preview.backend import PROCESSES, Wanted, choose
from flash.preview.bases import Bases
from flash.preview.describer import Describer

if TYPE_CHECKING:
    from flash.bundle.install import Report
    from flash.model.app import App
    from flash.model.manifest import Artifact
    from flash.preview.describing import ContainerDescriber
    from flash.project import Project

__all__ = ["CACHE_FOLDER", "build", "discover"]

CACHE_FOLDER: Final = "cache"
"""In ``FLASH_HOME``."""


def discover(project: Project) -> App:
    """The endpoints that the project's sources declare; reads, and imports nothing."""
    from flash.bundle import discover as discovery
    from flash.bundle.sources import project_files

    found = project_files(project.root)
    return discovery.discover(project.root, found.files, app_name=project.settings.app, ignored=found.ignored)


def build(
    project: Project,
    *,
    report: Report,
    keep_build_dir: bool = False,
    upgrade: bool = False,
    for_runpod: bool = False,
    wanted: Wanted = "auto",
) -> Artifact:
    """Build the project's artifact.

    Args:
        project: What to build.
        report: Told what happens, a line each.
        keep_build_dir: Leave the staged tree.
        upgrade: Ask the index again for versions that nobody has pinned.
        for_runpod: It is to run on Runpod's own images.
        wanted: What workers are to be; but for ``process``, a Python that is not on this machine may be a container's.

    Raises:
        DeclarationError, BuildError: What is wrong with the project.
        TargetPythonMissing: The workers' interpreter is not here. Said before anything is installed.
    """
    project.make_flash_dir()
    uv = Uv(environment=settings.environment())
    bases = Bases(settings.flash_home() / "bases", uv, report)
    describer = _describer(bases, project.settings.python, wanted, report)
    request = BuildRequest(
        root=project.root,
        app_name=project.settings.app,
        python_version=project.settings.python,
        exclude=project.settings.exclude,
        bundle=project.settings.bundle,
        dependency_group=project.settings.dependency_group,
        provided=project.settings.provided,
        allowed_secrets=project.settings.allow_secrets,
        size_limit_bytes=project.settings.size_limit_bytes,
        keep_build_dir=keep_build_dir,
        upgrade=upgrade,
        for_runpod=for_runpod,
    )
    # two builds would stage into the same folder
    with FileLock(project.flash_dir / "build.lock"):
        same = recall(request, project.artifact_path, describer=describer.identity, key_of=uv.key, now=time.time())
        if same is not None:
            for line in same.notes:
                report(line)
            report(f"nothing has changed: artifact {same.artifact.sha256[:12]} is up to date")
            return same.artifact
        from flash.bundle import assemble
        from flash.bundle.cache import Cache

        cache = Cache(settings.flash_home() / CACHE_FOLDER)
        return assemble.build(request, installer=uv, describer=describer, cache=cache, report=report)


def _describer(bases: Bases, python_version: str, wanted: Wanted, report: Report) -> Describer | ContainerDescriber:
    """What describes an artifact: the target's interpreter on this machine, or else one in a container."""
    try:
        bases.python(python_version)
    except TargetPythonMissing:
        backend = PROCESSES if wanted == "process" else choose("auto", (python_version,))
        if backend.name == "process":
            raise
        from flash.emulator.launchers.sdk import DockerContainers
        from flash.preview.describing import ContainerDescriber

        report(f"describing the artifact in containers: Python {python_version} is on this machine only as an image")
        return ContainerDescriber(DockerContainers(backend.host), bases, settings.flash_home())
    return Describer(bases)
