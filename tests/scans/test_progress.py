"""Progress away from a terminal: lines of a log."""

import logging
import time

from zscan.scans import progress
from zscan.scans.progress import progress_of


def test_lines_tell_compilation_then_what_is_done_and_left(monkeypatch, caplog):
    monkeypatch.setattr(progress, "_FIRST", 0.01)
    monkeypatch.setattr(progress, "_EVERY", 0.01)
    with caplog.at_level(logging.INFO, "zscan"), progress_of("fig2", 1000, 200) as lines:
        while len(caplog.messages) < 1:
            time.sleep(0.001)
        lines.update(400)
        while not caplog.messages[-1].endswith("min left"):
            time.sleep(0.001)
    assert caplog.messages[0] == "fig2: compiling; 800 points to do"
    assert caplog.messages[-1].startswith("fig2: 600 of 1000 points (60%), about 0.0 min left")
    count = len(caplog.messages)
    time.sleep(0.05)
    assert len(caplog.messages) <= count + 1  # a line that was under way


def test_nothing_is_told_where_it_is_not_wanted(capsys, caplog):
    with caplog.at_level(logging.INFO, "zscan"), progress_of("fig2", 10, shown=False) as bar:
        bar.update(10)
    assert not caplog.messages
    assert not capsys.readouterr().err
