"""Describing an artifact in containers, for a Python that is on this machine only as an image."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from flash.emulator.launchers.base_images import BaseImages
from flash.emulator.launchers.containers import ContainerRequest
from flash.emulator.launchers.images import APP_FOLDER, LIBRARY_FOLDER, archived
from flash.emulator.launchers.leftovers import Labels, lock_of
from flash.preview.describer import (
    DESCRIBE_DEADLINE_S,
    by_base,
    crashed,
    declared_environment,
    read_description,
    too_slow,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from flash.emulator.launchers.containers import Containers
    from flash.model.manifest import CallSchema, Manifest
    from flash.preview.bases import Bases

__all__ = ["ContainerDescriber"]

_OUT: Final = "/tmp/described.json"  # noqa: S108  in a container of its own
_SCRIPT: Final = f'python -m flash.runtime.describe {_OUT} "$@" >&2 && cat {_OUT}'


class ContainerDescriber:
    """Runs ``flash.runtime.describe`` over a copy of a staged artifact, in containers of its endpoints' bases.

    Args:
        containers: The engine; closed afterwards.
        bases: Make the libraries of its images.
        home: ``FLASH_HOME``: whose containers they are.
    """

    def __init__(self, containers: Containers, bases: Bases, home: Path) -> None:
        self._containers = containers
        self._home = home
        self._bases = bases
        self._images = BaseImages(containers, bases.library)

    @property
    def identity(self) -> str:
        """The versions of what the base environments hold."""
        return self._bases.identity

    def __call__(
        self, staging: Path, manifest: Manifest, packages: Path | None = None
    ) -> Mapping[str, Mapping[str, Mapping[str, CallSchema]]]:
        """By endpoint and function, ``{method or "": schema}``.

        Args:
            staging: A staged artifact.
            manifest: Its endpoints, or some.
            packages: Its distributions, where they lie in a folder of their own.

        Raises:
            BuildError: A module raises when it is imported, and would in a worker.
            PreviewError: The engine says no, or the description itself failed.
        """
        described: dict[str, Mapping[str, Mapping[str, CallSchema]]] = {}
        # what a killed build leaves is known by it for nobody's
        with TemporaryDirectory(prefix="describing-", dir=self._home) as folder, lock_of(Path(folder)):
            labels = Labels.of(self._home, Path(folder)).run
            try:
                for (python_version, provided), names in by_base(manifest).items():
                    image = self._images.tag(python_version, provided)
                    declared = declared_environment(manifest, names)
                    described.update(self._describe(image, staging, packages, names, labels, declared))
            finally:
                self._containers.close()
        return described

    def _describe(
        self,
        image: str,
        staging: Path,
        packages: Path | None,
        names: Sequence[str],
        labels: Mapping[str, str],
        declared: Mapping[str, str],
    ) -> Mapping[str, Mapping[str, Mapping[str, CallSchema]]]:
        request = ContainerRequest(
            name="",
            image=image,
            command=("sh", "-c", _SCRIPT, "sh", *names),
            environment={**declared, "PYTHONPATH": LIBRARY_FOLDER, "PYTHONDONTWRITEBYTECODE": "1"},
            labels=labels,
            alias="describe",
            hostname="describe",
            working_dir=APP_FOLDER,
        )
        # the artifact as it will be: what is staged hides what a distribution has under the same name
        with archived(APP_FOLDER, *(folder for folder in (packages, staging) if folder is not None)) as archive:
            ended = self._containers.run(request, archive, timeout_s=DESCRIBE_DEADLINE_S)
        if ended is None:
            raise too_slow(names)
        if ended.status != 0:
            raise crashed(names, ended.said, f" with status {ended.status}")
        return read_description(json.loads(ended.output))
