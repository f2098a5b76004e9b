"""Entry point of the ``instmatt`` command."""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Sequence

from .. import __version__
from . import benchmark, data, demo, evaluate, matte, train, weights

COMMANDS = (matte, demo, evaluate, benchmark, data, train, weights)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status: 0 done, 1 something failed, 2 wrong usage, 130 interrupted, 141 nobody reads on."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # names of files hold what a console or a redirected stream may not
            stream.reconfigure(errors="backslashreplace")
    parser = argparse.ArgumentParser(prog="instmatt", description="One precise alpha matte per person.")
    parser.add_argument("--version", action="version", version=f"instmatt {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in COMMANDS:
        command.register(commands)

    from ..errors import InstMattError, UsageError

    try:
        options = parser.parse_args(arguments)
        status = int(options.run(options))
        sys.stdout.flush()  # here a broken pipe can still be dealt with
        return status
    except UsageError as error:
        print(f"instmatt: {error}", file=sys.stderr)
        return 2
    except InstMattError as error:
        print(f"instmatt: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # such as by "| head"
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for stream in (sys.stdout, sys.stderr):
            os.dup2(nowhere, stream.fileno())  # what is left is flushed at the end
        return 141
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        print(f"instmatt: {where}{error.strerror or error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("instmatt: interrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
