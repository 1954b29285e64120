"""Which files of a project ship.

Everything does, except what ignore files hide, what no worker needs, and what must never leave the machine. Rules are
those of git: a later one wins over an earlier one, a deeper file over a shallower one, and a directory that is ignored
is not entered. From weakest to strongest: ``.gitignore`` files, the built-in list, ``.flashignore``, and the list of
secrets and tests, which nothing overrides.

It refuses what cannot mean the same on another machine: links that leave the project, names that are not UTF-8.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final

from pathspec import GitIgnoreSpec

from flash.bundle.written import is_written_by_runs
from flash.errors import BuildError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

__all__ = ["BUILT_IN", "FLASHIGNORE", "GITIGNORE", "NEVER", "SECRET", "TESTS", "Sources", "project_files"]

GITIGNORE: Final = ".gitignore"
FLASHIGNORE: Final = ".flashignore"
NEVER: Final = "never ships"
"""How the rules begin that nothing overrides."""
SECRET: Final = f"{NEVER}: it may hold a secret"
TESTS: Final = f"{NEVER}: it belongs to the tests"
BUILT_IN: Final = "the built-in list"

_EXAMPLE = f"{NEVER}: an example of a file with secrets"
_OURS = f"{NEVER}: it belongs to Flash or git"
_VIRTUAL_ENVIRONMENT = f"{NEVER}: a virtual environment"
_NOT_A_FILE = f"{NEVER}: not a regular file"
_WRITTEN = f"{NEVER}: a run of tests, or Flash, wrote it"

# Source: what runpod-flash 1.21 leaves out (contract §4.2), and what tools of today leave behind.
_BUILT_IN_PATTERNS = (
    *(".build/", ".runpod/", "*.tar.gz", ".gitignore", ".gitattributes", ".flashignore", "__pycache__/"),
    *("*.py[cod]", "*.egg-info/", "dist/", "build/", ".venv/", "venv/", "env/", ".vscode/", ".idea/"),
    *(".ipynb_checkpoints/", ".DS_Store", ".tox/", ".nox/", ".mypy_cache/", ".pytest_cache/"),
    *(".ruff_cache/", ".hypothesis/", ".coverage", ".coverage.*", "htmlcov/", "node_modules/"),
    *("conftest.py", "tests/", "test_*.py", "*_test.py", "docs/", "*.md", "!README.md"),
)

_SECRET_PATTERNS = (
    *(".env*", "*.pem", "*.key", "*.p12", "*.pfx", "*.jks", "*.kdbx", "id_rsa*", "id_dsa*", "id_ecdsa*"),
    *("id_ed25519*", "credentials*.json", "service-account*.json", "service_account*.json"),
    *("secrets.json", "secrets.toml", "secrets.yaml", "secrets.yml", ".netrc", "_netrc", ".pypirc"),
    *(".git-credentials", ".htpasswd", ".aws/", ".azure/", ".gnupg/", ".kube/", ".ssh/"),
)
# No worker needs them either, but they are meant to be seen: nobody has to be warned.
_EXAMPLE_PATTERNS = (".env*.example", ".env*.sample", ".env*.template")


@dataclass(frozen=True, slots=True)
class Sources:
    """The files of a project.

    Attributes:
        files: What ships: relative POSIX paths, sorted.
        ignored: Path to the rule that hid it. A directory that was not entered ends with a slash.
    """

    files: tuple[str, ...]
    ignored: Mapping[str, str]

    @property
    def secrets(self) -> tuple[str, ...]:
        """What stayed behind because it may hold a secret."""
        return self._ignored_as(SECRET)

    @property
    def special(self) -> tuple[str, ...]:
        """What no archive of files can hold: pipes, sockets, devices."""
        return self._ignored_as(_NOT_A_FILE)

    def _ignored_as(self, label: str) -> tuple[str, ...]:
        return tuple(sorted(path for path, rule in self.ignored.items() if rule == label))


@dataclass(frozen=True, slots=True)
class _Layer:
    """One list of rules. *base* is the directory that its patterns are relative to, ``""`` or ending with a slash."""

    base: str
    label: str
    spec: GitIgnoreSpec

    def verdict(self, path: str) -> bool | None:
        """True: ignored; False: explicitly not; None: no rule of this layer speaks of it."""
        return self.spec.check_file(path.removeprefix(self.base)).include


def _layer(base: str, label: str, patterns: Iterable[str]) -> _Layer:
    return _Layer(base, label, GitIgnoreSpec.from_lines(patterns))


_NEVER = (
    _layer("", SECRET, _SECRET_PATTERNS),
    _layer("", _EXAMPLE, _EXAMPLE_PATTERNS),
    _layer("", TESTS, ["/tests/"]),
    _layer("", _OURS, [".flash/", ".git/", ".hg/", ".svn/"]),
)
_STANDARD = _layer("", BUILT_IN, _BUILT_IN_PATTERNS)


def project_files(root: Path) -> Sources:
    """Decide which files of the project at *root* ship.

    Raises:
        BuildError: A link leaves the project or leads in a circle, a name is not UTF-8, or something cannot be read.
    """
    walk = _Walk(root)
    files = sorted(walk.visit(root, "", (), (os.path.realpath(root),)))
    return Sources(tuple(files), dict(sorted(walk.ignored.items())))


class _Walk:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.real_root = Path(os.path.realpath(root))
        self.ignored: dict[str, str] = {}
        self.own = _rules_of(root / FLASHIGNORE, "", FLASHIGNORE)

    def visit(self, folder: Path, base: str, inherited: tuple[_Layer, ...], above: tuple[str, ...]) -> Iterator[str]:
        """Yield what ships below *folder*; *above* are the real paths of the directories that led here."""
        entries = _entries(folder, base)
        has_rules = any(entry.name == GITIGNORE for entry in entries)
        nested = _rules_of(folder / GITIGNORE, base, f"{base}{GITIGNORE}") if has_rules else ()
        git_rules = (*inherited, *nested)
        # weakest first
        layers = (*git_rules, _STANDARD, *self.own, *_NEVER)
        for entry in entries:
            path = f"{base}{entry.name}"
            _check_name(path)
            is_folder = _is_folder(entry)
            rule = self._rule(entry, path, layers, is_folder=is_folder)
            if rule is not None:
                self.ignored[f"{path}/" if is_folder else path] = rule
            elif is_folder:
                real = os.path.realpath(entry.path)
                if real in above:
                    raise BuildError(
                        f"the link leads in a circle, to {_relative(self.real_root, real)!r}",
                        path=path,
                        hint=f"remove it, or list it in {FLASHIGNORE}",
                    )
                yield from self.visit(Path(entry.path), f"{path}/", git_rules, (*above, real))
            else:
                yield path

    def _rule(self, entry: os.DirEntry[str], path: str, layers: tuple[_Layer, ...], *, is_folder: bool) -> str | None:
        rule = _verdict(layers, f"{path}/" if is_folder else path)
        if rule is not None:
            return rule
        if is_folder and _has_file(Path(entry.path), "pyvenv.cfg"):
            return _VIRTUAL_ENVIRONMENT
        if entry.is_symlink():
            rule = self._rule_of_link_target(entry, path, is_folder=is_folder)
            if rule is not None:
                return rule
        if not is_folder and not stat.S_ISREG(_mode(entry, path)):
            return _NOT_A_FILE
        return _WRITTEN if not is_folder and is_written_by_runs(entry.path) else None

    def _rule_of_link_target(self, entry: os.DirEntry[str], path: str, *, is_folder: bool) -> str | None:
        """A link ships as what it points at, so what may never ship may not be linked to either."""
        real = Path(os.path.realpath(entry.path))
        hint = f"copy what it points at into the project, or list it in {FLASHIGNORE}"
        if not real.exists():
            raise BuildError(f"the link points at nothing: {str(Path(entry.path).readlink())!r}", path=path, hint=hint)
        if not real.is_relative_to(self.real_root):
            raise BuildError(f"the link leaves the project: {str(Path(entry.path).readlink())!r}", path=path, hint=hint)
        target = _relative(self.real_root, str(real))
        return _verdict(_NEVER, f"{target}/" if is_folder else target)


def _verdict(layers: tuple[_Layer, ...], path: str) -> str | None:
    """The label of the strongest layer that speaks of *path*, if it says to ignore it."""
    for layer in reversed(layers):
        verdict = layer.verdict(path)
        if verdict is not None:
            return layer.label if verdict else None
    return None


def _rules_of(file: Path, base: str, label: str) -> tuple[_Layer, ...]:
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise BuildError(f"cannot read it: {error.strerror}", path=label, hint="make it readable") from error
    except UnicodeDecodeError as error:
        raise BuildError(f"cannot read it: {error}", path=label, hint="save it as UTF-8") from error
    try:
        return (_layer(base, label, text.splitlines()),)
    except ValueError as error:
        raise BuildError(f"not a list of patterns: {error}", path=label, hint="one gitignore pattern a line") from error


def _entries(folder: Path, base: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        raise BuildError(
            f"cannot read the folder: {error.strerror}",
            path=base or ".",
            hint=f"list it in {FLASHIGNORE} to leave it out",
        ) from error


def _has_file(folder: Path, name: str) -> bool:
    try:
        return (folder / name).is_file()
    except OSError:
        # it cannot be entered, which whoever reads it reports
        return False


def _mode(entry: os.DirEntry[str], path: str) -> int:
    try:
        return entry.stat().st_mode
    except OSError as error:
        raise BuildError(
            f"cannot look at it: {error.strerror}", path=path, hint=f"list it in {FLASHIGNORE} to leave it out"
        ) from error


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        # a link to itself: no folder, and reported as a link that points at nothing
        return False


def _check_name(path: str) -> None:
    try:
        path.encode("utf-8")
    except UnicodeEncodeError as error:
        shown = os.fsencode(path)
        raise BuildError(f"the file name {shown!r} is not UTF-8", hint="rename the file") from error


def _relative(root: Path, path: str) -> str:
    return PurePosixPath(Path(path).relative_to(root)).as_posix()
