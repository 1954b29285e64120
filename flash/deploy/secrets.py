"""The values that the secrets of a release have in a deployment: looked up where it starts, and told to nobody.

A manifest has references; the platform's templates get the values. What a deployment says is said through `Secrets`,
which takes the values out again: a platform's answer may quote what it was sent, and a worker may print what it has.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from flash.deploy.deployment import is_deployable
from flash.errors import FlashError

if TYPE_CHECKING:
    from flash.cloud.control import ControlPlane
    from flash.cloud.records import LiveEnvironment
    from flash.model.manifest import Manifest

__all__ = ["NO_SECRETS", "Secrets", "live_values", "users_of"]

_SHORTEST: Final = 5
"""What is shorter is a part of everyday words; nobody would recognize the rest."""

Values = Mapping[str, Mapping[str, str]]
"""By endpoint and variable."""


@dataclass(frozen=True, slots=True)
class Secrets:
    """Values of secrets, which no ``repr`` shows.

    Attributes:
        now: What the release's endpoints get.
        before: What those have that are live, where they have any: what is put back has it again.
    """

    now: Values = field(default_factory=dict, repr=False)
    before: Values = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, manifest: Manifest, values: Mapping[str, str], *, before: Values | None = None) -> Secrets:
        """Of the endpoints of a manifest, with the values by the secrets' names; one without a value is left out."""
        now = {
            endpoint: {variable: values[name] for variable, name in references.items() if name in values}
            for endpoint, references in _references(manifest).items()
        }
        return cls(now, before or {})

    @property
    def changed(self) -> dict[str, tuple[str, ...]]:
        """By endpoint, the variables whose values are not those that are live."""
        found = {}
        for endpoint, live in self.before.items():
            now = self.now.get(endpoint, {})
            names = tuple(sorted(name for name in now.keys() & live.keys() if now[name] != live[name]))
            if names:
                found[endpoint] = names
        return found

    def turned_back(self) -> Secrets:
        """For what puts back what was live: its own values, where those were seen."""
        return replace(self, now={name: {**self.now.get(name, {}), **self.before.get(name, {})} for name in self._all})

    def hide(self, text: str) -> str:
        """*text* without the values, also where they are quoted, escaped, or part of a URL."""
        for spelling in sorted(self._spellings(), key=len, reverse=True):
            text = text.replace(spelling, "***")
        return text

    def telling(self, report: Callable[[str], None]) -> Callable[[str], None]:
        """*report*, told without the values."""
        return (lambda line: report(self.hide(line))) if self._all else report

    @contextmanager
    def hidden(self) -> Iterator[None]:
        """While it lasts, what is raised does not have the values in it, nor has what it came from."""
        try:
            yield
        except BaseException as error:  # why: whatever it is, its text is shown to somebody
            if self._all:
                _clean(error, self.hide)
            raise

    @property
    def _all(self) -> tuple[str, ...]:
        return tuple({**self.now, **self.before})

    def _spellings(self) -> set[str]:
        values = {value for one in (self.now, self.before) for own in one.values() for value in own.values()}
        found = set()
        for value in values:
            bare = value.strip()
            found |= {value, bare, repr(bare)[1:-1], json.dumps(bare)[1:-1], quote(bare, safe="")}
            # a line of a key that has several
            found |= {line.strip() for line in bare.splitlines()}
        return {spelling for spelling in found if len(spelling) >= _SHORTEST}


NO_SECRETS: Final = Secrets()


def users_of(manifest: Manifest) -> dict[str, tuple[str, ...]]:
    """By the name of a secret, the endpoints that need it."""
    found: dict[str, tuple[str, ...]] = {}
    for endpoint, references in _references(manifest).items():
        for name in references.values():
            found[name] = tuple(dict.fromkeys((*found.get(name, ()), endpoint)))
    return found


def live_values(live: LiveEnvironment | None, control: ControlPlane) -> dict[str, dict[str, str]]:
    """What the endpoints that are live have for the secrets of their manifest; those without any are not asked for."""
    found: dict[str, dict[str, str]] = {}
    manifest = None if live is None else live.manifest
    if live is None or manifest is None:
        return found
    for endpoint, references in _references(manifest).items():
        settings = control.endpoint_settings(live.endpoints[endpoint]) if endpoint in live.endpoints else None
        template_id = None if settings is None else settings.kept.get("templateId")
        template = control.template(template_id) if template_id else None
        if template is not None:
            found[endpoint] = {name: value for name, value in template.env.items() if name in references}
    return found


def _references(manifest: Manifest) -> dict[str, dict[str, str]]:
    return {
        name: resource.secrets
        for name, resource in manifest.resources.items()
        if resource.secrets and is_deployable(resource)
    }


def _clean(error: BaseException | None, hide: Callable[[str], str], depth: int = 20) -> None:
    """Take the values out of an exception, and out of those that it came from."""
    if error is None or depth == 0:
        return
    error.args = tuple(hide(one) if isinstance(one, str) else one for one in error.args)
    if isinstance(error, FlashError):
        error.message, error.hint, error.detail = hide(error.message), hide(error.hint), hide(error.detail)
        reasons = getattr(error, "reasons", None)
        if reasons:
            error.reasons = tuple(map(hide, reasons))  # type: ignore[attr-defined]
    _clean(error.__cause__, hide, depth - 1)
    _clean(error.__context__ if error.__context__ is not error.__cause__ else None, hide, depth - 1)
