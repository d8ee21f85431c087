"""Published examples as text: the source, what it prints, what is right."""

from __future__ import annotations

from cli.published import EXAMPLES, Figure, Value


def published_page() -> str:
    """A paragraph for every example."""
    return "\n".join(
        f"{example.name}\n  {example.source}\n" + "".join(map(_line, example.figures))
        for example in EXAMPLES
    )


def _line(figure: Figure) -> str:
    here = f", here {_told(figure.right)}: {figure.why}" if figure.why else ""
    return f"    {figure.what}: in print {_told(figure.printed)}{here}\n"


def _told(value: Value) -> str:
    return value if isinstance(value, str) else f"{value:g}"
