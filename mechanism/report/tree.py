"""The JSON contract: typed results as plain values, and the only place where they become so.

A key without a value to give is null, never missing. Firms are counted from 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed_version
from math import isnan
from typing import TYPE_CHECKING, Any

import numpy as np

from market.model.case import INVESTMENT, SHARING, Array
from market.model.outcome import Accounts, numbers
from market.text import FIRMS
from mechanism.advice.results import ComparisonRow, Evaluation
from mechanism.casefile.policies import PRIVATE_MARKET, TODAY
from mechanism.design.options import WhyNot
from mechanism.report.design_tree import continuum_tree, designed_tree, gain_tree, slack_tree
from mechanism.report.tidy import COLUMNS
from mechanism.scheme.behaviour import ExpectedOutcome
from mechanism.scheme.rule_results import (
    FORMS,
    NOT_SETTLED,
    Checks,
    ConstraintRow,
    IncentiveCheck,
    ParticipationCheck,
    Played,
    PrivateMarket,
    RepairResult,
    RuleResult,
    Strategy,
)

if TYPE_CHECKING:
    from market.regimes.statics import Slopes
    from mechanism.analysis.difference import Advice, Compared, Difference, KeyChange, Moved
    from mechanism.analysis.findings import Findings, PolicyFinding, Spread
    from mechanism.analysis.what_if import Path
    from mechanism.casefile.schema import Expected as ExpectedValue
    from mechanism.casefile.types import TypeSpace
    from mechanism.ranking.recommendation import Recommendation, Stretch
    from mechanism.rates.instruments import LinearSubsidies
    from mechanism.rates.robust_rates import FixedRates
    from mechanism.scheme.full_information import FullInformation, Joining

Tree = dict[str, Any]

SCHEMA_VERSION = 2


def version() -> str:
    """The installed version of the tool."""
    try:
        return installed_version("pigou")
    except PackageNotFoundError:
        return "unknown"


def _fields(record: Any) -> Tree:
    """The fields of a record of plain values; nothing is copied below them."""
    return dict(vars(record))


# --- evaluate


def evaluation_tree(found: Evaluation) -> Tree:
    """`evaluate --format json`."""
    private = (
        {PRIVATE_MARKET: private_market_tree(found.private_market)} if found.private_asked else {}
    )
    tree: Tree = {
        "schema_version": SCHEMA_VERSION,
        "tool": {"name": "pigou", "version": version()},
        "case": found.case.resolved,
        "case_sha256": found.case.sha256,
        "regimes": {key: outcome.tree() for key, outcome in found.regimes.items()} | private,
        "mechanism": mechanism_tree(found),
        "comparison": [comparison_tree(row) for row in found.comparison],
        "recommendation": (
            None if found.recommendation is None else recommendation_tree(found.recommendation)
        ),
        "verdicts": [{"code": said.code, "text": said.whole} for said in found.verdicts],
        "warnings": [{"code": said.code, "message": said.text} for said in found.warnings],
    }
    return tree | {"expectations": expectations(tree, found.case.expect)}


def mechanism_tree(found: Evaluation) -> Tree:
    """`mechanism`."""
    own, rules, firms = found.case.mechanism.tax_rule, found.rules, found.case.market.firms
    return {
        "full_information": (
            None
            if found.full_information is None
            else full_information_tree(found.full_information)
        ),
        "linear_subsidies": (
            None
            if found.rates is None
            else rates_tree(found.rates, found.rates_under_types, found.types)
        ),
        "reported": None if found.own is None else rule_tree(found.own, firms),
        "alternatives": (
            None
            if rules is None
            else {
                key: None if rule is None else rule_tree(rule, firms)
                for key, rule in rules.items()
                if key != own
            }
        ),
        "why_not": {
            key: {"code": why.code, "text": why.text} for key, why in found.why_not.items()
        },
    }


def full_information_tree(full: FullInformation) -> Tree:
    """`mechanism.scheme.full_information`."""
    solved = full.regulated.solved
    return {
        "subsidy": numbers(full.subsidy),
        "tax": numbers(full.tax),
        "net_transfer": numbers(full.net_transfer) if solved else None,
        "participation_gain": numbers(full.participation_gain) if solved else None,
        "regulated": full.regulated.tree(),
        "welfare_gap": full.welfare_gap if solved else None,
        "certificate": full.regulated.certificate.tree(full.regulated.firms),
        "participation": {form: _joining(joining) for form, joining in full.joining.items()},
        "printed_double_integral": {
            "value": numbers(full.printed_double_integral),
            "note": (
                "(35) as printed; its unit is price x quantity^2, so it is a diagnostic and no"
                " amount of money"
            ),
        },
    }


def _joining(found: Joining) -> Tree:
    return {
        **slack_tree(found.check),
        "slack": numbers(found.slack),
        "correction": numbers(found.correction),
        "balanced_correction_exists": found.balanced,
    }


def rates_tree(
    rates: LinearSubsidies, under_types: FixedRates | WhyNot | None, types: TypeSpace | None
) -> Tree:
    """`mechanism.linear_subsidies`."""
    return {
        "status": rates.status,
        **_rates(rates.rates),
        "net_transfer": numbers(rates.net_transfer),
        "outlay": rates.outlay,
        "payoff": numbers(rates.payoff),
        "participation_gain": numbers(rates.participation_gain),
        "levels": {
            "sharing": numbers(rates.levels[SHARING]),
            "investment": numbers(rates.levels[INVESTMENT]),
        },
        "residual": rates.residual,
        "regret": rates.regret,
        "under_types": (
            None
            if types is None or under_types is None or isinstance(under_types, WhyNot)
            else {
                **_rates(under_types.rates),
                "expected": expected_tree(under_types.expected),
                "strategies": [
                    _fields(row)
                    for row in Strategy.rows(types, under_types.strategy, under_types.payoff)
                ],
                "least_flat_payments": numbers(under_types.flat),
                "least_net_receipts": numbers(under_types.least_receipts),
                "value": under_types.value,
                "residual": under_types.residual,
                "regret": under_types.regret,
            }
        ),
    }


def _rates(rates: Array) -> Tree:
    """Each firm's rates on what it chooses, from rates (2, 4) on all levels."""
    return {
        "sharing_rate": numbers(rates[[0, 1], [0, 1]]),
        "investment_rate": numbers(rates[[0, 1], [2, 3]]),
    }


def comparison_tree(row: ComparisonRow) -> Tree:
    """A row of `comparison`."""
    e, change = row.expected, row.change
    return {
        "policy": row.policy.key,
        "status": row.status,
        "value": row.value,
        "competes": row.competes,
        "why_not": None if row.why_not is None else row.why_not.text,
        "requires": row.policy.requires,
        "welfare": row.welfare,
        "consumer_surplus": row.consumer_surplus,
        "profit": numbers(row.profit),
        "public_outlay": row.outlay,
        "sharing": None if e is None else numbers(e.sharing),
        "investment": None if e is None else numbers(e.investment),
        "investment_cost": None if e is None else numbers(e.investment_cost),
        "flat_payments": numbers(row.flat_payments),
        "net_transfer": numbers(row.net_transfer),
        "outlay_joined": row.outlay_joined,
        "attained": row.attained,
        "share_of_gain": row.share_of_gain,
        "welfare_net": row.welfare_net,
        "change": (
            None
            if change is None
            else {
                "profit": numbers(change.profit),
                "consumer_surplus": change.consumer_surplus,
                "welfare": change.welfare,
            }
        ),
    }


def recommendation_tree(found: Recommendation) -> Tree:
    """`recommendation`."""
    standard = found.standard

    def stretches(over: tuple[Stretch, ...]) -> list[Tree]:
        return [{"from": one.low, "to": one.high, "policy": one.policy} for one in over]

    return {
        "policy": found.policy and found.policy.key,
        "value": found.value,
        "runner_up": found.runner_up and found.runner_up.key,
        "margin": found.margin,
        "standard": {
            "profit_weight": standard.profit_weight,
            "public_funds_cost": standard.public_funds_cost,
            "fees": standard.fees,
            "materiality": standard.materiality,
        },
        "equivalent": [policy.key for policy in found.equivalent],
        "ladder": [
            {
                "requires": rung.requires,
                "policy": rung.policy and rung.policy.key,
                "value": rung.value,
                "adds": rung.adds,
                "why": rung.why,
            }
            for rung in found.ladder
        ],
        "flat_payments": numbers(found.flat_payments),
        "switching": [
            {"key": switch.key, "value": switch.value, "to": switch.to}
            for switch in found.switching
        ],
        "robust": (
            found.robust
            and {
                "public_funds_cost": stretches(found.robust.public_funds_cost),
                "profit_weight": stretches(found.robust.profit_weight),
                "winners": list(found.robust.winners),
            }
        ),
        "cautions": [
            {"code": one.code, "text": one.text, "amount": one.amount} for one in found.cautions
        ],
        "no_advice": found.no_advice,
        "text": list(found.text),
    }


def comparison_rows(results: Sequence[Tree], labels: Sequence[str]) -> list[Tree]:
    """`compare --format json`: the rows of several evaluations, each under its label, one figure
    per column; null for what there is not.

    The case's recommendation stands in the row of today's market.
    """
    out = []
    for result, label in zip(results, labels, strict=True):
        told = result["recommendation"]
        for row in result["comparison"]:
            recommended = told is not None and row["policy"] == told["policy"]
            tidy = {"case": label} | _tidy(row | {"recommended": recommended})
            out.append(tidy | {"recommendation": told if row["policy"] == TODAY else None})
    return out


def _tidy(row: Tree) -> Tree:
    """One row of a comparison with one figure per column."""
    tidy = row | {f"change_{key}": value for key, value in (row["change"] or {}).items()}
    for key in (
        "profit",
        "flat_payments",
        "net_transfer",
        "sharing",
        "investment",
        "investment_cost",
        "change_profit",
    ):
        tidy[f"{key}_1"], tidy[f"{key}_2"] = tidy.get(key) or (None, None)
    return {column: tidy.get(column) for column in COLUMNS if column != "case"}


MISSING = "no such key"


def expectations(tree: Tree, expect: Mapping[str, ExpectedValue]) -> list[Tree]:
    """The `expect` block of the case, whose keys are those of the tree, against the tree."""
    out = []
    for key, wanted in expect.items():
        actual = look_up(tree, key)
        value, rtol, atol = wanted.value, wanted.rtol, wanted.atol
        if (
            isinstance(value, int | float)
            and not isinstance(value, bool)
            and isinstance(actual, int | float)
        ):
            ok = abs(actual - value) <= atol + rtol * abs(value)
        else:
            ok = actual == value
        out.append({"key": key, "expected": value, "actual": actual, "ok": bool(ok)})
    return out


def look_up(tree: Any, path: str) -> Any:
    """The value at a dotted path such as `regimes.nash.sharing[0]`; `no such key` where there is
    none."""
    for part in path.replace("[", ".[").split("."):
        try:
            tree = tree[int(part[1:-1])] if part.startswith("[") else tree[part]
        except (KeyError, IndexError, TypeError, ValueError):
            return MISSING
    return tree


# --- evaluate: one tax rule at one case


def rule_tree(found: RuleResult, firms: tuple[str, str] = FIRMS) -> Tree:
    """`mechanism.scheme.reported`."""
    design = None if found.design is None else designed_tree(found.design, firms)
    if design is not None and found.lotteries is not None:
        design["lotteries"] = [
            {
                "types": list(lottery.types),
                "probability_by_weight": dict(lottery.probability_by_weight),
            }
            for lottery in found.lotteries
        ]
    evidence = found.evidence
    return {
        "tax_rule": found.tax_rule,
        "payoff": found.payoff,
        "types": found.types.tolist(),
        "probabilities": numbers(found.probabilities),
        "expected": expected_tree(found.expected),
        "checks": checks_tree(found.checks),
        "repair": None if found.repair is None else _repair(found.repair),
        "if_not_truthful": None if found.played is None else _played(found.played),
        "interim": [_fields(row) for row in found.interim],
        "evidence": (
            None
            if evidence is None
            else _fields(evidence) | {"reports": [_fields(row) for row in evidence.reports]}
        ),
        "schedule": [_fields(row) for row in found.schedule],
        "design": design,
        "continuum": None if found.continuum is None else continuum_tree(found.continuum),
        "certificate": {
            "residual": found.certificate.residual,
            "global": "searched",
            "several_optima": found.certificate.several_optima,
            "pairs": found.certificate.pairs,
        },
    }


def expected_tree(expected: ExpectedOutcome) -> Tree:
    """Expectations over both firms' types."""
    return {
        "welfare": float(expected.welfare),
        "consumer_surplus": float(expected.consumer_surplus),
        "profit": numbers(expected.profit),
        "net_transfer": numbers(expected.net_transfer),
        "payoff": numbers(expected.kept),
        "budget": float(expected.budget),
        "sharing": numbers(expected.sharing),
        "investment": numbers(expected.investment),
    }


def checks_tree(checks: Checks) -> Tree:
    """`mechanism.scheme.reported.checks`."""
    tree: Tree = {
        "ic": _incentive(checks.own) | {"payoff_range": checks.payoff_range},
        "ic_all": [_incentive(c) for c in checks.incentives],
    }
    for form in FORMS:
        rows = checks.participation[form]
        tree[form] = _participation(next(row for row in rows if row.timing == checks.timing))
        tree[f"{form}_all"] = [_participation(row) for row in rows]
    program = checks.program
    return tree | {
        "program": (
            None
            if program is None
            else {
                "status": program.status,
                **{name: _listed(value) for name, value in _fields(program).items()},
            }
        ),
        "collusion": gain_tree(checks.collusion),
        "budget": _fields(checks.budget),
    }


def _listed(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _incentive(found: IncentiveCheck) -> Tree:
    return {
        "incentive": found.incentive,
        "deviation": found.deviation,
        "payoff": found.payoff,
        **gain_tree(found.check),
    }


def _participation(found: ParticipationCheck) -> Tree:
    return {"timing": found.timing, **slack_tree(found.check)}


def _repair(found: RepairResult) -> Tree:
    conflict = found.conflict
    return {
        "status": found.status,
        "asks": {
            name: getattr(found, name)
            for name in ("incentive", "payoff", "participation", "timing")
        },
        "per_type": [_fields(row) for row in found.per_type],
        "total": found.total,
        "expected_outlay": found.expected_outlay,
        "binding": [_constraint(row, "price") for row in found.binding],
        "infeasibility": (
            None
            if conflict is None
            else {
                "rows": [_constraint(row, "weight") for row in conflict],
                "verified": found.conflict_verified,
            }
        ),
        "verified": found.verified,
    }


def _constraint(row: ConstraintRow, weight: str) -> Tree:
    names = ("constraint", "firm", "type", "report", "rival_type")
    return {**{name: getattr(row, name) for name in names}, weight: row.weight}


def _played(found: Played) -> Tree:
    return {
        "status": found.status,
        "reports": None if found.reports is None else found.reports.tolist(),
        "rounds": found.rounds,
        "truthful": found.truthful,
        "regret": found.regret,
        "expected": None if found.expected is None else expected_tree(found.expected),
        "welfare_loss": found.welfare_loss,
    }


def private_market_tree(found: PrivateMarket | None) -> Tree:
    """`regimes.bayes_nash`; figures are null where it was not found."""
    means = ("price", "quantity", "profit", "investment_cost", "unit_cost")
    names = ("sharing", "investment", *means, "consumer_surplus", "welfare")
    tree: Tree = {"status": "no_equilibrium", "message": None, **dict.fromkeys(names)}
    certificate: Tree = {
        "residual": None,
        "curvature": None,
        "regret": None,
        "global": "searched",
        "gap": None,
        "others": [],
        "bounds": [],
    }
    if found is None:
        return tree | {"message": NOT_SETTLED, "strategies": None, "certificate": certificate}
    expected = found.expected
    return tree | {
        "status": "converged",
        "sharing": numbers(expected.sharing),
        "investment": numbers(expected.investment),
        **{name: numbers(getattr(found, name)) for name in means},
        "consumer_surplus": float(expected.consumer_surplus),
        "welfare": float(expected.welfare),
        "strategies": [_fields(row) for row in found.strategies],
        "certificate": certificate | {"residual": found.residual, "regret": found.regret},
    }


# --- comparative statics


def slopes_tree(slopes: Mapping[str, Slopes]) -> Tree:
    """The derivatives of one market (L = 1) by parameter; `falling` is null where the two sides
    agree."""
    return {name: _sides(found, _bent(found)) for name, found in slopes.items()}


def _bent(found: Slopes) -> bool:
    return not np.array_equal(found.levels[0], found.levels[1])


def _sides(found: Slopes, bent: bool) -> Tree:
    return {**_slope(found, 1), "falling": _slope(found, 0) if bent else None}


def _slope(found: Slopes, side: int) -> Tree:
    levels = found.levels[side, 0]
    return {
        "sharing": numbers(levels[SHARING]),
        "investment": numbers(levels[INVESTMENT]),
        **{
            name: numbers(getattr(found, name)[side, 0]) for name in ("price", "quantity", "profit")
        },
        **{name: float(getattr(found, name)[side, 0]) for name in ("consumer_surplus", "welfare")},
    }


def elasticities_tree(
    slopes: Mapping[str, Slopes], value: Mapping[str, float], levels: Array, books: Accounts
) -> Tree:
    """The elasticities of one market (L = 1) by parameter, what moves welfare most first; null of
    figures that are zero."""
    found = {name: one.elasticities(value[name], levels, books) for name, one in slopes.items()}
    found = dict(
        sorted(found.items(), key=lambda pair: -float(np.nan_to_num(np.abs(pair[1].welfare)).max()))
    )
    return _without_nan({name: _sides(one, _bent(slopes[name])) for name, one in found.items()})


def _without_nan(tree: Any) -> Any:
    """A tree with null for what is no number."""
    if isinstance(tree, dict):
        return {key: _without_nan(value) for key, value in tree.items()}
    if isinstance(tree, list):
        return [_without_nan(value) for value in tree]
    return None if isinstance(tree, float) and np.isnan(tree) else tree


# --- what-if


def difference_tree(found: Difference) -> Tree:
    """`what-if --set --format json`."""
    return {
        "changes": changes_tree(found.changes),
        "recommendation": _advice(found.advice),
        "policies": [_compared(row, "policy") for row in found.policies],
        "regimes": [_compared(row, "regime") for row in found.regimes],
        "rules": [_compared(row, "tax_rule") for row in found.rules],
        "baseline": evaluation_tree(found.before),
        "changed": evaluation_tree(found.after),
    }


def changes_tree(changes: Sequence[KeyChange]) -> list[Tree]:
    """What was changed in a case."""
    return [
        {"key": change.key, "before": change.before, "after": change.after} for change in changes
    ]


def _advice(found: Advice) -> Tree:
    """What is recommended before and after, and why it changed; null where there is no advice."""
    return {
        "before": found.before and found.before.key,
        "after": found.after and found.after.key,
        "changed": found.before != found.after,
        "value": _moved(found.value),
        "why": list(found.why),
    }


def _compared(row: Compared, name: str) -> Tree:
    before, after = row.status
    return {
        name: row.key,
        "status": {"before": before, "after": after},
        **{figure: _moved(moved) for figure, moved in row.figures.items()},
        **{figure: [_moved(moved) for moved in pair] for figure, pair in row.per_firm.items()},
    }


def _moved(moved: Moved) -> Tree:
    return {
        "before": moved.before,
        "after": moved.after,
        "change": moved.change,
        "share": moved.share,
    }


def path_tree(found: Path) -> Tree:
    """`what-if --vary --format json`, but for the case and what was set in it."""
    return {
        "vary": [_fields(span) for span in found.spans],
        "policies": list(found.policies),
        "best": _best(found),
        "rows": _path_rows(found),
        "events": [_fields(event) | {"policies": list(event.policies)} for event in found.events],
        "more_events": found.more_events,
    }


def _points(found: Path) -> list[Tree]:
    """The values of the varied keys at every point."""
    return [
        dict(zip((span.key for span in found.spans), point, strict=True))
        for point in found.points.tolist()
    ]


def _best(found: Path) -> list[Tree]:
    """A row per point: what is recommended there, and its value; null where there is no advice."""
    width = len(found.policies)
    winners = zip(
        found.columns["best"][::width], found.columns["best_value"][::width].tolist(), strict=True
    )
    return [
        point | {"policy": key or None, "value": None if isnan(value) else value}
        for point, (key, value) in zip(_points(found), winners, strict=True)
    ]


def _path_rows(found: Path) -> list[Tree]:
    """A row per point and policy: figures, and what is said where there is something to say."""
    figures = [name for name, values in found.columns.items() if values.dtype == float]
    columns = {name: values.tolist() for name, values in found.columns.items()}
    points, width = _points(found), len(found.policies)
    return [
        points[at // width]
        | {name: columns[name][at] for name in ("policy", "status")}
        | {name: None if isnan(columns[name][at]) else columns[name][at] for name in figures}
        | {name: columns[name][at] or None for name in ("ic", "ir", "message", "why_not", "best")}
        for at in range(len(points) * width)
    ]


# --- the result of a batch


def findings_tree(found: Findings) -> Tree:
    """`compare RESULT --format json`."""
    return {
        "cases": found.cases,
        "policies": [_finding(row) for row in found.policies],
        "undecided": found.undecided,
        "inadmissible": found.inadmissible,
        "unlisted": found.unlisted,
        "asks": dict(found.asks),
        "shapes": found.shapes,
        "by": {
            key: [
                {
                    "group": group.name,
                    "cases": group.cases,
                    "decided": group.decided,
                    "policies": [_finding(row) for row in group.policies],
                }
                for group in groups
            ]
            for key, groups in found.by.items()
        },
    }


def _finding(row: PolicyFinding) -> Tree:
    tree: Tree = {
        "policy": row.policy,
        "wins": row.wins,
        "competes": row.competes,
        "solved": row.solved,
        "corner": row.corner,
        "status": dict(row.status),
        "truthful": row.truthful,
        "joined": row.joined,
    }
    against = row.against_market
    if against is not None:
        tree["gain"] = _spread(against.gain)
        tree |= {
            f"profit_{firm}_change": _spread(spread) for firm, spread in against.profit.items()
        }
        tree["beats_market"] = against.better
    return tree | {name: _spread(spread) for name, spread in row.spreads.items()}


def _spread(spread: Spread | None) -> Tree | None:
    """Mean and quantiles; null where nothing is known."""
    return (
        None
        if spread is None
        else {
            "mean": spread.mean,
            **{f"q{100 * q:02.0f}": value for q, value in spread.quantiles.items()},
        }
    )
