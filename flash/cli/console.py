"""Where the command line writes: results to stdout, progress and errors to stderr."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flash.errors import FlashError

__all__ = ["Console"]

_COLOURS = {"✓": "\x1b[32m", "✗": "\x1b[31m", "!": "\x1b[33m"}


class Console:
    """Two streams, and the form of the results.

    Marks at the beginning of a line are coloured where the stream is a terminal and ``NO_COLOR`` is not set
    (no-color.org: present and not empty).
    """

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        self._is_plain = bool(os.environ.get("NO_COLOR"))
        for stream in (sys.stdout, sys.stderr):
            # A terminal that knows no check mark shows a question mark; it does not lose the result.
            reconfigure = getattr(stream, "reconfigure", None)
            if reconfigure is not None:
                reconfigure(errors="replace")

    def result(self, text: str, data: Mapping[str, object]) -> None:
        """What the verb was asked for: *text*, or *data* where JSON is wanted."""
        if self.as_json:
            import json

            text = json.dumps(data, indent=2, ensure_ascii=False)
        self.text(text)

    def text(self, text: str) -> None:
        """Write *text* to stdout, whatever the form of the results."""
        self._write(sys.stdout, text)

    def progress(self, line: str) -> None:
        """Write *line* to stderr at once."""
        self._write(sys.stderr, line)
        sys.stderr.flush()

    def failure(self, error: FlashError, data: Mapping[str, object] | None = None) -> None:
        """Say what went wrong on stderr and, where JSON is wanted, on stdout too, beside what *data* there is."""
        lines = [f"✗ {error.headline}"]
        if error.hint:
            lines.append(f"hint: {error.hint}")
        if error.detail:
            lines.append(error.detail)
        self.progress("\n".join(lines))
        if self.as_json:
            told = {"message": error.headline, "hint": error.hint}
            if error.detail:
                told["detail"] = error.detail
            self.result("", {**(data or {}), "error": told})
            self.flush()

    def flush(self) -> None:
        """Hand everything to the reader, so that a reader that has gone is noticed here."""
        sys.stdout.flush()

    def _write(self, stream: TextIO, text: str) -> None:
        if not self._is_plain and stream.isatty():
            text = "\n".join(_coloured(line) for line in text.split("\n"))
        print(text, file=stream)


def _coloured(line: str) -> str:
    colour = _COLOURS.get(line[:1])
    return line if colour is None else f"{colour}{line[0]}\x1b[0m{line[1:]}"
