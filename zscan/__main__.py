"""`python -m zscan`: the command line."""

from zscan.cli import entry

entry()
