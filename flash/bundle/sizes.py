"""What makes an artifact large, as a table. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ["Sized", "Weight", "largest", "size_table", "size_words"]

_MIB: Final = 2**20
_KIB: Final = 2**10
_WIDEST: Final = 44


class Sized(Protocol):
    """A distribution, as an installer or an artifact has it."""

    @property
    def name(self) -> str:
        """Normalised."""
        ...

    @property
    def version(self) -> str:
        """As its metadata has it."""
        ...

    @property
    def size_bytes(self) -> int:
        """Of its files, unpacked."""
        ...


@dataclass(frozen=True, slots=True)
class Weight:
    """A row: a distribution or a file.

    Attributes:
        label: ``numpy 2.1.0``, or a path.
        share: Of everything that was weighed, from 0 to 1.
    """

    label: str
    size_bytes: int
    share: float


def largest(
    distributions: Iterable[Sized], files: Mapping[str, int] | Iterable[tuple[str, int]] = (), *, most: int = 10
) -> tuple[Weight, ...]:
    """The *most* that weigh most, largest first, of one weight by name; what is empty is none of them.

    Args:
        distributions: What was installed.
        files: The project's own files, with their sizes.
        most: How many.
    """
    sizes = dict(files)
    weighed = [(f"{one.name} {one.version}".rstrip(), one.size_bytes) for one in distributions]
    weighed += list(sizes.items())
    total = sum(size for _, size in weighed)
    first = sorted((one for one in weighed if one[1] > 0), key=lambda one: (-one[1], one[0]))[: max(most, 0)]
    return tuple(Weight(label, size, size / total) for label, size in first)


def size_table(
    distributions: Sequence[Sized], files: Mapping[str, int] | Sequence[tuple[str, int]] = (), *, most: int = 10
) -> str:
    """The same as lines, and a last one for what they leave out; empty where nothing weighs anything.

    Sizes are unpacked ones: what each comes to when it is packed is not known before it is.

    >>> from flash.bundle.contents import Part
    >>> print(size_table([Part("numpy", 9, 3 * 2**20, "2.1.0")], {"weights.bin": 2**20, "app.py": 99}, most=2))
      numpy 2.1.0  3.0 MiB   75 %
      weights.bin  1.0 MiB   25 %
      1 more          99 B    0 %
    """
    rows = largest(distributions, files, most=most)
    if not rows:
        return ""
    sizes = [one.size_bytes for one in distributions] + list(dict(files).values())
    cells = [(_short(row.label), size_words(row.size_bytes), row.share) for row in rows]
    left = sum(size > 0 for size in sizes) - len(rows)
    if left:
        rest = sum(sizes) - sum(row.size_bytes for row in rows)
        cells.append((f"{left} more", size_words(rest), rest / sum(sizes)))
    wide, size_wide = max(len(label) for label, _, _ in cells), max(len(size) for _, size, _ in cells)
    return "\n".join(f"  {label:<{wide}}  {size:>{size_wide}}  {100 * share:3.0f} %" for label, size, share in cells)


def size_words(size_bytes: int) -> str:
    """A size in the unit that reads best.

    >>> size_words(99), size_words(1536), size_words(3 * 2**20)
    ('99 B', '1.5 KiB', '3.0 MiB')
    """
    if size_bytes < _KIB:
        return f"{size_bytes} B"
    if size_bytes < _MIB:
        return f"{size_bytes / _KIB:.1f} KiB"
    return f"{size_bytes / _MIB:.1f} MiB"


def _short(label: str) -> str:
    """With its middle left out: the end of a path says most."""
    if len(label) <= _WIDEST:
        return label
    half = (_WIDEST - 1) // 2
    return f"{label[:half]}…{label[-half:]}"
