"""Where a claim ends: just beyond a tolerance it is not made, a search that ran out claims nothing,
a spoiled proof is none."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from admissible import market

from market.certify import proof
from market.regimes import solve_regime
from market.solve.equilibrium import Apart, Game, newton, searched_reply
from mechanism.casefile.types import discrete
from mechanism.design import solve as design
from mechanism.design.checks import Lie, Refusal, first_largest, participation
from mechanism.design.cvx import LinearAnswer
from mechanism.design.environment import achieved, efficient
from mechanism.design.setting_file import DesignOptions, parse_setting
from mechanism.scheme.incentives import Earned, Gains, incentive_check
from mechanism.scheme.judge import statuses
from mechanism.scheme.own_table import listed

JUST = ((0.5e-7, "holds"), (2e-7, "violated"))
"""Amounts on either side of a ten-millionth of a payoff range of one, and what is then claimed."""


@pytest.mark.parametrize(("amount", "status"), JUST)
@pytest.mark.parametrize("incentive", ["bayesian", "dominant"])
def test_truth_telling_is_judged_to_a_ten_millionth_of_the_payoff_range(
    incentive: Any, amount: float, status: str
) -> None:
    """The second firm of the first type gains this much by the second report; payoffs run from 0 to
    1."""
    interim = np.array([[[1.0, 0.5], [0.0, 0.0]], [[1.0, 1.0 + amount], [0.0, 0.0]]])
    # by the rival's one report
    tables = listed(interim[0][..., None]), listed(interim[1][..., None])
    told = np.diagonal(interim, axis1=1, axis2=2)[..., None]
    before = Earned(
        at=np.arange(2), tables=tables, truth=told, weights=np.ones(1), size=np.array(0.0)
    )
    found = Gains(earned=before, transfer=np.zeros((2, 2, 1)))
    check = incentive_check(found, discrete([0.2, 0.8], [0.5, 0.5]), incentive, float(found.range))
    assert check.status == status
    assert check.witness == Lie(
        player=1, type=0.2, report=0.8, gain=pytest.approx(amount, rel=1e-6)
    )


@pytest.mark.parametrize(("amount", "status"), JUST)
def test_participation_is_judged_to_a_ten_millionth_of_the_payoff_range(
    amount: float, status: str
) -> None:
    found = participation(
        np.array([[1.0, 0.0], [0.5, 0.5]]),
        np.array([[1.0, amount], [0.0, 0.5]]),
        np.array([0.2, 0.8]),
    )
    assert found.status == status
    assert found.witness == Refusal(player=0, type=0.8, slack=pytest.approx(-amount))


def test_many_cases_are_judged_alike() -> None:
    """A case a lane; of what is not known nothing is claimed."""
    excess, scale = np.array([0.5e-7, 2e-7, 1e-6, np.nan]), np.array([1.0, 1.0, 20.0, 1.0])
    assert list(statuses(excess, scale)) == ["holds", "violated", "holds", "not_established"]


@pytest.mark.parametrize(("amount", "status"), JUST)
def test_settings_are_judged_alike(amount: float, status: str) -> None:
    """All like one alternative best, worth 0 or 1: the other type gains what one report is paid; a
    better outside option is a loss."""
    tree = {
        "alternatives": ["this", "that"],
        "players": [
            {
                "name": "one",
                "types": [0, 1],
                "value": {"this": [0, 1], "that": [-9, -9]},
                "outside": [amount, 0],
            },
            {"name": "two", "types": [0, 1], "value": {"this": [0, 1], "that": [-9, -9]}},
        ],
    }
    plan = efficient(parse_setting(tree).environment)
    nothing = np.zeros((2, 2))
    paid = achieved(plan, (nothing, nothing + np.array([0.0, amount])))
    for check in paid.ic.values():
        assert check.status == status
        assert check.witness == Lie(player=1, type=0.0, report=1.0, gain=pytest.approx(amount))
    for check in paid.ir.values():
        assert check.status == status
        assert check.witness == Refusal(player=0, type=0.0, slack=pytest.approx(-amount))


def test_ties_up_to_rounding_go_to_the_first() -> None:
    assert first_largest(np.array([[0.5, 3.0], [3.0 + 4e-16 * 3, 1.0]])) == (0, 1)
    assert first_largest(np.array([[0.5, 3.0], [3.0 + 1e-9, 1.0]])) == (1, 0)


def test_a_proof_that_ran_out_of_boxes_claims_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert solve_regime(market(), "social_optimum").certificate.scope == "proven"
    monkeypatch.setattr(proof, "LARGEST_TREE", 20)
    outcome = solve_regime(market(), "social_optimum")
    assert outcome.certificate.scope == "searched"
    assert outcome.certificate.gap is None


@dataclass(frozen=True)
class Rising:
    """x + x^3 / 3, which is nowhere flat."""

    def take(self, lanes: Any) -> Rising:
        """One objective for all lanes."""
        return self

    def value(self, x: np.ndarray) -> np.ndarray:
        """Payoffs."""
        return (x + x**3 / 3)[..., 0]

    def derivatives(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Value, gradient, Hessian."""
        return self.value(x), 1 + x**2, (2 * x)[..., None]


def test_newton_says_where_it_did_not_arrive() -> None:
    lower, upper = np.array([-np.inf]), np.array([np.inf])
    reply = searched_reply((Rising(),), ((0,),), lower, upper, (np.zeros((1, 1)),))
    game = Game(players=Apart((Rising(),)), controls=((0,),), lower=lower, upper=upper, reply=reply)
    assert np.isnan(newton(game, np.array([[0.3], [2.0]]))[0]).all()


@dataclass(frozen=True)
class Bent(Rising):
    """2 x - e^x, highest at log 2."""

    def value(self, x: np.ndarray) -> np.ndarray:
        """Payoffs."""
        return (2 * x - np.exp(x))[..., 0]

    def derivatives(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Value, gradient, Hessian."""
        return self.value(x), 2 - np.exp(x), -np.exp(x)[..., None]


def test_newton_goes_on_to_the_last_digit() -> None:
    lower, upper = np.array([-9.0]), np.array([9.0])
    reply = searched_reply((Bent(),), ((0,),), lower, upper, (np.zeros((1, 1)),))
    game = Game(players=Apart((Bent(),)), controls=((0,),), lower=lower, upper=upper, reply=reply)
    np.testing.assert_allclose(newton(game, np.array([[0.0], [2.0]]))[0], np.log(2), rtol=1e-14)


# --- proofs of impossibility

TRADE = {
    "alternatives": ["trade", "keep"],
    "players": [
        {
            "name": "buyer",
            "types": [0.1, 0.5, 0.9],
            "value": {"trade": [0.1, 0.5, 0.9], "keep": [0, 0, 0]},
        },
        {
            "name": "seller",
            "types": [0.1, 0.5, 0.9],
            "value": {"trade": [-0.1, -0.5, -0.9], "keep": [0, 0, 0]},
        },
    ],
}
"""Efficient trade over three values each: impossible without public money."""


def test_no_proof_of_impossibility_where_something_is_possible() -> None:
    problem = parse_setting(TRADE)
    impossible = DesignOptions(allocation="efficient", objective="min_outlay", budget="ex_ante")
    assert design.refute(design.build(problem.environment, impossible)).verified
    for options in ({"budget": "none"}, {"participation": "none", "objective": "max_surplus"}):
        possible = impossible.model_copy(update=options)
        program = design.build(problem.environment, possible)
        assert design.solve(program).status == "optimal"
        assert not design.refute(program).verified


@pytest.mark.parametrize("row", range(5))
def test_spoiled_weights_are_no_proof_of_impossibility(
    row: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of the weights of a valid proof is halved, or one that is nothing made something."""
    program = design.build(
        parse_setting(TRADE).environment,
        DesignOptions(allocation="efficient", objective="min_outlay", budget="ex_ante"),
    )
    true = design.least_cost

    def spoiled(*arguments: Any, **options: Any) -> LinearAnswer:
        answer = true(*arguments, **options)
        prices = answer.prices.copy()
        at = np.argsort(prices[:-1])[::-1][row]
        prices[at] = prices[at] / 2 if prices[at] > 1e-9 else 0.1
        return replace(answer, prices=prices)

    monkeypatch.setattr(design, "least_cost", spoiled)
    assert not design.refute(program).verified
