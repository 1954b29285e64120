"""What is in an artifact, as text and as the JSON of ``--json``. Pure, like ``flash.cli.render``."""

from __future__ import annotations

import textwrap
from collections import defaultdict
from typing import TYPE_CHECKING, Final

from flash.bundle.reading import printable
from flash.cli.render import counted, kind, size_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from flash.bundle.contents import Contents, Part
    from flash.model.manifest import Manifest, Resource

__all__ = ["aligned", "contents_data", "contents_text", "explained", "shortened", "tree_data", "tree_text"]

_WIDEST: Final = 30
_MOST_DETAILED: Final = 25
"""Endpoints that get lines of their own; more of them have one each."""
_MOST_SIBLINGS: Final = 100
_WIDEST_KEY: Final = 11
_NARROWEST: Final = 20


def contents_text(contents: Contents, *, width: int | None = None) -> str:
    """What ``flash inspect`` shows.

    Args:
        contents: Of the artifact.
        width: What lines should fit, where somebody looks at them.
    """
    artifact, manifest = contents.artifact, contents.artifact.manifest
    lines = [
        str(artifact.path),
        "",
        f"  app       {printable(manifest.project_name) or '-'}",
        f"  sha256    {artifact.sha256}",
        f"  size      {size_text(artifact.size_bytes)}, unpacked {size_text(contents.unpacked_bytes)}",
        f"  files     {len(contents.sizes)}",
        f"  python    {printable(manifest.python_version)}",
        f"  flash     {printable(contents.flash_version) or '-'}",
        "",
        f"Endpoints ({len(manifest.resources)}):",
        *_endpoints(manifest, width),
        "",
        *_sizes(contents, width),
    ]
    if manifest.excluded:
        left_out = [(printable(name), printable(reason)) for name, reason in sorted(manifest.excluded.items())]
        lines += ["", "Left out:", *explained(left_out, width=width)]
    return "\n".join(lines)


def contents_data(contents: Contents) -> dict[str, object]:
    """The same as JSON."""
    artifact, manifest = contents.artifact, contents.artifact.manifest
    return {
        "artifact": str(artifact.path),
        "app": manifest.project_name,
        "sha256": artifact.sha256,
        "size_bytes": artifact.size_bytes,
        "unpacked_bytes": contents.unpacked_bytes,
        "files": len(contents.sizes),
        "python": manifest.python_version,
        "flash": contents.flash_version,
        "source_fingerprint": manifest.source_fingerprint,
        "endpoints": [
            {
                "name": name,
                "kind": kind(one),
                "hardware": _hardware(one),
                "image": one.image_name,
                "workers": [one.workers_min, one.workers_max],
                "functions": [function.name for function in one.functions],
                "routes": list(manifest.routes.get(name, {})),
                "provided": list(one.provided),
                "variables": sorted(one.env),
                "secrets": dict(one.secrets or {}),
                "fingerprint": one.fingerprint,
            }
            for name, one in manifest.resources.items()
        ],
        "project": [_data(part) for part in contents.project],
        "generated": _data(contents.generated),
        "runtime": _data(contents.runtime),
        "distributions": [{**_data(part), "version": part.version} for part in contents.distributions],
        "excluded": dict(manifest.excluded),
    }


def tree_text(contents: Contents, *, width: int | None = None) -> str:
    """What ``flash inspect --tree`` shows: the project's files, and what else is there by what brought it."""
    rows = _branches({path: contents.sizes[path] for path in contents.own_files()})
    for name in sorted(path for path in contents.entries if contents.is_generated(path)):
        rows.append((f"{printable(name)}", size_text(contents.sizes[name]), "made by the build"))
    if contents.runtime.files:
        rows.append(
            ("flash/", size_text(contents.runtime.size_bytes), f"{counted(contents.runtime.files, 'file')} of Flash")
        )
    rows += [
        (_label(part), size_text(part.size_bytes), f"{counted(part.files, 'file')} of a distribution")
        for part in sorted(contents.distributions, key=lambda part: (part.name, part.version))
    ]
    return "\n".join([str(contents.artifact.path), *aligned(rows, right={1}, width=width)])


def tree_data(contents: Contents) -> dict[str, object]:
    """Every file, with what brought it."""
    owners = {path: one.name for one in contents.shipped for path in one.files}
    kinds = dict.fromkeys(owners, "distribution")
    kinds |= {path: "flash" for path in contents.runtime_files() if path not in owners}
    kinds |= dict.fromkeys(contents.own_files(), "project")
    return {
        "artifact": str(contents.artifact.path),
        "sha256": contents.artifact.sha256,
        "tree": [
            {
                "path": path,
                "of": kinds.get(path, "build"),
                "distribution": owners.get(path),
                "size_bytes": entry.size_bytes,
                "packed_bytes": entry.packed_bytes,
                "sha256": entry.sha256,
                "executable": entry.is_executable,
            }
            for path, entry in sorted(contents.entries.items())
        ],
    }


def aligned(rows: Iterable[Sequence[str]], *, right: set[int], width: int | None = None) -> list[str]:
    """Rows of cells as lines; where they do not fit *width*, what is in the first column loses its middle.

    Args:
        rows: Of as many cells each.
        right: The columns that end together, not begin.
        width: None: whatever it takes.
    """
    cells = [list(row) for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    if not widths:
        return []
    if width is not None:
        widths[0] = min(widths[0], max(width - sum(each + 2 for each in widths[1:]) - 2, 16))
    return [
        "  "
        + "  ".join(
            f"{cell:>{wide}}" if column in right else f"{cell:<{wide}}"
            for column, (cell, wide) in enumerate(zip([shortened(row[0], widths[0]), *row[1:]], widths, strict=True))
        ).rstrip()
        for row in cells
    ]


def shortened(text: str, width: int) -> str:
    """Without its middle, where it is longer: the ends of a path say most.

    >>> shortened("models/very/deep/weights.bin", 16)
    'models/…ghts.bin'
    """
    if len(text) <= width:
        return text
    head = (width - 1) // 2
    return f"{text[:head]}…{text[len(text) - (width - 1 - head) :]}"


def explained(rows: Sequence[tuple[str, str]], *, width: int | None = None, indent: int = 2) -> list[str]:
    """Names and what there is to say of each, which goes on below itself where a line ends.

    Args:
        rows: Names are never cut: they are what one looks for.
        width: None: a line takes whatever it takes.
        indent: Before each name.
    """
    wide = max((len(name) for name, _ in rows), default=0)
    lines: list[str] = []
    for name, value in rows:
        head = f"{'':{indent}}{name:<{wide}}  "
        if width is None or len(head) + len(value) <= width:
            lines.append(f"{head}{value}".rstrip())
            continue
        # what stands between two commas stays together
        tied = ", ".join(one.replace(" ", "\0") for one in value.split(", ")) if ", " in value else value
        wrapped = textwrap.wrap(
            tied,
            max(width, len(head) + _NARROWEST),
            initial_indent=head,
            subsequent_indent=" " * len(head),
            break_on_hyphens=False,
            break_long_words=False,
        )
        lines += [line.replace("\0", " ") for line in wrapped]
    return lines


def _endpoints(manifest: Manifest, width: int | None) -> list[str]:
    heads = [
        (printable(name), kind(one), _short(_hardware(one)), f"{one.workers_min}-{one.workers_max} workers")
        for name, one in manifest.resources.items()
    ]
    if len(heads) > _MOST_DETAILED:
        return aligned(heads, right=set(), width=width)
    lines = aligned(heads, right=set())
    if width is not None and max(map(len, lines), default=0) > width:
        # a name is never cut where it is what one looks for
        lines = [f"  {name}  {', '.join(words)}" if len(name) < width // 3 else f"  {name}" for name, *words in heads]
    found = []
    for line, head, (name, one) in zip(lines, heads, manifest.resources.items(), strict=True):
        details = _details(manifest, name, one)
        if head[1] not in line:
            details = {"kind": ", ".join(head[1:]), **details}
        rows = [(f"{key:<{_WIDEST_KEY}}", value) for key, value in details.items()]
        found += [line, *explained(rows, width=width, indent=4)]
    return found


def _details(manifest: Manifest, name: str, resource: Resource) -> dict[str, str]:
    routes = manifest.routes.get(name, {})
    routed = set(routes.values())
    serves = [f"{route} → {function}" if function else route for route, function in routes.items()]
    serves += [
        f"{one.http_method} {one.http_path} → {one.name}" if one.http_method else one.name
        for one in resource.functions
        if one.name not in routed
    ]
    known = {
        "image": resource.image_name,
        "functions": ", ".join(serves),
        "provided": ", ".join(resource.provided),
        "variables": ", ".join(sorted(resource.env)),
        "secrets": ", ".join(sorted(resource.secrets or {})),
        "fingerprint": resource.fingerprint[:12],
    }
    return {key: printable(value) for key, value in known.items() if value}


def _sizes(contents: Contents, width: int | None) -> list[str]:
    """All parts in one table, so that its columns can be compared."""
    groups: list[tuple[str, Sequence[Part]]] = [
        (f"Distributions ({len(contents.distributions)})", contents.distributions),
        ("Project", sorted(contents.project, key=lambda part: (-part.size_bytes, part.name))),
        ("Made by the build", (contents.generated, contents.runtime)),
    ]
    rows = [(max((f"{name}:" for name, parts in groups if parts), key=len), "unpacked", "packed", "share", "files")]
    total = max(contents.unpacked_bytes, 1)
    rows += [
        (
            _label(part),
            size_text(part.size_bytes),
            size_text(part.packed_bytes) if part.packed_bytes else "-",
            f"{100 * part.size_bytes / total:.0f} %",
            str(part.files),
        )
        for _, parts in groups
        for part in parts
    ]
    header, *lines = aligned(rows, right={1, 2, 3, 4}, width=width)
    found: list[str] = []
    wide = len(rows[0][0]) + 2
    for name, parts in groups:
        if parts:
            # the first title carries the columns' names
            title = f"{name}:" if found else f"{name}:".ljust(wide) + header[wide:]
            found += [*([""] if found else []), title, *lines[: len(parts)]]
            del lines[: len(parts)]
    return found


def _branches(sizes: Mapping[str, int]) -> list[tuple[str, str, str]]:
    """Folders with what they come to, and files, each under its folder."""
    below: dict[str, set[str]] = defaultdict(set)
    totals: dict[str, int] = defaultdict(int)
    counts: dict[str, int] = defaultdict(int)
    for path, size in sizes.items():
        parts = path.split("/")
        for depth in range(1, len(parts)):
            folder, child = "/".join(parts[:depth]) + "/", "/".join(parts[: depth + 1])
            below[folder].add(child if depth + 1 == len(parts) else f"{child}/")
            totals[folder] += size
            counts[folder] += 1
        below[""].add(path if len(parts) == 1 else f"{parts[0]}/")
    rows: list[tuple[str, str, str]] = []
    pending: list[tuple[str, int]] = [(child, 0) for child in sorted(below[""], reverse=True)]
    while pending:
        path, depth = pending.pop()
        name = f"{'  ' * depth}{printable(path.rstrip('/').rpartition('/')[2])}"
        if not path.endswith("/"):
            rows.append((name, size_text(sizes[path]), ""))
            continue
        rows.append((f"{name}/", size_text(totals[path]), counted(counts[path], "file")))
        children = sorted(below[path])
        if len(children) > _MOST_SIBLINGS:
            rows.append(
                (f"{'  ' * (depth + 1)}… {counted(len(children), 'entry').replace('entrys', 'entries')}", "", "")
            )
            continue
        pending += [(child, depth + 1) for child in reversed(children)]
    return rows


def _label(part: Part) -> str:
    return f"{printable(part.name)} {printable(part.version)}".rstrip()


def _hardware(resource: Resource) -> str:
    if resource.gpu_ids is not None:
        return resource.gpu_ids if resource.gpu_count == 1 else f"{resource.gpu_count} x {resource.gpu_ids}"
    return ",".join(resource.instance_ids or ()) or "-"


def _short(hardware: str) -> str:
    first, *others = printable(hardware).split(",")
    return printable(hardware) if len(hardware) <= _WIDEST else f"{first} and {len(others)} more"


def _data(part: Part) -> dict[str, object]:
    return {
        "name": part.name,
        "files": part.files,
        "size_bytes": part.size_bytes,
        "packed_bytes": part.packed_bytes or None,
    }
