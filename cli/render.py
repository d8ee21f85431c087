"""Results as pages a person reads. Takes the result tree as it is; the only arithmetic is counting and the largest of a list."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from typing import Any

from market.outcome import SOLVED
from market.text import FIRMS, firm_names, opening
from mechanism.policies import TODAY, agreements, benchmarks, compared, known, policy_of
from mechanism.tidy import welfare_net
from mechanism.tree import Tree, comparison_rows
from mechanism.types import PRIVATE
from mechanism.words import OUTSIDE

from . import figures
from .page import Column, Page

NEGLIGIBLE = 1e-9
"""Share of the largest welfare up to which an amount of money is rounding and prints as 0."""
LEVELS = ("sharing", "investment", "price", "quantity")
NAME_WIDTH = 14
"""Columns over which a firm's name at the head of a column runs before it is wrapped."""
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
        units = [{key: figures.plain(unit) for key, unit in (result["case"].get("units") or {}).items() if unit} for result in results]
        common = units[0] if all(unit == units[0] for unit in units) else {}
        self.digits = digits
        names = [firms_of(result["case"]) for result in results]
        self.firms = names[0] if all(pair == names[0] for pair in names) else FIRMS
        """What the firms are called; by their numbers where the results do not agree."""
        self.money = common.get("money")
        self.quantity = common.get("quantity")
        self.price = f"{self.money} per {self.quantity}" if self.money and self.quantity else self.money
        amounts = [abs(row["welfare"]) for result in results for row in result["comparison"] if row["welfare"] is not None]
        self.zero = NEGLIGIBLE * max(amounts, default=0.0)

    def amounts(self, values: Sequence[float | None], *, signed: bool = False) -> list[str]:
        """A column of money amounts."""
        return figures.column(values, self.digits, zero=self.zero, signed=signed)

    def amount(self, value: float | None) -> str:
        """One amount with its unit."""
        return figures.number(value, self.digits, zero=self.zero) + (f" {self.money}" if self.money else "")


def evaluation(result: Tree, page: Page, digits: int) -> str:
    """One case: outcomes, who gains, the mechanism, what it means, and how far it is proven."""
    scale = Scale([result], digits)
    heading(result, page)
    mirrored = {key for key in result["regimes"] if policy_of(key).mirror} if alike(result["case"]) else set()
    outcomes({key: row for key, row in result["regimes"].items() if key not in mirrored}, page, scale)
    who_gains(result["comparison"], page, scale)
    full_information(result["mechanism"], page, scale)
    reported(result["mechanism"], page, scale, result["case"]["mechanism"]["public_funds_cost"])
    told = result["verdicts"]
    page.heading("Which rule should I use?" if result["case"]["types"] is not None else "Which policy should I use?")
    for verdict in told:
        if verdict["code"] in ("recommendation", "reason"):
            page.sentence(verdict["text"].removeprefix("Which rule? ").removeprefix("Which policy? "), bullet="- ")
    sentences("What it means", (v["text"] for v in told if v["code"] not in ("recommendation", "reason")), page)
    sentences("Warnings", (warning["message"] for warning in result["warnings"]), page)
    sentences("Expected results that are missed", missed(result), page)
    page.heading("Proof")
    page.sentence(proof(result))
    return page.text


def comparison(results: Sequence[Tree], labels: Sequence[str], page: Page, digits: int) -> str:
    """Several cases: one tidy table, the best policy of each marked, one finding per case."""
    scale = Scale(results, digits)
    rows = comparison_rows(results, labels)
    winners = [winner(result["comparison"]) for result in results]
    best = {(name, key) for name, tied in zip(labels, winners, strict=True) for key in tied}
    marks = [" *" if (row["case"], row["policy"]) in best else "" for row in rows]
    names = [row["case"] if i == 0 or rows[i - 1]["case"] != row["case"] else "" for i, row in enumerate(rows)]
    page.heading("Policies compared")
    page.table(
        [
            Column("Case", names, words=True),
            Column("Policy", [row["policy"] + unsolved(row["status"]) + mark for row, mark in zip(rows, marks, strict=True)], words=True),
            *(
                Column(head, scale.amounts([row[f"profit_{i}"] for row in rows]), scale.money)
                for i, head in enumerate(by_firm("Profit", scale.firms), 1)
            ),
            Column("Consumers", scale.amounts([row["consumer_surplus"] for row in rows]), scale.money),
            Column("Welfare", scale.amounts([row["welfare"] for row in rows]), scale.money),
            Column("Share\nof gain", [figures.percent(row["share_of_gain"]) for row in rows]),
            *outlay([row["public_outlay"] for row in rows], scale),
        ],
        sections=[i for i in range(len(rows) - 1) if names[i + 1]],
    )
    first, *others = benchmarks()
    others += [row.key for row in compared(private=True) if row.competes == "known"]
    page.sentence(f"* highest welfare, less any cost of public funds; what only shows the possible does not compete: {first},")
    page.sentence(f"  {', '.join(others[:-1])}, and where types are private {others[-1]}.")
    if any(firms_of(result["case"]) != scale.firms for result in results):
        told = (f"{name}: {' and '.join(firms_of(result['case']))}" for name, result in zip(labels, results, strict=True))
        page.sentence(f"Profit 1 and 2 are those of {'; '.join(told)}.")
    page.heading("Findings")
    for name, result, tied in zip(labels, results, winners, strict=True):
        page.sentence(f"{name}: {finding(result, tied, Scale([result], digits))}", bullet="- ")
    return page.text


def heading(result: Tree, page: Page) -> None:
    """Which case this is."""
    case = result["case"]
    page.heading(figures.plain(case["name"]))
    facts = [f"Reference: {figures.plain(case['reference'])}."] if case.get("reference") else []
    units = case.get("units") or {}
    facts += [f"{kind.capitalize()} in {figures.plain(units[kind])}." for kind in ("money", "quantity") if units.get(kind)]
    facts.append("The firms are alike." if alike(case) else "The firms differ.")
    if case.get("types"):
        what = PRIVATE[case["types"]["parameter"]].label.capitalize()
        facts.append(f"{what} are private: the comparison gives expectations over types, the outcomes those of the case's own.")
    page.sentence(" ".join(facts))

    page.sentence(f"Inputs: {inputs(case)}.")


def alike(case: Tree) -> bool:
    """Whether both firms have the same parameters: nothing given per firm differs."""

    def same(value: Any) -> bool:
        if isinstance(value, dict):
            return all(map(same, value.values()))
        return not isinstance(value, list) or all(entry == value[0] for entry in value)

    return all(same(case[block]) for block in ("demand", "security", "cost", "unit_cost") if case.get(block) is not None)


def outcomes(regimes: Tree, page: Page, scale: Scale) -> None:
    """Levels, prices and quantities of every regime."""
    rows = list(regimes.values())
    cells = {key: figures.pair_column([row[key] for row in rows], scale.digits, zero=1e-12) for key in LEVELS}
    differ = any("/" in cell for column in cells.values() for cell in column)
    page.heading("Outcomes" + (f" ({scale.firms[0]} / {scale.firms[1]}; one number where both are the same)" if differ else ""))
    page.table(
        [
            Column("Regime", [label(key, scale.firms) + unsolved(row["status"]) for key, row in regimes.items()], words=True),
            Column("Sharing", cells["sharing"], "0 to 1"),
            Column("Investment", cells["investment"], scale.quantity),
            Column("Price", cells["price"], scale.price),
            Column("Quantity", cells["quantity"], scale.quantity),
        ]
    )


def unsolved(status: str) -> str:
    """A mark behind the name of what has no figures; nothing for what is solved at a bound or inside."""
    return "" if status in SOLVED else f" [{status}]"


def who_gains(rows: Sequence[Tree], page: Page, scale: Scale) -> None:
    """Every policy's surpluses, and on a second line their change against today's market."""
    page.heading("Who gains (second line: change against today's market)")

    def two_lines(values: list[float | None], changes: list[float | None]) -> list[str]:
        texts = scale.amounts(values), scale.amounts(changes, signed=True)
        both = figures.aligned([text.strip() for column in texts for text in column])
        return [f"{value}\n{change}" for value, change in zip(both[: len(rows)], both[len(rows) :], strict=True)]

    def profits(firm: int) -> list[str]:
        now = [row["profit"] and row["profit"][firm] for row in rows]
        return two_lines(now, [change and change["profit"][firm] for change in changed])

    def totals(key: str) -> list[str]:
        return two_lines([row[key] for row in rows], [change and change[key] for change in changed])

    # Today's market has no change against itself.
    changed = [None if row["policy"] == TODAY else row["change"] for row in rows]
    page.table(
        [
            Column(
                "Policy",
                [f"{words_for(row['policy'], scale.firms) or ''}\n({row['policy']}){unsolved(row['status'])}" for row in rows],
                words=True,
            ),
            *(Column(head, profits(i), scale.money) for i, head in enumerate(by_firm("Profit", scale.firms))),
            Column("Consumers", totals("consumer_surplus"), scale.money),
            Column("Welfare", totals("welfare"), scale.money),
            Column("Share\nof gain", [figures.percent(row["share_of_gain"]) for row in rows]),
            *outlay([row["public_outlay"] for row in rows], scale),
        ]
    )
    page.sentence(GAIN_NOTE)


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

    blocks = {key: case[key] for key in ("demand", "security", "cost", "types") if case.get(key) is not None}
    if case["cost"].get("reference_investment") == 1:  # which changes nothing
        blocks["cost"] = {key: value for key, value in case["cost"].items() if key != "reference_investment"}
    if any((case.get("unit_cost") or {}).values()):
        blocks["unit_cost"] = case["unit_cost"]
    if case.get("types") is not None:
        blocks["mechanism"] = case["mechanism"]
    return "; ".join(f"{block}: {', '.join(flat(tree))}" for block, tree in blocks.items())


def _figure(value: Any) -> str:
    return "[" + ", ".join(map(_figure, value)) + "]" if isinstance(value, list) else f"{value:g}"


GAIN_NOTE = (
    "Share of possible gain: 0 % is today's market, 100 % the planner's levels at the prices firms set; below 0 % welfare falls, above "
    "100 % only a planner who also sets prices gets."
)


def outlay(values: Sequence[float | None], scale: Scale) -> list[Column]:
    """What the public pays net of tax, if any policy costs or brings it anything."""
    if not any(value is not None and abs(value) > scale.zero for value in values):
        return []
    return [Column("Public\noutlay", scale.amounts(values), scale.money)]


def full_information(mechanism: Tree, page: Page, scale: Scale) -> None:
    """Subsidy and tax when the regulator knows everything, and whether firms would join."""
    full = mechanism.get("full_information")
    page.heading("Subsidy and tax, full information (vcg_full_information)")
    if full is None:
        page.sentence("No figures: the planner's optimum, on which subsidy and tax are built, has no solution.")
        return
    if full["regulated"]["status"] not in SOLVED:
        page.sentence(f"The regulated market has no figures ({full['regulated']['status']}): {full['regulated']['message']}.")
    rows = {
        "Subsidy": full["subsidy"],
        "Tax": full["tax"],
        "Net transfer (positive is received)": full["net_transfer"],
        "Participation gain against today's market": full["participation_gain"],
    }
    page.table(
        [
            Column("Per firm", list(rows), words=True),
            *(Column(at_head(scale.firms[i]), scale.amounts([pair and pair[i] for pair in rows.values()]), scale.money) for i in (0, 1)),
        ]
    )
    forms = full["participation"]
    page.heading("Would firms join? Individual rationality by form")
    page.table(
        [
            Column("Form", [f"{OUTSIDE[form].label} ({form})" for form in forms], words=True),
            Column("Verdict", [WORDS[check["status"]] for check in forms.values()], words=True),
            Column("Smallest slack", scale.amounts([check["min_slack"] for check in forms.values()]), scale.money),
            *(
                Column(head, scale.amounts([c["correction"] and c["correction"][i] for c in forms.values()]), scale.money)
                for i, head in enumerate(by_firm("Correction", scale.firms))
            ),
        ]
    )
    page.sentence("Correction: the least lump sum to the firm that makes it no worse off than outside.")


def reported(mechanism: Tree, page: Page, scale: Scale, cost: float) -> None:
    """Every tax rule when types are private: truth, participation and money, the case's own rule first."""
    own = mechanism.get("reported")
    if own is None:
        return
    rules = [own, *(tree for tree in (mechanism.get("alternatives") or {}).values() if tree is not None)]
    checks = [rule["checks"] for rule in rules]
    page.heading("Subsidy and tax, reported types: tax rules (the case's own first)")
    page.table(
        [
            Column("Tax rule", [rule["tax_rule"] for rule in rules], words=True),
            Column("Truth pays\n(ic)", [WORDS[check["ic"]["status"]] for check in checks], words=True),
            Column("Gain from\na lie", scale.amounts([check["ic"]["max_gain"] for check in checks]), scale.money),
            *(Column(f"Firms join\n({form})", [WORDS[check[form]["status"]] for check in checks], words=True) for form in OUTSIDE),
            Column("Welfare\nthen", scale.amounts([welfare_then(rule) for rule in rules]), scale.money),
            Column("Outlay\nexpected", scale.amounts([check["budget"]["ex_ante"] for check in checks]), scale.money),
            Column("Outlay\nat worst", scale.amounts([check["budget"]["worst"] for check in checks]), scale.money),
        ]
    )
    if cost:
        net = [None if welfare_then(rule) is None else _net(rule, cost) for rule in rules]
        told = ", ".join(f"{rule['tax_rule']} {scale.amount(value)}" for rule, value in zip(rules, net, strict=True))
        page.sentence(f"Welfare then, net of the cost of public funds ({cost:g} per unit of expected outlay): {told}.")
    ic = own["checks"]["ic"]
    page.sentence(f"ic: {ic['incentive']}, payoff {ic['payoff']}; participation: {own['checks']['ir_market']['timing']}, at the truth.")
    for rule in rules:
        if rule["evidence"] is not None:
            evidence(rule, page, scale)
    if own["schedule"]:
        schedule(own, page, scale)
    if own["design"] is not None and "lotteries" in own["design"]:
        lotteries(own["design"]["lotteries"], page, scale)


def lotteries(rows: Sequence[Tree], page: Page, scale: Scale) -> None:
    """Which levels are drawn at each pair of types, named by the weight on welfare that they are best for."""
    page.heading("Rule designed: levels drawn by lottery, by their weight on welfare (the rest on joint profit)")
    types = [f"Type of\n{firm if firm in FIRMS else at_head(firm)}" for firm in scale.firms]
    page.table(
        [
            *(Column(head, figures.column([row["types"][i] for row in rows], scale.digits)) for i, head in enumerate(types)),
            Column(
                "Weight on welfare: probability",
                [", ".join(f"{w}: {p:.4g}" for w, p in row["probability_by_weight"].items()) for row in rows],
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
    """One type's expected accounts by what it reports: why it would tell the truth under this rule, or not."""
    found = rule["evidence"]
    rows = found["reports"]
    page.heading(f"Rule {rule['tax_rule']}: what {scale.firms[found['firm'] - 1]} of type {found['type']:.4g} expects from each report")
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
    page.heading(f"Rule {rule['tax_rule']}: what {scale.firms[0]} receives and pays at other levels")
    starts = [i == 0 or rows[i - 1]["report"] != row["report"] for i, row in enumerate(rows)]
    reports = figures.column([row["report"] for row in rows], scale.digits)
    page.table(
        [
            Column("Report", [text if first else "" for text, first in zip(reports, starts, strict=True)]),
            Column("Sharing", figures.column([row["sharing"] for row in rows], scale.digits), "0 to 1"),
            Column("Investment", figures.column([row["investment"] for row in rows], scale.digits), scale.quantity),
            Column("Subsidy", scale.amounts([row["subsidy"] for row in rows]), scale.money),
            Column("Tax", scale.amounts([row["tax"] for row in rows]), scale.money),
            Column("Net transfer", scale.amounts([row["net_transfer"] for row in rows], signed=True), scale.money),
            Column("", ["assigned" if row["assigned"] else "" for row in rows], words=True),
        ],
        sections=[i for i in range(len(rows) - 1) if starts[i + 1]],
    )
    page.sentence(f"The rival reports {rows[0]['rival_report']:.4g} and keeps the levels it is assigned.")


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
    certificates = [outcome["certificate"] for outcome in result["regimes"].values() if outcome["status"] in SOLVED]
    full = result["mechanism"].get("full_information")
    if full is not None and full["regulated"]["status"] in SOLVED:
        certificates.append(full["certificate"])
    proven = sum(certificate["global"] == "proven" for certificate in certificates)
    others = sum(len(certificate["others"]) for certificate in certificates)
    text = (
        f"residual <= {largest(certificates, 'residual')}, regret <= {largest(certificates, 'regret')}, "
        f"{proven} proven, {len(certificates) - proven} searched, {others or 'no'} other optima or equilibria found."
    )
    today = result["regimes"][TODAY]["certificate"]
    if today["unique"] is None:
        return text
    only = {"proven": "the only one (proven)", "not proven": "the only one found (not proven)", "no": "one of several"}
    return f"{text} Today's equilibrium is {only[today['unique']['status']]} and {'stable' if today['stable'] else 'unstable'}."


def largest(certificates: Sequence[Tree], key: str) -> str:
    """The largest of a figure that certificates give."""
    values = [certificate[key] for certificate in certificates if certificate[key] is not None]
    return f"{max(values):.1e}" if values else figures.NONE


def winner(rows: Sequence[Tree]) -> list[str]:
    """The policies with the highest welfare after the cost of public funds, several where they tie; none where the planner's problem or a
    mechanism has no figures.

    Full information is a benchmark where types are private. A tax rule under which some type would rather stay out does not count where
    rows tell (`ir`).
    """
    policies = [policy_of(row["policy"]) for row in rows]
    if any(row["welfare"] is None for row, what in zip(rows, policies, strict=True) if what.decisive):
        return []
    private = any(what.compared == "private" for what in policies)
    able = [
        row
        for row, what in zip(rows, policies, strict=True)
        if what.can_win(private) and row["welfare"] is not None and row.get("ir") != "violated"
    ]
    competing = {row["policy"]: row["welfare_net"] for row in able}
    top = max(competing.values(), default=0.0)
    return [key for key, welfare in competing.items() if welfare >= top - NEGLIGIBLE * abs(top)]


def finding(result: Tree, tied: Sequence[str], scale: Scale) -> str:
    """One case in a sentence: who wins, by how much, and what an alliance achieves by itself."""
    rows = {row["policy"]: row for row in result["comparison"]}
    missing = [f"{key} ({row['status']})" for key, row in rows.items() if policy_of(key).decisive and row["welfare"] is None]
    if missing:
        return f"not decidable, as there are no figures for {', '.join(missing)}."
    if not tied:
        return "no policy has figures."
    best = rows[tied[0]]
    text = f"highest welfare under {' and '.join(label(key, scale.firms) for key in tied)}, {scale.amount(best['welfare'])}"
    if best["welfare_net"] != best["welfare"]:
        text += f", {scale.amount(best['welfare_net'])} after the cost of public funds"
    if best["change"] is not None:
        text += f" ({scale.amounts([best['change']['welfare']], signed=True)[0]} against today's market)"
    agreed = agreements()[0]
    share = rows[agreed.key]["share_of_gain"]
    if share is not None:
        text += f"; {agreed.phrase} reaches {figures.percent(share)} of the possible gain"
    return f"{text}."
