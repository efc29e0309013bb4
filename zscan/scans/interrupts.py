"""Signals that end a command: Ctrl-C, those of batch systems and of terminals that close."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from zscan.results.files import WINDOWS, discard, nothing_left

# SIGUSR1 is the usual warning of SLURM before the time is up, SIGHUP that of a terminal that closes
_NAMES = ("SIGTERM", "SIGUSR1", "SIGHUP")
ENDING = tuple(getattr(signal, name) for name in _NAMES if hasattr(signal, name))
EXIT_CODE = 130
_SAME = 0.2  # s in which signals count as one: `timeout` and shells send theirs twice

last_will: set[Path] = set()  # files that an exit at once still removes


@contextmanager
def interruptible() -> Iterator[None]:
    """Let SIGTERM, SIGUSR1 and SIGHUP raise `KeyboardInterrupt`, as Ctrl-C does.

    A signal that is ignored (nohup) or that has a handler already keeps what it has. Wherever it
    comes, no temporary file or lock of this thread stays. Does nothing outside the main thread,
    where Python does not deliver signals."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    ours = [number for number in ENDING if signal.getsignal(number) is signal.SIG_DFL]
    for number in ours:
        signal.signal(number, _interrupt)
    try:
        with nothing_left():
            yield
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)


@contextmanager
def exit_at_second_signal() -> Iterator[None]:
    """End the process with code 130 as soon as a second signal comes, whatever it is doing; for the
    command line.

    A thread counts the signals: their handlers would wait for compilers and other long calls to
    return."""
    reader, writer = os.pipe()
    if not WINDOWS:  # Windows asks this of sockets only
        os.set_blocking(writer, False)
    threading.Thread(target=_count, args=(reader,), name="zscan-signals", daemon=True).start()
    previous = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    try:
        yield
    finally:
        signal.set_wakeup_fd(previous)
        os.close(writer)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _count(reader: int) -> None:
    first: float | None = None
    while data := os.read(reader, 1):
        if data[0] not in (signal.SIGINT, *ENDING):
            continue
        if first is None:
            first = time.monotonic()
        elif time.monotonic() - first > _SAME:
            for path in tuple(last_will):
                discard(path)
            os.write(2, b"zscan: stopped at once\n")
            os._exit(EXIT_CODE)
    os.close(reader)
