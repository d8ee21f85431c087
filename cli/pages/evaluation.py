"""Results as pages a person reads. Takes the result tree as it is; the only arithmetic is counting
and the largest of a list."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from typing import Any

from cli.pages import figures
from cli.pages.page import Column, Page
from market.model.outcome import SOLVED
from market.model.units import in_words
from market.text import FIRMS, firm_names, opening
from mechanism.advice.words import OUTSIDE
from mechanism.casefile.policies import TODAY, known, policy_of, today
from mechanism.casefile.standard import welfare_net
from mechanism.casefile.types import PRIVATE
from mechanism.design.rules import TAX_RULES
from mechanism.ranking.recommendation import SAID
from mechanism.report.tree import Tree, comparison_rows

NEGLIGIBLE = 1e-9
"""Share of the largest welfare up to which an amount of money is rounding and prints as 0."""
LEVELS = ("sharing", "investment", "price", "quantity")
NAME_WIDTH = 14
"""Columns over which a firm's name at the head of a column runs before it is wrapped."""
NO_CHANGE = 1e-7
"""Share of the largest welfare up to which a change is none."""
WORDS = {"holds": "holds", "violated": "VIOLATED", "not_established": "not established"}


def firms_of(case: Tree) -> tuple[str, str]:
    """What the firms of a case are called."""
    return firm_names(case.get("firms"))


def at_head(firm: str) -> str:
    """A firm at the head of a column."""
    return "\n".join(textwrap.wrap(opening(firm), NAME_WIDTH))


def by_firm(what: str, firms: tuple[str, str]) -> tuple[str, str]:
    """The heads of two columns, one per firm."""
    if firms == FIRMS:
        return f"{what} 1", f"{what} 2"
    return f"{what}\n{at_head(firms[0])}", f"{what}\n{at_head(firms[1])}"


def words_for(key: str, firms: tuple[str, str] = FIRMS) -> str | None:
    """What a policy is called in tables; None where the key is enough."""
    return policy_of(key, firms).label if known(key) else None


def label(key: str, firms: tuple[str, str] = FIRMS) -> str:
    """Plain words for a policy, and its key."""
    words = words_for(key, firms)
    return f"{words} ({key})" if words else key


class Scale:
    """How the numbers of one result are written: digits, units, and what counts as rounding."""

    def __init__(self, results: Sequence[Tree], digits: int) -> None:
        units = [
            {
                key: figures.plain(unit)
                for key, unit in (result["case"].get("units") or {}).items()
                if unit
            }
            for result in results
        ]
        common = units[0] if all(unit == units[0] for unit in units) else {}
        self.digits = digits
        names = [firms_of(result["case"]) for result in results]
        self.firms = names[0] if all(pair == names[0] for pair in names) else FIRMS
        """What the firms are called; by their numbers where the results do not agree."""
        self.money = common.get("money")
        self.quantity = common.get("quantity")
        self.price = (
            in_words("price", self.money, self.quantity)
            if self.money and self.quantity
            else self.money
        )
        amounts = [
            abs(row["welfare"])
            for result in results
            for row in result["comparison"]
            if row["welfare"] is not None
        ]
        self.zero = NEGLIGIBLE * max(amounts, default=0.0)

    def amounts(self, values: Sequence[float | None], *, signed: bool = False) -> list[str]:
        """A column of money amounts."""
        return figures.column(values, self.digits, zero=self.zero, signed=signed)

    def amount(self, value: float | None) -> str:
        """One amount with its unit."""
        return figures.number(value, self.digits, zero=self.zero) + (
            f" {self.money}" if self.money else ""
        )


def evaluation(result: Tree, page: Page, digits: int, details: bool = False) -> str:
    """One case: what to do, who gains, what is paid, the levels, and how far that is proven; with
    `details` every other finding."""
    scale, told = Scale([result], digits), result["recommendation"]
    heading(result, page)
    page.heading("What to do" + (f" ({told['policy']})" if told["policy"] else ""))
    for line in told["text"]:
        page.sentence(figures.plain(line), bullet="- ")
    sentences(
        "More cautions",
        (f"{opening(caution['text'])}." for caution in told["cautions"][SAID:]),
        page,
    )
    who_gains(result, page, scale, details)
    payments(result, page, scale)
    mirrored = (
        {key for key in result["regimes"] if policy_of(key).mirror}
        if alike(result["case"])
        else set()
    )
    shown = (
        set(result["regimes"]) - mirrored
        if details
        else {row["policy"] for row in result["comparison"]}
    )
    outcomes(
        {key: row for key, row in result["regimes"].items() if key in shown},
        page,
        scale,
        named=details,
    )
    tax_rules(result["mechanism"], page, scale, result["case"]["mechanism"]["public_funds_cost"])
    if details:
        full_information(result["mechanism"], page, scale)
        reported(result["mechanism"], page, scale)
        sentences("What it means", (verdict["text"] for verdict in result["verdicts"]), page)
    else:
        missing = without_figures(result)
        sentences(
            "Without figures",
            (verdict["text"] for verdict in result["verdicts"] if verdict["code"] in missing),
            page,
        )
    sentences("Warnings", (warning["message"] for warning in result["warnings"]), page)
    sentences("Expected results that are missed", missed(result), page)
    page.heading("Proof")
    page.sentence(proof(result))
    if details:
        page.sentence(f"Inputs: {inputs(result['case'])}.")
    page.sentence(UNANSWERED + ("" if details else " More of everything: --details."))
    return page.text


UNANSWERED = (
    "What this model cannot answer: where the market ends, entry, whether what is shared reaches"
    " commercial data, innovation, and exemptions by statute."
)


def without_figures(result: Tree) -> set[str]:
    """The codes of the findings that say why something has no figures."""
    return {
        f"{key}_{row['status']}"
        for key, row in result["regimes"].items()
        if row["status"] not in SOLVED
    } | {"no_rule"}


def comparison(results: Sequence[Tree], labels: Sequence[str], page: Page, digits: int) -> str:
    """Several cases: one tidy table, what is recommended in each marked, and its answer in
    short."""
    scale = Scale(results, digits)
    rows = comparison_rows(results, labels)
    names = [
        row["case"] if i == 0 or rows[i - 1]["case"] != row["case"] else ""
        for i, row in enumerate(rows)
    ]
    page.heading("Policies compared")
    page.table(
        [
            Column("Case", names, words=True),
            Column(
                "Policy",
                [
                    row["policy"] + unsolved(row["status"]) + (STAR if row["recommended"] else "")
                    for row in rows
                ],
                words=True,
            ),
            Column("Value", scale.amounts([row["value"] for row in rows]), scale.money),
            Column(
                "Consumers", scale.amounts([row["consumer_surplus"] for row in rows]), scale.money
            ),
            *(
                Column(
                    head, scale.amounts([kept(row, i) for row in flat_rows(results)]), scale.money
                )
                for i, head in enumerate(by_firm("Profit", scale.firms))
            ),
            *outlay([row["outlay_joined"] for row in rows], scale, scale.money),
            Column("Share\nof gain", [figures.percent(row["share_of_gain"]) for row in rows]),
        ],
        sections=[i for i in range(len(rows) - 1) if names[i + 1]],
    )
    page.sentence(
        "* recommended. Profit and outlay are those when everybody takes part; value is what"
        " policies are ranked by."
    )
    page.sentence(GAIN_NOTE)
    if any(firms_of(result["case"]) != scale.firms for result in results):
        told = (
            f"{name}: {' and '.join(firms_of(result['case']))}"
            for name, result in zip(labels, results, strict=True)
        )
        page.sentence(f"Profit 1 and 2 are those of {'; '.join(told)}.")
    page.heading("Findings")
    for name, result in zip(labels, results, strict=True):
        page.sentence(
            figures.plain(f"{name}: {' '.join(result['recommendation']['text'][:2])}"), bullet="- "
        )
    return page.text


def flat_rows(results: Sequence[Tree]) -> list[Tree]:
    """The rows of several comparisons, one after the other."""
    return [row for result in results for row in result["comparison"]]


def kept(row: Tree, firm: int) -> float | None:
    """What a firm keeps under a policy when everybody takes part: as it stands, and the flat part
    or what members pay each other; as it stands alone where nobody knows what that is."""
    if row["profit"] is None:
        return None
    more = row["net_transfer"] if row["flat_payments"] is None else row["flat_payments"]
    return float(row["profit"][firm] + (0.0 if more is None else more[firm]))


def heading(result: Tree, page: Page) -> None:
    """Which case this is."""
    case = result["case"]
    page.heading(figures.plain(case["name"]))
    facts = [f"Reference: {figures.plain(case['reference'])}."] if case.get("reference") else []
    units = case.get("units") or {}
    facts += [
        f"{kind.capitalize()} in {figures.plain(units[kind])}."
        for kind in ("money", "quantity")
        if units.get(kind)
    ]
    facts.append("The firms are alike." if alike(case) else "The firms differ.")
    if case.get("types"):
        what = PRIVATE[case["types"]["parameter"]].label.capitalize()
        support = case["types"].get("support") or [0]
        what += (
            ", each firm's from a range of its own,"
            if isinstance(support[0], list) and support[0] != support[1]
            else ""
        )
        facts.append(
            f"{what} are private: the comparison gives expectations over types, the outcomes those"
            " of the case's own."
        )
    page.sentence(" ".join(facts))


def alike(case: Tree) -> bool:
    """Whether both firms have the same parameters: nothing given per firm differs."""

    def same(value: Any) -> bool:
        if isinstance(value, dict):
            return all(map(same, value.values()))
        return not isinstance(value, list) or all(entry == value[0] for entry in value)

    return all(
        same(case[block])
        for block in ("demand", "security", "cost", "unit_cost")
        if case.get(block) is not None
    )


def outcomes(regimes: Tree, page: Page, scale: Scale, named: bool) -> None:
    """Levels, prices and quantities of regimes; where figures are pairs they leave room for words
    only if `named` all the same."""
    rows = list(regimes.values())
    cells = {
        key: figures.pair_column([row[key] for row in rows], scale.digits, zero=1e-12)
        for key in LEVELS
    }
    differ = any("/" in cell for column in cells.values() for cell in column)
    page.heading(
        "Outcomes"
        + (
            f" ({scale.firms[0]} / {scale.firms[1]}; one number where both are the same)"
            if differ
            else ""
        )
    )
    page.table(
        [
            Column(
                "Regime",
                [
                    (label(key, scale.firms) if named or not differ else key)
                    + unsolved(row["status"])
                    for key, row in regimes.items()
                ],
                words=True,
            ),
            Column("Sharing", cells["sharing"], "0 to 1"),
            Column("Investment", cells["investment"], scale.quantity),
            Column("Price", cells["price"], scale.price),
            Column("Quantity", cells["quantity"], scale.quantity),
        ]
    )


def unsolved(status: str) -> str:
    """A mark behind the name of what has no figures; nothing for what is solved at a bound or
    inside."""
    return "" if status in SOLVED else f" [{status}]"


def who_gains(result: Tree, page: Page, scale: Scale, both: bool) -> None:
    """What every policy changes when everybody takes part, today's market in full; with `both`
    every policy in full and its change."""
    rows, told = result["comparison"], result["recommendation"]
    base = next(
        n
        for n, row in enumerate(rows)
        if row["policy"] == today(result["case"]["types"] is not None)
    )
    others = (
        "second line: change against today's market"
        if both
        else f"change against today's market ({rows[base]['policy']})"
    )
    page.heading(f"Who gains when everybody takes part, {others}" + money_of(scale))

    def amounts(values: list[float | None]) -> list[str]:
        now = values[base]
        changes = [
            None if v is None or now is None or n == base else v - now for n, v in enumerate(values)
        ]
        texts = figures.column(
            changes, scale.digits, zero=NO_CHANGE / NEGLIGIBLE * scale.zero, signed=True
        )
        full, change = scale.amounts(values), [text.strip() for text in texts]
        if both:
            return [f"{above}\n{below}" for above, below in zip(full, change, strict=True)]
        return [full[base].strip() if n == base else text for n, text in enumerate(change)]

    star = [STAR if row["policy"] == told["policy"] else "" for row in rows]
    names = [
        f"{row['policy']}{mark}{unsolved(row['status'])}"
        for row, mark in zip(rows, star, strict=True)
    ]
    if both:
        names = [
            f"{words_for(row['policy'], scale.firms) or ''}\n({name})"
            for row, name in zip(rows, names, strict=True)
        ]
    plain = told["standard"]["profit_weight"] == 1 and not told["standard"]["public_funds_cost"]
    page.table(
        [
            Column("Policy", names, words=True),
            Column("Value", amounts([row["value"] for row in rows])),
            *([] if plain else [Column("Welfare", amounts([row["welfare"] for row in rows]))]),
            Column("Consumers", amounts([row["consumer_surplus"] for row in rows])),
            *(
                Column(at_head(firm), amounts([kept(row, i) for row in rows]))
                for i, firm in enumerate(scale.firms)
            ),
            *outlay([row["outlay_joined"] for row in rows], scale, unit=None),
            Column("Security\nspending", amounts([spending(row) for row in rows])),
            Column("Share\nof gain", [figures.percent(row["share_of_gain"]) for row in rows]),
        ]
    )
    barred: dict[str, list[str]] = {}
    for row in rows:
        if row["why_not"] is not None:
            barred.setdefault(row["why_not"], []).append(row["policy"])
    note = f"{STAR} recommended. " if told["policy"] else ""
    page.sentence(
        f"{note}Value: {VALUE}" + ("." if plain else f" ({of_standard(told['standard'])}).")
    )
    reasons = "; ".join(
        f"{', '.join(keys)}: {why.replace('; ', ', ')}" for why, keys in barred.items()
    )
    if reasons:
        page.sentence(f"Cannot be recommended: {reasons}.")
    page.sentence(GAIN_NOTE)


def spending(row: Tree) -> float | None:
    """What both firms spend on security."""
    return None if row["investment_cost"] is None else float(sum(row["investment_cost"]))


VALUE = (
    "what policies are ranked by, consumers' surplus and profits by their weight less public outlay"
    " at its cost"
)
STAR = "*"
"""Behind the name of what is recommended."""


def of_standard(standard: Tree) -> str:
    """The two numbers of a standard."""
    return (
        f"profits weigh {standard['profit_weight']:g}, a unit of public money costs"
        f" {1 + standard['public_funds_cost']:g}"
    )


def money_of(scale: Scale) -> str:
    """The unit of money behind a heading."""
    return f", {scale.money}" if scale.money else ""


def payments(result: Tree, page: Page, scale: Scale) -> None:
    """What is paid: each paying policy's payments before lump sums, the lump sums, both together,
    and the rates per unit."""
    rows = [
        row
        for row in result["comparison"]
        if row["requires"] in ("money", "reports") and row["competes"]
    ]
    if not rows:
        return

    def flat(row: Tree, firm: int) -> float:
        return float((row["flat_payments"] or (0.0, 0.0))[firm])

    def both(row: Tree, firm: int) -> float:
        return float(row["net_transfer"][firm])

    kinds = {
        "As it stands": lambda row, firm: both(row, firm) - flat(row, firm),
        "Lump sum": flat,
        "Together": both,
    }
    best = result["recommendation"]["policy"]
    page.heading("What firms receive when everybody takes part (negative: pay)" + money_of(scale))
    page.table(
        [
            Column(
                "Policy",
                [row["policy"] + (STAR if row["policy"] == best else "") for row in rows],
                words=True,
            ),
            *(
                Column(head, scale.amounts([get(row, i) for row in rows]))
                for name, get in kinds.items()
                for i, head in enumerate(by_firm(name, scale.firms))
            ),
        ]
    )
    linear = result["mechanism"]["linear_subsidies"]
    rates = linear if linear is None or result["case"]["types"] is None else linear["under_types"]
    if rates is not None and any(row["policy"] == "linear_subsidies" for row in rows):
        per = {"investment": rates["investment_rate"], "sharing (0 to 1)": rates["sharing_rate"]}
        told = (
            f"{' / '.join(map(str.strip, scale.amounts(pair)))} per unit of {what}"
            for what, pair in per.items()
        )
        page.sentence(
            f"linear_subsidies: {' and '.join(told)} ({scale.firms[0]} / {scale.firms[1]};"
            " negative: a tax)."
        )


def inputs(case: Tree) -> str:
    """The numbers the case was evaluated at, on one line."""

    def flat(tree: Tree, path: str = "") -> list[str]:
        out: list[str] = []
        for key, value in tree.items():
            name = f"{path}{key}"
            if isinstance(value, dict):
                out += flat(value, f"{name}.")
            elif value is not None:
                out.append(f"{name} {value if isinstance(value, str) else _figure(value)}")
        return out

    blocks = {
        key: case[key]
        for key in ("demand", "security", "cost", "types")
        if case.get(key) is not None
    }
    if case["cost"].get("reference_investment") == 1:  # which changes nothing
        blocks["cost"] = {
            key: value for key, value in case["cost"].items() if key != "reference_investment"
        }
    if any((case.get("unit_cost") or {}).values()):
        blocks["unit_cost"] = case["unit_cost"]
    if case.get("types") is not None:
        blocks["mechanism"] = case["mechanism"]
    return "; ".join(f"{block}: {', '.join(flat(tree))}" for block, tree in blocks.items())


def _figure(value: Any) -> str:
    return "[" + ", ".join(map(_figure, value)) + "]" if isinstance(value, list) else f"{value:g}"


GAIN_NOTE = (
    "Share of gain: of the welfare that the planner's levels add to today's market at the prices"
    " firms set; above 100 % only a planner who also sets prices gets."
)


def outlay(values: Sequence[float | None], scale: Scale, unit: str | None) -> list[Column]:
    """What the public pays net of tax, if any policy costs or brings it anything."""
    if not any(value is not None and abs(value) > scale.zero for value in values):
        return []
    return [Column("Public\noutlay", scale.amounts(values), unit)]


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


def all_rules(mechanism: Tree) -> list[Tree]:
    """The tax rules that there are, the case's own first."""
    return [
        mechanism["reported"],
        *(tree for tree in (mechanism.get("alternatives") or {}).values() if tree is not None),
    ]


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
        net = [None if welfare_then(rule) is None else _net(rule, cost) for rule in rules]
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
    """Which levels are drawn at each pair of types, named by the weight on welfare that they are
    best for."""
    page.heading(
        "Rule designed: levels drawn by lottery, by their weight on welfare (the rest on joint"
        " profit)"
    )
    types = [f"Type of\n{firm if firm in FIRMS else at_head(firm)}" for firm in scale.firms]
    page.table(
        [
            *(
                Column(head, figures.column([row["types"][i] for row in rows], scale.digits))
                for i, head in enumerate(types)
            ),
            Column(
                "Weight on welfare: probability",
                [
                    ", ".join(f"{w}: {p:.4g}" for w, p in row["probability_by_weight"].items())
                    for row in rows
                ],
                words=True,
            ),
        ]
    )
    page.sentence("Weight 1 is the planner's choice, weight 0 the alliance's.")


def welfare_then(rule: Tree) -> float | None:
    """Expected welfare as firms then behave: truthfully, or in the equilibrium of their reports."""
    played = rule["if_not_truthful"]
    told = rule if played is None else played
    return None if told["expected"] is None else float(told["expected"]["welfare"])


def _net(rule: Tree, cost: float) -> float | None:
    """The same less what the public bears beyond what it pays."""
    welfare, played = welfare_then(rule), rule["if_not_truthful"]
    outlay = (rule if played is None else played)["expected"]["budget"]
    return None if welfare is None else float(welfare_net(welfare, outlay, cost))


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


def mark(row: Tree, best: float, zero: float) -> str:
    """What is special about a report."""
    words = ["truth"] if row["truth"] else []
    if row["payoff"] >= best - zero:
        words.append("best")
    return ", ".join(words)


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


def sentences(title: str, texts: Iterable[str], page: Page) -> None:
    """A list of sentences under a heading; nothing if there are none."""
    texts = list(texts)
    if texts:
        page.heading(title)
    for text in texts:
        page.sentence(figures.plain(text), bullet="- ")


def missed(result: Tree) -> list[str]:
    """The figures that differ from what the case expects."""
    return [
        f"{entry['key']} is {entry['actual']!r}, expected {entry['expected']!r}"
        for entry in result.get("expectations", [])
        if not entry["ok"]
    ]


def proof(result: Tree) -> str:
    """What the certificates say, on one line."""
    certificates = [
        outcome["certificate"]
        for outcome in result["regimes"].values()
        if outcome["status"] in SOLVED
    ]
    full = result["mechanism"].get("full_information")
    if full is not None and full["regulated"]["status"] in SOLVED:
        certificates.append(full["certificate"])
    proven = sum(certificate["global"] == "proven" for certificate in certificates)
    others = sum(len(certificate["others"]) for certificate in certificates)
    text = (
        f"residual <= {largest(certificates, 'residual')}, regret <="
        f" {largest(certificates, 'regret')}, {proven} proven, {len(certificates) - proven}"
        f" searched, {others or 'no'} other optima or equilibria found."
    )
    today = result["regimes"][TODAY]["certificate"]
    if today["unique"] is None:
        return text
    only = {
        "proven": "the only one (proven)",
        "not proven": "the only one found (not proven)",
        "no": "one of several",
    }
    return (
        f"{text} Today's equilibrium is {only[today['unique']['status']]} and"
        f" {'stable' if today['stable'] else 'unstable'}."
    )


def largest(certificates: Sequence[Tree], key: str) -> str:
    """The largest of a figure that certificates give."""
    values = [certificate[key] for certificate in certificates if certificate[key] is not None]
    return f"{max(values):.1e}" if values else figures.NONE
