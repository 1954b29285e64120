"""in-toto's statement: what somebody says of a file, given its sha256.

Source: in-toto Attestation Framework, "Statement layer specification v1", read 2026-11.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["STATEMENT_TYPE", "canonical", "statement"]

STATEMENT_TYPE: Final = "https://in-toto.io/Statement/v1"


def statement(*, subject: str, sha256: str, predicate_type: str, predicate: Mapping[str, Any]) -> dict[str, Any]:
    """What is said of one file.

    Shape: ``{"_type", "subject": [{"name", "digest": {"sha256"}}], "predicateType", "predicate": {…}}``
    """
    return {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": subject, "digest": {"sha256": sha256}}],
        "predicateType": predicate_type,
        "predicate": dict(predicate),
    }


def canonical(data: object) -> bytes:
    """JSON that is the same for the same data: an envelope's payload.

    >>> canonical({"b": 1, "a": None})
    b'{"a":null,"b":1}'
    """
    return json.dumps(data, sort_keys=True, separators=(",", ":"), allow_nan=False).encode("ascii")
