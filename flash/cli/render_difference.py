"""What differs between two artifacts, as text and as JSON. Pure, like ``flash.cli.render``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from flash.bundle.reading import printable
from flash.cli.render import counted, size_text
from flash.cli.render_artifact import aligned, explained, shortened

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from flash.bundle.difference import Changed, Difference, FileChanges

__all__ = ["difference_data", "difference_text"]

_MOST_FILES: Final = 40
_LONGEST_VALUE: Final = 48
_NAMED_OWNERS: Final = {"flash": "Flash's own part", "generated": "what the build made"}
_NONE: Final = (0, 0)


def difference_text(found: Difference, before: str, after: str, *, width: int | None = None) -> str:
    """What ``flash inspect --diff`` shows.

    Args:
        found: From the one to the other.
        before: The one's name.
        after: The other's.
        width: What lines should fit, where somebody looks at them.
    """
    sizes = [
        f"{digest[:12]}, {size_text(packed)}, unpacked {size_text(unpacked)}"
        for digest, packed, unpacked in zip(found.digests, found.size_bytes, found.unpacked_bytes, strict=True)
    ]
    delta = _delta(found.unpacked_bytes)
    lines = [
        f"from  {printable(before)}",
        f"      {sizes[0]}",
        f"to    {printable(after)}",
        f"      {sizes[1]}{f' ({delta})' if delta else ''}",
    ]
    if found.is_same_file:
        return "\n".join([*lines, "", "They are the same bytes."])
    if found.is_empty:
        return "\n".join([*lines, "", "Nothing differs but how they are packed: a worker gets the same files."])
    for title, block in (
        ("Build", _changes(found.about, width)),
        ("Endpoints", _endpoints(found, width)),
        ("Distributions", _distributions(found, width)),
        ("Left out", _changes(found.excluded, width)),
        ("Files", _files(found, width)),
    ):
        if block:
            lines += ["", f"{title}:", *block]
    return "\n".join(lines)


def difference_data(found: Difference, before: str, after: str) -> dict[str, object]:
    """The same as JSON, with every file."""
    return {
        "from": {
            "artifact": before,
            "sha256": found.digests[0],
            "size_bytes": found.size_bytes[0],
            "unpacked_bytes": found.unpacked_bytes[0],
        },
        "to": {
            "artifact": after,
            "sha256": found.digests[1],
            "size_bytes": found.size_bytes[1],
            "unpacked_bytes": found.unpacked_bytes[1],
        },
        "same_bytes": found.is_same_file,
        "same_content": found.is_empty,
        "build": _list(found.about),
        "endpoints": _list(found.endpoints),
        "settings": {name: _list(changes) for name, changes in found.settings.items()},
        "distributions": _list(found.distributions),
        "excluded": _list(found.excluded),
        "sizes": {owner: list(sizes) for owner, sizes in found.sizes.items()},
        "files": {
            owner: {"added": list(one.added), "removed": list(one.removed), "changed": list(one.changed)}
            for owner, one in found.files.items()
        },
    }


def _list(changes: Sequence[Changed]) -> list[dict[str, str | None]]:
    return [{"name": one.name, "from": one.before, "to": one.after} for one in changes]


def _mark(one: Changed) -> str:
    if one.before is None:
        return "+"
    return "-" if one.after is None else "~"


def _value(one: Changed) -> str:
    before, after = (None if each is None else _short(each) for each in (one.before, one.after))
    if before is None or after is None:
        return (after if before is None else before) or ""
    return f"{before or '-'} → {after or '-'}"


def _short(value: str) -> str:
    is_digest = len(value) >= _LONGEST_VALUE and all(one in "0123456789abcdef" for one in value)
    return value[:12] if is_digest else shortened(printable(value), _LONGEST_VALUE)


def _changes(changes: Sequence[Changed], width: int | None, *, indent: int = 2) -> list[str]:
    rows = [(f"{_mark(one)} {printable(one.name)}", _value(one)) for one in changes]
    return explained(rows, width=width, indent=indent)


def _endpoints(found: Difference, width: int | None) -> list[str]:
    lines = _changes(found.endpoints, width)
    for name, changes in found.settings.items():
        lines += [f"  ~ {printable(name)}", *_changes(changes, width, indent=6)]
    return lines


def _distributions(found: Difference, width: int | None) -> list[str]:
    versions = {one.name: one for one in found.distributions}
    # the same version with other files in it is what one wants to know most
    odd = [name for name in found.files if name not in versions and name not in {*_NAMED_OWNERS, "project"}]
    rows = [(f"{_mark(one)} {one.name}", _value(one), *_amount(found, one.name)) for one in versions.values()]
    rows += [(f"! {name}", "other files, same version", *_amount(found, name)) for name in odd]
    return aligned(rows, right={2}, width=width)


def _amount(found: Difference, owner: str) -> tuple[str, str]:
    return _delta(found.sizes.get(owner, _NONE)), _count(found.files.get(owner))


def _count(changes: FileChanges | None) -> str:
    if changes is None:
        return ""
    kinds = {"+": changes.added, "-": changes.removed, "~": changes.changed}
    told = " ".join(f"{mark}{len(files)}" for mark, files in kinds.items() if files)
    return f"{told} {'file' if sum(map(len, kinds.values())) == 1 else 'files'}"


def _files(found: Difference, width: int | None) -> list[str]:
    lines = _listed(found.files, width)
    for owner, name in _NAMED_OWNERS.items():
        if owner in found.files:
            lines.append(f"  ~ {name}: {_count(found.files[owner])}")
    return lines


def _listed(files: Mapping[str, FileChanges], width: int | None) -> list[str]:
    project = files.get("project")
    if project is None:
        return []
    marked = sorted(
        (path, mark)
        for mark, paths in (("+", project.added), ("-", project.removed), ("~", project.changed))
        for path in paths
    )
    lines = aligned([(f"{mark} {printable(path)}",) for path, mark in marked[:_MOST_FILES]], right=set(), width=width)
    left = len(marked) - _MOST_FILES
    return [*lines, f"  … and {counted(left, 'file')} more; --json lists all"] if left > 0 else lines


def _delta(sizes: tuple[int, int]) -> str:
    change = sizes[1] - sizes[0]
    return "" if change == 0 else f"{'+' if change > 0 else '-'}{size_text(abs(change))}"
