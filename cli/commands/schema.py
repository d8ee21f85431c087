"""`pigou schema`: the JSON Schema of the case file."""

from __future__ import annotations

import json

EPILOG = """\b
Example:
  pigou schema > case.schema.json

An editor that knows YAML schemas then completes keys and shows what they mean."""


def schema() -> None:
    """Print the JSON Schema of the case file."""
    from mechanism.schema import case_schema

    print(json.dumps(case_schema(), indent=2))
