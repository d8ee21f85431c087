"""Results as spreadsheets: which sheets there are, and what is drawn."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from cli.output.workbook import Chart, Sheet, SheetColumn, workbook
from cli.pages.columns import PARTS, column, definitions, unit_of, units_of
from cli.pages.designs import design_columns
from cli.pages.rows import moved_figures
from mechanism.casefile.case_keys import flat
from mechanism.report.evaluation_tree import comparison_rows
from mechanism.report.plain import Tree
from mechanism.report.table import COLUMNS

Units = Mapping[str, str | None]

OUTCOME = ("profit", "sharing", "investment", "price", "quantity", "unit_cost", "investment_cost")
"""Figures of an outcome that are told per firm."""
MOST_SERIES = 12
"""Columns that one chart draws."""


def evaluation_sheets(result: Tree, label: str) -> bytes:
    """The workbook of `evaluate`."""
    case = result["case"]
    units = units_of(case)
    rows = comparison_rows([result], [label])
    columns = [name for name in COLUMNS if name != "case"]
    policies = _sheet("Policies", columns, ([row[key] for key in columns] for row in rows), units)
    sheets = [policies, _outcomes(result, units)]
    if result["mechanism"]["reported"] is not None:
        sheets.append(_rules(result, units))
    if result["uncertainty"] is not None:
        sheets += _over_draws(result["uncertainty"], units)
    sheets += [_answer([result], [label]), _case_sheet(case)]
    chart = _values_chart(policies, columns, len(rows), units)
    return _book(sheets, chart, [result["provenance"]], units, case)


def comparison_sheets(results: Sequence[Tree], labels: Sequence[str], rows: list[Tree]) -> bytes:
    """The workbook of `compare`. Units are those of the cases if they all have the same."""
    cases = [result["case"] for result in results]
    units = _common_units(cases)
    policies = _sheet("Policies", COLUMNS, ([row[key] for key in COLUMNS] for row in rows), units)
    sheets = [policies, _answer(results, labels)]
    if any(units_of(case) != units for case in cases):
        heads = ("case", "money", "quantity")
        told = [
            [label, units_of(case).get("money"), units_of(case).get("quantity")]
            for label, case in zip(labels, cases, strict=True)
        ]
        sheets.append(_sheet("Units", heads, told, {}))
    count = len(results[0]["comparison"])
    chart = _values_chart(policies, COLUMNS, count, units, f" of {labels[0]}")
    told_by = [row["provenance"] for row in rows if row["provenance"] is not None]
    return _book(sheets, chart, told_by, units, cases[0])


def difference_sheets(result: Tree) -> bytes:
    """The workbook of `what-if --set`."""
    case = result["changed"]["case"]
    units = units_of(case)
    values = [
        [row["policy"], *(row["value"][part] for part in ("before", "after", "change"))]
        for row in result["policies"]
    ]
    heads = ("policy", "before", "after", "change")
    unit = unit_of("value", units)
    first = Sheet(
        name="Values",
        columns=[
            column("policy", units),
            *(SheetColumn(head=f"{head} ({unit})", shown="amount") for head in heads[1:]),
        ],
        rows=values,
    )
    rows = [
        [kind, name, figure, unit_of(_plain(figure), units) or None]
        + [one[part] for part in ("before", "after", "change", "share")]
        for kind, name, figure, one in moved_figures(result)
    ]
    columns = ("kind", "name", "figure", "unit", "before", "after", "change", "share")
    sheets = [
        first,
        _sheet("Figures", columns, rows, units),
        _changes(result["changes"]),
        _case_sheet(case),
    ]
    chart = Chart(
        sheet="Values",
        title="Value of policies before and after",
        kind="bar",
        along=0,
        series=(1, 2),
        last=len(values) - 1,
        axes=("", unit),
    )
    return _book(sheets, chart, [result["provenance"]], units, case)


def _plain(figure: str) -> str:
    """The column of MEANT that a figure of a difference is like."""
    return figure.replace("profit_joined", "profit")


def path_sheets(result: Tree) -> bytes:
    """The workbook of `what-if --vary`."""
    case, keys = result["case"], [span["key"] for span in result["vary"]]
    units = units_of(case)
    rows = result["rows"]
    columns = list(rows[0])
    path = _sheet("Path", columns, ([row[key] for key in columns] for row in rows), units)
    best = _sheet(
        "Best",
        [*keys, "policy", "value"],
        ([row[key] for key in (*keys, "policy", "value")] for row in result["best"]),
        units,
    )
    events = ("kind", "policies", "at", "within", "before", "after")
    found = [
        [" and ".join(event[key]) if key == "policies" else event[key] for key in events]
        for event in result["events"]
    ]
    wide = [replace(column(each, units), width=30.0) for each in events]
    sheets = [path, best, Sheet(name="Events", columns=wide, rows=found)]
    unit = unit_of("value", units)
    if len(keys) == 1:
        width = len(result["policies"])
        values = [
            [rows[n][keys[0]], *(row["value"] for row in rows[n : n + width])]
            for n in range(0, len(rows), width)
        ]
        heads = [SheetColumn(head=keys[0], width=24.0)]
        heads += [
            SheetColumn(head=f"{policy} ({unit})", shown="amount", width=20.0)
            for policy in result["policies"]
        ]
        sheets.insert(1, Sheet(name="Values", columns=heads, rows=values))
        chart = Chart(
            sheet="Values",
            title=f"Value of policies along {keys[0]}",
            kind="line",
            along=0,
            series=tuple(range(1, min(width, MOST_SERIES) + 1)),
            last=len(values) - 1,
            axes=(keys[0], unit),
        )
    else:
        winners = dict.fromkeys(row["policy"] for row in result["best"])
        counted = [
            [policy or "no advice", sum(row["policy"] == policy for row in result["best"])]
            for policy in winners
        ]
        sheets.insert(1, _sheet("Winners", ("policy", "points"), counted, units))
        chart = Chart(
            sheet="Winners",
            title="Points of the grid at which a policy is recommended",
            kind="bar",
            along=0,
            series=(1,),
            last=len(counted) - 1,
        )
    sheets += [_changes(result["changes"]), _case_sheet(case)]
    return _book(sheets, chart, [result["provenance"]], units, case)


def design_sheets(result: Tree) -> bytes:
    """The workbook of `design`."""
    given, players = result["input"], result["players"]
    units = units_of(given)
    sheets: list[Sheet] = []
    chart = None
    if result["transfers"] is not None:
        heads = [SheetColumn(head="state", shown="count")]
        heads += [SheetColumn(head=f"type_{name}", width=16.0) for name in players]
        heads += [column(name, units) for name in ("player", "net_transfer")]
        sheets.append(
            Sheet(
                name="Transfers",
                columns=heads,
                rows=[
                    [state, *types, name, result["transfers"][player][state]]
                    for state, types in enumerate(result["states"])
                    for player, name in enumerate(players)
                ],
            )
        )
        chosen = [
            [state, name, share]
            for state, shares in enumerate(result["allocation"])
            for name, share in shares.items()
        ]
        sheets.append(_sheet("Allocation", ("state", "alternative", "probability"), chosen, units))
        rents = [
            [row["player"], each, rent]
            for row in result["rents"]
            for each, rent in zip(row["types"], row["rent"], strict=True)
        ]
        sheets.append(_sheet("Rents", ("player", "type", "rent"), rents, units))
        count = len(result["rents"][0]["rent"])
        chart = Chart(
            sheet="Rents",
            title=f"Rent of the types of {players[0]}",
            kind="bar",
            along=1,
            series=(2,),
            last=count - 1,
            axes=("type", unit_of("rent", units)),
        )
    where = ("constraint", "player", "type", "report", "state")
    heads_of = ("constraint", "player", "type", "report", "in_state")
    for name, rows, amount, head in (
        ("Binding", result["binding"], "price", "shadow_price"),
        ("Conflict", (result["infeasibility"] or {}).get("rows"), "weight", "weight"),
    ):
        if rows:
            told = [[_cell(row.get(key)) for key in (*where, amount)] for row in rows]
            sheets.append(_sheet(name, (*heads_of, head), told, units))
    if result["give_up"] is not None:
        sheets.append(_give_up_sheet(result["give_up"], units))
    sheets += [
        _sheet("Verdicts", ("text",), ([text] for text in result["verdicts"]), units),
        _pairs("Asked", result["options"]),
        _case_sheet(given),
    ]
    return _book(sheets, chart, [result["provenance"]], units, given)


def _give_up_sheet(found: Tree, units: dict[str, str | None]) -> Sheet:
    """What could be given up where nothing does all that is asked."""
    best = found["second_best"]
    rows = [
        [" and ".join(one["constraints"]), one["suffices"], one["amount"], one]
        for one in found["relaxed"]
    ]
    rows += [
        [_cell(list(one["options"].values())), one["suffices"], None, one]
        for one in found["weaker"]
    ]
    if best is not None:
        rows.append(["efficiency", best["surplus"] is not None, best["lost"], best])
    return _sheet(
        "GiveUp",
        ("given_up", "suffices", "by_at_least", "surplus", "outlay"),
        [[*row, one["surplus"], one["outlay"]] for *row, one in rows],
        units,
    )


def designs_sheets(rows: list[Tree]) -> bytes:
    """The workbook of several designs. Units are those of the files if they all have the same."""
    given = [row["input"] for row in rows]
    units = _common_units(given)
    names, told = design_columns(rows)
    return _book(
        [_sheet("Designs", names, told, units)],
        None,
        [row["provenance"] for row in rows],
        units,
        given[0],
    )


def findings_sheets(result: Tree) -> bytes:
    """The workbook of `compare` on the result of a batch."""
    groups = [(None, "all", result["cases"], result["policies"])]
    groups += [
        (key, group["group"], group["cases"], group["policies"])
        for key, found in result["by"].items()
        for group in found
    ]
    shares = ("wins", "competes", "solved", "corner", "truthful", "joined", "beats_market")
    spreads = [
        name
        for name in result["policies"][0]
        if name not in (*shares, "policy", "status") and name != "cases"
    ]
    columns = [
        *("key", "group", "cases", "policy"),
        *shares,
        *(f"{name}.{part}" for name in spreads for part in PARTS),
    ]
    rows = [
        [key, group, cases, row["policy"], *(row.get(name) for name in shares)]
        + [(row.get(name) or {}).get(part) for name in spreads for part in PARTS]
        for key, group, cases, policies in groups
        for row in policies
    ]
    heads = [
        SheetColumn(head=name, shown="percent") if name in shares else column(name, {})
        for name in columns
    ]
    chart = Chart(
        sheet="Findings",
        title="Share of cases in which a policy is recommended",
        kind="bar",
        along=3,
        series=(4,),
        last=len(result["policies"]) - 1,
        shares=True,
    )
    sheets = [Sheet(name="Findings", columns=heads, rows=rows)]
    return _book(sheets, chart, [result["provenance"]], {}, None, columns)


# --- sheets that several workbooks have


def _sheet(name: str, columns: Sequence[str], rows: Iterable[Sequence[Any]], units: Units) -> Sheet:
    return Sheet(name=name, columns=[column(each, units) for each in columns], rows=list(rows))


def _pairs(name: str, pairs: Mapping[str, Any]) -> Sheet:
    """A sheet of keys and values, a list's entries one by one."""
    rows = []
    for key, value in pairs.items():
        if isinstance(value, list) and not any(isinstance(one, dict | list) for one in value):
            rows += [[f"{key}[{n}]", one] for n, one in enumerate(value)]
        else:
            rows.append([key, _cell(value)])
    heads = [SheetColumn(head="key", shown="text", width=34.0), SheetColumn(head="value", width=40)]
    return Sheet(name=name, columns=heads, rows=rows)


def _cell(value: Any) -> Any:
    """A value as one cell: what is no plain value as JSON."""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else value


def _case_sheet(case: Tree) -> Sheet:
    """The case with every default filled in."""
    told: Tree = {key: case.get(key) for key in ("name", "reference") if key in case}
    told |= {f"units.{key}": unit for key, unit in units_of(case).items()}
    rest = {
        key: value
        for key, value in case.items()
        if key in ("alternatives", "players", "public_value")
    }
    return _pairs("Case", {**told, **flat(case), **rest})


def _outcomes(result: Tree, units: Units) -> Sheet:
    """The regimes, one row each."""
    per_firm = [f"{name}_{firm}" for name in OUTCOME for firm in (1, 2)]
    columns = ["regime", "status", "consumer_surplus", "welfare", *per_firm]
    columns += ["residual", "regret", "global", "message"]
    rows = []
    for name, outcome in result["regimes"].items():
        proof = outcome.get("certificate") or {}
        row = [name, outcome.get("status"), outcome.get("consumer_surplus"), outcome.get("welfare")]
        for figure in OUTCOME:
            row += outcome.get(figure) or [None, None]
        row += [proof.get(key) for key in ("residual", "regret", "global")]
        rows.append([*row, outcome.get("message")])
    return _sheet("Regimes", columns, rows, units)


def _rules(result: Tree, units: Units) -> Sheet:
    """The tax rules, one row each."""
    mechanism = result["mechanism"]
    found = {mechanism["reported"]["tax_rule"]: mechanism["reported"], **mechanism["alternatives"]}
    columns = ["tax_rule", "ic", "ic_max_gain", "ir", "ir_min_slack", "welfare", "public_outlay"]
    form = result["case"]["mechanism"]["participation"]
    rows = []
    for name, rule in found.items():
        if rule is None:
            rows.append([name, *[None] * 6])
            continue
        truth = rule["checks"]["ic"]
        joins = rule["checks"].get(form) or {"status": None, "min_slack": None}
        expected = rule["expected"]
        rows.append(
            [
                *(name, truth["status"], truth["max_gain"], joins["status"], joins["min_slack"]),
                *(expected["welfare"], expected["budget"]),
            ]
        )
    return _sheet("Tax rules", columns, rows, units)


def _over_draws(found: Tree, units: Units) -> list[Sheet]:
    """What draws of what is not known exactly say: of policies, of figures, of the keys."""
    told = ("best_share", "competes_share", "mean_value", "regret_mean", "regret_max")
    policies = [[key, *(row[name] for name in told)] for key, row in found["policies"].items()]
    spreads = [
        [key, row["mean"], row["sd"], *row["quantiles"].values()]
        for key, row in found["figures"].items()
    ]
    parts = next((list(row["quantiles"]) for row in found["figures"].values()), [])
    knowing = [[key, worth] for key, worth in found["value_of_information"].items()]
    return [
        _sheet("Policies over draws", ("policy", *told), policies, units),
        _sheet("Figures over draws", ("figure", "mean", "sd", *parts), spreads, units),
        _sheet(
            "What knowing is worth",
            ("key", "knowing"),
            [*knowing, ["everything", found["perfect_information"]]],
            units,
        ),
    ]


def _answer(results: Sequence[Tree], labels: Sequence[str]) -> Sheet:
    """The answer in words, a line of it a row, then the verdicts."""
    rows = []
    for label, result in zip(labels, results, strict=True):
        told = result["recommendation"]
        rows += [[label, "answer", text] for text in (told["text"] if told else [])]
        rows += [[label, "verdict", said["text"]] for said in result["verdicts"]]
        rows += [[label, "warning", said["message"]] for said in result["warnings"]]
    return _sheet("Answer", ("case", "kind", "text"), rows, {})


def _changes(changes: Sequence[Tree]) -> Sheet:
    """What was changed in a case."""
    heads = ("key", "before", "after")
    return _sheet("Changes", heads, ([_cell(row[key]) for key in heads] for row in changes), {})


def _common_units(cases: Sequence[Tree]) -> dict[str, str | None]:
    """The units of several cases if they all have the same, else none."""
    first = units_of(cases[0])
    return first if all(units_of(case) == first for case in cases) else {}


def _values_chart(
    sheet: Sheet, columns: Sequence[str], count: int, units: Units, of: str = ""
) -> Chart:
    """The value of every policy."""
    return Chart(
        sheet=sheet.name,
        title=f"Value of policies{of} when everybody takes part",
        kind="bar",
        along=list(columns).index("policy"),
        series=(list(columns).index("value"),),
        last=count - 1,
        axes=("", unit_of("value", units)),
    )


def _book(
    sheets: Sequence[Sheet],
    chart: Chart | None,
    told: Sequence[Tree],
    units: Units,
    case: Tree | None,
    names: Sequence[str] = (),
) -> bytes:
    """The workbook, with where it comes from and what its columns mean."""
    pairs: dict[str, Any] = {}
    for n, each in enumerate(told):
        head = f"[{n}]." if len(told) > 1 else ""
        for key, value in each.items():
            below = value if isinstance(value, dict) else None
            pairs |= (
                {f"{head}{key}": value}
                if below is None
                else {f"{head}{key}.{name}": part for name, part in below.items()}
            )
    used = list(names) or [each.head.split(" (")[0] for sheet in sheets for each in sheet.columns]
    meanings = Sheet(
        name="Definitions",
        columns=[
            SheetColumn(head="column", shown="text", width=26.0),
            SheetColumn(head="unit", shown="text", width=30.0),
            SheetColumn(head="meaning", shown="text", width=80.0),
        ],
        rows=definitions(used, units, case),
    )
    return workbook([*sheets, _pairs("Provenance", pairs), meanings], chart)
