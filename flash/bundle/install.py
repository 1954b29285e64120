"""The only place that runs uv: distributions for the target, interpreters, base environments.

The child sees the user's index configuration (``UV_*``, ``PIP_*`` of the same meaning, proxies, certificates) and
nothing else of the environment, so that the Python which happens to run Flash does not change the result. Nothing is
built from source: what has no wheel for the target cannot be installed, and the error says so.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final, Protocol

from flash.bundle.archive import mebibytes
from flash.bundle.installed import Distribution, settle
from flash.bundle.refusals import reason_and_hint, words
from flash.bundle.wanted import Wanted, settings_of_uv
from flash.errors import BuildError, DependencyError, PreviewError, TargetPythonMissing
from flash.model.hardware import PYTHON_VERSIONS

__all__ = [
    "TARGET_PLATFORM",
    "Distribution",
    "Installer",
    "Report",
    "Uv",
    "Wanted",
    "child_environment",
    "interpreter_folders",
]

Report = Callable[[str], None]

TARGET_PLATFORM: Final = "x86_64-manylinux_2_28"
"""As uv spells it. Source: the tags that runpod-flash 1.21 asks pip for, platform contract §4.7."""

_KEPT = frozenset(
    {
        *("ALL_PROXY", "APPDATA", "CURL_CA_BUNDLE", "HOME", "HTTPS_PROXY", "HTTP_PROXY", "LOCALAPPDATA"),
        *("NETRC", "NO_PROXY", "REQUESTS_CA_BUNDLE", "SSL_CERT_DIR", "SSL_CERT_FILE", "SYSTEMROOT", "TEMP"),
        *("TMP", "TMPDIR", "USERPROFILE", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_CONFIG_DIRS"),
        *("XDG_DATA_HOME", "all_proxy", "http_proxy", "https_proxy", "no_proxy"),
    }
)
# Settings of uv about where and how to download; those about what to resolve would change the result unseen.
_KEPT_OF_UV = re.compile(
    r"UV_(CACHE_DIR|CONFIG_FILE|CONCURRENT_\w+|DEFAULT_INDEX|EXTRA_INDEX_URL|FIND_LINKS|HTTP_\w+|INDEX|INDEX_\w+"
    r"|INSECURE_HOST|KEYRING_PROVIDER|NATIVE_TLS|NO_CACHE|OFFLINE|PYTHON_DOWNLOADS|PYTHON_DOWNLOADS_JSON_URL"
    r"|PYTHON_INSTALL_DIR|PYTHON_INSTALL_MIRROR|REQUEST_TIMEOUT|SYSTEM_CERTS)"
)
_FROM_PIP = {
    "PIP_INDEX_URL": "UV_INDEX_URL",
    "PIP_EXTRA_INDEX_URL": "UV_EXTRA_INDEX_URL",
    "PIP_FIND_LINKS": "UV_FIND_LINKS",
    "PIP_TRUSTED_HOST": "UV_INSECURE_HOST",
    "PIP_DEFAULT_TIMEOUT": "UV_HTTP_TIMEOUT",
    "PIP_CERT": "SSL_CERT_FILE",
}
_SUPERSEDED_BY = {"UV_INDEX_URL": "UV_DEFAULT_INDEX", "UV_EXTRA_INDEX_URL": "UV_INDEX"}


class Installer(Protocol):
    """Installs distributions into a folder."""

    def key(self, wanted: Wanted) -> str:
        """What decides what gets installed, as one number in hexadecimal: what is wanted, and where it comes from.

        Reads settings and the names of local files, and asks no index.
        """
        ...

    def install(self, wanted: Wanted, *, target: Path, report: Report) -> tuple[Distribution, ...]:
        """Install what is *wanted* and what that needs flat into *target*, an empty folder.

        Its files may be links into the installer's own cache: nobody may change them where they are.

        Args:
            wanted: All that is to be known; markers are judged for its Python on Linux x86-64.
            target: Where to.
            report: Takes a line for the user now and then.

        Raises:
            DependencyError: They cannot be installed; ``detail`` is what the installer said.
        """
        ...


class Uv:
    """Runs the ``uv`` that this installation of Flash depends on.

    Args:
        environment: The process's environment variables, or those to pretend.
        platform: Whose wheels to install, as uv spells it.
        interpreter: The Python that uv looks at where it needs one; the target's version may differ.
    """

    def __init__(
        self,
        environment: Mapping[str, str],
        *,
        platform: str = TARGET_PLATFORM,
        interpreter: Path = Path(sys.executable),
    ) -> None:
        self._outer = dict(environment)
        self._environment = child_environment(environment)
        # an option only: uv reads no variable for it
        self._no_index = ("--no-index",) if _is_on(environment, "PIP_NO_INDEX", "UV_NO_INDEX") else ()
        self._platform = platform
        self._interpreter = interpreter

    def key(self, wanted: Wanted) -> str:
        """See `Installer`."""
        return wanted.digest(
            {"platform": self._platform, "uv": settings_of_uv(self._environment, wanted.folder)}
            | ({"no-index": True} if self._no_index else {})
        )

    def install(self, wanted: Wanted, *, target: Path, report: Report) -> tuple[Distribution, ...]:
        """Install wheels for the target platform into *target*; see `Installer`."""
        if not wanted.requirements:
            return ()
        target = target.absolute()
        target.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="flash-install-") as scratch:
            report(
                f"resolving {_count(len(wanted.requirements), 'requirement')} for Python {wanted.python_version}"
                " on Linux x86-64"
            )
            status, said = self._follow(
                [
                    *("pip", "install", "--target", str(target), *wanted.write(Path(scratch))),
                    *("--no-compile-bytecode", "--link-mode", "hardlink", *self._resolving(wanted)),
                ],
                cwd=target,
                report=report,
            )
        if status != 0:
            detail = words(said)
            reason, hint = reason_and_hint(
                detail,
                target=f"Python {wanted.python_version} on Linux x86-64",
                wheels=lambda name, version: self._wheels(wanted, name, version, target),
            )
            raise DependencyError(f"cannot install the dependencies: {reason}", hint=hint, detail=detail)
        distributions = settle(target)
        report(
            f"installed {_count(len(distributions), 'distribution')}"
            f" ({mebibytes(sum(each.size_bytes for each in distributions))})"
        )
        return distributions

    def find_python(self, version: str) -> Path | None:
        """An interpreter of *version* that is on this machine already, or None."""
        if version == f"{sys.version_info.major}.{sys.version_info.minor}" and self._interpreter.exists():
            return Path(os.path.realpath(self._interpreter))
        answer = self._run(
            ["python", "find", "--no-project", "--no-python-downloads", "--resolve-links", version],
            path=interpreter_folders(self._outer, version),
        )
        if answer.returncode == 0:
            return Path(answer.stdout.strip())
        return None

    def download_python(self, version: str) -> Path:
        """Download an interpreter of *version* and return it.

        Raises:
            TargetPythonMissing: It cannot be had.
        """
        answer = self._run(["python", "install", "--no-bin", version])
        found = self.find_python(version) if answer.returncode == 0 else None
        if found is None:
            here = ", ".join(known for known in PYTHON_VERSIONS if self.find_python(known) is not None)
            raise TargetPythonMissing(
                f"Python {version} is not on this machine and cannot be downloaded",
                hint=f"install it, or set python in [tool.flash] to a version that is here: {here or 'none is'}",
                detail=words(answer.stderr),
            )
        return found

    def make_venv(self, path: Path, python: Path) -> Path:
        """Make an empty virtual environment at *path*, in place of one that is there, and return its interpreter.

        Raises:
            PreviewError: It cannot be made.
        """
        answer = self._run(
            [
                "venv",
                "--no-project",
                "--clear",
                "--no-config",
                "--python",
                str(python),
                "--link-mode",
                "copy",
                str(path),
            ]
        )
        if answer.returncode != 0:
            raise PreviewError(f"cannot make a virtual environment for {python}", detail=words(answer.stderr))
        return _venv_python(path)

    def install_into_venv(self, venv: Path, requirements: Sequence[str], *, compile_bytecode: bool = True) -> None:
        """Install wheels for this machine into the virtual environment *venv*.

        Raises:
            PreviewError: They cannot be installed; ``detail`` is what the installer said.
        """
        if not requirements:
            return
        venv = venv.absolute()
        answer = self._run(
            [
                *("pip", "install", "--python", str(_venv_python(venv)), "--only-binary", ":all:", *self._no_index),
                "--compile-bytecode" if compile_bytecode else "--no-compile-bytecode",
                *requirements,
            ],
            # settings of whatever project is worked on do not concern a base environment
            cwd=venv,
        )
        if answer.returncode != 0:
            raise PreviewError(
                f"cannot install {', '.join(requirements)} into a base environment",
                hint="the base environment holds what the worker images hold; is the package index reachable?",
                detail=words(answer.stderr),
            )

    def compile(self, interpreter: Path, folder: Path) -> None:
        """Write the bytecode of every module in *folder*, to be trusted whatever the time stamps of the sources say.

        What cannot be compiled, as a template or a test of syntax errors, is left alone.

        Raises:
            PreviewError: The interpreter cannot be started.
        """
        try:
            subprocess.run(
                [
                    *(str(interpreter), "-I", "-m", "compileall", "-qq", "-j", "0"),
                    *("--invalidation-mode", "unchecked-hash", str(folder)),
                ],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                check=False,
            )
        except OSError as error:
            raise PreviewError(f"cannot start {interpreter}: {error}") from error

    def _resolving(self, wanted: Wanted) -> tuple[str, ...]:
        """Options of every command that resolves what is *wanted*."""
        return (
            *("--python", str(self._interpreter)),
            *("--python-version", wanted.python_version, "--python-platform", self._platform),
            *("--only-binary", ":all:", *self._no_index),
            # where [tool.uv] of the project, with its indexes, is found
            *(("--project", str(wanted.folder)) if wanted.folder is not None else ()),
        )

    def _wheels(self, wanted: Wanted, name: str, version: str, cwd: Path) -> tuple[str | None, tuple[str, ...]]:
        """See `flash.bundle.refusals.Wheels`."""

        def newest(requirement: str, python_version: str) -> str | None:
            only = replace(wanted, requirements=(requirement,), python_version=python_version, hashes_required=False)
            with tempfile.TemporaryDirectory(prefix="flash-install-") as scratch:
                (_, file) = replace(only, constraints=(), excluded=()).write(Path(scratch))
                answer = self._run(
                    ["pip", "compile", "--no-deps", "--no-header", "--no-annotate", *self._resolving(only), file],
                    cwd=cwd,
                )
            found = re.search(rf"^{re.escape(name)}==(\S+)", answer.stdout, re.MULTILINE)
            return found[1] if found is not None and answer.returncode == 0 else None

        others = (python for python in PYTHON_VERSIONS if python != wanted.python_version)
        return (
            newest(name, wanted.python_version),
            tuple(python for python in others if newest(f"{name}=={version}", python) is not None),
        )

    def _run(
        self, arguments: Sequence[str], *, cwd: Path | None = None, path: str = ""
    ) -> subprocess.CompletedProcess[str]:
        # uv asks the interpreter about itself, so a cwd must never be a place that shadows its modules
        try:
            return subprocess.run(
                [_uv(), *arguments, *_PLAIN],
                cwd=cwd,
                env=self._environment | {"PATH": path},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=False,
                encoding="utf-8",
                errors="replace",
            )
        except OSError as error:
            raise BuildError(f"cannot run uv: {error}", hint="reinstall the package uv") from error

    def _follow(self, arguments: Sequence[str], *, cwd: Path, report: Report) -> tuple[int, str]:
        """Run uv, tell of large downloads when they begin, and return its exit status and what it said."""
        lines: list[str] = []
        try:
            with subprocess.Popen(
                [_uv(), *arguments, *_PLAIN],
                cwd=cwd,
                env=self._environment | {"PATH": ""},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                encoding="utf-8",
                errors="replace",
            ) as process:
                try:
                    for line in process.stderr or ():
                        lines.append(line)
                        begun, extra = _DOWNLOADING.match(line), _NO_EXTRA.search(line)
                        if begun is not None:
                            report(f"downloading {begun[1]} ({begun[2]} {begun[3]})")
                        if extra is not None:
                            report(f"! {extra[1].replace('==', ' ')} has no extra {extra[2]!r}")
                except BaseException:
                    # an interrupted build leaves no uv behind
                    process.kill()
                    raise
                return process.wait(), "".join(lines)
        except OSError as error:
            raise BuildError(f"cannot run uv: {error}", hint="reinstall the package uv") from error


def _uv() -> str:
    from uv import find_uv_bin

    try:
        return str(find_uv_bin())
    except FileNotFoundError as error:
        raise BuildError("the package uv is installed without its program", hint="reinstall the package uv") from error


def child_environment(outer: Mapping[str, str]) -> dict[str, str]:
    """What of the environment *outer* reaches uv: where and how to download, in uv's spelling."""
    kept = {name: value for name, value in outer.items() if name in _KEPT or _KEPT_OF_UV.fullmatch(name)}
    for theirs, ours in _FROM_PIP.items():
        value = outer.get(theirs)
        if value and ours not in kept and _SUPERSEDED_BY.get(ours) not in kept:
            # pip separates several values by spaces, uv wants commas for these two
            kept[ours] = ",".join(value.split()) if ours == "UV_FIND_LINKS" else value
    return kept | {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONNOUSERSITE": "1", "LC_ALL": "C.UTF-8"}


_PLAIN: Final = ("--no-progress", "--color", "never")
_DOWNLOADING: Final = re.compile(r"Downloading ([\w.-]+) \(([\d.]+)\s*(\w+)\)")
_NO_EXTRA: Final = re.compile(r"package `([^`]+)` does not have an extra named `([^`]+)`")


def _is_on(environment: Mapping[str, str], *names: str) -> bool:
    return any(environment.get(name, "").lower() in ("1", "on", "true", "yes") for name in names)


def interpreter_folders(outer: Mapping[str, str], version: str) -> str:
    """``PATH`` for the search, with pyenv's interpreters in place of its shims, most of which only fail."""
    folders = [
        folder
        for folder in outer.get("PATH", "").split(os.pathsep)
        if folder and Path(folder).name != "shims" and not Path(folder, "activate").exists()
    ]
    pyenv = Path(outer.get("PYENV_ROOT") or Path(outer.get("HOME", "."), ".pyenv"))
    folders += [str(folder) for folder in sorted(pyenv.glob(f"versions/{version}.*/bin"))]
    return os.pathsep.join(folders)


def _venv_python(venv: Path) -> Path:
    return venv / "Scripts" / "python.exe" if os.name == "nt" else venv / "bin" / "python"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
