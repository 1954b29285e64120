"""The platform's numbers, in one dated table.

Source: Runpod docs, Serverless, "Endpoint operations", "Job states", "Load balancing endpoints", read 2026-08. The docs
do not say whether MB is 10^6 or 2^20 bytes; the smaller one is assumed, so that what passes here passes there.
"""

from __future__ import annotations

from typing import Final

__all__ = [
    "ARTIFACT_BYTES",
    "DEFAULT_EXECUTION_TIMEOUT_MS",
    "DEFAULT_TTL_MS",
    "DEFAULT_WAIT_MS",
    "EXECUTION_TIMEOUT_MS",
    "LB_BODY_BYTES",
    "LB_COLD_START_S",
    "LB_REQUEST_S",
    "POLL_S",
    "RATES",
    "RATE_WINDOW_S",
    "RESULT_BYTES",
    "RUNSYNC_BYTES",
    "RUNSYNC_RETENTION_S",
    "RUN_BYTES",
    "RUN_RETENTION_S",
    "STREAM_CHUNK_BYTES",
    "TTL_MS",
    "UPLOAD_URL_S",
    "VOLUME_GB",
    "WAIT_MS",
]

_DAY_MS: Final = 86_400_000

RUN_BYTES: Final = 10_000_000
RUNSYNC_BYTES: Final = 20_000_000
STREAM_CHUNK_BYTES: Final = 1_000_000
# assumed: what a caller may send at most is also what a worker may answer
RESULT_BYTES: Final = 20_000_000

RUN_RETENTION_S: Final = 1800.0
RUNSYNC_RETENTION_S: Final = 60.0

DEFAULT_WAIT_MS: Final = 90_000
WAIT_MS: Final = (1_000, 300_000)
DEFAULT_EXECUTION_TIMEOUT_MS: Final = 600_000
EXECUTION_TIMEOUT_MS: Final = (5_000, 7 * _DAY_MS)
DEFAULT_TTL_MS: Final = _DAY_MS
TTL_MS: Final = (10_000, 7 * _DAY_MS)

# a worker gives up after 90 s, and must hear 204 before that
POLL_S: Final = 80.0

LB_COLD_START_S: Final = 120.0
LB_REQUEST_S: Final = 330.0
LB_BODY_BYTES: Final = 30_000_000

# assumed: the real life of an upload URL is not documented
UPLOAD_URL_S: Final = 3600.0
# Runpod's current limit; the client holds the project's own, lower one
ARTIFACT_BYTES: Final = 1500 * 2**20

RATE_WINDOW_S: Final = 10.0
# for each endpoint; Runpod allows more where many workers run, by a number that is not documented
RATES: Final = {"run": 1000, "runsync": 2000, "status": 2000, "stream": 2000, "cancel": 100, "purge-queue": 2}

VOLUME_GB: Final = (0, 4000)
