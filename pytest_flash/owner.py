"""The end of a run whose owner is gone: ``flash deploy`` was killed, and passes no interruption on any more."""

from __future__ import annotations

import os
import signal
import threading

import pytest

__all__ = ["end_with_owner"]


def end_with_owner(descriptor: int) -> None:
    """Interrupt this process, and its group where it leads one, when the other end of the pipe is closed.

    Raises:
        pytest.UsageError: *descriptor* is open nowhere.
    """
    try:
        os.set_inheritable(descriptor, False)  # noqa: FBT003  the standard library's own signature
    except OSError as error:
        raise pytest.UsageError(f"--flash-owner-fd: {descriptor} is no open file: {error.strerror}") from error

    def watch() -> None:
        while os.read(descriptor, 1):
            pass
        # as the owner would have done it: xdist's workers are of the same group
        if os.getpgrp() == os.getpid():
            os.killpg(os.getpid(), signal.SIGINT)
        else:
            os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=watch, name="flash-owner", daemon=True).start()
