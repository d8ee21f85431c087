"""What reaches a terminal: stdout and stderr, on which nothing but text and ends of lines
arrives."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TextIO, cast

from market.text import visible


class Seen:
    """A stream that writes as escapes what would steer a terminal, whoever prints it: commands,
    libraries, tracebacks."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    @classmethod
    def of(cls, stream: TextIO | None) -> TextIO | None:
        """This stream, seen; None where the process has none."""
        return None if stream is None else cast(TextIO, cls(stream))

    def write(self, text: str) -> int:
        """Print the text, escapes in the place of what steers; letters written are those given."""
        self.stream.write(visible(text, "\n\t"))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Print the lines."""
        self.write("".join(lines))

    def __getattr__(self, name: str) -> Any:
        if name == "buffer":
            raise AttributeError(name)  # a way round
        return getattr(self.stream, name)


def bare(stream: Any) -> Any:
    """The stream itself, for what steers the terminal on purpose: bold headings, a bar of
    progress."""
    return stream.stream if isinstance(stream, Seen) else stream
