"""``flash`` and ``python -m flash``."""

from __future__ import annotations

from flash.cli.main import main

__all__ = ["main"]

if __name__ == "__main__":
    raise SystemExit(main())
