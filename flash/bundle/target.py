"""What artifacts are built for: CPython on Linux x86-64."""

from __future__ import annotations

from typing import Final

__all__ = ["PLATFORM", "target_environment"]

PLATFORM: Final = "manylinux_2_28_x86_64"
"""The newest platform tag that is installed. Source: as ``flash.bundle.install.TARGET_PLATFORM``."""


def target_environment(python_version: str) -> dict[str, str]:
    """What markers of requirements are judged by.

    Args:
        python_version: The workers': ``"3.12"``.
    """
    return {
        "implementation_name": "cpython",
        "implementation_version": f"{python_version}.0",
        "os_name": "posix",
        "platform_machine": "x86_64",
        "platform_python_implementation": "CPython",
        "platform_release": "",
        "platform_system": "Linux",
        "platform_version": "",
        "python_full_version": f"{python_version}.0",
        "python_version": python_version,
        "sys_platform": "linux",
    }
