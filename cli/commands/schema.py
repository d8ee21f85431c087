"""`pigou schema`: the JSON Schema of the case file, or of another that pigou reads or writes."""

from __future__ import annotations

import json
from typing import Annotated

import typer

EPILOG = """\b
Examples:
  pigou schema > case.schema.json
  pigou schema --setting > setting.schema.json
  pigou schema --design > design.schema.json
  pigou schema --data > data.schema.json
  pigou schema --result > result.schema.json

An editor that knows YAML schemas then completes keys and shows what they mean."""


def schema(
    setting: Annotated[
        bool, typer.Option("--setting", help="Of the setting file of pigou design.")
    ] = False,
    design: Annotated[
        bool, typer.Option("--design", help="Of the design file of pigou batch.")
    ] = False,
    data: Annotated[
        bool, typer.Option("--data", help="Of the data file of pigou calibrate.")
    ] = False,
    result: Annotated[bool, typer.Option("--result", help="Of the JSON of results.")] = False,
) -> None:
    """Print the JSON Schema of the case file."""
    if setting + design + data + result > 1:
        raise typer.BadParameter(
            "print one schema at a time", param_hint="--data" if data else "--design"
        )
    if result:
        from cli.results.schema import result_schema

        print(json.dumps(result_schema(), indent=2))
        return
    if data:
        from market.calibrate.datafile import data_schema

        print(json.dumps(data_schema(), indent=2))
        return
    if design:
        from cli.batch.design_file import design_schema

        print(json.dumps(design_schema(), indent=2))
        return
    if setting:
        from mechanism.design.setting_file import setting_schema

        print(json.dumps(setting_schema(), indent=2))
        return
    from mechanism.casefile.json_schema import case_schema

    print(json.dumps(case_schema(), indent=2))
