"""The console script: from the process's arguments to its exit code (`cli.exit_codes`)."""

from __future__ import annotations

import gc
import os
import sys
import warnings
from contextlib import redirect_stderr, redirect_stdout
from typing import TextIO

from cli.exit_codes import FAULT, INTERRUPTED, USAGE
from cli.output.signals import heed, interrupted
from cli.output.streams import Seen
from cli.threads import THREADS


def run() -> None:
    """Run the command line of this process and leave with its exit code."""
    # what imports make lives to the end: looking for garbage among it only costs time
    gc.set_threshold(200_000, 50, 50)
    for name, threads in THREADS.items():
        os.environ.setdefault(name, threads)
    # overflow at extreme input ends in a status, which is what is told
    warnings.simplefilter("ignore", RuntimeWarning)
    for stream in (sys.stdout, sys.stderr):
        if stream is not None and hasattr(stream, "reconfigure"):
            # a name the terminal cannot show is no reason to fail
            stream.reconfigure(errors="backslashreplace")
    heed()
    try:
        code = main(sys.argv[1:])
        for stream in (sys.stdout, sys.stderr):
            code = _flushed(stream, code)
    except KeyboardInterrupt:  # between two of these lines
        code = INTERRUPTED
    gc.freeze()  # nor on the way out
    sys.exit(code)


def main(arguments: list[str]) -> int:
    """The exit code of one command line. Results have gone to stdout, everything else to stderr."""
    with redirect_stdout(Seen.of(sys.stdout)), redirect_stderr(Seen.of(sys.stderr)):
        try:
            if arguments == ["--version"]:
                from mechanism.version import VERSION

                print(f"pigou {VERSION}")
                return 0
            from cli.app import app

            app(arguments, prog_name="pigou")
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else USAGE if stop.code else 0
            if isinstance(stop.__context__, BrokenPipeError):
                code = 0
        except KeyboardInterrupt:
            code = INTERRUPTED
        except BrokenPipeError:
            code = 0
        except Exception as error:
            # What breaks where a signal was swallowed is no fault of anybody's.
            code = INTERRUPTED if interrupted() else _explained(error)
        else:
            code = 0
        return INTERRUPTED if interrupted() else code


def _explained(error: Exception) -> int:
    """Say whose mistake it is: a bad case is the user's, a full disk the machine's, anything else
    that escapes is ours."""
    from market.casefile.files import BadCase

    if isinstance(error, BadCase):
        print(error, file=sys.stderr)
        return USAGE
    if isinstance(error, OSError) and error.strerror:
        return _unwritten(error)
    import traceback

    print(
        f"pigou: a fault of the program, not of your case ({type(error).__name__}); please report"
        " it with what follows",
        file=sys.stderr,
    )
    traceback.print_exception(error, file=sys.stderr)
    return FAULT


def _flushed(stream: TextIO | None, code: int) -> int:
    """The exit code once the stream is written out; a reader that went away ends quietly, a full
    disk does not."""
    if stream is None:
        return code
    try:
        stream.flush()
    except OSError as error:
        # What is left in the buffer must not be tried again when the interpreter shuts down.
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        if isinstance(error, BrokenPipeError):
            return 0
        return code if code == USAGE else _unwritten(error)
    return code


def _unwritten(error: OSError) -> int:
    """What the system refused: a place or a name, room on the disk, one more process."""
    where = f"{error.filename}: " if error.filename is not None else "cannot write the result: "
    print(f"pigou: {where}{error.strerror}", file=sys.stderr)
    return USAGE
