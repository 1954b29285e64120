"""Describing an artifact on this machine, in processes of the base environments."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

from flash.bundle.evaluation import end_session, wait_for
from flash.errors import BuildError, PreviewError
from flash.model.manifest import CallSchema

if TYPE_CHECKING:
    from flash.model.manifest import Manifest
    from flash.preview.bases import Bases

__all__ = [
    "DESCRIBE_DEADLINE_S",
    "Describer",
    "by_base",
    "crashed",
    "declared_environment",
    "read_description",
    "too_slow",
]

# what an import of large libraries from a cold disk takes, several times over
DESCRIBE_DEADLINE_S: Final = 120.0
_LAST_WORDS_S: Final = 5.0
_AT_DEPLOYMENT: Final = "set at deployment"
"""What stands in for secrets while an artifact is described."""
_FRAME: Final = re.compile(r'^  File "(.+)", line (\d+) in ', re.MULTILINE)


class Describer:
    """Runs ``flash.runtime.describe`` over a staged artifact, in the base environments of its endpoints.

    Args:
        deadline_s: Seconds that importing the handlers of one base may take.
    """

    def __init__(self, bases: Bases, *, deadline_s: float = DESCRIBE_DEADLINE_S) -> None:
        self._bases = bases
        self._deadline_s = deadline_s

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
            BuildError: A module raises when it is imported, and would in a worker. What only a worker may have, as a
                library of its image, is no failure: it is described as missing.
            PreviewError: The description itself failed.
        """
        described: dict[str, Mapping[str, Mapping[str, CallSchema]]] = {}
        for (python_version, provided), names in by_base(manifest).items():
            python = self._bases.python(python_version, provided)
            declared = declared_environment(manifest, names)
            if packages is not None:
                # found after the staged tree and before the base environment, as in a worker
                declared["PYTHONPATH"] = str(packages)
            described.update(self._describe(python, staging, names, declared))
        return described

    def _describe(
        self, python: Path, staging: Path, names: Sequence[str], declared: Mapping[str, str]
    ) -> dict[str, Mapping[str, Mapping[str, CallSchema]]]:
        # beside what it describes: there, the next build removes what a killed one leaves
        with TemporaryDirectory(prefix=f"{staging.name}-", dir=staging.parent) as folder:
            scratch = Path(folder)
            out, output = scratch / "described.json", scratch / "output"
            # the fault handler: what hangs is to say where
            arguments = ["-X", "faulthandler", "-m", "flash.runtime.describe", str(out), *names]
            status = self._run([str(python), *arguments], staging, scratch, output, declared)
            if status is None:
                raise too_slow(names, self._deadline_s, place=_place(output.read_bytes(), staging))
            if status != 0 or not out.exists():
                raise crashed(names, output.read_bytes(), f" with status {status}")
            return read_description(json.loads(out.read_text(encoding="utf-8")))

    def _run(
        self, command: Sequence[str], staging: Path, scratch: Path, output: Path, declared: Mapping[str, str]
    ) -> int | None:
        """Run it to its end, and end whatever it has started; its exit status, or None where it took too long."""
        # a file, not a pipe: a process that a module leaves behind would hold a pipe open
        with output.open("wb") as written:
            child = subprocess.Popen(
                command,
                cwd=staging,
                env={
                    **declared,
                    "PATH": os.defpath,
                    "HOME": str(scratch),
                    "LANG": "C.UTF-8",
                    "PYTHONDONTWRITEBYTECODE": "1",
                    "PYTHONNOUSERSITE": "1",
                },
                stdin=subprocess.DEVNULL,
                stdout=written,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                return wait_for(child, self._deadline_s)
            except subprocess.TimeoutExpired:
                child.send_signal(signal.SIGABRT)
                with suppress(subprocess.TimeoutExpired):
                    child.wait(_LAST_WORDS_S)
                return None
            finally:
                end_session(child)


def _place(said: bytes, staging: Path) -> tuple[str, int] | None:
    """Where a file of the user's was, by what the fault handler said: its innermost frame comes first."""
    root = staging.resolve()
    for path, line in _FRAME.findall(said.decode("utf-8", errors="replace")):
        file = Path(path).resolve()
        if file.is_relative_to(root) and file.relative_to(root).parts[0] != "flash":
            return file.relative_to(root).as_posix(), int(line)
    return None


def by_base(manifest: Manifest) -> dict[tuple[str, tuple[str, ...]], list[str]]:
    """The endpoints that have functions, by their bases: the Python version and what they use of a GPU image."""
    groups: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for name, resource in sorted(manifest.resources.items()):
        if resource.functions:
            python_version = resource.target_python_version or manifest.python_version
            groups.setdefault((python_version, tuple(resource.provided)), []).append(name)
    return groups


def declared_environment(manifest: Manifest, names: Sequence[str]) -> dict[str, str]:
    """The variables that endpoints declare: their modules may need them as they are imported.

    Those of one base are imported by one process: where two endpoints declare one variable, either value will do.
    """
    found: dict[str, str] = {}
    for name in names:
        resource = manifest.resources[name]
        found.update((each["key"], each["value"]) for each in (resource.template or {}).get("env", ()))
        found.update(resource.env)
        # a build knows no secret; a module that asks for one as it is imported is told so, and not stopped
        found.update(dict.fromkeys(resource.secrets or {}, _AT_DEPLOYMENT))
    return {key: value for key, value in found.items() if not key.startswith("PYTHON")}


def too_slow(
    names: Sequence[str], deadline_s: float = DESCRIBE_DEADLINE_S, *, place: tuple[str, int] | None = None
) -> PreviewError:
    """Importing the handlers of *names* took too long; *place* is the file and line that it had come to."""
    path, line = place or (None, None)
    return PreviewError(
        f"importing the handlers of {', '.join(names)} took more than {deadline_s:g} s",
        path=path,
        line=line,
        hint="a module does its work at import time: move it into the function",
    )


def crashed(names: Sequence[str], said: bytes, how: str = "") -> PreviewError:
    """Importing the handlers of *names* ended the interpreter, which had *said* something."""
    lines = said.decode("utf-8", errors="replace").splitlines()
    return PreviewError(
        f"importing the handlers of {', '.join(names)} ended the interpreter{how}",
        hint="a module exits or crashes at import time",
        detail="\n".join(lines[-20:]),
    )


def read_description(data: Mapping[str, Any]) -> dict[str, Mapping[str, Mapping[str, CallSchema]]]:
    """What ``flash.runtime.describe`` wrote.

    Raises:
        BuildError: It wrote that an endpoint could never be served.
    """
    if "failure" in data:
        raise BuildError(**data["failure"])
    return {
        endpoint: {
            function: {method: CallSchema.model_validate(schema) for method, schema in methods.items()}
            for function, methods in functions.items()
        }
        for endpoint, functions in data["endpoints"].items()
    }
