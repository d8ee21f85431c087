"""Labels and CSV of the tidy comparison."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Sequence
from typing import Any

from mechanism.tidy import COLUMNS, Row

from .figures import plain


def case_labels(results: Sequence[dict[str, Any]], paths: Sequence[Any]) -> list[str]:
    """A label per case that no other has: its name, and its file where several cases share the name."""
    given = [plain(result["case"]["name"]) for result in results]
    count = Counter(given)
    return [name if count[name] == 1 else f"{name} ({path})" for name, path in zip(given, paths, strict=True)]


def as_csv(rows: Sequence[Row]) -> str:
    """Rows as CSV with a header; figures in full precision, empty where there is none."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
