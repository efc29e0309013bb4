"""The command line: argparse only, each verb is one call of a public function."""

from zscan.cli.main import entry, main

__all__ = ["entry", "main"]
