"""The versions that are tested together, for `pigou doctor`. A test holds them to constraints.txt,
which no wheel carries."""

from __future__ import annotations

PYTHON = "3.11"
"""The Python that every change is tested with."""

TESTED = {
    "numpy": "2.4.6",
    "scipy": "1.17.1",
    "pandas": "3.1.1",
    "cvxpy": "1.9.3",
    "highspy": "1.16.0",
    "typer": "0.29.2",
    "rich": "15.0.0",
    "pydantic": "2.14.3",
    "ruamel.yaml": "0.19.1",
}
"""Direct dependencies, by their names in pyproject.toml."""
