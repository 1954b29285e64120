"""What is live in an environment against what is to take its place there: asked, compared, held against the waivers."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

from flash.contract.rules import RULES
from flash.deploy.compatibility import Compatibility, JudgedChange, judge_compatibility
from flash.errors import PlatformError, Refused, SettingsError
from flash.protection.waivers import WAIVERS_NAME, apply_waivers, waivers_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import date

    from flash.cloud.records import LiveEnvironment
    from flash.model.manifest import Manifest
    from flash.project import Project
    from flash.protection.waivers import Waiver

__all__ = ["compatibility", "demand_compatibility", "read_waivers"]

_WAIVABLE: Final = tuple(rule.id for rule in RULES.values() if rule.severity != "note")


def read_waivers(project: Project) -> tuple[Waiver, ...]:
    """The waivers of the project; none where it has no file of them.

    Raises:
        SettingsError: The file cannot be read, or a waiver in it is wrong.
    """
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib  # type: ignore[import-not-found,unused-ignore]

    path = project.root / WAIVERS_NAME
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return ()
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"cannot read the waivers: {error}", path=str(path)) from error
    return waivers_of(document, rules=_WAIVABLE, path=str(path))


def compatibility(
    manifest: Manifest,
    look: Callable[[], LiveEnvironment | None],
    *,
    digest: str,
    environment: str,
    waivers: Sequence[Waiver],
    today: date,
    is_allowed: bool,
) -> Compatibility:
    """Whether what *manifest* describes can take the place of what is live.

    Args:
        manifest: Of the artifact that is to go live.
        look: Asks the platform what is live.
        digest: Of that artifact: where it is live already, nothing can have changed.
        environment: Where.
        waivers: The project's.
        today: In UTC.
        is_allowed: Whether the user lets breaking changes through.
    """

    def judged(live: Manifest) -> Compatibility:
        # it loads a validator, which runs that compare nothing do without
        from flash.contract.changes import compare_with_callers

        is_live = bool(digest) and live.digest == digest
        changes = () if is_live else compare_with_callers(live, manifest).changes
        # what breaks nobody needs no waiver; what is deleted is asked for elsewhere
        plain = [JudgedChange(change) for change in changes]
        counted = [one for one in plain if one.stands_in_the_way]
        waived = apply_waivers(
            waivers,
            [(one.change.rule, one.change.scope) for one in counted],
            environment=environment,
            today=today,
        )
        by = dict(zip(map(id, counted), waived.by, strict=True))
        return Compatibility(
            environment=environment,
            live="compared",
            changes=tuple(
                JudgedChange(one.change, by[id(one)], is_allowed and by[id(one)] is None) if id(one) in by else one
                for one in plain
            ),
            is_allowed=is_allowed,
            expired=waived.expired,
            unused=waived.unused,
        )

    def unseen(live: str, problem: str = "") -> Compatibility:
        expired = apply_waivers(waivers, (), environment=environment, today=today).expired
        return Compatibility(
            environment=environment,
            live="nothing" if live == "nothing" else "unreadable",
            problem=problem,
            is_allowed=is_allowed,
            expired=expired,
        )

    try:
        live = look()
    except PlatformError as error:
        return unseen("unreadable", f"what is live in {environment!r} cannot be asked: {error.headline}")
    if live is None or (live.active_build_id is None and not live.endpoints):
        return unseen("nothing")
    if live.manifest is None:
        because = live.problem or "the platform has no manifest of it"
        return unseen("unreadable", f"what is live in {environment!r} cannot be compared: {because}")
    return judged(live.manifest)


def demand_compatibility(given: Compatibility) -> None:
    """Refuse what would break callers of what is live, where no gate does.

    Raises:
        Refused: Something would, or it could not be told.
    """
    condition = judge_compatibility(given)
    if condition.outcome != "pass":
        raise Refused(
            f"environment {given.environment!r} does not take this deployment",
            reasons=(f"{condition.code} {condition.title}: {condition.evidence}", *condition.items),
            hint=condition.remedy,
        )
