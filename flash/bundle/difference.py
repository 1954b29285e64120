"""What differs between two artifacts: what somebody would want to know before a deployment. Pure."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from flash.model.manifest import MANIFEST_NAME

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from flash.bundle.contents import Contents
    from flash.model.manifest import Resource

__all__ = ["Changed", "Difference", "FileChanges", "difference"]

_TOLD_ELSEWHERE: Final = frozenset(
    {"excluded", "function_registry", "project_name", "python_version", "resources", "routes", "source_fingerprint"}
)


@dataclass(frozen=True, slots=True)
class Changed:
    """Something that has a name, in two artifacts.

    Attributes:
        before: What it was; None where it was not there.
        after: What it is; None where it is gone.
    """

    name: str
    before: str | None
    after: str | None

    def reversed(self) -> Changed:
        """The same, looked at from the other side."""
        return Changed(self.name, self.after, self.before)


@dataclass(frozen=True, slots=True)
class FileChanges:
    """Files of one owner.

    Attributes:
        changed: Those whose content, or whether they can be executed, differs.
    """

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed)

    def reversed(self) -> FileChanges:
        """The same, looked at from the other side."""
        return FileChanges(self.removed, self.added, self.changed)


@dataclass(frozen=True, slots=True)
class Difference:
    """What differs; all in the order of names.

    Attributes:
        digests: Of the two artifacts.
        size_bytes: Of the two artifacts.
        unpacked_bytes: What each comes to in a worker.
        about: Of the manifest as a whole: ``app``, ``python``, ``flash``.
        endpoints: Added and removed ones, with their kind; of those in both, nothing.
        settings: By endpoint that is in both, what of its configuration differs, ``fingerprint`` among it.
        distributions: Versions; several of a distribution, in sets of their own, are one text.
        excluded: Distributions that were left out, with the reasons.
        sizes: Unpacked bytes by owner, before and after, where they differ.
        files: By owner: a distribution's name, ``project``, ``generated``, ``flash``.
    """

    digests: tuple[str, str]
    size_bytes: tuple[int, int]
    unpacked_bytes: tuple[int, int]
    about: tuple[Changed, ...]
    endpoints: tuple[Changed, ...]
    settings: Mapping[str, tuple[Changed, ...]]
    distributions: tuple[Changed, ...]
    excluded: tuple[Changed, ...]
    sizes: Mapping[str, tuple[int, int]]
    files: Mapping[str, FileChanges]

    @property
    def is_empty(self) -> bool:
        """Whether a worker would not notice: the same content, however it was packed."""
        return not (self.about or self.endpoints or self.settings or self.distributions or self.excluded or self.files)

    @property
    def is_same_file(self) -> bool:
        """Whether they are the same bytes."""
        return self.digests[0] == self.digests[1]

    def reversed(self) -> Difference:
        """The same, looked at from the other side."""
        return Difference(
            digests=(self.digests[1], self.digests[0]),
            size_bytes=(self.size_bytes[1], self.size_bytes[0]),
            unpacked_bytes=(self.unpacked_bytes[1], self.unpacked_bytes[0]),
            about=_reversed(self.about),
            endpoints=_reversed(self.endpoints),
            settings={name: _reversed(changes) for name, changes in self.settings.items()},
            distributions=_reversed(self.distributions),
            excluded=_reversed(self.excluded),
            sizes={owner: (after, before) for owner, (before, after) in self.sizes.items()},
            files={owner: changes.reversed() for owner, changes in self.files.items()},
        )


def difference(before: Contents, after: Contents) -> Difference:
    """What has come, gone and changed from one artifact to another."""
    old, new = before.artifact.manifest, after.artifact.manifest
    both = sorted(old.resources.keys() & new.resources.keys())
    settings = {name: _settings(old.resources[name], new.resources[name]) for name in both}
    old_owners, new_owners = _owners(before), _owners(after)
    old_sizes, new_sizes = _sizes(before, old_owners), _sizes(after, new_owners)
    return Difference(
        digests=(before.artifact.sha256, after.artifact.sha256),
        size_bytes=(before.artifact.size_bytes, after.artifact.size_bytes),
        unpacked_bytes=(before.unpacked_bytes, after.unpacked_bytes),
        about=_changed(_about(before), _about(after)),
        endpoints=tuple(
            one
            for one in _changed(_kinds(old.resources), _kinds(new.resources))
            if one.before is None or one.after is None
        ),
        settings={name: changes for name, changes in settings.items() if changes},
        distributions=_changed(_versions(before), _versions(after)),
        excluded=_changed(old.excluded, new.excluded),
        sizes={
            owner: (old_sizes.get(owner, 0), new_sizes.get(owner, 0))
            for owner in sorted(old_sizes.keys() | new_sizes.keys())
            if old_sizes.get(owner, 0) != new_sizes.get(owner, 0)
        },
        files=_files(before, after, old_owners, new_owners),
    )


def _changed(before: Mapping[str, str], after: Mapping[str, str]) -> tuple[Changed, ...]:
    return tuple(
        Changed(name, before.get(name), after.get(name))
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    )


def _reversed(changes: tuple[Changed, ...]) -> tuple[Changed, ...]:
    return tuple(one.reversed() for one in changes)


def _about(contents: Contents) -> dict[str, str]:
    manifest = contents.artifact.manifest
    told = {"app": manifest.project_name, "flash": contents.flash_version, "python": manifest.python_version}
    # what the manifest says besides, also what a later Flash may add to it
    rest = {name: value for name, value in manifest.as_json().items() if name not in _TOLD_ELSEWHERE}
    return told | {name: _words(value) for name, value in rest.items()}


def _kinds(resources: Mapping[str, Resource]) -> dict[str, str]:
    return {name: "load-balanced" if one.is_load_balanced else "queue" for name, one in resources.items()}


def _settings(before: Resource, after: Resource) -> tuple[Changed, ...]:
    old, new = _environment(before), _environment(after)
    # values may be anybody's secrets: which one differs is told, what it is is not
    hidden = sorted(name for name in old.keys() & new.keys() if old[name] != new[name])
    return (
        *_changed(_flat(before), _flat(after)),
        *(Changed(name, "a value", "another value") for name in hidden),
    )


def _flat(resource: Resource) -> dict[str, str]:
    data: dict[str, Any] = resource.model_dump(mode="json", by_alias=True, exclude_none=True)
    words: dict[str, str] = {}
    for function in data.pop("functions", []):
        name = function.pop("name", "")
        words[f"contract of {name}"] = _sha256(function.pop("contract", None))
        words[f"function {name}"] = _words(function)
    data.pop("env", None)
    template = data.pop("template", None) or {}
    template.pop("env", None)
    words |= {f"template {name}": _words(value) for name, value in template.items()}
    names = sorted(_environment(resource))
    for place in ("env", "template env"):
        words[place] = ", ".join(name[len(place) + 1 :] for name in names if name.startswith(f"{place} "))
    return words | {name: _words(value) for name, value in data.items()}


def _environment(resource: Resource) -> dict[str, str]:
    listed = (resource.template or {}).get("env")
    pairs = [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    ours = {f"env {name}": value for name, value in resource.env.items()}
    return ours | {f"template env {one.get('key', '')}": str(one.get("value", "")) for one in pairs}


def _words(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, ensure_ascii=False)


def _sha256(value: object) -> str:
    return f"sha256 {hashlib.sha256(_words(value).encode('utf-8', 'surrogatepass')).hexdigest()[:12]}"


def _versions(contents: Contents) -> dict[str, str]:
    found: dict[str, set[str]] = defaultdict(set)
    for one in contents.shipped:
        found[one.name].add(one.version)
    return {name: ", ".join(sorted(versions)) for name, versions in found.items()}


def _owners(contents: Contents) -> dict[str, str]:
    """By path, who brought it."""
    owners = {path: one.name for one in contents.shipped for path in one.files}
    for path in contents.entries:
        if path in owners:
            continue
        if path.startswith("flash/"):
            owners[path] = "flash"
        else:
            owners[path] = "generated" if contents.is_generated(path) else "project"
    return owners


def _sizes(contents: Contents, owners: Mapping[str, str]) -> dict[str, int]:
    sizes: dict[str, int] = defaultdict(int)
    for path, entry in contents.entries.items():
        sizes[owners[path]] += entry.size_bytes
    return sizes


def _files(
    before: Contents, after: Contents, old_owners: Mapping[str, str], new_owners: Mapping[str, str]
) -> dict[str, FileChanges]:
    def states(contents: Contents, owners: Mapping[str, str]) -> dict[str, dict[str, tuple[str, bool]]]:
        found: dict[str, dict[str, tuple[str, bool]]] = defaultdict(dict)
        for path, entry in contents.entries.items():
            # it differs whenever anything else does, and says no more than what is told of that
            if path != MANIFEST_NAME:
                found[owners[path]][path] = (entry.sha256, entry.is_executable)
        return found

    old, new = states(before, old_owners), states(after, new_owners)
    found = {owner: _between(old.get(owner, {}), new.get(owner, {})) for owner in sorted(old.keys() | new.keys())}
    return {owner: changes for owner, changes in found.items() if changes}


def _between(before: Mapping[str, tuple[str, bool]], after: Mapping[str, tuple[str, bool]]) -> FileChanges:
    def only(one: Collection[str], other: Collection[str]) -> tuple[str, ...]:
        return tuple(sorted(set(one) - set(other)))

    both = before.keys() & after.keys()
    return FileChanges(
        only(after, before), only(before, after), tuple(sorted(path for path in both if before[path] != after[path]))
    )
