"""Names of distributions, as indexes compare them."""

from __future__ import annotations

__all__ = ["canonicalize_name"]


def canonicalize_name(name: str) -> str:
    """Lower case, with one hyphen for each run of hyphens, underscores and dots: as ``packaging`` does it.

    It is asked for in builds that need nothing else of ``packaging``, which takes longer to load than it does to work.

    >>> canonicalize_name("Foo.-_bar")
    'foo-bar'
    """
    changed = name.lower().replace("_", "-").replace(".", "-")
    while "--" in changed:
        changed = changed.replace("--", "-")
    return changed
