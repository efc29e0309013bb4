"""Command line: each verb is one call of a public function. Exit codes: 0 done, 2 bad input, 3
incomplete, 4 corrupt, 130 interrupted; 1 an error that zscan does not know (ZSCAN_DEBUG=1 shows its
traceback)."""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import zscan
from zscan.cli import cluster, figures, limits, models, questions, scans
from zscan.cli.options import Command, Parser, Verbs
from zscan.compilation import keep_programs
from zscan.errors import ParameterError, ZscanError, clipped, message, nearest, shown
from zscan.scans.cards import read_card
from zscan.scans.interrupts import EXIT_CODE, exit_at_second_signal, interruptible
from zscan.untrusted import file_name


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line `argv` (default: sys.argv) and return its exit code."""
    argv = list(sys.argv[1:] if argv is None else argv)
    own, sbatch = cluster.split(argv)
    arguments = _parser().parse_args(own)
    arguments.argv, arguments.sbatch = argv, sbatch
    try:
        _check_texts(arguments)
        keep_programs()
        with warnings.catch_warnings(), _logged():
            warnings.showwarning = _show_warning  # type: ignore[assignment]
            if "card" in arguments:
                # Its faults are told before the verb imports jax
                read_card(arguments.card, copy=getattr(arguments, "copy", None))
            command: Command = arguments.command
            command(arguments)
    except ZscanError as error:
        print(f"zscan: error: {message(error)}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        kept = "; finished tiles are kept, continue with --resume"
        hint = kept if arguments.command is scans.run_command else ""
        print(f"zscan: interrupted{hint}", file=sys.stderr)
        return EXIT_CODE
    except BrokenPipeError:
        return 0
    except OSError as error:
        print(f"zscan: error: {clipped(str(error))}", file=sys.stderr)
        return 2
    except Exception as error:
        if os.environ.get("ZSCAN_DEBUG") == "1":
            raise
        text = clipped(f"{type(error).__name__}: {error}".rstrip(": "))
        hint = "set ZSCAN_DEBUG=1 for the traceback"
        print(f"zscan: error: internal: {text} ({hint})", file=sys.stderr)
        return 1
    return 0


def _check_texts(arguments: argparse.Namespace) -> None:
    """Refuse arguments that are empty, hold a NUL, are too long or no UTF-8, before any work."""
    for key, value in vars(arguments).items():
        if isinstance(value, str):
            file_name(value, key)
        for item in value if isinstance(value, list) else ():
            if isinstance(item, str) and ("\0" in item or not item):
                raise ParameterError(f"{key} {shown(item)} is empty, or holds a NUL character")


@contextlib.contextmanager
def _logged() -> Iterator[None]:
    """Lines of the logger "zscan" on standard error."""
    logger, handler = logging.getLogger("zscan"), logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("zscan: %(message)s"))
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)


def _show_warning(warning: Warning | str, *_: object) -> None:
    print(f"zscan: warning: {message(warning)}", file=sys.stderr)


class _Completion(argparse.Action):
    """Print the completion of a shell; its library is read only then."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        import shtab

        if values not in shtab.SUPPORTED_SHELLS:
            parser.error(f"{option_string} {values}: {nearest(values, shtab.SUPPORTED_SHELLS)}")
        print(shtab.complete(parser, values))
        parser.exit()


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="zscan",
        description="Parameter scans for light U(1)_X gauge bosons (arXiv:2107.07518).",
    )
    parser.add_argument("--version", action="version", version=f"zscan {zscan.__version__}")
    parser.add_argument(
        "--print-completion",
        action=_Completion,
        metavar="SHELL",
        help="print what completes this command in bash, zsh or tcsh",
    )
    verbs = Verbs(parser)
    for group in (scans, cluster, figures, questions, models, limits):
        group.add(verbs)
    return parser


def entry() -> None:
    """Entry point of the command: `main`, then the exit code."""
    with interruptible(), exit_at_second_signal():
        code = main()
        if code == EXIT_CODE:
            # Interrupted: what the libraries still run in threads must not be torn down half-way
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    sys.exit(code)
