"""`pigou schema`: the JSON Schema of the case file, or of the setting file."""

from __future__ import annotations

import json
from typing import Annotated

import typer

EPILOG = """\b
Examples:
  pigou schema > case.schema.json
  pigou schema --setting > setting.schema.json

An editor that knows YAML schemas then completes keys and shows what they mean."""


def schema(setting: Annotated[bool, typer.Option("--setting", help="Of the setting file of pigou design.")] = False) -> None:
    """Print the JSON Schema of the case file."""
    if setting:
        from mechanism.setting_file import setting_schema

        print(json.dumps(setting_schema(), indent=2))
        return
    from mechanism.schema import case_schema

    print(json.dumps(case_schema(), indent=2))
