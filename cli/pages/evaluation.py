"""Results as pages a person reads. Takes the result tree as it is; the only arithmetic is counting
and the largest of a list."""

from __future__ import annotations

from collections.abc import Collection

from cli.pages import figures
from cli.pages.comparison import STAR, payments, who_gains
from cli.pages.over_draws import over_draws, taken_as_certain
from cli.pages.page import Column, Page
from cli.pages.rules import full_information, reported, tax_rules
from cli.pages.words import (
    LEVELS,
    Scale,
    figure_of,
    label,
    largest,
    sentences,
    symmetric,
    unsolved,
    without_figures,
)
from market.model.outcome import SOLVED
from market.text import capitalised
from mechanism.casefile.policies import PRIVATE_MARKET, TODAY, policy_of
from mechanism.casefile.types import PRIVATE
from mechanism.ranking.recommendation import SAID
from mechanism.report.plain import Tree


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
        (f"{capitalised(caution['text'])}." for caution in told["cautions"][SAID:]),
        page,
    )
    who_gains(result, page, scale, details)
    payments(result, page, scale)
    over_draws(result, page, scale)
    mirrored = (
        {key for key in result["regimes"] if policy_of(key).mirror}
        if symmetric(result["case"])
        else set()
    )
    shown = (
        set(result["regimes"]) - mirrored
        if details
        else {row["policy"] for row in result["comparison"]}
    )
    outcomes(result, page, scale, shown, named=details)
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
    if sure := taken_as_certain(result["case"]):
        page.sentence(sure)
    page.sentence(UNANSWERED + ("" if details else " More of everything: --details."))
    return page.text


UNANSWERED = (
    "What this model cannot answer: where the market ends, entry, whether what is shared reaches"
    " commercial data, innovation, and exemptions by statute."
)


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
    facts.append("Sums are per period, the one over which quantities are counted.")
    facts.append("The firms are alike." if symmetric(case) else "The firms differ.")
    if case.get("types"):
        what = PRIVATE[case["types"]["parameter"]].label.capitalize()
        support = case["types"].get("support") or [0]
        what += (
            ", each firm's from a range of its own,"
            if isinstance(support[0], list) and support[0] != support[1]
            else ""
        )
        facts.append(
            f"{what} are private: what is gained and paid are averages over what firms alone may"
            " know, the outcomes are those of the case's own numbers."
        )
    page.sentence(" ".join(facts))


def outcomes(
    result: Tree, page: Page, scale: Scale, shown: Collection[str], named: bool = True
) -> None:
    """Levels, prices and quantities of the regimes that are `shown`, and of what is recommended;
    where figures are pairs they leave room for words only if `named` all the same."""
    regimes = {key: row for key, row in result["regimes"].items() if key in shown}
    best = result["recommendation"]["policy"]
    expected = [PRIVATE_MARKET] if PRIVATE_MARKET in regimes else []
    if best is not None and best not in regimes:
        regimes[best] = compared_row(result, best)
        expected += [best] if expected else []
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
                    + (STAR if key == best else "")
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
    if expected:
        page.sentence(f"{' and '.join(expected)}: expectations over types.")


def compared_row(result: Tree, policy: str) -> Tree:
    """The row of a policy in the comparison."""
    return next(row for row in result["comparison"] if row["policy"] == policy)


def inputs(case: Tree) -> str:
    """The numbers the case was evaluated at, on one line."""

    def flat(tree: Tree, path: str = "") -> list[str]:
        out: list[str] = []
        for key, value in tree.items():
            name = f"{path}{key}"
            if isinstance(value, dict):
                out += flat(value, f"{name}.")
            elif value is not None:
                out.append(f"{name} {value if isinstance(value, str) else figure_of(value)}")
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


def missed(result: Tree) -> list[str]:
    """The figures that differ from what the case expects."""
    return [
        f"{entry['key']} is {entry['actual']!r}, expected {entry['expected']!r}"
        for entry in result.get("expectations", [])
        if not entry["ok"]
    ]


def proof(result: Tree) -> str:
    """What the certificates say, on one line."""
    by_outcome, best = certificates_of(result), result["recommendation"]["policy"]
    certificates = list(by_outcome.values())
    proven = sum(certificate["global"] == "proven" for certificate in certificates)
    others = sum(len(certificate.get("others") or ()) for certificate in certificates)
    text = (
        f"{len(certificates)} outcomes: residual <= {largest(certificates, 'residual')}, regret <="
        f" {largest(certificates, 'regret')}, {proven} proven, {len(certificates) - proven}"
        f" searched, {others or 'no'} other optima or equilibria found."
    )
    if (own := by_outcome.get(best)) is not None:
        regret = "" if own.get("regret") is None else f"regret <= {largest([own], 'regret')}, "
        text += (
            f" What is recommended: residual <= {largest([own], 'residual')}, {regret}"
            f"{own['global']}."
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


def certificates_of(result: Tree) -> dict[str, Tree]:
    """The certificate of every outcome with figures, by regime and by policy: regimes, subsidy and
    tax, plain subsidies, and tax rules, whose regret is what a lie gains and stands in their
    table."""
    mechanism, rows = result["mechanism"], {row["policy"]: row for row in result["comparison"]}
    found = {
        key: outcome["certificate"]
        for key, outcome in result["regimes"].items()
        if outcome["status"] in SOLVED
    }
    full, rates = mechanism["full_information"], mechanism["linear_subsidies"]
    if full is not None and full["regulated"]["status"] in SOLVED:
        found["vcg_full_information"] = full["certificate"]
    if rates is not None and result["case"]["types"] is not None:
        rates = rates["under_types"]
    if rates is not None and rows["linear_subsidies"]["status"] in SOLVED:
        found["linear_subsidies"] = {**rates, "global": "searched"}
    rules = dict(mechanism["alternatives"] or {})
    if mechanism["reported"] is not None:
        rules[mechanism["reported"]["tax_rule"]] = mechanism["reported"]
    return found | {key: rule["certificate"] for key, rule in rules.items() if rule is not None}
