"""Supports of types per firm, against scalar loops over either firm's own support and markets
solved one at a time."""

from __future__ import annotations

import json
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import Run
from trees import evaluate

from market.casefile.faults import BadCase
from market.model.case import Case
from market.model.outcome import account
from market.model.pricing import bertrand_matrix
from market.regimes import solve_regime
from mechanism.analysis import evaluation
from mechanism.analysis.many import solve_many
from mechanism.casefile.policy_case import PolicyCase, load_case, parse_tree
from mechanism.casefile.types import type_space
from mechanism.report.evaluation_tree import evaluation_tree
from mechanism.scheme.full_information import subsidy

pytestmark = pytest.mark.slow

CASES = Path(__file__).resolve().parents[1] / "cases"
SUPPORTS = [[0.2, 0.8], [0.1, 0.5]]


def case(types: dict[str, Any], name: str = "strong_response", **changes: Any) -> PolicyCase:
    """A shipped case with these types."""
    tree = json.loads(json.dumps(load_case(CASES / f"{name}.yaml").resolved))
    for key, value in changes.items():
        block, _, name = key.partition("__")
        tree[block] = {**tree[block], name: value}
    return parse_tree({**tree, "expect": {}, "types": types})


def nodes(support: list[float], count: int) -> tuple[list[float], list[float]]:
    """Types and their weights, by the textbook map of Gauss-Legendre nodes."""
    x, w = np.polynomial.legendre.leggauss(count)
    low, high = support
    return [low + (high - low) * (1 + a) / 2 for a in x], [b / 2 for b in w]


class Pairs:
    """The planner's levels and accounts at every pair of types, each market solved alone."""

    def __init__(
        self,
        market: Case,
        supports: list[list[float]],
        count: int,
        parameter: str = "cost_spillover",
    ) -> None:
        self.market, self.count, self.parameter = market, count, parameter
        (self.types1, self.w), (self.types2, _) = (nodes(support, count) for support in supports)
        self.levels = {
            (i, j): solve_regime(self.at(a, b), "social_optimum").levels
            for i, a in enumerate(self.types1)
            for j, b in enumerate(self.types2)
        }

    def at(self, a: float, b: float) -> Case:
        return self.market.with_parameter(self.parameter, [[a, b]]).flat()

    def reply(
        self, firm: int, own: float, rivals: np.ndarray, rate: Any = (0.0, 0.0), most: float = 1.0
    ) -> tuple[np.ndarray, float]:
        """Levels (2,) and payoff of a type against its rival's (K, 2), on grids that close in; what
        it may share is bounded by `most`."""
        top = 3 * max(1.0, float(rivals[:, 1].max()))
        middle, width = np.array([most / 2, top / 2]), np.array([most / 2, top / 2])
        value = np.zeros(1)
        for _ in range(13):
            ends = [np.linspace(m - w, m + w, 17) for m, w in zip(middle, width, strict=True)]
            mine = np.stack(
                np.meshgrid(np.clip(ends[0], 0, most), np.maximum(ends[1], 0)), -1
            ).reshape(-1, 2)
            value = mine @ np.array(rate)
            for w, other, theirs in zip(
                self.w, (self.types2, self.types1)[firm], rivals, strict=True
            ):
                x = np.empty((len(mine), 4))
                x[:, [firm, 2 + firm]], x[:, [1 - firm, 3 - firm]] = mine, theirs
                market = self.at(own, other) if firm == 0 else self.at(other, own)
                value = value + w * account(market, x, bertrand_matrix).profit[:, firm]
            middle, width = mine[value.argmax()], width / 3
        return middle, float(value.max())

    def play(self, rates: Any = ((0.0, 0.0), (0.0, 0.0)), most: float = 1.0) -> np.ndarray:
        """Strategies (2, K, 2) that are best replies to each other."""
        strategy = np.stack([np.full((self.count, 2), (most / 2, 1.0))] * 2)
        for _ in range(40):
            before = strategy.copy()
            for firm, own in enumerate((self.types1, self.types2)):
                for k, theta in enumerate(own):
                    strategy[firm, k] = self.reply(
                        firm, theta, strategy[1 - firm], rates[firm], most
                    )[0]
            if np.abs(strategy - before).max() < 1e-6:
                return strategy
        raise AssertionError("best replies go on")

    def means(self, strategy: np.ndarray) -> tuple[float, float, np.ndarray]:
        """Expected welfare, consumers' surplus and profits (2,) when types do this."""
        welfare, consumers, profit = 0.0, 0.0, np.zeros(2)
        for i, a in enumerate(self.types1):
            for j, b in enumerate(self.types2):
                x = np.stack([strategy[0, i], strategy[1, j]], -1).reshape(1, 4)
                books, weight = account(self.at(a, b), x, bertrand_matrix), self.w[i] * self.w[j]
                welfare += weight * float(books.total_surplus.sum())
                consumers += weight * float(books.consumer_surplus.sum())
                profit += weight * books.profit[0]
        return welfare, consumers, profit

    def points(self, firm: int, support: list[float]) -> list[float]:
        """Types, the ends of the support and the midpoints between types."""
        own = (self.types1, self.types2)[firm]
        return sorted([support[0], *own, *((a + b) / 2 for a, b in pairwise(own)), support[1]])

    def books(self, i: int, j: int, a: float, b: float) -> Any:
        """At the levels for the reports of these numbers, in the market of these true types."""
        return account(self.at(a, b), self.levels[i, j][None], bertrand_matrix)


@pytest.fixture(scope="module")
def found() -> tuple[PolicyCase, dict[str, Any], Pairs]:
    given = case({"support": SUPPORTS, "points": 3})
    return given, evaluate(given), Pairs(given.market, SUPPORTS, 3)


def rules(tree: dict[str, Any]) -> dict[str, Any]:
    own = tree["mechanism"]["reported"]
    return {**tree["mechanism"]["alternatives"], own["tax_rule"]: own}


def test_types_are_listed_per_firm(found: tuple[PolicyCase, dict[str, Any], Pairs]) -> None:
    _, tree, pairs = found
    told = tree["mechanism"]["reported"]["types"]
    np.testing.assert_allclose(told, [pairs.types1, pairs.types2], rtol=1e-14)
    np.testing.assert_allclose(tree["mechanism"]["reported"]["probabilities"], pairs.w, rtol=1e-14)


def test_expected_welfare_is_over_either_firms_own_support(
    found: tuple[PolicyCase, dict[str, Any], Pairs],
) -> None:
    _, tree, pairs = found
    welfare, profit = 0.0, np.zeros(2)
    for i, a in enumerate(pairs.types1):
        for j, b in enumerate(pairs.types2):
            books = pairs.books(i, j, a, b)
            welfare += pairs.w[i] * pairs.w[j] * float(books.total_surplus.sum())
            profit += pairs.w[i] * pairs.w[j] * books.profit[0]
    row = next(row for row in tree["comparison"] if row["policy"] == "social_optimum")
    assert row["welfare"] == pytest.approx(welfare, rel=1e-9)
    assert row["profit"] == pytest.approx(list(profit), rel=1e-7)
    assert rules(tree)["groves"]["expected"]["welfare"] == pytest.approx(welfare, rel=1e-9)


def test_what_a_lie_gains_under_the_printed_tax(
    found: tuple[PolicyCase, dict[str, Any], Pairs],
) -> None:
    _, tree, pairs = found
    rows = {(row["firm"], round(row["type"], 9)): row for row in rules(tree)["printed"]["interim"]}
    for i, own in enumerate(pairs.types2):

        def payoff(report: int, own: float = own) -> float:
            return sum(
                pairs.w[k] * float(pairs.books(k, report, a, own).profit[0, 1])
                for k, a in enumerate(pairs.types1)
            )

        row = rows[2, round(own, 9)]
        assert row["payoff"] == pytest.approx(payoff(i), rel=1e-9)
        # Reports between the types are looked at too, so that the gain is no less than at the
        # types.
        assert row["gain"] >= max(payoff(k) for k in range(3)) - payoff(i) - 1e-9
        assert SUPPORTS[1][0] <= row["best_report"] <= SUPPORTS[1][1]


def test_the_groves_tax_averages_over_the_own_support(
    found: tuple[PolicyCase, dict[str, Any], Pairs],
) -> None:
    _, tree, pairs = found
    rule = rules(tree)["groves"]
    assert rule["checks"]["ic"]["status"] == "holds"
    rows = {(row["firm"], round(row["type"], 9)): row["net_transfer"] for row in rule["interim"]}

    def received(firm: int, i: int, j: int) -> float:
        return float(
            subsidy(pairs.at(pairs.types1[i], pairs.types2[j]), pairs.levels[i, j][None])[0, firm]
        )

    for firm in (0, 1):
        for own in range(3):
            net = 0.0
            for rival in range(3):
                places = [(k, rival) if firm == 0 else (rival, k) for k in range(3)]
                tax = sum(pairs.w[k] * received(firm, *places[k]) for k in range(3))
                net += pairs.w[rival] * (received(firm, *places[own]) - tax)
            name = round((pairs.types1, pairs.types2)[firm][own], 9)
            assert rows[firm + 1, name] == pytest.approx(net, rel=1e-6, abs=1e-6)


def test_the_worst_type_is_one_of_the_own_support(
    found: tuple[PolicyCase, dict[str, Any], Pairs],
) -> None:
    _, tree, _ = found
    rule = rules(tree)["worst_type"]
    assert rule["checks"]["ic"]["status"] == "holds"
    assert rule["checks"]["ir_market"]["status"] == "holds"
    assert rule["checks"]["ir_market"]["min_slack"] == pytest.approx(0.0, abs=1e-6)
    for form in ("ic", "ir_market"):
        for each in rules(tree).values():
            witness = each["checks"][form]["witness"]
            low, high = SUPPORTS[witness["firm"] - 1]
            assert low <= witness["type"] <= high
            assert low <= witness.get("report", low) <= high


def test_the_market_with_private_types_is_an_equilibrium(
    found: tuple[PolicyCase, dict[str, Any], Pairs],
) -> None:
    given, tree, pairs = found
    market = tree["regimes"]["bayes_nash"]
    rows = market["strategies"]
    played = [[row for row in rows if row["firm"] == firm] for firm in (1, 2)]
    types = pairs.types1, pairs.types2
    for firm in (0, 1):
        for k, own in enumerate(played[firm]):
            assert own["type"] == pytest.approx(types[firm][k], rel=1e-12)

            def payoff(s: float, t: float, firm: int = firm, k: int = k) -> float:
                total = 0.0
                for m, other in enumerate(played[1 - firm]):
                    x, both = np.empty(4), np.empty(2)
                    x[[firm, 2 + firm]], x[[1 - firm, 3 - firm]] = (
                        (s, t),
                        (
                            other["sharing"],
                            other["investment"],
                        ),
                    )
                    both[firm], both[1 - firm] = types[firm][k], types[1 - firm][m]
                    books = account(
                        given.market.with_cost_spillover(both[None]).flat(),
                        x[None],
                        bertrand_matrix,
                    )
                    total += pairs.w[m] * float(books.profit[0, firm])
                return total

            at = payoff(own["sharing"], own["investment"])
            assert own["payoff"] == pytest.approx(at, rel=1e-9)
            for s in np.linspace(0, 1, 11):
                for t in own["investment"] * np.linspace(0.2, 2, 10):
                    assert payoff(float(s), float(t)) <= at + 1e-9 * abs(at)


@pytest.fixture(scope="module")
def today(found: tuple[PolicyCase, dict[str, Any], Pairs]) -> np.ndarray:
    """Strategies (2, K, 2) of today's market."""
    return found[2].play()


def compared(tree: dict[str, Any], key: str) -> dict[str, Any]:
    return next(row for row in tree["comparison"] if row["policy"] == key)


def test_markets_of_firms_that_know_their_own_types(
    found: tuple[PolicyCase, dict[str, Any], Pairs], today: np.ndarray
) -> None:
    """Today's market and the one without sharing, each firm's types replying to its rival's."""
    _, tree, pairs = found
    assert np.abs(today[0] - today[1]).max() > 5e-4  # so that exchanged supports would be noticed
    for key, strategy in (("bayes_nash", today), ("no_sharing", pairs.play(most=0.0))):
        row = compared(tree, key)
        welfare, consumers, profit = pairs.means(strategy)
        assert row["welfare"] == pytest.approx(welfare, rel=1e-6)
        assert row["consumer_surplus"] == pytest.approx(consumers, rel=1e-5)
        assert row["profit"] == pytest.approx(list(profit), rel=1e-6)
        levels = [[float(np.dot(pairs.w, strategy[firm, :, v])) for firm in (0, 1)] for v in (0, 1)]
        assert row["sharing"] == pytest.approx(levels[0], abs=1e-4)
        assert row["investment"] == pytest.approx(levels[1], rel=1e-4)


def test_rates_fixed_beforehand(
    found: tuple[PolicyCase, dict[str, Any], Pairs], today: np.ndarray
) -> None:
    """What types do at them, and the flat parts with which every type of either support joins."""
    _, tree, pairs = found
    told, row = (
        tree["mechanism"]["linear_subsidies"]["under_types"],
        compared(tree, "linear_subsidies"),
    )
    rates = np.array([told["sharing_rate"], told["investment_rate"]]).T
    assert (np.abs(rates[0] - rates[1]) > 1e-3).all()
    strategy = pairs.play(rates)
    for played in told["strategies"]:
        firm = played["firm"] - 1
        k = int(np.abs(np.array((pairs.types1, pairs.types2)[firm]) - played["type"]).argmin())
        assert [played["sharing"], played["investment"]] == pytest.approx(
            list(strategy[firm, k]), rel=1e-3, abs=1e-3
        )
    welfare, _, _ = pairs.means(strategy)
    assert row["welfare"] == pytest.approx(welfare, rel=1e-6)
    for firm in (0, 1):
        short = max(
            pairs.reply(firm, own, today[1 - firm])[1]
            - pairs.reply(firm, own, strategy[1 - firm], rates[firm])[1]
            for own in pairs.points(firm, SUPPORTS[firm])
        )
        received = sum(
            w * float(rates[firm] @ mine) for w, mine in zip(pairs.w, strategy[firm], strict=True)
        )
        assert told["least_flat_payments"][firm] == pytest.approx(short, rel=1e-5)
        assert told["least_net_receipts"][firm] == pytest.approx(received + short, rel=1e-4)


def test_least_receipts_under_tax_rules(
    found: tuple[PolicyCase, dict[str, Any], Pairs], today: np.ndarray
) -> None:
    """Where the truth is told, of every type of the own support and between; under the printed tax
    of what is reported instead."""
    given, tree, pairs = found
    rules_found = evaluation.evaluate(given).rules
    assert rules_found is not None
    groves, printed = rules_found["groves"], rules_found["printed"]
    assert groves is not None
    assert printed is not None
    types = pairs.types1, pairs.types2

    def at(firm: int, own: float, other: float) -> tuple[float, float]:
        return (own, other) if firm == 0 else (other, own)

    @cache
    def levels(a: float, b: float) -> np.ndarray:
        return np.asarray(solve_regime(pairs.at(a, b), "social_optimum").levels)[None]

    def paid(firm: int, own: float, other: float) -> float:
        pair = at(firm, own, other)
        return float(subsidy(pairs.at(*pair), levels(*pair))[0, firm])

    def profit(firm: int, own: float, other: float, told: float, heard: float) -> float:
        return float(
            account(
                pairs.at(*at(firm, own, other)), levels(*at(firm, told, heard)), bertrand_matrix
            ).profit[0, firm]
        )

    assert groves.checks.ic.status == "holds"
    for firm in (0, 1):
        rivals = types[1 - firm]
        tax = [
            sum(w * paid(firm, own, other) for w, own in zip(pairs.w, types[firm], strict=True))
            for other in rivals
        ]

        def net(
            own: float, firm: int = firm, rivals: list[float] = rivals, tax: list[float] = tax
        ) -> float:
            return sum(
                w * (paid(firm, own, other) - t)
                for w, other, t in zip(pairs.w, rivals, tax, strict=True)
            )

        def kept(own: float, firm: int = firm, rivals: list[float] = rivals) -> float:
            return sum(
                w * profit(firm, own, other, own, other)
                for w, other in zip(pairs.w, rivals, strict=True)
            ) + net(own)

        short = max(
            pairs.reply(firm, own, today[1 - firm])[1] - kept(own)
            for own in pairs.points(firm, SUPPORTS[firm])
        )
        received = sum(w * net(own) for w, own in zip(pairs.w, types[firm], strict=True))
        assert groves.least[firm] == pytest.approx(received + short, rel=1e-4)

    assert printed.checks.ic.status == "violated"
    told = rules(tree)["printed"]["if_not_truthful"]["reports"]
    assert any(
        abs(said - own) > 0.01
        for firm in (0, 1)
        for said, own in zip(told[firm], types[firm], strict=True)
    )
    for firm in (0, 1):
        short = -np.inf
        for own, said in zip(types[firm], told[firm], strict=True):
            of_rivals = zip(pairs.w, types[1 - firm], told[1 - firm], strict=True)
            earned = sum(w * profit(firm, own, other, said, heard) for w, other, heard in of_rivals)
            short = max(short, pairs.reply(firm, own, today[1 - firm])[1] - earned)
        assert printed.least[firm] == pytest.approx(short, rel=1e-4, abs=1e-3)


def test_levels_ordered_whatever_the_types() -> None:
    """Under `participation: none`: one pair of levels, its worth over both supports."""
    given = case({"support": SUPPORTS, "points": 2}, mechanism__participation="none")
    row, pairs = compared(evaluate(given), "mandate"), Pairs(given.market, SUPPORTS, 2)
    assert row["status"] == "converged"
    strategy = np.stack(
        [np.tile([row["sharing"][firm], row["investment"][firm]], (2, 1)) for firm in (0, 1)]
    )
    welfare, consumers, profit = pairs.means(strategy)
    assert row["welfare"] == pytest.approx(welfare, rel=1e-9)
    assert row["consumer_surplus"] == pytest.approx(consumers, rel=1e-9)
    assert row["profit"] == pytest.approx(list(profit), rel=1e-9)
    for firm, v in np.ndindex(2, 2):
        for step in (1e-3, -1e-3):
            other = strategy.copy()
            other[firm, :, v] += step
            if other[firm, 0, 0] <= 1:
                assert pairs.means(other)[0] <= welfare


def test_one_support_given_twice_is_one_support() -> None:
    one = evaluate(case({"support": [0.2, 0.8], "points": 4}))
    two = evaluate(case({"support": [[0.2, 0.8], [0.2, 0.8]], "points": 4}))
    assert two["case"]["types"]["support"] == [[0.2, 0.8], [0.2, 0.8]]
    of_the_case = {key: one[key] for key in ("case", "case_sha256", "provenance")}
    assert {**two, **of_the_case} == one


def test_supports_exchanged_with_equal_firms_exchange_everything() -> None:
    one, two = (
        evaluation.evaluate(case({"support": each, "points": 3}, "two_vendors"))
        for each in (SUPPORTS, SUPPORTS[::-1])
    )
    assert one.rules is not None
    assert two.rules is not None
    for key, rule in one.rules.items():
        other = two.rules[key]
        assert rule is not None
        assert other is not None
        assert rule.expected.welfare == pytest.approx(other.expected.welfare, rel=1e-9)
        np.testing.assert_allclose(rule.expected.profit, other.expected.profit[::-1], rtol=1e-6)
        assert rule.checks.ic.status == other.checks.ic.status
        tolerance = 1e-6 * rule.checks.payoff_range
        assert rule.checks.ic.amount == pytest.approx(other.checks.ic.amount, abs=tolerance)
        assert rule.checks.ir("ir_market").amount == pytest.approx(
            other.checks.ir("ir_market").amount, abs=tolerance
        )
    for row, other_row in zip(one.comparison, two.comparison, strict=True):
        assert row.welfare == pytest.approx(other_row.welfare, rel=1e-8)


def test_private_intercepts_have_supports_of_their_own() -> None:
    supports = [[18.0, 22.0], [10.0, 14.0]]
    given = case({"support": supports, "points": 2, "parameter": "intercept"}, "two_vendors")
    tree = evaluate(given)
    pairs = Pairs(given.market, supports, 2, "intercept")
    welfare = sum(
        pairs.w[i] * pairs.w[j] * float(pairs.books(i, j, a, b).total_surplus.sum())
        for i, a in enumerate(pairs.types1)
        for j, b in enumerate(pairs.types2)
    )
    row = next(row for row in tree["comparison"] if row["policy"] == "social_optimum")
    assert row["welfare"] == pytest.approx(welfare, rel=1e-9)
    assert rules(tree)["observed"]["checks"]["ic"]["status"] == "holds"


def test_many_cases_have_the_figures_of_one() -> None:
    given = case({"support": SUPPORTS, "points": 3})
    tree = evaluate(given)
    policies = [
        "nash",
        "joint_profit",
        "social_optimum",
        "printed",
        "groves",
        "worst_type",
        "agv",
        "designed",
    ]
    out = solve_many([given, given], policies)
    for place, policy in enumerate(policies):
        if policy in rules(tree):
            found = rules(tree)[policy]
            assert out["ic_max_gain"][place] == pytest.approx(
                found["checks"]["ic"]["max_gain"], rel=1e-6, abs=1e-6
            )
            assert out["ir_min_slack"][place] == pytest.approx(
                found["checks"]["ir_market"]["min_slack"], rel=1e-6, abs=1e-5
            )
        else:
            row = next(row for row in tree["comparison"] if row["policy"] == policy)
            assert out["welfare"][place] == pytest.approx(row["welfare"], rel=1e-9)


@pytest.mark.parametrize(
    "options", [("--budget", "none"), ("--allocation", "second_best", "--objective", "max_surplus")]
)
def test_designs_are_over_either_firms_own_types(
    run: Run, tmp_path: Path, options: tuple[str, ...]
) -> None:
    path = tmp_path / "case.json"
    path.write_text(json.dumps(case({"support": SUPPORTS, "points": 2}).resolved))
    ran = run("design", path, *options, "--format", "json")
    assert ran.code == 0, ran.err
    tree = json.loads(ran.out)
    for firm, (low, high) in enumerate(SUPPORTS):
        assert all(low <= state[firm] <= high for state in tree["states"])
        assert len({state[firm] for state in tree["states"]}) >= 2
    chosen = tree["checks"]["chosen"]
    assert (chosen["ic"]["status"], chosen["ir"]["status"]) == ("holds", "holds")


def test_lotteries_in_an_evaluation() -> None:
    given = case({"support": SUPPORTS, "points": 2}, "second_best")
    tree = evaluation_tree(evaluation.evaluate(given))
    for row in tree["mechanism"]["reported"]["design"]["lotteries"]:
        assert all(
            low <= value <= high for value, (low, high) in zip(row["types"], SUPPORTS, strict=True)
        )


def test_points_of_either_firm_stand_for_the_same_quantiles() -> None:
    space = type_space(case({"support": SUPPORTS, "points": 5}).types)  # type: ignore[arg-type]
    assert not space.common
    for firm, (low, high) in enumerate(SUPPORTS):
        own, _ = nodes([low, high], 5)
        np.testing.assert_allclose(space.types_of(firm), own, rtol=1e-14)
        assert (space.of(firm)[0], space.of(firm)[-1]) == (low, high)


@pytest.mark.parametrize(
    ("types", "key"),
    [
        ({"support": [[0.2, 0.8], [0.5, 0.1]]}, "types.support[1]"),
        ({"support": [[0.2, 0.8], [0.1, 1.5]]}, "types.support[1][1]"),
        ({"support": [[0.2, 0.8], [0.1]]}, "types.support[1]"),
        ({"support": [[0.2, 0.8], 0.5]}, "types.support holds a range beside something else;"),
        (
            {"support": [[0.2, "x"], [0.1, 0.5]]},
            'types.support[0][1] is "x"; it must be a number in [0, 1]',
        ),
        ({"support": [[0.2, 0.8]]}, "types.support"),
        ({"support": [[0.2, 0.8], [0.1, 0.5], [0.1, 0.5]]}, "types.support"),
        ({"support": [[0.2, 0.8], [0.3, 0.3]]}, "types.support[1]"),
        ({"values": [[0.2, 0.8], [0.1, 0.5]]}, "types.values[0]"),
    ],
)
def test_faults_of_supports_are_at_their_place(types: dict[str, Any], key: str) -> None:
    with pytest.raises(BadCase) as bad:
        case(types)
    assert str(bad.value.faults[0]).startswith(f"{key} ")


def test_a_bound_of_one_firms_support_is_varied(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "case.json"
    path.write_text(json.dumps(case({"support": SUPPORTS, "points": 2}).resolved))
    ran = run(
        "what-if",
        path,
        "--vary",
        "types.support[1][1]=0.3:0.5:2",
        "--policy",
        "groves",
        "--format",
        "json",
    )
    assert ran.code == 0, ran.err
    first, second = (row["welfare"] for row in json.loads(ran.out)["rows"])
    assert first != second
    ran = run("evaluate", path)
    assert "each firm's from a range of its own" in " ".join(ran.out.split())
