"""What goes into an archive, compressed while the rest of a build goes on.

What is kept from another build is taken as it is. The rest is made, two layers at a time: while the end of one is
compressed, another is read. Nothing of it is in memory but what is being compressed, and the project's small files.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import zip_longest
from threading import Lock
from typing import TYPE_CHECKING, Final, final

from flash.bundle.archive import MEBIBYTE, mebibytes
from flash.bundle.layers import Compressing, Damaged, Layer, Layers, Member

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

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
        self._layers: list[Callable[[], Layer]] = []
        self._progress = progress
        self._worth_telling = worth_telling
        self._step = step
        self._lock = Lock()
        self._whole = self._done = 0
        self._begun: frozenset[str] = frozenset()

    def __enter__(self) -> Packing:
        return self

    def __exit__(self, *_: object) -> None:
        # first, so that a layer in the making finds nobody to compress it: an error is told at once
        self._compressing.__exit__()
        self._pool.shutdown(wait=True, cancel_futures=True)

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
        for found in sets:
            for distribution, names in zip_longest(found.distributions, found.parts(hidden)):
                if names:
                    key = Layers.key((f"{found.folder}{name}", found.files[name]) for name in names)
                    size = 0 if distribution is None else distribution.size_bytes
                    self._add(key, partial(found.members, names), size)
        # large files each by itself and kept, as they seldom change; all others together
        for member in own:
            if member.size >= _LARGE and not isinstance(member.content, bytes):
                mode = "x" if member.is_executable else "-"
                key = Layers.key([(member.name, f"sha256={digests[member.name]} {mode}")])
                self._add(key, partial(_one, member), member.size)
        self._begun = frozenset(member.name for member in own)
        rest = [member for member in own if member.size < _LARGE or isinstance(member.content, bytes)]
        self._whole += sum(member.size for member in rest)
        self._layers.append(self._pool.submit(self._compressing.layer, rest).result)
        if self._whole >= self._worth_telling:
            self._progress(f"compressing {mebibytes(self._whole)}")

    def layers(self, own: Iterable[Member]) -> Iterator[Layer]:
        """Each as soon as it is made; what of *own* was not known at the start comes last.

        Raises:
            Damaged: A set's tree has lost something.
            BuildError: A file cannot be read, or the cache not be written.
        """
        for layer in self._layers:
            yield layer()
        yield self._compressing.layer(member for member in own if member.name not in self._begun)

    def _add(self, key: str, members: Callable[[], Iterable[Member]], size: int) -> None:
        layer = self._kept(key)
        if layer is None:
            self._whole += size
            made = self._pool.submit(lambda: self._cache.make_layer(key, members(), self._compressing))
            self._layers.append(made.result)
        else:
            self._layers.append(lambda: layer)

    def _kept(self, key: str) -> Layer | None:
        try:
            return self._cache.layer(key)
        except Damaged as error:
            self._tell(f"! {error.message}, and made again")
            return None

    def _told(self, size: int) -> None:
        with self._lock:
            before, self._done = self._done, self._done + size
            done, whole = self._done, self._whole
        if done // self._step > before // self._step and done < whole:
            self._progress(f"compressed {mebibytes(done)} of {mebibytes(whole)}")


def _one(member: Member) -> tuple[Member]:
    return (member,)
