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
from operator import attrgetter
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final

from flash.bundle.patterns import Layer, Rules, verdict_of
from flash.bundle.written import is_written_by_runs
from flash.errors import BuildError

if TYPE_CHECKING:
    from collections.abc import Mapping

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
    *("*.pyc", "*.pyo", "*.pyd", "*.egg-info/", "dist/", "build/", ".venv/", "venv/", "env/", ".vscode/", ".idea/"),
    *(".ipynb_checkpoints/", ".DS_Store", ".tox/", ".nox/", ".mypy_cache/", ".pytest_cache/"),
    *(".ruff_cache/", ".hypothesis/", ".coverage", ".coverage.*", "htmlcov/", "node_modules/"),
    *("conftest.py", "tests/", "test_*.py", "*_test.py", "docs/", "*.md", "!README.md"),
)

_SECRET_PATTERNS = (
    *(".env*", "*.pem", "*.key", "*.p12", "*.pfx", "*.jks", "*.kdbx", "id_rsa*", "id_dsa*", "id_ecdsa*"),
    *("id_ed25519*", "credentials*.json", "service-account*.json", "service_account*.json"),
    *("secrets.json", "secrets.toml", "secrets.yaml", "secrets.yml", ".netrc", "_netrc", ".pypirc"),
    *(".git-credentials", ".htpasswd", ".aws/", ".azure/", ".gnupg/", ".kube/", ".ssh/"),
    *("*.ppk", "*.p8", "*.keystore", "*.ovpn", "*.tfvars", "terraform.tfstate*", ".terraformrc", ".vault-token"),
    *("client_secret*.json", "application_default_credentials.json", "gha-creds-*.json", "kubeconfig"),
    *(".pgpass", ".my.cnf", ".dockercfg", ".docker/config.json", ".s3cfg", ".boto"),
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


_NEVER = (
    Layer("", SECRET, _SECRET_PATTERNS),
    Layer("", _EXAMPLE, _EXAMPLE_PATTERNS),
    Layer("", TESTS, ["/tests/"]),
    Layer("", _OURS, [".flash/", ".git/", ".hg/", ".svn/"]),
)
_STANDARD = Layer("", BUILT_IN, _BUILT_IN_PATTERNS)


def project_files(root: Path) -> Sources:
    """Decide which files of the project at *root* ship.

    Raises:
        BuildError: A link leaves the project or leads in a circle, a name is not UTF-8, or something cannot be read.
    """
    walk = _Walk(root)
    walk.visit_all()
    return Sources(tuple(sorted(walk.files)), dict(sorted(walk.ignored.items())))


@dataclass(slots=True)
class _Folder:
    """A folder to be visited.

    Attributes:
        path: Where it is.
        base: The same, relative to the project: ``""`` or ending with a slash.
        git_rules: Of ``.gitignore`` files above it, and what they make with all others.
        above: The real paths of the folders that led here, with its own.
        is_below: Whether a pattern spoke of it or a folder above, and it is not ignored.
    """

    path: str
    base: str
    git_rules: tuple[Layer, ...]
    rules: Rules
    above: tuple[str, ...]
    is_below: bool = False


class _Walk:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.real_root = Path(os.path.realpath(root))
        self.files: list[str] = []
        self.ignored: dict[str, str] = {}
        self.own = _rules_of(root / FLASHIGNORE, "", FLASHIGNORE)

    def visit_all(self) -> None:
        # not by recursion: folders may lie deeper than Python may call
        pending = [_Folder(str(self.root), "", (), self._rules(()), (str(self.real_root),))]
        while pending:
            pending += reversed(self._visit(pending.pop()))

    def _rules(self, git_rules: tuple[Layer, ...]) -> Rules:
        # weakest first
        return Rules((*git_rules, _STANDARD, *self.own, *_NEVER))

    def _visit(self, folder: _Folder) -> list[_Folder]:
        """Note what ships of a folder; the folders in it that do."""
        entries = _entries(folder.path, folder.base)
        git_rules, rules = folder.git_rules, folder.rules
        if any(entry.name == GITIGNORE for entry in entries):
            nested = _rules_of(Path(folder.path, GITIGNORE), folder.base, f"{folder.base}{GITIGNORE}")
            if nested:
                git_rules = (*git_rules, *nested)
                rules = self._rules(git_rules)
        found: list[_Folder] = []
        for entry in entries:
            name = entry.name
            path = f"{folder.base}{name}"
            if not name.isascii():
                _check_name(path)
            is_folder = _is_folder(entry)
            shown = f"{path}/" if is_folder else path
            is_below = folder.is_below or rules.speaks_of(name, shown)
            rule = rules.verdict(name, shown, is_below=folder.is_below) if is_below else None
            if rule is None:
                rule = self._rule_of_kind(entry, path, is_folder=is_folder)
            if rule is not None:
                self.ignored[shown] = rule
            elif is_folder:
                above = (*folder.above, self._real(entry, path, folder.above))
                found.append(_Folder(entry.path, shown, git_rules, rules, above, is_below))
            else:
                self.files.append(path)
        return found

    def _real(self, entry: os.DirEntry[str], path: str, above: tuple[str, ...]) -> str:
        if not entry.is_symlink():
            return os.path.join(above[-1], entry.name)  # noqa: PTH118  of thousands of folders
        real = os.path.realpath(entry.path)
        if real in above:
            raise BuildError(
                f"the link leads in a circle, to {_relative(self.real_root, real)!r}",
                path=path,
                hint=f"remove it, or list it in {FLASHIGNORE}",
            )
        return real

    def _rule_of_kind(self, entry: os.DirEntry[str], path: str, *, is_folder: bool) -> str | None:
        """What keeps an entry from shipping that no pattern hides."""
        if is_folder and _has_file(entry.path, "pyvenv.cfg"):
            return _VIRTUAL_ENVIRONMENT
        if entry.is_symlink():
            rule = self._rule_of_link_target(entry, path, is_folder=is_folder)
            if rule is not None:
                return rule
        if not is_folder and not _is_file(entry, path):
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
        return verdict_of(_NEVER, f"{target}/" if is_folder else target)


def _rules_of(file: Path, base: str, label: str) -> tuple[Layer, ...]:
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise BuildError(f"cannot read it: {error.strerror}", path=label, hint="make it readable") from error
    except UnicodeDecodeError as error:
        raise BuildError(f"cannot read it: {error}", path=label, hint="save it as UTF-8") from error
    try:
        return (Layer(base, label, text.splitlines()),)
    except ValueError as error:
        raise BuildError(f"not a list of patterns: {error}", path=label, hint="one gitignore pattern a line") from error


def _entries(folder: str, base: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=attrgetter("name"))
    except OSError as error:
        raise BuildError(
            f"cannot read the folder: {error.strerror}",
            path=base or ".",
            hint=f"list it in {FLASHIGNORE} to leave it out",
        ) from error


def _has_file(folder: str, name: str) -> bool:
    # one that cannot be entered is reported by whoever reads it
    return os.path.isfile(os.path.join(folder, name))  # noqa: PTH113, PTH118  of thousands of folders


def _is_file(entry: os.DirEntry[str], path: str) -> bool:
    # what the folder's listing has told already costs nothing to ask for
    try:
        return entry.is_file() or stat.S_ISREG(entry.stat().st_mode)
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
