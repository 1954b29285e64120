"""An endpoint goes: what waits there is done first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from flash.errors import NotAuthorized, NotFound, PlatformError

if TYPE_CHECKING:
    from flash.deploy.rollout import Site

__all__ = ["remove_endpoint"]

_DRAINED_WITHIN_S: Final = 600.0
"""The default execution timeout: nobody waits longer for a job."""
_PAUSE_S: Final = 0.5
_TOLD_EVERY_S: Final = 10.0


def remove_endpoint(name: str, endpoint_id: str, site: Site, *, drained_within_s: float = _DRAINED_WITHIN_S) -> None:
    """Delete an endpoint once its queue is empty and its jobs are done; requests end before their worker does."""
    started_at = told_at = site.clock()
    while (left := _left(endpoint_id, site)) and (waited := site.clock() - started_at) < drained_within_s:
        if site.clock() - told_at >= _TOLD_EVERY_S:
            told_at = site.clock()
            site.report(f"waiting for {left} job(s) of {name} ({waited:.0f} s)")
        site.sleep(_PAUSE_S)
    if left:
        after = f" after {drained_within_s:g} s" if drained_within_s else ""
        site.report(f"! {name} is removed with {left} job(s) that were not done{after}")
    site.control.delete_endpoint(endpoint_id)
    site.journal.removed(site.run, "endpoint", name)
    site.report(f"removed {name}")


def _left(endpoint_id: str, site: Site) -> int:
    try:
        health = site.control.health(endpoint_id)
    except NotFound:
        return 0
    except NotAuthorized:
        raise
    except PlatformError:
        # a load-balanced endpoint need not answer that
        return 0
    return health.in_queue + health.in_progress
