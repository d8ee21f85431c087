"""Figures of other people's programs beside ours: equilibria by nashopt, mechanisms by mechaudit.

What they found is stored, with the version that did; where they are installed they are run again
(`pip install nashopt qpsolvers mechaudit`). The markets are written anew here, from the equations,
in what each of the programs takes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from market.casefile.files import read_document
from market.regimes import solve_regime
from mechanism.analysis.designs import solve_file
from mechanism.analysis.designs_tree import design_tree
from mechanism.casefile.policy_case import load_case
from mechanism.design.setting_file import load_setting

CASES = Path(__file__).resolve().parents[1] / "cases"

EQUILIBRIA = {
    "two_vendors": [0.041192045441, 0.878763636067, 0.041192045441, 0.878763636067],
    "large_and_small": [0.031022999419, 1.050403519715, 0.021437035644, 0.687335141733],
    "near_monopolies": [0.003933487652, 0.895524022077, 0.003933487652, 0.895524022077],
}
"""By case, nashopt 1.3.9: sharing and investment of the first firm, then of the second."""
SURPLUS = {
    ("bilateral_trade", "bayesian"): 0.15625,
    ("bilateral_trade", "dominant"): 0.15625,
    ("partnership", "bayesian"): 0.66,
    ("package_auction", "dominant"): 305.0,
}
"""By setting and incentive, mechaudit 0.1.0: the highest expected welfare with interim
participation and no money from outside in expectation."""


@pytest.mark.parametrize("name", EQUILIBRIA)
def test_equilibria_are_those_that_nashopt_finds(name: str) -> None:
    found = solve_regime(load_case(CASES / f"{name}.yaml").market, "nash").levels
    assert found is not None
    np.testing.assert_allclose(found[[0, 2, 1, 3]], EQUILIBRIA[name], rtol=1e-6)


@pytest.mark.parametrize(("name", "incentive"), SURPLUS)
def test_designs_reach_what_those_of_mechaudit_reach(name: str, incentive: str) -> None:
    asked = {
        "allocation": "second_best",
        "tax_rule": "designed",
        "objective": "max_surplus",
        "budget": "ex_ante",
        "incentive": incentive,
    }
    found = solve_file(CASES / "settings" / f"{name}.yaml", asked)
    assert design_tree(found)["objective_value"] == pytest.approx(
        SURPLUS[name, incentive], abs=1e-8
    )


# --- run again


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", EQUILIBRIA)
def test_nashopt_finds_them_again(name: str) -> None:
    pytest.importorskip("nashopt")
    found = by_nashopt(read_document(CASES / f"{name}.yaml").tree)
    np.testing.assert_allclose(found, EQUILIBRIA[name], rtol=1e-7)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("name", "incentive"), SURPLUS)
def test_mechaudit_reaches_it_again(name: str, incentive: str) -> None:
    pytest.importorskip("mechaudit")
    found = by_mechaudit(CASES / "settings" / f"{name}.yaml", incentive)
    assert found == pytest.approx(SURPLUS[name, incentive], abs=1e-8)


def by_nashopt(tree: dict[str, Any]) -> list[float]:
    """The equilibrium of a market of the saturating form, without unit costs."""
    import jax

    jax.config.update("jax_enable_x64", True)
    from nashopt import GNEP

    demand, security, cost = tree["demand"], tree["security"], tree["cost"]

    def each(value: Any) -> list[float]:
        return list(value) if isinstance(value, list) else [value, value]

    a, b1, b2 = each(demand["intercept"]), each(demand["own_slope"]), demand["cross_slope"]
    alpha, lam = each(security["rivalry"]), each(security["demand_spillover"])
    own, cross, both = (each(security["leakage"][k]) for k in ("own", "cross", "interaction"))
    k, gamma, lc = (each(cost[key]) for key in ("scale", "max_saving", "spillover"))

    def loss(i: int) -> Any:
        def less_profit(x: Any) -> Any:
            s, t, net = (x[0], x[2]), (x[1], x[3]), []
            for m, n in ((0, 1), (1, 0)):
                leak = own[m] * s[m] ** 2 - cross[m] * s[n] ** 2 - both[m] * s[m] * s[n]
                net.append(a[m] + t[m] - alpha[m] * t[n] + lam[m] * t[n] * s[n] - leak)
            j = 1 - i
            price = (2 * b1[j] * net[i] + b2 * net[j]) / (4 * b1[0] * b1[1] - b2**2)
            y = lc[i] * t[j] * s[j]
            return k[i] / 2 * t[i] ** 2 * (1 - gamma[i] * y / (1 + y)) - b1[i] * price**2

        return jax.jit(less_profit)

    upper = np.array([1.0, max(a), 1.0, max(a)])
    game = GNEP([2, 2], f=[loss(0), loss(1)], lb=np.zeros(4), ub=upper)
    found = game.solve(np.array([0.05, 1.0, 0.05, 1.0]), verbose=0)
    assert np.linalg.norm(found.res) < 1e-9
    return [float(x) for x in found.x]


def by_mechaudit(path: Path, incentive: str) -> float:
    """The most expected welfare of a setting, values counted from what staying out is worth."""
    import mechaudit as ma

    it = load_setting(path).environment
    agents = {name: [str(k) for k in range(len(it.types[i]))] for i, name in enumerate(it.players)}

    def value(agent: str, own: str, outcome: str) -> float:
        i, k = it.players.index(agent), int(own)
        outside = np.asarray(it.outside[i]).ravel()
        return float(it.values[i][k, it.alternatives.index(outcome)] - outside[k])

    prior = {
        tuple(agents[name][k] for name, k in zip(it.players, at, strict=True)): float(
            np.prod([it.probabilities[i][k] for i, k in enumerate(at)])
        )
        for at in np.ndindex(*it.shape)
    }
    problem = ma.FiniteEnvironment(
        agents=agents,
        outcomes=list(it.alternatives),
        prior=prior,
        values=ma.PrivateValues(value),
    ).design(
        objective=ma.ExpectedSocialWelfare(),
        requirements=(
            ma.BIC() if incentive == "bayesian" else ma.DSIC(),
            ma.InterimIR(),
            ma.WeakBudgetBalance(timing="ex_ante"),
        ),
    )
    stays = sum(float(np.ravel(it.outside[i]) @ it.probabilities[i]) for i in range(len(agents)))
    return float(problem.solve().objective_value) + stays
