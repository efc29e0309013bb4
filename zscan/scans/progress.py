"""How far a long computation is: a bar on a terminal, elsewhere lines of the log."""

from __future__ import annotations

import logging
import sys
import threading
import time
from types import TracebackType
from typing import Protocol, Self

from tqdm import tqdm

_FIRST, _EVERY = 5.0, 60.0  # seconds until the first line, and between the others
_log = logging.getLogger("zscan")


class Progress(Protocol):
    """What is told how many points are done, of a `total` that may grow; a context."""

    total: float

    def update(self, n: float) -> object:
        """`n` more are done."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> object: ...


def progress_of(
    name: str, total: int, done: int = 0, *, unit: str = "point", shown: bool | None = None
) -> Progress:
    """Progress of `name` through `total` points, of which `done` are there already.

    `shown` None: a bar if standard error is a terminal, else a line at level INFO of the logger
    "zscan" after five seconds (what takes so long is compilation) and then one a minute. True: a
    bar, False: nothing."""
    if shown is None and not sys.stderr.isatty():
        return _Lines(name, total, done, unit)
    bar: Progress = tqdm(
        total=total,
        initial=done,
        desc=name,
        unit=unit,
        unit_scale=True,
        file=sys.stderr,
        disable=shown is False,
    )
    return bar


class _Lines:
    """Lines of a log, from a thread of their own: a tile may take longer than a minute."""

    def __init__(self, name: str, total: int, done: int, unit: str) -> None:
        self.name, self.unit = name, unit
        self.total, self.done = float(total), float(done)
        self._before, self._start = float(done), time.monotonic()
        self._over = threading.Event()

    def update(self, n: float) -> None:
        """See `Progress`."""
        self.done += n

    def __enter__(self) -> Self:
        threading.Thread(target=self._tell, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()

    def _tell(self) -> None:
        pause = _FIRST
        while not self._over.wait(pause):
            _log.info("%s", self.line())
            pause = _EVERY

    def line(self) -> str:
        """What is done, and how long the rest takes at the rate so far."""
        fresh = self.done - self._before
        if fresh <= 0:
            return f"{self.name}: compiling; {self.total - self.done:.4g} {self.unit}s to do"
        left = (time.monotonic() - self._start) * (self.total - self.done) / fresh
        share = f"{self.done:.4g} of {self.total:.4g} {self.unit}s ({self.done / self.total:.0%})"
        return f"{self.name}: {share}, about {left / 60:.1f} min left"
