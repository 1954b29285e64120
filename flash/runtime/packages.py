"""An endpoint's own set of distributions, where what it needs contradicts what other endpoints need.

Such a set lies in a folder of the artifact, and comes first on ``sys.path`` of that endpoint's workers. Standard
library only: it is put there before anything that it may bring is imported.
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path

__all__ = ["put_first"]

_log = logging.getLogger("flash.worker")


def put_first(folder: Path) -> None:
    """Make *folder* the first place that modules are imported from.

    What is loaded already stays, as whoever loaded it works with it; a worker's image may have done that.
    """
    place = str(folder)
    if sys.path[:1] != [place]:
        sys.path[:] = [place, *(path for path in sys.path if path != place)]
    elsewhere = sorted(_loaded_elsewhere(folder))
    if elsewhere:
        _log.warning(
            "%s: loaded before, and not from the endpoint's own set of distributions: %s", place, ", ".join(elsewhere)
        )


def _loaded_elsewhere(folder: Path) -> set[str]:
    names = {path.name.partition(".")[0] for path in folder.iterdir() if path.suffix != ".dist-info"}
    return {name for name in names & sys.modules.keys() if not _is_from(name, folder)}


def _is_from(name: str, folder: Path) -> bool:
    file = getattr(sys.modules[name], "__file__", None)
    # one without a file is a folder that several share
    return file is None or Path(file).is_relative_to(folder)
