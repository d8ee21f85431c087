"""The answer of a case in words: at most seven lines that a reader who knows nothing of the tool
can act on."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_cautions import books, changed, shipped
from trees import evaluate_once

from mechanism.analysis.many import solve_many
from mechanism.casefile.policies import policy_of
from mechanism.casefile.policy_case import load_case, parse_tree
from mechanism.ranking.recommendation import Robust, Stretch, Switch
from mechanism.report.answer import flat_parts_told, lines, protection
from mechanism.report.results import Evaluation
from mechanism.report.rungs import told_ladder
from mechanism.report.verdicts import verdicts
from mechanism.report.words import Words

CASES = Path(__file__).resolve().parents[1] / "cases"
CODE = re.compile(r"\b[a-z]+_[a-z_]+\b")


def text(found: Evaluation) -> str:
    """All lines."""
    assert found.recommendation is not None
    return "\n".join(found.recommendation.text)


def with_options(name: str, **options: Any) -> Evaluation:
    """A shipped case with some keys of `mechanism` changed."""
    return changed(name, mechanism=options)


@pytest.mark.slow
@pytest.mark.parametrize("path", sorted(CASES.glob("*.yaml"))[::3], ids=lambda path: path.stem)
def test_seven_lines_without_codes_that_name_the_firms(path: Path) -> None:
    tree = {**load_case(path).resolved, "expect": {}, "firms": ["Alpha", "Beta"]}
    found = evaluate_once(parse_tree(tree))
    told = found.recommendation
    assert told is not None
    assert 1 <= len(told.text) <= 7
    assert all(line.endswith((".", "!")) for line in told.text)
    if told.policy is not None:
        assert not CODE.search(text(found))
        assert "The standard: " in told.text[0]
    assert not re.search(r"\bfirm [12]\b", text(found))
    if path.stem in ("large_and_small", "one_sided_spillover"):
        assert "Alpha" in text(found)
        assert "Beta" in text(found)


@pytest.mark.slow
def test_who_gains_and_who_pays_add_up() -> None:
    """What consumers gain less what taxpayers pay is what it is worth: firms get just what makes
    them join."""
    told = text(shipped("two_vendors")).splitlines()
    assert told[0].startswith(
        "Pay plain subsidies of 32.22 million USD per unit of investment and 19.86 million USD per"
        " unit of sharing, and charge each firm a lump sum of 122.7 million USD."
    )
    assert (
        "worth 65.35 million USD a period more than today's market (8.3% of today's welfare)"
        in told[1]
    )
    assert "consumers gain 164.3, each firm neither gains nor loses, taxpayers pay 98.98" in told[1]
    assert (
        "come to 344.4 million USD a period; each firm then pays back a lump sum of 122.7"
        in told[2]
    )
    assert "the public pays 98.98 million USD in all, half of it to each firm" in told[2]
    # rates lead to the planner's levels
    (s, _, t, _), (r, _, now, _) = (
        shipped("two_vendors").regimes[key].levels for key in ("social_optimum", "nash")
    )
    assert told[1].endswith(
        f"Each firm would invest {t:.4g} instead of {now:.4g} and share {s:.4g} of what it learns"
        f" instead of {r:.4g}."
    )
    # 788.35, 794.57 by permission, 853.69 by money.
    assert "by permission +6.225 (an industry alliance, prices left to the firms)" in told[3]
    assert "by public money +65.35 (plain subsidies per unit), 59.12 more than" in told[3]
    # an order to share is none where firms may refuse
    assert "(the only possible one, a ban on sharing, would take away 1.08, consumers" in told[3]


@pytest.mark.slow
def test_a_negative_rate_is_called_a_tax() -> None:
    told = text(shipped("sharing_lowers_welfare"))
    assert told.startswith(
        "Set a tax of 0.6334 million USD per unit of investment and a subsidy of 3.49 million USD"
        " per unit of sharing, and pay each firm a lump sum of 1.569 million USD."
    )


@pytest.mark.slow
@pytest.mark.parametrize("options", [{}, {"public_funds_cost": 0.3}, {"profit_weight": 0.6}])
def test_what_protecting_consumers_costs(options: dict[str, float]) -> None:
    """It is what evaluating the case without the clause adds."""
    found = with_options("sharing_lowers_welfare", materiality=0.0, **options)
    free = with_options(
        "sharing_lowers_welfare", materiality=0.0, allow=["consumers_lose"], **options
    )
    best = [
        max(row.value for row in one.comparison if row.competes and row.value is not None)
        for one in (found, free)
    ]
    cost = protection(found)
    assert cost == pytest.approx(best[1] - best[0], rel=1e-6, abs=1e-9)
    assert ("If consumers were allowed to lose" in text(found)) == (
        cost is not None and cost > 1e-6
    )
    assert protection(free) is None
    assert "allowed to lose" not in text(free)


@pytest.mark.slow
def test_no_clause_where_it_does_not_bind() -> None:
    assert not protection(shipped("two_vendors"))
    assert "allowed to lose" not in text(shipped("two_vendors"))


@pytest.mark.slow
def test_what_decided_is_said_with_its_number() -> None:
    found = shipped("two_types")
    rows = {row.policy.key: row for row in found.comparison}
    assert found.recommendation is not None
    assert found.recommendation.policy is not None
    winner, best = rows[found.recommendation.policy.key].value, rows["groves"].value
    assert winner is not None
    assert best is not None
    more = best - winner
    assert (
        "Transfers that are solved for, the best that can be chosen, would bring"
        f" {more:.4g} million USD more, less than 5% of the" in text(found)
    )
    assert "too little to ask for reports of what firms alone know" in text(found)
    nothing = text(shipped("restricted_cost"))
    assert nothing.startswith("Leave the market as it is.")
    assert "Nobody pays, gains or loses by that" in nothing
    assert (
        "less than 0.1% of today's welfare, a gain nobody could measure: too little to ask"
        " anything for" in nothing
    )
    assert "could be had than plain subsidies per unit would bring" in nothing
    strict = text(with_options("restricted_cost", materiality=0.0))
    assert "a gain nobody could measure" in strict


@pytest.mark.slow
def test_an_agreement_leads_with_what_each_member_has_of_it() -> None:
    told = text(with_options("large_and_small", materiality=0.9))
    assert told.startswith(
        "Permit an industry alliance that leaves prices to the firms. The standard: consumers and"
        " profits count alike"
    )
    assert (
        "By itself firm 1 gains 0.754 and firm 2 loses 0.04638, so that firm 1 must pass 0.04638"
        " million USD on to firm 2" in told
    )
    assert "It costs the public nothing." in told
    assert "does not enforce itself" in told


@pytest.mark.slow
def test_the_standard_and_what_firms_can_do_are_said() -> None:
    dear = with_options("two_vendors", public_funds_cost=0.3)
    assert "a unit of public money 1.3" in text(dear)
    # what is weighed adds up, and levels are called the planner's only where they are
    gain, consumers, paid, counted = map(
        float,
        re.findall(
            r"worth ([\d.]+).*gain ([\d.]+),.*pay ([\d.]+), which counts as (\d+\.\d+)", text(dear)
        )[0],
    )
    assert counted == pytest.approx(1.3 * paid, rel=1e-3)
    assert gain == pytest.approx(consumers - counted, abs=0.1)
    aimed = {one.code: one.text for one in verdicts(dear)}["linear_subsidies"]
    assert "make the levels of the highest value (sharing 0.6987 / 0.6987" in aimed
    plain = {one.code: one.text for one in verdicts(shipped("two_vendors"))}["linear_subsidies"]
    assert "make the planner's levels an equilibrium" in plain
    assert "profits do not count" in text(with_options("two_vendors", profit_weight=0.0))
    assert "a unit of profit counts 0.5 of one of consumers'" in text(
        with_options("two_vendors", profit_weight=0.5)
    )
    assert "what profits count does not matter" in text(with_options("two_vendors", fees=True))
    assert "exit, not refusal" in text(with_options("two_vendors", participation="ir2"))


@pytest.mark.slow
def test_without_advice_the_remedy_is_the_regimes_own() -> None:
    found = shipped("ill_posed")
    message = found.regimes["social_optimum"].message
    assert found.recommendation is not None
    assert found.recommendation.policy is None
    assert found.recommendation.text[0].startswith("No advice: the planner's problem")
    assert message is not None
    assert message.lower() in found.recommendation.text[1].lower()
    assert "raise cost.scale above" in found.recommendation.text[1]


def test_what_would_overturn_it_has_a_line_where_it_is_known() -> None:
    found = shipped("two_vendors")
    assert found.recommendation is not None
    assert "overturn" not in text(found)
    whole = (Stretch(low=0.0, high=0.5, policy="linear_subsidies"),)
    told = replace(
        found.recommendation,
        switching=(
            Switch(key="cost.scale", value=40.0, to="joint_profit"),
            Switch(key="security.rivalry", value=0.5, to="nash"),
        ),
        robust=Robust(
            public_funds_cost=whole,
            profit_weight=(replace(whole[0], high=0.4), Stretch(low=0.4, high=1, policy="nash")),
        ),
    )
    (line,) = [one for one in lines(found, told) if "overturn" in one]
    assert line.index(
        "if the demand lost per unit of the rival's investment (security.rivalry) were above 0.5"
        " (now 0.3), the advice just beyond would be to leave the market as it is."
    ) < line.index(
        "(cost.scale) were above 40 (now 12), the advice just beyond would be to permit an industry"
    )
    assert "For any cost of public funds from 0 to 0.5 the kind of policy stays the same" in line
    assert "weight of profits" not in line
    assert len(lines(found, told)) <= 7


@pytest.mark.slow
def test_cautions_beyond_the_first_are_counted() -> None:
    found = with_options("large_and_small", materiality=0.9)
    told = found.recommendation
    assert told is not None
    more = len(told.cautions) - 3
    assert (f"{more} more caution" in told.text[-1]) == (more > 0)


@pytest.mark.slow
def test_an_agreement_that_is_ruled_out_is_named_beside_the_one_that_is_not() -> None:
    """Where a full alliance lowers what consumers have, not only the lesser one is spoken of; what
    it would bring and what they would lose stand with it."""
    for name, does in (("fierce_rivalry", "take away"), ("sharing_lowers_welfare", "bring")):
        found = shipped(name)
        why = found.rows["joint_profit"].why_not
        assert why is not None
        assert why.code == "consumers_lose"
        change = {
            key: books(found, "joint_profit")[key] - books(found, "nash")[key]
            for key in ("welfare", "consumer_surplus")
        }
        assert (
            f"an industry alliance would {does} {abs(change['welfare']):.4g}, consumers losing"
            f" {-change['consumer_surplus']:.4g}" in text(found)
        )
    assert "an industry alliance would" not in text(shipped("two_vendors"))


@pytest.mark.parametrize(
    ("flat", "told"),
    [
        ((-122.7, -122.7), ", and charge each firm a lump sum of 122.7 EUR"),
        ((2.0, 2.0), ", and pay each firm a lump sum of 2 EUR"),
        ((-3.0, -4.0), ", and charge A a lump sum of 3 EUR and B one of 4 EUR"),
        ((3.0, -4.0), ", and pay A a lump sum of 3 EUR and charge B one of 4 EUR"),
        ((0.0, -4.0), ", and charge B a lump sum of 4 EUR"),
        ((0.0, 0.0), ""),
    ],
)
def test_lump_sums_stand_with_what_to_do(flat: tuple[float, float], told: str) -> None:
    assert flat_parts_told(np.array(flat), 1e-9, Words("EUR", ("A", "B"))) == told


@pytest.mark.slow
def test_from_where_on_rates_left_as_they_are_do_harm() -> None:
    """At that cost of public funds what consumers and firms have of them, less what they cost, is
    what an agreement on sharing brings."""
    found = shipped("fierce_rivalry")
    assert found.recommendation is not None
    whole = (Stretch(low=0.0, high=0.5, policy="linear_subsidies"),)
    told = replace(
        found.recommendation, robust=Robust(public_funds_cost=whole, profit_weight=whole)
    )
    (line,) = [one for one in lines(found, told) if "overturn" in one]
    rows, now = found.rows, found.today.expected
    rates, agreed = (rows[key].expected for key in ("linear_subsidies", "sharing_alliance"))
    assert rates is not None
    assert agreed is not None
    assert now is not None
    paid = float(now.profit.sum() - rates.profit.sum())  # what keeps firms as well off as today
    gain = float(rates.consumer_surplus - now.consumer_surplus)
    other = float(agreed.welfare - now.welfare)
    cost = (gain - other) / paid - 1
    assert f"where the cost of public funds is above {cost:.4g}." in line
    assert "less than an alliance on sharing alone" in line
    nearer = replace(told, robust=Robust(public_funds_cost=(), profit_weight=whole))
    assert not any("Left as they are" in one for one in lines(found, nearer))


@pytest.mark.slow
def test_a_cartel_is_not_said_to_leave_prices_to_the_firms() -> None:
    found = shipped("two_vendors")
    told = found.recommendation
    assert told is not None
    assert "an industry alliance, prices left to the firms" in told_ladder(found, told)
    cartel = tuple(
        replace(rung, policy=policy_of("price_collusion"))
        if rung.requires == "permission"
        else rung
        for rung in told.ladder
    )
    line = told_ladder(found, replace(told, ladder=cartel))
    assert "an alliance that also fixes prices)" in line
    assert "left to the firms" not in line


@pytest.mark.parametrize("name", ["two_vendors", "two_types"])
@pytest.mark.parametrize("weight", [0.0, 1.0])
def test_rates_have_no_limit_where_firms_losses_count_nowhere(name: str, weight: float) -> None:
    """Where consumers alone count and joining is compared at the same levels, rates that drive
    investment ever higher are ever better, whether types are private or not."""
    found = with_options(name, participation="ir1", timing="interim", profit_weight=weight)
    case = found.case
    row = next(row for row in found.comparison if row.policy.key == "linear_subsidies")
    assert (row.status == "unbounded") == (weight == 0)
    assert found.recommendation is not None
    assert (found.recommendation.policy is None) == (weight == 0)
    keys = ["bayes_nash" if case.types else "nash", "linear_subsidies", "social_optimum"]
    told = solve_many([case], keys)
    assert told["status"].tolist()[1] == row.status
    assert not (weight == 0 and told["recommended"].any())
