"""A project on disk and its settings: ``[tool.flash]``, the environment, ``.env`` and the user's own folder.

This is an edge: nothing below it reads ``os.environ``. Nothing is guessed from what cannot be read; a key that nobody
knows is an error, because it is a misspelt one. ``.env`` is read for the key, and never exported.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, cast

from flash.errors import BuildError, SettingsError
from flash.model.hardware import DEFAULT_PYTHON, PYTHON_VERSIONS, did_you_mean
from flash.protection.settings import KEYS as PROTECTION_KEYS
from flash.protection.settings import Protection, read_protection

__all__ = [
    "DEFAULT_API_URL",
    "DEFAULT_DATA_URL",
    "DEFAULT_ENVIRONMENT",
    "DEFAULT_SIZE_LIMIT_MIB",
    "DEFAULT_START_TIMEOUT_S",
    "SIGNING_KEY",
    "EnvironmentSettings",
    "Project",
    "Settings",
    "TargetName",
    "api_key",
    "app_name_of",
    "called_environment",
    "console_url",
    "credentials_file",
    "dotenv",
    "environment",
    "environment_name",
    "find_root",
    "flash_home",
    "known_secrets",
    "load_project",
    "mixed_urls",
    "program",
    "runpod_services",
    "runpod_urls",
    "save_key",
    "secret_values",
    "signing_key",
    "target_of",
    "withheld",
    "withhold",
]

TargetName = Literal["runpod", "local"]

DEFAULT_API_URL: Final = "https://api.runpod.io"
"""The control plane. Source: ``runpod-flash`` 1.21.0, read 2026-08."""

DEFAULT_DATA_URL: Final = "https://api.runpod.ai/v2"
"""The data plane. Same source."""

_DEFAULT_REST_URL: Final = "https://rest.runpod.io/v1"
_DEFAULT_HAPI_URL: Final = "https://hapi.runpod.net"
_DEFAULT_CONSOLE_URL: Final = "https://console.runpod.io"
# same source

SIGNING_KEY: Final = "FLASH_SIGNING_KEY"
"""The variable that holds the private key which receipts are signed with, or its file's path."""

DEFAULT_ENVIRONMENT: Final = "production"
"""What is deployed to where nothing else is configured or named."""

DEFAULT_SIZE_LIMIT_MIB: Final = 500
"""Source: Runpod docs, Deploy apps, "Managing deployment size", 2026-08."""

DEFAULT_START_TIMEOUT_S: Final = 600
"""What a cold start may take that has to fetch an image. Source: the platform's own client, read 2026-08."""

_TARGETS: Final = ("runpod", "local")
_KEYS: Final = (
    "app",
    "python",
    "exclude",
    "bundle",
    "provided",
    "dependency-group",
    "size-limit-mib",
    "start-timeout-s",
    "environments",
    "receipt-keys",
    "allow-secrets",
)
# the name of an app or an environment is part of names on the platform, as an endpoint's is
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_SHOWN: Final = 60
_NAME_HINT: Final = "give another name: letters, digits and . _ -, the first a letter or digit"
_TABLE: Final = re.compile(rb"^[ \t]*\[[ \t]*tool[ \t]*\.[ \t]*(flash|\"flash\"|'flash')[ \t]*[].]", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class EnvironmentSettings:
    """``[tool.flash.environments.NAME]``.

    Attributes:
        target: Where the environment lives; None: on Runpod, if there is a key.
        accept_host_wheels: Whether a preview with wheels for this machine instead of the worker's counts as tested.
        receipt_keys: Public keys whose receipts count here; None: those of the whole project.
        protection: What it asks of a deployment beside its tests.
    """

    target: TargetName | None = None
    accept_host_wheels: bool = False
    receipt_keys: tuple[str, ...] | None = None
    protection: Protection = field(default_factory=Protection)


@dataclass(frozen=True, slots=True)
class Settings:
    """``[tool.flash]``, with the defaults filled in and the options of the command line merged.

    Attributes:
        app: The app's name.
        python: The workers' interpreter, such as ``"3.12"``.
        exclude: Distributions that are left out of the artifact, as they were written.
        bundle: Distributions that ship although they would be left out.
        dependency_group: The group of ``pyproject.toml`` that says what workers need; None: other files do.
        provided: What the workers' images have besides what is known of them: distributions, modules, libraries.
        size_limit_mib: What the artifact may be, in units of 2^20 bytes.
        environments: By name, in the order of the file.
        receipt_keys: Public keys whose receipts count; where there is none, receipts need no signature.
        start_timeout_s: How long the workers of a preview or a new version may take to become healthy.
        allow_secrets: Patterns of paths, and fingerprints, of what looks like a secret in what ships and is none.
    """

    app: str
    python: str = DEFAULT_PYTHON
    exclude: tuple[str, ...] = ()
    bundle: tuple[str, ...] = ()
    dependency_group: str | None = None
    provided: tuple[str, ...] = ()
    size_limit_mib: int = DEFAULT_SIZE_LIMIT_MIB
    environments: Mapping[str, EnvironmentSettings] = field(default_factory=dict)
    receipt_keys: tuple[str, ...] = ()
    start_timeout_s: int = DEFAULT_START_TIMEOUT_S
    allow_secrets: tuple[str, ...] = ()

    @property
    def size_limit_bytes(self) -> int:
        """The size limit in bytes."""
        return self.size_limit_mib * 2**20

    def receipt_keys_for(self, environment: str) -> tuple[str, ...]:
        """Public keys whose receipts count in *environment*."""
        own = self.environments.get(environment, EnvironmentSettings()).receipt_keys
        return self.receipt_keys if own is None else own


@dataclass(frozen=True, slots=True)
class Project:
    """A folder with an app in it.

    Attributes:
        root: Absolute.
    """

    root: Path
    settings: Settings

    @property
    def flash_dir(self) -> Path:
        """``.flash/``: what builds and previews leave behind."""
        return self.root / ".flash"

    @property
    def artifact_path(self) -> Path:
        """The artifact of the last build."""
        return self.flash_dir / "artifact.tar.gz"

    @property
    def manifest_path(self) -> Path:
        """The manifest of the last build."""
        return self.flash_dir / "flash_manifest.json"

    def make_flash_dir(self) -> Path:
        """Make ``.flash/`` if it is not there, and keep it out of version control.

        Raises:
            BuildError: It cannot be made.
        """
        ignore = self.flash_dir / ".gitignore"
        try:
            self.flash_dir.mkdir(exist_ok=True)
            if not ignore.exists():
                ignore.write_text("*\n", encoding="utf-8")
        except OSError as error:
            raise BuildError(
                f"cannot make {self.flash_dir}: {error.strerror}", hint="the project's folder has to be writable"
            ) from error
        return self.flash_dir


# ---------------------------------------------------------------------------------------------------------- Finding it


def find_root(start: Path, *, explicit: Path | None = None, fallback: Path | None = None) -> Path:
    """The root of the project that *start* is in.

    It is *explicit*, else the nearest folder at or above *start* whose ``pyproject.toml`` has ``[tool.flash``, else
    *fallback*, else *start* itself, or the folder that it is in.

    Args:
        start: A file or folder; what follows a missing part of it does not count.
        explicit: What the user said, by ``--flash-root``.
        fallback: pytest's rootdir.

    Raises:
        SettingsError: *explicit* is no folder, or a ``pyproject.toml`` on the way cannot be read.
    """
    if explicit is not None:
        root = explicit.expanduser().absolute()
        if not root.is_dir():
            raise SettingsError(f"the project's root {str(explicit)!r} is no folder", hint="name the folder of the app")
        return root.resolve()
    folder = start.absolute()
    while not folder.is_dir():
        folder = folder.parent
    folder = folder.resolve()
    for candidate in (folder, *folder.parents):
        file = candidate / "pyproject.toml"
        # the text, not the table: a file with a syntax error is found here and reported when it is read
        if file.is_file() and _TABLE.search(_read(file)):
            return candidate
    return folder if fallback is None else fallback.resolve()


def load_project(root: Path, *, app: str | None = None, exclude: Iterable[str] = ()) -> Project:
    """Read a project's settings; a project needs none.

    Args:
        root: The folder with the ``pyproject.toml``, if there is one.
        app: In place of the settings' one.
        exclude: Distributions besides the settings' ones; these win over ``bundle``.

    Raises:
        SettingsError: ``pyproject.toml`` cannot be read, or has a key or value in ``[tool.flash]`` that is not known.
    """
    root = root.resolve()
    reader = _Reader(root / "pyproject.toml")
    table = reader.table()
    reader.refuse_unknown(table, "", _KEYS)
    configured, bundle = reader.names(table, "exclude"), reader.names(table, "bundle")
    for name in configured:
        if name in bundle:
            raise reader.error(f"exclude and bundle both have {name!r}", hint="leave it out of one of them")
    given = tuple(name.strip() for name in exclude if name.strip())
    return Project(
        root,
        Settings(
            app=_app_name(app, _NAME_HINT) if app is not None else reader.app(table, root),
            python=reader.python(table),
            exclude=tuple(dict.fromkeys((*configured, *given))),
            bundle=tuple(name for name in bundle if name not in given),
            dependency_group=reader.group(table),
            provided=reader.names(table, "provided"),
            size_limit_mib=reader.whole(table, "size-limit-mib", DEFAULT_SIZE_LIMIT_MIB, "MiB"),
            start_timeout_s=reader.whole(table, "start-timeout-s", DEFAULT_START_TIMEOUT_S, "seconds"),
            environments=reader.environments(table),
            receipt_keys=reader.receipt_keys(table),
            allow_secrets=reader.names(table, "allow-secrets"),
        ),
    )


def app_name_of(folder: Path) -> str:
    """The name of an app whose settings give it none: a folder may be called anything, an app may not.

    >>> app_name_of(Path("/srv/my app"))
    'my-app'

    Raises:
        SettingsError: Nothing of the folder's name can be part of one.
    """
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", folder.name).strip("._-")[:63]
    return _app_name(name, f'set app = "…" in [tool.flash] of {folder / "pyproject.toml"}')


def _app_name(given: object, hint: str) -> str:
    if not isinstance(given, str) or _NAME.fullmatch(given) is None:
        raise SettingsError(
            f"app name {_shown(given)} is not 1 to 63 of A-Z a-z 0-9 . _ -, the first a letter or digit", hint=hint
        )
    return given


def _shown(given: object) -> str:
    """A name that is none, without burying the message below it."""
    text = repr(given)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise SettingsError(f"cannot be read: {error.strerror}", path=str(file)) from error


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads ``[tool.flash]`` of one file; every error names it."""

    file: Path

    def error(self, message: str, *, hint: str = "") -> SettingsError:
        return SettingsError(f"[tool.flash]: {message}", hint=hint, path=str(self.file))

    def table(self) -> Mapping[str, Any]:
        if not self.file.is_file():
            return {}
        content = _read(self.file)
        if b"flash" not in content:
            return {}
        if sys.version_info >= (3, 11):
            import tomllib
        else:
            import tomli as tomllib  # type: ignore[import-not-found,unused-ignore]
        try:
            document = tomllib.loads(content.decode("utf-8"))
        except UnicodeDecodeError as error:
            raise SettingsError("is not UTF-8", hint="TOML is", path=str(self.file)) from error
        except tomllib.TOMLDecodeError as error:
            raise SettingsError(
                f"is not TOML: {error}",
                hint='correct it at that place: TOML has lines such as app = "demo" below [tool.flash]',
                path=str(self.file),
            ) from error
        tool = document.get("tool", {})
        table = tool.get("flash", {}) if isinstance(tool, Mapping) else {}
        if not isinstance(table, Mapping):
            raise self.error(f"{table!r} is no table", hint="write [tool.flash]")
        return table

    def refuse_unknown(self, table: Mapping[str, Any], prefix: str, known: Sequence[str]) -> None:
        for key in table:
            if key not in known:
                raise self.error(f"unknown key {prefix + key!r}", hint=did_you_mean(key, known))

    def app(self, table: Mapping[str, Any], root: Path) -> str:
        if "app" in table:
            try:
                return _app_name(table["app"], "")
            except SettingsError as error:
                raise self.error(error.message) from error
        return app_name_of(root)

    def python(self, table: Mapping[str, Any]) -> str:
        given = table.get("python", DEFAULT_PYTHON)
        if not isinstance(given, str):
            raise self.error(f"python is {given!r}, which is no string", hint=f'write python = "{DEFAULT_PYTHON}"')
        if given not in PYTHON_VERSIONS:
            raise self.error(f"workers have no Python {given!r}", hint=f"they have {', '.join(PYTHON_VERSIONS)}")
        return given

    def group(self, table: Mapping[str, Any]) -> str | None:
        given = table.get("dependency-group")
        if given is not None and (not isinstance(given, str) or not given.strip()):
            raise self.error(f"dependency-group is {given!r}, which is no name", hint="name one of [dependency-groups]")
        return given

    def names(self, table: Mapping[str, Any], key: str) -> tuple[str, ...]:
        given = table.get(key, [])
        if not isinstance(given, list) or not all(isinstance(name, str) and name.strip() for name in given):
            raise self.error(f"{key} is {given!r}, which is no list of names", hint=f'write {key} = ["…"]')
        return tuple(dict.fromkeys(name.strip() for name in given))

    def receipt_keys(self, table: Mapping[str, Any], prefix: str = "") -> tuple[str, ...]:
        given = table.get("receipt-keys", [])
        if not isinstance(given, list) or not all(isinstance(key, str) and key.strip() for key in given):
            # not the value: somebody may have written a private key there
            hint = 'write receipt-keys = ["ssh-ed25519 AAAA…"]'
            raise self.error(f"{prefix}receipt-keys is no list of public keys", hint=hint)
        return tuple(key.strip() for key in given)

    def whole(self, table: Mapping[str, Any], key: str, default: int, unit: str) -> int:
        given = table.get(key, default)
        if isinstance(given, bool) or not isinstance(given, int) or given < 1:
            raise self.error(f"{key} is {given!r}, which is no whole number of {unit} from 1")
        return given

    def environments(self, table: Mapping[str, Any]) -> Mapping[str, EnvironmentSettings]:
        given = table.get("environments", {})
        if not isinstance(given, Mapping):
            raise self.error(
                f"environments is {given!r}, which is no table", hint="write [tool.flash.environments.NAME]"
            )
        return {name: self.environment(name, settings) for name, settings in given.items()}

    def environment(self, name: str, given: object) -> EnvironmentSettings:
        if _NAME.fullmatch(name) is None:
            raise self.error(f"environment name {_shown(name)} is not 1 to 63 of A-Z a-z 0-9 . _ -")
        if not isinstance(given, Mapping):
            raise self.error(f"environments.{name} is {given!r}, which is no table")
        own = ("target", "accept-host-wheels", "receipt-keys")
        self.refuse_unknown(given, f"environments.{name}.", (*own, *PROTECTION_KEYS))
        target = given.get("target")
        if target is not None and target not in _TARGETS:
            raise self.error(
                f"environments.{name}.target is {target!r}",
                hint=did_you_mean(target, _TARGETS) if isinstance(target, str) else 'write target = "local"',
            )
        accept = given.get("accept-host-wheels", False)
        if not isinstance(accept, bool):
            raise self.error(f"environments.{name}.accept-host-wheels is {accept!r}, which is not true or false")
        keys = self.receipt_keys(given, f"environments.{name}.") if "receipt-keys" in given else None
        protection = read_protection(self, given, f"environments.{name}")
        return EnvironmentSettings(cast("TargetName | None", target), accept, keys, protection)


# ---------------------------------------------------------------------------------------------- Where it is deployed to


def environment_name(project: Project, given: str | None, *, existing: Collection[str] = ()) -> str:
    """The environment that a deployment is for.

    It is *given*, else the only one that is configured or *existing*; ``production`` where there is none.

    Raises:
        SettingsError: *given* is no name, or there are several.
    """
    if given is not None:
        if _NAME.fullmatch(given) is None:
            raise SettingsError(
                f"environment name {_shown(given)} is not 1 to 63 of A-Z a-z 0-9 . _ -", hint=_NAME_HINT
            )
        return given
    names = sorted({*project.settings.environments, *existing})
    if len(names) > 1:
        raise SettingsError(
            f"app {project.settings.app!r} has several environments: {', '.join(names)}", hint=f"say --env {names[0]}"
        )
    return names[0] if names else DEFAULT_ENVIRONMENT


def called_environment(project: Project) -> tuple[str, str]:
    """App and environment whose endpoints a script calls by name: ``FLASH_APP`` and ``FLASH_ENV``, else the settings'.

    Raises:
        SettingsError: There are several environments, and ``FLASH_ENV`` names none.
    """
    app, environment = _text(os.environ.get("FLASH_APP")), _text(os.environ.get("FLASH_ENV"))
    names = sorted(project.settings.environments)
    if environment is None and len(names) > 1:
        raise SettingsError(
            f"app {project.settings.app!r} has several environments: {', '.join(names)}",
            hint=f"set FLASH_ENV={names[0]}",
        )
    return app or project.settings.app, environment_name(project, environment)


def target_of(project: Project, environment: str, override: str | None = None) -> TargetName:
    """Where *environment* lives: *override*, else ``FLASH_TARGET``, else the settings, else Runpod if there is a key.

    Raises:
        SettingsError: It is neither ``runpod`` nor ``local``; or there is no target and no key.
    """
    for source, given in (("the target", override), ("FLASH_TARGET", _text(os.environ.get("FLASH_TARGET")))):
        if given:
            if given not in _TARGETS:
                raise SettingsError(f"{source} is {given!r}", hint=did_you_mean(given, _TARGETS))
            return cast("TargetName", given)
    settings = project.settings.environments.get(environment)
    if settings is not None and settings.target is not None:
        return settings.target
    if api_key(project) is not None:
        return "runpod"
    names = ", ".join(sorted(project.settings.environments))
    # a misspelt name is likelier than an environment that the settings say nothing of, where they say something
    unlisted = f"; the settings have no such environment, but {names}" if names and settings is None else ""
    raise SettingsError(
        f"environment {environment!r} has no target, and there is no API key{unlisted}",
        hint="set RUNPOD_API_KEY to deploy to Runpod, or say --target local (pytest: --flash-target=local)",
    )


# ------------------------------------------------------------------------------------------------------ Keys and hosts


def api_key(project: Project) -> str | None:
    """Runpod's key: ``RUNPOD_API_KEY``, else the one in the root's ``.env``, else the one that a login has left.

    Raises:
        SettingsError: A file that would have it cannot be read.
    """
    return _text(os.environ.get("RUNPOD_API_KEY")) or _key_in_dotenv(project.root / ".env") or _key_of_login()


def _text(given: str | None) -> str | None:
    return None if given is None else given.strip() or None


def _key_in_dotenv(file: Path) -> str | None:
    return _text(_dotenv(file).get("RUNPOD_API_KEY"))


def dotenv(project: Project) -> dict[str, str]:
    """What the ``.env`` in the project's root says; nothing where there is none.

    Raises:
        SettingsError: It is there, and cannot be read.
    """
    return {name: value for name, value in _dotenv(project.root / ".env").items() if value is not None}


def known_secrets(project: Project, names: Iterable[str]) -> dict[str, str]:
    """The values of secrets, by name: from the environment, else from the root's ``.env``; unset ones are left out.

    Raises:
        SettingsError: ``.env`` is there, and cannot be read.
    """
    in_file: Mapping[str, str] | None = None
    found = {}
    for name in names:
        value = os.environ.get(name)
        if _text(value) is None:
            in_file = dotenv(project) if in_file is None else in_file
            value = in_file.get(name)
        if value is not None and _text(value) is not None:
            found[name] = value
    return found


def secret_values(
    project: Project, users: Mapping[str, Collection[str]], *, otherwise: Mapping[str, str] | None = None
) -> dict[str, str]:
    """The values of secrets, by name; none may be missing.

    Args:
        project: Whose ``.env`` may have them.
        users: By the name of a secret, the endpoints that need it.
        otherwise: Values of what is not set here.

    Raises:
        SettingsError: Some are not set; names them and their endpoints.
    """
    values = {**(otherwise or {}), **known_secrets(project, users)}
    missing = [name for name in users if name not in values]
    if missing:
        told = "; ".join(f"{name!r} of {', '.join(users[name])}" for name in missing)
        raise SettingsError(
            f"{'a secret is' if len(missing) == 1 else f'{len(missing)} secrets are'} not set here: {told}",
            hint=f"export {' and '.join(missing)} where you deploy, or write it into .env of the project",
        )
    return {name: values[name] for name in users}


def _dotenv(file: Path) -> Mapping[str, str | None]:
    if not file.is_file():
        return {}
    from io import StringIO

    from dotenv import dotenv_values

    try:
        content = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            "cannot be read as text", hint="RUNPOD_API_KEY and secrets are looked up in it", path=str(file)
        ) from error
    return dotenv_values(stream=StringIO(content))


def credentials_file() -> Path:
    """Where ``flash login`` leaves the key."""
    return flash_home() / "credentials.json"


def save_key(key: str) -> Path:
    """Write down the key that a login has given, so that nobody else on this machine can read it; returns where.

    Raises:
        SettingsError: It cannot be written.
    """
    import json

    file = credentials_file()
    part = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        part.unlink(missing_ok=True)
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as opened:
            json.dump({"api_key": key}, opened)
        part.replace(file)
    except OSError as error:
        raise SettingsError(
            f"the key cannot be kept: {error.strerror}",
            hint="set FLASH_HOME to a folder that can be written",
            path=str(file),
        ) from error
    return file


def _key_of_login() -> str | None:
    file = credentials_file()
    if not file.is_file():
        return None
    import json

    try:
        credentials = json.loads(file.read_bytes())
    except (OSError, ValueError) as error:
        # the parser's message may quote what it read
        raise SettingsError("cannot be read", hint="delete it, and log in again", path=str(file)) from error
    key = credentials.get("api_key") if isinstance(credentials, dict) else None
    if not isinstance(key, str):
        raise SettingsError("has no api_key", hint="delete it, and log in again", path=str(file))
    return _text(key)


def signing_key() -> bytes | None:
    """The private key that receipts are signed with: the variable has a file's path, or the text of one.

    Raises:
        SettingsError: The file cannot be read.
    """
    given = _text(os.environ.get(SIGNING_KEY))
    if given is None:
        return None
    if given.startswith("-----BEGIN "):
        # some vaults hand line ends out as two characters
        return (given.replace("\\n", "\n") + "\n").encode()
    try:
        return Path(given).expanduser().read_bytes()
    except (OSError, ValueError, RuntimeError):
        # neither the value nor the error, which quotes it: it may be a key in another form
        raise SettingsError(
            f"{SIGNING_KEY} names no file that can be read", hint="set it to a key's file, or to its PEM text"
        ) from None


def environment() -> dict[str, str]:
    """A copy of this process's environment, for child processes; what is left out of it is the caller's business."""
    return dict(os.environ)


def withhold(variable: str) -> Callable[[], None]:
    """Take *variable* out of this process's environment: what is started from now on does not inherit it.

    Returns:
        What puts it back.
    """
    value = os.environ.pop(variable, None)

    def put_back() -> None:
        if value is not None:
            os.environ[variable] = value

    return put_back


@contextmanager
def withheld(project: Project, environment: str) -> Iterator[None]:
    """While it lasts, nothing that is started inherits the token of an approval of *environment*."""
    variable = project.settings.environments.get(environment, EnvironmentSettings()).protection.approval_env
    put_back = withhold(variable) if variable is not None else None
    try:
        yield
    finally:
        if put_back is not None:
            put_back()


def program(interpreter: str = sys.executable) -> str:
    """How to call this installation's command line in the user's shell: ``flash``, where the shell finds that one."""
    own = Path(interpreter).with_name("flash")
    if not own.exists():
        return f"{shlex.quote(interpreter)} -m flash"
    found = shutil.which("flash")
    return "flash" if found is not None and own.samefile(found) else shlex.quote(str(own))


def flash_home() -> Path:
    """``FLASH_HOME``: the user's folder for local platforms and the login; by default the system's place for state."""
    given = _text(os.environ.get("FLASH_HOME"))
    if given is not None:
        return Path(given).expanduser().absolute()
    from platformdirs import user_state_path

    return user_state_path("flash")


def runpod_urls() -> tuple[str, str, str | None]:
    """The bases of Runpod's control plane, of its data plane, and of load-balanced endpoints where that is not derived.

    From ``RUNPOD_API_BASE_URL``, ``RUNPOD_ENDPOINT_BASE_URL`` and ``FLASH_LB_BASE_URL``; a blank one counts as unset.
    Source of the rules: ``runpod-flash`` 1.21.0, read 2026-08.

    Raises:
        SettingsError: One is no ``http`` or ``https`` URL.
    """
    api, data = _base_url("RUNPOD_API_BASE_URL"), _base_url("RUNPOD_ENDPOINT_BASE_URL")
    return api or DEFAULT_API_URL, data or DEFAULT_DATA_URL, _base_url("FLASH_LB_BASE_URL")


def mixed_urls() -> str | None:
    """What to tell the user where only one of Runpod's two planes was moved; None where all is well.

    The key of one platform is sent to another then. ``RUNPOD_URL_MIXED_OK=1`` says that this is meant.

    Raises:
        SettingsError: One is no ``http`` or ``https`` URL.
    """
    api, data = _base_url("RUNPOD_API_BASE_URL"), _base_url("RUNPOD_ENDPOINT_BASE_URL")
    is_meant = (os.environ.get("RUNPOD_URL_MIXED_OK") or "").strip().lower() in {"1", "true", "yes", "on"}
    if is_meant or (api is None) == (data is None):
        return None
    moved, left = ("RUNPOD_API_BASE_URL", "RUNPOD_ENDPOINT_BASE_URL")[:: 1 if data is None else -1]
    return (
        f"{moved} is set and {left} is not: half of the requests to target 'runpod' go to another platform; "
        "set it too, or RUNPOD_URL_MIXED_OK=1 if that is meant"
    )


def runpod_services() -> tuple[str, str]:
    """The bases of Runpod's REST API, which network volumes need, and of what gives the logs of workers.

    From ``RUNPOD_REST_API_URL`` and ``RUNPOD_HAPI_URL``. One that is unset is empty where ``RUNPOD_API_BASE_URL`` names
    another platform: that platform's key is not for Runpod.

    Raises:
        SettingsError: One is no ``http`` or ``https`` URL.
    """
    is_moved = _base_url("RUNPOD_API_BASE_URL") is not None
    return (
        _base_url("RUNPOD_REST_API_URL") or ("" if is_moved else _DEFAULT_REST_URL),
        _base_url("RUNPOD_HAPI_URL") or ("" if is_moved else _DEFAULT_HAPI_URL),
    )


def console_url() -> str:
    """Where people look at what is deployed: ``RUNPOD_CONSOLE_URL``, formerly ``CONSOLE_BASE_URL``."""
    return _base_url("RUNPOD_CONSOLE_URL") or _base_url("CONSOLE_BASE_URL") or _DEFAULT_CONSOLE_URL


def _base_url(variable: str) -> str | None:
    given = _text(os.environ.get(variable))
    if given is None:
        return None
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(given)
        is_url = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:  # a port that is no number, a broken IPv6 address
        is_url = False
    if not is_url:
        # not the value: it may have a password in it
        raise SettingsError(f"{variable} is no http or https URL", hint="write http://HOST:PORT, or unset it")
    return given.rstrip("/")
