"""The mechanism at a case: the subsidy and tax at known types, tax rules with reports."""

from __future__ import annotations

from collections.abc import Sequence

from cli.pages import figures
from cli.pages.page import Column, Page
from cli.pages.words import (
    WORDS,
    Scale,
    all_rules,
    at_head,
    by_firm,
    mark,
    net_welfare,
    welfare_then,
)
from market.model.outcome import SOLVED
from market.text import FIRMS
from mechanism.design.rules import TAX_RULES
from mechanism.report.plain import Tree
from mechanism.report.words import OUTSIDE


def full_information(mechanism: Tree, page: Page, scale: Scale) -> None:
    """Subsidy and tax when the regulator knows everything, and whether firms would join."""
    full = mechanism.get("full_information")
    page.heading("Subsidy and tax, full information (vcg_full_information)")
    if full is None:
        page.sentence(
            "No figures: the planner's optimum, on which subsidy and tax are built, has no"
            " solution."
        )
        return
    if full["regulated"]["status"] not in SOLVED:
        page.sentence(
            f"The regulated market has no figures ({full['regulated']['status']}):"
            f" {full['regulated']['message']}."
        )
    rows = {
        "Subsidy": full["subsidy"],
        "Tax": full["tax"],
        "Net transfer (positive is received)": full["net_transfer"],
        "Participation gain against today's market": full["participation_gain"],
    }
    page.table(
        [
            Column("Per firm", list(rows), words=True),
            *(
                Column(
                    at_head(scale.firms[i]),
                    scale.amounts([pair and pair[i] for pair in rows.values()]),
                    scale.money,
                )
                for i in (0, 1)
            ),
        ]
    )
    forms = full["participation"]
    page.heading("Would firms join? Individual rationality by form")
    page.table(
        [
            Column("Form", [f"{OUTSIDE[form].label} ({form})" for form in forms], words=True),
            Column("Verdict", [WORDS[check["status"]] for check in forms.values()], words=True),
            Column(
                "Smallest slack",
                scale.amounts([check["min_slack"] for check in forms.values()]),
                scale.money,
            ),
            *(
                Column(
                    head,
                    scale.amounts([c["correction"] and c["correction"][i] for c in forms.values()]),
                    scale.money,
                )
                for i, head in enumerate(by_firm("Correction", scale.firms))
            ),
        ]
    )
    page.sentence(
        "Correction: the least lump sum to the firm that makes it no worse off than outside."
    )


def tax_rules(mechanism: Tree, page: Page, scale: Scale, cost: float) -> None:
    """Every tax rule when types are private: truth, participation and money, the case's own rule
    first."""
    own = mechanism.get("reported")
    if own is None:
        return
    rules = all_rules(mechanism)
    checks = [rule["checks"] for rule in rules]
    page.heading("Subsidy and tax, reported types: tax rules (the case's own first)")
    page.table(
        [
            Column("Tax rule", [rule["tax_rule"] for rule in rules], words=True),
            Column(
                "Truth pays\n(ic)", [WORDS[check["ic"]["status"]] for check in checks], words=True
            ),
            Column(
                "Gain from\na lie",
                scale.amounts([check["ic"]["max_gain"] for check in checks]),
                scale.money,
            ),
            *(
                Column(
                    f"Firms join\n({form})",
                    [WORDS[check[form]["status"]] for check in checks],
                    words=True,
                )
                for form in OUTSIDE
            ),
            Column(
                "Welfare\nthen", scale.amounts([welfare_then(rule) for rule in rules]), scale.money
            ),
            Column(
                "Outlay\nexpected",
                scale.amounts([check["budget"]["ex_ante"] for check in checks]),
                scale.money,
            ),
            Column(
                "Outlay\nat worst",
                scale.amounts([check["budget"]["worst"] for check in checks]),
                scale.money,
            ),
        ]
    )
    if cost:
        net = [None if welfare_then(rule) is None else net_welfare(rule, cost) for rule in rules]
        told = ", ".join(
            f"{rule['tax_rule']} {scale.amount(value)}"
            for rule, value in zip(rules, net, strict=True)
        )
        page.sentence(
            f"Welfare then, net of the cost of public funds ({cost:g} per unit of expected outlay):"
            f" {told}."
        )
    page.sentence(
        "; ".join(f"{rule['tax_rule']}: {TAX_RULES[rule['tax_rule']].label}" for rule in rules)
        + "."
    )
    ic = own["checks"]["ic"]
    page.sentence(
        f"ic: {ic['incentive']}, payoff {ic['payoff']}; participation:"
        f" {own['checks']['ir_market']['timing']}, at the truth."
    )


def reported(mechanism: Tree, page: Page, scale: Scale) -> None:
    """Where types are private: why firms would tell the truth or not under each tax rule, and what
    the case's own pays elsewhere."""
    own = mechanism.get("reported")
    if own is None:
        return
    for rule in all_rules(mechanism):
        if rule["evidence"] is not None:
            evidence(rule, page, scale)
    if own["schedule"]:
        schedule(own, page, scale)
    if own["design"] is not None and "lotteries" in own["design"]:
        lotteries(own["design"]["lotteries"], page, scale)


def lotteries(rows: Sequence[Tree], page: Page, scale: Scale) -> None:
    """Which levels are drawn at each pair of types."""
    page.heading("Rule designed: levels drawn by lottery at each pair of types")
    drawn = [(row["types"], levels) for row in rows for levels in row["levels"]]
    heads = [firm if firm in FIRMS else at_head(firm) for firm in scale.firms]
    page.table(
        [
            *(
                Column(
                    f"Type of\n{head}",
                    figures.column([types[i] for types, _ in drawn], scale.digits),
                )
                for i, head in enumerate(heads)
            ),
            Column("Probability", figures.column([x["probability"] for _, x in drawn], 4)),
            *(
                Column(
                    f"{key.capitalize()}\nof {head}",
                    figures.column([x[key][i] for _, x in drawn], scale.digits),
                )
                for key in ("sharing", "investment")
                for i, head in enumerate(heads)
            ),
        ]
    )


def evidence(rule: Tree, page: Page, scale: Scale) -> None:
    """One type's expected accounts by what it reports: why it would tell the truth under this rule,
    or not."""
    found = rule["evidence"]
    rows = found["reports"]
    page.heading(
        f"Rule {rule['tax_rule']}: what {scale.firms[found['firm'] - 1]} of type"
        f" {found['type']:.4g} expects from each report"
    )
    costs = [-row["own_cost"] if found["payoff"] == "with_cost" else None for row in rows]
    best = max(row["payoff"] for row in rows)
    page.table(
        [
            Column("Report", figures.column([row["report"] for row in rows], scale.digits)),
            Column("Revenue", scale.amounts([row["revenue"] for row in rows]), scale.money),
            Column("Own cost", scale.amounts(costs), scale.money),
            Column("Subsidy", scale.amounts([row["subsidy"] for row in rows]), scale.money),
            Column("Tax", scale.amounts([-row["tax"] for row in rows]), scale.money),
            Column("Payoff", scale.amounts([row["payoff"] for row in rows]), scale.money),
            Column("", [mark(row, best, scale.zero) for row in rows], words=True),
        ]
    )


def schedule(rule: Tree, page: Page, scale: Scale) -> None:
    """What a firm would receive or pay at levels other than those assigned for its report."""
    rows = [row for row in rule["schedule"] if row["firm"] == 1]
    page.heading(
        f"Rule {rule['tax_rule']}: what {scale.firms[0]} receives and pays at other levels"
    )
    starts = [i == 0 or rows[i - 1]["report"] != row["report"] for i, row in enumerate(rows)]
    reports = figures.column([row["report"] for row in rows], scale.digits)
    page.table(
        [
            Column(
                "Report",
                [text if first else "" for text, first in zip(reports, starts, strict=True)],
            ),
            Column(
                "Sharing", figures.column([row["sharing"] for row in rows], scale.digits), "0 to 1"
            ),
            Column(
                "Investment",
                figures.column([row["investment"] for row in rows], scale.digits),
                scale.quantity,
            ),
            Column("Subsidy", scale.amounts([row["subsidy"] for row in rows]), scale.money),
            Column("Tax", scale.amounts([row["tax"] for row in rows]), scale.money),
            Column(
                "Net transfer",
                scale.amounts([row["net_transfer"] for row in rows], signed=True),
                scale.money,
            ),
            Column("", ["assigned" if row["assigned"] else "" for row in rows], words=True),
        ],
        sections=[i for i in range(len(rows) - 1) if starts[i + 1]],
    )
    page.sentence(
        f"The rival reports {rows[0]['rival_report']:.4g} and keeps the levels it is assigned."
    )
