"""The JSON contract of `evaluate` and `compare`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from market.model.case import INVESTMENT, SHARING, Array
from market.model.outcome import numbers
from mechanism.casefile.policies import PRIVATE_MARKET, TODAY
from mechanism.design.options import WhyNot
from mechanism.report.checks_tree import slack_tree
from mechanism.report.plain import SCHEMA_VERSION, Tree, expected_tree, fields_of
from mechanism.report.provenance import command_line, provenance
from mechanism.report.results import ComparisonRow, Evaluation
from mechanism.report.rule_tree import private_market_tree, rule_tree
from mechanism.report.table import COLUMNS
from mechanism.scheme.rule_results import (
    Strategy,
)
from mechanism.version import VERSION

if TYPE_CHECKING:
    from mechanism.casefile.schema import Expected as ExpectedValue
    from mechanism.casefile.types import TypeSpace
    from mechanism.ranking.recommendation import Recommendation, Stretch
    from mechanism.rates.instruments import LinearSubsidies
    from mechanism.rates.robust_rates import FixedRates
    from mechanism.report.over_draws import Condition, OverDraws
    from mechanism.scheme.full_information import FullInformation, Joining


def evaluation_tree(found: Evaluation) -> Tree:
    """`evaluate --format json`."""
    private = (
        {PRIVATE_MARKET: private_market_tree(found.private_market)} if found.private_asked else {}
    )
    tree: Tree = {
        "schema_version": SCHEMA_VERSION,
        "tool": {"name": "pigou", "version": VERSION},
        "case": found.case.resolved,
        "case_sha256": found.case.sha256,
        "provenance": provenance(
            command_line(
                "evaluate",
                "CASE",
                _asked(found),
            ),
            found.case.sha256,
            seed=None if found.uncertainty is None else found.uncertainty.seed,
        ),
        "regimes": {key: outcome.tree() for key, outcome in found.regimes.items()} | private,
        "mechanism": mechanism_tree(found),
        "comparison": [comparison_tree(row) for row in found.comparison],
        "recommendation": (
            None if found.recommendation is None else recommendation_tree(found.recommendation)
        ),
        "uncertainty": None if found.uncertainty is None else uncertainty_tree(found.uncertainty),
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
                    fields_of(row)
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
        "price": None if e is None else numbers(e.price),
        "quantity": None if e is None else numbers(e.quantity),
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


def _asked(found: Evaluation) -> list[tuple[str, None]]:
    """The option under which `pigou evaluate` finds as much of what would overturn the answer."""
    told = found.recommendation
    if told is None or told.robust is None:
        return [("--quick", None)]
    return [("--switches", None)] if told.varied and found.dear else []


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
            {
                "key": switch.key,
                "value": switch.value,
                "to": switch.to,
                "lacks": switch.lacks,
            }
            for switch in found.switching
        ],
        "varied": found.varied,
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


def uncertainty_tree(found: OverDraws) -> Tree:
    """`uncertainty`."""
    return {
        "draws": found.draws,
        "without_outcome": found.without_outcome,
        "unsolved": found.unsolved,
        "inadmissible": found.inadmissible,
        "recommended": found.recommended,
        "figures": {
            key: {"mean": one.mean, "sd": one.sd, "quantiles": dict(one.quantiles)}
            for key, one in found.figures.items()
        },
        "policies": {
            row.policy: {
                "best_share": row.best_share,
                "competes_share": row.competes_share,
                "mean_value": row.mean_value,
                "regret_mean": row.regret_mean,
                "regret_max": row.regret_max,
            }
            for row in found.policies
        },
        "kept_rates": None if found.kept_rates is None else fields_of(found.kept_rates),
        "best_by": found.best_by,
        "value_of_information": dict(found.value_of_information),
        "perfect_information": found.perfect_information,
        "wrong_where": [
            {
                **_condition(one.conditions[0]),
                "and": [_condition(other) for other in one.conditions[1:]],
                "share": one.share,
                "inside": one.inside,
                "outside": one.outside,
                "covers": one.covers,
            }
            for one in found.wrong_where
        ],
    }


def _condition(one: Condition) -> Tree:
    return {"key": one.key, "side": one.side, "threshold": one.threshold}


def comparison_rows(results: Sequence[Tree], labels: Sequence[str]) -> list[Tree]:
    """`compare --format json`: the rows of several evaluations, each under its label, one figure
    per column; null for what there is not.

    The case's recommendation stands in the row of today's market, and so does what it takes to run
    it again: the case with every default filled in, and where the row comes from.
    """
    out = []
    for result, label in zip(results, labels, strict=True):
        told = result["recommendation"]
        for row in result["comparison"]:
            recommended = told is not None and row["policy"] == told["policy"]
            tidy = {"case": label} | _tidy(row | {"recommended": recommended})
            whole = {
                "recommendation": told,
                "resolved": result["case"],
                "provenance": {
                    **result["provenance"],
                    "command": command_line("compare", "CASE..."),
                },
            }
            here = row["policy"] == TODAY
            out.append(tidy | {key: value if here else None for key, value in whole.items()})
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
        "price",
        "quantity",
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
