"""zscan: parameter scans for light U(1)_X gauge bosons."""

__version__ = "0.1.0"
