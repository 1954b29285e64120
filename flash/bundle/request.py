"""What a build is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["BuildRequest"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildRequest:
    """What to build.

    Attributes:
        root: The project.
        python_version: The workers': ``"3.12"``.
        exclude: Distributions to leave out besides the automatic ones.
        bundle: Distributions to ship although they would be left out.
        dependency_group: The group of ``pyproject.toml`` that takes the place of other files of dependencies.
        size_limit_bytes: What the artifact may come to.
        keep_build_dir: Whether ``.flash/.build`` stays.
        for_runpod: Whether it will run on Runpod's own images, whose modules it must not replace.
        provided: What the workers' images have besides what is known of them.
        allowed_secrets: What looks like a secret and may ship: patterns of paths, and fingerprints.
        upgrade: Whether the index is asked again for versions that nobody has pinned.
    """

    root: Path
    app_name: str
    python_version: str
    exclude: tuple[str, ...] = ()
    bundle: tuple[str, ...] = ()
    dependency_group: str | None = None
    size_limit_bytes: int = 500 * 2**20
    keep_build_dir: bool = False
    for_runpod: bool = False
    provided: tuple[str, ...] = ()
    allowed_secrets: tuple[str, ...] = ()
    upgrade: bool = False
