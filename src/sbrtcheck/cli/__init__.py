"""Arguments in, streams and exit code out. `sbrtcheck plan.dcm` is `sbrtcheck check plan.dcm`."""

import gc
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from sbrtcheck import __version__
from sbrtcheck.cli import batch, check, diff, dvh, protocol, robustness, selftest, show
from sbrtcheck.cli.common import COULD_NOT_RUN, app

__all__ = ["main"]

# Each module adds its commands to `app`.
COMMANDS = (check, batch, show, dvh, robustness, diff, protocol, selftest)
INTERNAL_ERROR = 4
INTERRUPTED = 130
GARBAGE = 300_000


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit with its code; no exception gets past this point."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            # A console of another code page shows an escape, not a crash.
            stream.reconfigure(errors="backslashreplace")
    # A run makes many values that live to its end: looking for garbage among them costs 4 %.
    gc.set_threshold(GARBAGE)
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if "" in arguments:  # a variable that a script left empty is not the current folder
        sys.stderr.write(
            "sbrtcheck: an argument is empty; name a file, a folder or a value\n"
        )
        sys.exit(COULD_NOT_RUN)
    try:
        app(_with_command(_with_json_value(arguments)), prog_name="sbrtcheck")
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        # The reader has left; whatever it did not read cannot change the verdict.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(COULD_NOT_RUN)
    except MemoryError:
        sys.stderr.write(
            "sbrtcheck: there is not enough memory for this case; close other programs, or export"
            " the dose on a coarser grid\n"
        )
        sys.exit(COULD_NOT_RUN)
    except Exception:  # noqa: BLE001 - a bug must not look like a verdict
        _confess()


def _with_command(arguments: list[str]) -> list[str]:
    """Put `check` before arguments that name no command; a first word that does is a command."""
    if arguments and arguments[0] == "--version":
        sys.stdout.write(f"sbrtcheck {__version__}\n")
        sys.exit(0)
    if not arguments or arguments[0] in (*_commands(), "-h", "--help"):
        return arguments or ["--help"]
    if arguments[0] in ("--install-completion", "--show-completion"):
        return arguments
    return ["check", *arguments]


def _with_json_value(arguments: list[str]) -> list[str]:
    """Give `--json` the value "-" unless a name ending in .json follows it.

    `--json plan.dcm` must never take the plan for the file to be written.
    """
    completed = []
    for index, word in enumerate(arguments):
        completed.append(word)
        following = arguments[index + 1] if index + 1 < len(arguments) else ""
        if word == "--json" and not (
            following == "-" or following.lower().endswith(".json")
        ):
            completed.append("-")
    return completed


def _confess() -> NoReturn:
    """Say that this is a bug, and where its details are; they may hold names of files."""
    import tempfile
    import traceback

    with tempfile.NamedTemporaryFile(
        "w", prefix="sbrtcheck-", suffix=".log", delete=False, encoding="utf-8"
    ) as log:
        log.write(f"sbrtcheck {__version__}\n{traceback.format_exc()}")
    sys.stderr.write(
        "sbrtcheck: internal error, a bug in sbrtcheck; no verdict was reached.\n"
        f"Details (may hold file names) are in {log.name}\n"
    )
    sys.exit(INTERNAL_ERROR)


def _commands() -> list[str]:
    groups = [group.name for group in app.registered_groups]
    commands = [
        command.name or command.callback.__name__
        for command in app.registered_commands
        if command.callback
    ]
    return [*commands, *(name for name in groups if isinstance(name, str))]
