"""Requirements that contradict one another: whose they are, and who can share a set of distributions all the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from flash.bundle.locks import PYLOCK_NAME
from flash.bundle.refusals import is_contradiction
from flash.errors import DependencyError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

    from flash.bundle.asked import Asked
    from flash.bundle.requirements import Requirements

__all__ = ["ONE_SET", "Contradictions", "refuse_contradictions"]

ONE_SET: Final = (
    "one-set in [tool.flash] asks for one set of distributions for all endpoints: choose versions that agree, or leave"
    " it out, and each gets a set of its own"
)
"""What to do about endpoints that contradict one another, where they are to share a set."""


class Contradictions:
    """What does not go together: what endpoints ask for, as it is written, and what an installer has found out.

    Args:
        whole: What all endpoints ask for.
    """

    def __init__(self, whole: Requirements) -> None:
        self._written = _of_endpoints(whole)
        self._found: list[str] = []
        self._pairs: set[frozenset[str]] = set()
        self._apart: set[str] = set()
        self._asked: dict[str, set[tuple[str, str]]] = {name: set() for name in sorted(whole.endpoints)}
        for each in whole.effective:
            if each.endpoint is not None:
                self._asked[each.endpoint].add((each.name, each.text))
        self._enemies: dict[tuple[str, str], set[tuple[str, str]]] = {}
        for pair in self._written:
            for one in pair:
                self._enemies.setdefault(one, set()).update(pair - {one})

    @property
    def lines(self) -> tuple[str, ...]:
        """The reasons, for the user."""
        return tuple(dict.fromkeys((*self._written.values(), *self._found)))

    def is_common(self, names: tuple[str, ...]) -> bool:
        """Whether a group of endpoints has the common set."""
        return not any(map(self._is_contested, names))

    def groups(self) -> list[tuple[str, ...]]:
        """Endpoints that share a set, those with the common one first."""
        common = tuple(name for name in self._asked if not self._is_contested(name))
        own: list[tuple[list[str], set[tuple[str, str]]]] = []
        for name in self._asked:
            if not self._is_contested(name):
                continue
            for members, asked in own:
                if self._agrees(name, members, asked):
                    members.append(name)
                    asked.update(self._asked[name])
                    break
            else:
                own.append(([name], set(self._asked[name])))
        groups = [tuple(members) for members, _ in own]
        return [common, *groups] if common or not groups else groups

    def _is_contested(self, name: str) -> bool:
        return name in self._apart or not self._asked[name].isdisjoint(self._enemies)

    def _agrees(self, name: str, members: Collection[str], asked: Collection[tuple[str, str]]) -> bool:
        return all(self._enemies.get(one, set()).isdisjoint(asked) for one in self._asked[name]) and not any(
            frozenset({name, member}) in self._pairs for member in members
        )

    def learn(self, names: tuple[str, ...], requirements: Requirements, error: DependencyError) -> bool:
        """Note who cannot share a set, from what an installer said of one; whether there is anything new."""
        if len(names) < 2 or not is_contradiction(error.detail):
            return False
        guilty: dict[str, set[str]] = {}
        mentioned = [asked for asked in requirements.mentioned(error) if asked.endpoint is not None]
        for asked in mentioned:
            guilty.setdefault(str(asked.endpoint), set()).add(asked.text)
        pairs = {frozenset({one, other}) for one in guilty for other in guilty if guilty[one] != guilty[other]}
        if not pairs and not self.is_common(names):
            pairs = {frozenset({one, other}) for one in guilty for other in names if one != other}
        is_new = bool(pairs - self._pairs or guilty.keys() - self._apart)
        self._pairs |= pairs
        self._apart |= guilty.keys()
        if is_new:
            self._found.append(f"{' and '.join(dict.fromkeys(map(_words, mentioned)))} do not go together")
        return is_new


def refuse_contradictions(requirements: Requirements) -> None:
    """A version that one asks for must suit all who ask for the same; what is needed indirectly the installer tells."""
    _refuse_unlocked(requirements)
    for pinned, other in _contradictions(requirements.effective, _first_of_each_pin):
        place = f", at {pinned.path}:{pinned.line}" if pinned.endpoint is not None else ""
        is_between = None not in (pinned.endpoint, other.endpoint) and pinned.endpoint != other.endpoint
        raise DependencyError(
            f"{_words(other)} contradicts {_words(pinned, place)}",
            hint=ONE_SET if is_between else "choose versions that agree: every set of distributions has both",
            path=other.path,
            line=other.line,
        )


def _of_endpoints(requirements: Requirements) -> dict[frozenset[tuple[str, str]], str]:
    """What endpoints ask for that contradicts what others do: pairs of names and requirements, with the reason."""
    own = [each for each in requirements.effective if each.endpoint is not None]
    found: dict[frozenset[tuple[str, str]], str] = {}
    for pinned, other in _contradictions(own, _first_of_each_text):
        if pinned.endpoint != other.endpoint:
            pair = frozenset({(pinned.name, pinned.text), (other.name, other.text)})
            found.setdefault(pair, f"{_words(other)} contradicts {_words(pinned)}")
    return found


def _contradictions(
    everything: Iterable[Asked], pins: Callable[[Iterable[Asked]], list[Asked]]
) -> Iterator[tuple[Asked, Asked]]:
    """Who asks for one version, with who asks for the same distribution and does not allow that."""
    by_name: dict[str, list[Asked]] = {}
    for asked in everything:
        by_name.setdefault(asked.name, []).append(asked)
    for same in by_name.values():
        for pinned in pins(same):
            version = pinned.pin
            for other in same:
                if version is not None and not other.requirement.specifier.contains(version, prereleases=True):
                    yield pinned, other


def _words(asked: Asked, place: str = "") -> str:
    return f"{str(asked.requirement)!r} ({asked.by}{place})"


def _first_of_each_pin(asked: Iterable[Asked]) -> list[Asked]:
    return _firsts((each.pin, each) for each in asked)


def _first_of_each_text(asked: Iterable[Asked]) -> list[Asked]:
    return _firsts((each.text, each) for each in asked if each.pin is not None)


def _firsts(asked: Iterable[tuple[str | None, Asked]]) -> list[Asked]:
    found: dict[str, Asked] = {}
    for key, each in asked:
        if key is not None:
            found.setdefault(key, each)
    return list(found.values())


def _refuse_unlocked(requirements: Requirements) -> None:
    """What the lock holds must suit all who ask for it, and it must hold what the project's files ask for."""
    lock = requirements.lock
    if lock is None:
        return
    names = {pin.name for pin in lock.pins}
    for asked in requirements.asked:
        version = lock.version_of(asked.name)
        if version is not None and not asked.requirement.specifier.contains(version, prereleases=True):
            problem = f"contradicts {lock.path}, which has {asked.name} {version}"
        elif asked.endpoint is None and asked.name not in names | requirements.excluded.keys():
            problem = f"is not in {lock.path}"
        else:
            continue
        if asked.endpoint is not None:
            hint = f"what {lock.path} has is in every set of distributions: ask for that, or lock another version"
        elif lock.path == PYLOCK_NAME:
            hint = f"lock again, or, if {PYLOCK_NAME} is for something else, give it another name: pylock.NAME.toml"
        else:
            hint = "run uv lock"
        raise DependencyError(
            f"{str(asked.requirement)!r} ({asked.by}) {problem}", hint=hint, path=asked.path, line=asked.line
        )
