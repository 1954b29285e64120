"""What goes into an archive, compressed while the rest of a build goes on.

What is kept from another build is taken as it is. The rest is made, two layers at a time: while the end of one is
compressed, another is read. Little of it is in memory: what is being compressed, and a few small files.
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from itertools import zip_longest
from threading import Lock
from typing import TYPE_CHECKING, Final, final

from flash.bundle.archive import MEBIBYTE, mebibytes
from flash.bundle.layers import Compressing, Damaged, Layer, Layers, Member

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping
    from concurrent.futures import Future

    from flash.bundle.cache import Cache
    from flash.bundle.install import Report
    from flash.bundle.trees import DistributionSet

__all__ = ["Packing"]

_LARGE: Final = MEBIBYTE
_WORTH_TELLING: Final = 64 * MEBIBYTE
_STEP: Final = 512 * MEBIBYTE
"""Some five seconds' work of two cores."""


@final
class Packing:
    """Makes the layers of one artifact. A context manager: what is not asked for by its end is dropped.

    Args:
        cache: Where layers are kept.
        tell: Takes what the user should know.
        progress: Takes what goes on: where there is much to compress, how much, and then how far it is.
        worth_telling: The bytes that are much.
        step: The bytes after which it is told again.
    """

    def __init__(
        self,
        cache: Cache,
        *,
        tell: Report,
        progress: Report,
        worth_telling: int = _WORTH_TELLING,
        step: int = _STEP,
    ) -> None:
        self._cache = cache
        self._tell = tell
        self._compressing = Compressing(told=self._told)
        self._pool = ThreadPoolExecutor(2, thread_name_prefix="layer")
        self._layers: list[Layer | Future[Layer]] = []
        self._progress = progress
        self._worth_telling = worth_telling
        self._step = step
        self._lock = Lock()
        self._whole = self._done = 0
        self._begun: frozenset[str] = frozenset()
        self._files = ExitStack()

    def __enter__(self) -> Packing:
        return self

    def __exit__(self, *_: object) -> None:
        # first, so that a layer in the making finds nobody to compress it: an error is told at once
        self._compressing.__exit__()
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._files.close()

    def start(
        self,
        sets: Iterable[DistributionSet],
        own: Collection[Member],
        *,
        hidden: Collection[str] = (),
        digests: Mapping[str, str],
    ) -> None:
        """Begin.

        Args:
            sets: The distributions.
            own: What else is known already, and comes after them.
            hidden: Paths of the archive that something else in it has, or nobody needs.
            digests: Of members that are files, the sha256.
        """
        makes = [self._make(*part) for part in (*_parts_of(sets, hidden), *_large_files(own, digests))]
        self._begun = frozenset(member.name for member in own)
        rest = [member for member in own if not _is_large(member)]
        self._whole += sum(member.size for member in rest)
        if self._whole >= self._worth_telling:
            self._progress(f"compressing {mebibytes(self._whole)}")
        # not before it is known how much there is
        for make in (*makes, partial(self._cache.loose_layer, rest, self._compressing, self._files)):
            self._layers.append(make if isinstance(make, Layer) else self._pool.submit(make))

    def layers(self, own: Iterable[Member]) -> Iterator[Layer]:
        """Each as soon as it is made; what of *own* was not known at the start comes last.

        Raises:
            Damaged: A set's tree has lost something.
            BuildError: A file cannot be read, or the cache not be written.
        """
        for layer in self._layers:
            yield layer if isinstance(layer, Layer) else layer.result()
        yield self._compressing.layer(member for member in own if member.name not in self._begun)

    def _make(self, key: str, members: Iterable[Member], size: int) -> Layer | Callable[[], Layer]:
        """A layer that is kept, or what makes it."""
        try:
            kept = self._cache.layer(key)
        except Damaged as error:
            self._tell(f"! {error.message}, and made again")
            kept = None
        if kept is None:
            self._whole += size
        return kept or partial(self._cache.make_layer, key, members, self._compressing)

    def _told(self, size: int) -> None:
        with self._lock:
            before, self._done = self._done, self._done + size
            if self._done // self._step > before // self._step and self._done < self._whole:
                self._progress(f"compressed {mebibytes(self._done)} of {mebibytes(self._whole)}")


_Part = tuple[str, Iterable[Member], int]
"""What is to be a layer: its key, what is in it, the bytes of that."""


def _parts_of(sets: Iterable[DistributionSet], hidden: Collection[str]) -> Iterator[_Part]:
    for found in sets:
        for distribution, names in zip_longest(found.distributions, found.parts(hidden)):
            if names:
                key = Layers.key((f"{found.folder}{name}", found.files[name]) for name in names)
                yield key, found.members(names), 0 if distribution is None else distribution.size_bytes


def _large_files(own: Iterable[Member], digests: Mapping[str, str]) -> Iterator[_Part]:
    """Each by itself, and kept, as they seldom change."""
    for member in own:
        if _is_large(member):
            mode = "x" if member.is_executable else "-"
            yield Layers.key([(member.name, f"sha256={digests[member.name]} {mode}")]), (member,), member.size


def _is_large(member: Member) -> bool:
    return member.size >= _LARGE and not isinstance(member.content, bytes)
