"""Runs Python as a child whose output is our progress, and passes interruptions on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence
    from pathlib import Path
    from types import FrameType

__all__ = ["Ended", "run"]

_REPEAT_S: Final = 1.0
"""Interruptions closer than this are one: a supervisor may signal us and then our group."""
_BLOCK_BYTES: Final = 2**16
_DRAIN_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class Ended:
    """How a child ended.

    Attributes:
        status: Its exit status; negative where a signal ended it.
        interrupted: Whether we passed an interruption on to it.
    """

    status: int
    interrupted: bool


def run(
    arguments: Sequence[str], *, cwd: Path, without: Collection[str] = (), hushes_interrupted: bool = False
) -> Ended:
    """Run ``python ARGUMENTS --flash-owner-fd=N``, stdout and stderr on our stderr, and wait, also when interrupted.

    The child has a session of its own, so that Ctrl+C and a signal that only this process gets mean the same to it:
    one interruption, passed on by us, after which it cleans up. N is the end of a pipe that closes when we end, however
    we do: then nobody passes anything on, and it interrupts itself. Variables *without* are not passed on. With
    *hushes_interrupted*, what it writes once it is interrupted is dropped: where it is at then, nobody has to know.
    """
    relay = _Relay()
    environment = {name: value for name, value in os.environ.items() if name not in without}
    with _handling(relay), _owned() as (options, descriptors), ExitStack() as stack:
        output = 2
        if hushes_interrupted:
            output = stack.enter_context(_forwarded(relay))
            if sys.stderr.isatty():
                # it sees a pipe, and whoever reads it a terminal
                environment.setdefault("FORCE_COLOR", "1")
        process = subprocess.Popen(
            [sys.executable, *arguments, *options],
            cwd=cwd,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            pass_fds=descriptors,
        )
        relay.attach(process.pid)
        status = process.wait()
    return Ended(status, interrupted=relay.interrupted)


@contextmanager
def _owned() -> Iterator[tuple[list[str], tuple[int, ...]]]:
    """What tells a child of its owner: options, and the descriptors that it inherits."""
    if sys.platform == "win32":
        # descriptors are not inherited there
        yield [], ()
        return
    with ExitStack() as stack:
        read, write = os.pipe()
        for descriptor in (read, write):
            stack.callback(os.close, descriptor)
        yield [f"--flash-owner-fd={read}"], (read,)


@contextmanager
def _forwarded(relay: _Relay) -> Iterator[int]:
    """A descriptor; what is written there comes on our stderr, until an interruption was passed on."""
    read, write = os.pipe()

    def forward() -> None:
        with open(read, "rb", buffering=0) as pipe:  # noqa: PTH123  a descriptor, not a path
            while block := pipe.read(_BLOCK_BYTES):
                if not relay.interrupted:
                    _write_all(2, block)

    thread = threading.Thread(target=forward, name="flash-child-output", daemon=True)
    thread.start()
    try:
        yield write
    finally:
        os.close(write)
        # a process that the child has left behind may hold the other end open for as long as it likes
        thread.join(_DRAIN_S)


def _write_all(descriptor: int, block: bytes) -> None:
    # who reads our stderr may have gone; the child must not wait for a reader of its own because of that
    with suppress(OSError):
        while block:
            block = block[os.write(descriptor, block) :]


class _Relay:
    """A signal handler that passes interruptions on to a process group, also those that came before there was one."""

    def __init__(self) -> None:
        self.interrupted = False
        self._last = 0.0
        self._group: int | None = None
        self._is_waiting = False

    def __call__(self, _signal: int, _frame: FrameType | None) -> None:
        now = time.monotonic()
        if self.interrupted and now - self._last < _REPEAT_S:
            return
        self.interrupted, self._last = True, now
        if self._group is None:
            self._is_waiting = True
        else:
            _interrupt(self._group)

    def attach(self, group: int) -> None:
        """From now on, interruptions go to *group*."""
        self._group = group
        if self._is_waiting:
            _interrupt(group)


def _interrupt(group: int) -> None:
    # Elsewhere the console interrupts the child itself
    if sys.platform != "win32":
        with suppress(ProcessLookupError):
            os.killpg(group, signal.SIGINT)


@contextmanager
def _handling(handler: Callable[[int, FrameType | None], object]) -> Iterator[None]:
    numbers = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    # None: something that is not Python's handles it, and could not be put back
    previous = {number: before for number in numbers if (before := signal.getsignal(number)) is not None}
    for number, before in previous.items():
        # What is ignored stays ignored: SIGHUP under nohup, SIGINT in a script's background job. But it is caught, not
        # ignored, because a child inherits what is ignored, and SIGINT is how it is told to stop
        signal.signal(number, handler if before is not signal.SIG_IGN else _do_nothing)
    try:
        yield
    finally:
        for number, before in previous.items():
            signal.signal(number, before)


def _do_nothing(_signal: int, _frame: FrameType | None) -> None:
    """Takes a signal that is to be ignored."""
