"""The regimes: who chooses what, at which prices, and what comes of it.

A regime is data: the price rule, the choosers (each with a payoff and the levels it controls) and whether sharing is allowed. One
chooser makes an optimisation, whose optimum must be global; two make a game, whose equilibria must survive global deviations.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from market.case import INVESTMENT, SHARING, Array, Case, of_firm, rival
from market.cost import form_of, usefulness
from market.demand import apply as apply_matrix
from market.demand import times
from market.outcome import ROUNDING, Accounts, Certificate, Outcome, Status, Uniqueness, account, numbers, unsolved
from market.payoff import Payoff
from market.pricing import (
    PriceRule,
    bertrand_matrix,
    collusive_matrix,
    marginal_cost_matrix,
    net_intercept,
    revenue_matrices,
    sold_matrix,
    utility_matrix,
)
from market.proof import bound_optimum
from market.reply import best_reply, reply_bound
from market.solve.equilibrium import Game, find_equilibria, reply_eigenvalues
from market.solve.optimum import Ascent, distinct_points, free_curvature, maximise, on_bound
from market.solve.tolerances import DEFAULT, Tolerances
from market.stages import Staged, invest_first, lead
from market.uniqueness import symmetric_levels, uniqueness
from market.wellposed import (
    explain_unbounded,
    explain_zero_unit_cost,
    investment_response,
    relative_scale,
    required_scale,
    zero_unit_cost_pays,
)


@dataclass(frozen=True, kw_only=True)
class Regime:
    """One way to organise the market."""

    key: str
    """Name in results and commands."""
    chooser: Literal["firms", "alliance", "planner"]
    """Who chooses the levels: each firm its own for its own profit, both jointly for joint profit, or a planner for welfare."""
    prices: PriceRule
    """Who sets prices, as the matrix of margins in net intercepts."""
    sharing_range: tuple[float, float] = (0.0, 1.0)
    """What a firm may share; both ends equal where sharing is imposed or forbidden."""
    order: Literal["together", "one_leads", "investment_first"] = "together"
    """Whether the firms choose their levels at once, one of them commits first, or both invest before both share."""
    leader: int | None = None
    """The firm that commits first, where one does."""
    welfare_weight: float = 1.0
    """Of a planner: its weight on welfare, the rest being on joint profit."""


REGIMES: dict[str, Regime] = {
    regime.key: regime
    for regime in (
        Regime(key="no_sharing", chooser="firms", prices=bertrand_matrix, sharing_range=(0.0, 0.0)),
        Regime(key="nash", chooser="firms", prices=bertrand_matrix),
        Regime(key="sequential", chooser="firms", prices=bertrand_matrix, order="one_leads", leader=0),
        Regime(key="sequential_firm_2", chooser="firms", prices=bertrand_matrix, order="one_leads", leader=1),
        Regime(key="investment_first", chooser="firms", prices=bertrand_matrix, order="investment_first"),
        Regime(key="joint_profit", chooser="alliance", prices=bertrand_matrix),
        Regime(key="price_collusion", chooser="alliance", prices=collusive_matrix),
        Regime(key="social_optimum", chooser="planner", prices=bertrand_matrix),
        Regime(key="first_best", chooser="planner", prices=marginal_cost_matrix),
    )
}
"""Every regime by its key, in the order of reports."""

FINE_GRID = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Sharing levels from whose square an optimum is searched."""

BOTH = np.ones((1, 2))
"""Weights of a chooser that bears both firms' costs."""


def solve_regimes(case: Case, tolerances: Tolerances = DEFAULT) -> dict[str, Outcome]:
    """The outcomes of all regimes at one case, in the order of reports."""
    outcomes: dict[str, Outcome] = {}
    for key, regime in REGIMES.items():
        # Equal firms: whoever leads, the other one's outcome is the mirror image.
        mirror = regime.leader == 1 and case.alike()
        outcomes[key] = mirrored(outcomes["sequential"], key) if mirror else solve_regime(case, key, tolerances)
    return outcomes


def mirrored(outcome: Outcome, key: str) -> Outcome:
    """The outcome with the two firms exchanged, for equal firms."""
    if outcome.levels is None or outcome.accounts is None:
        return replace(outcome, regime=key)
    accounts = Accounts(**{name: rival(value) for name, value in vars(outcome.accounts).items()})
    exchanged = {"[0]": "[1]", "[1]": "[0]"}
    bounds = tuple(re.sub(r"\[[01]\]", lambda match: exchanged[match[0]], bound) for bound in outcome.certificate.bounds)
    return replace(
        outcome,
        regime=key,
        levels=outcome.levels[[1, 0, 3, 2]],
        accounts=accounts,
        certificate=replace(outcome.certificate, bounds=bounds),
    )


def solve_regime(case: Case, key: str, tolerances: Tolerances = DEFAULT) -> Outcome:
    """The outcome of one regime at one case (no batch axes), with its certificate."""
    case = case.flat()
    regime = REGIMES[key]
    if regime.order != "together":
        return _staged(case, regime, tolerances)
    if regime.chooser == "firms":
        return solve_equilibrium(case, regime, tolerances)
    return _optimum(case, regime, tolerances)


def benefit_matrix(case: Case, regime: Regime) -> Array:
    """Q (..., 2, 2) of a sole chooser: both firms' variable profit for an alliance, gross utility less unit costs for a planner."""
    joint: Array = revenue_matrices(case, regime.prices).sum(-3)
    if regime.chooser == "planner":
        weight = regime.welfare_weight
        return weight * utility_matrix(case, regime.prices) + (1 - weight) * joint
    return joint


def level_bounds(case: Case, lanes: int, sharing_range: tuple[float, float] = (0.0, 1.0)) -> tuple[Array, Array]:
    """Lower and upper bounds (lanes, 4) of the levels."""
    lower, upper = np.zeros((lanes, 4)), np.empty((lanes, 4))
    lower[:, SHARING], upper[:, SHARING] = sharing_range
    upper[:, INVESTMENT] = case.investment_cap
    return lower, upper


def deviation_bounds(case: Case, x: Array) -> tuple[Array, Array]:
    """Bounds (L, 4) for deviations from levels x (L, 4) by those who like a low unit cost.

    Where sharing lowers unit costs, investment stays below what would make them negative at full sharing, or at x if that is more.
    """
    lower, upper = level_bounds(case, len(x))
    if case.unit_cost is not None and np.any(case.unit_cost.spillover):
        with np.errstate(divide="ignore"):
            enough = case.unit_cost.base / case.unit_cost.spillover
        upper[:, INVESTMENT] = np.minimum(upper[:, INVESTMENT], np.maximum(enough, x[:, INVESTMENT]))
    return lower, upper


def starting_levels(case: Case, benefit: Array, grid: tuple[float, ...] = (0.0, 0.5, 1.0), saved: float = 0.5) -> Array:
    """Starting points (L, m, 4): sharing on a grid; investment optimal for a cost k share t^2 / 2 when this part of the saving is made."""
    sharing = np.stack(np.meshgrid(grid, grid, indexing="ij"), -1).reshape(-1, 1, 2)
    lanes = max(case.batch[0], len(benefit))
    x = np.moveaxis(np.zeros((4, len(sharing), lanes)), 0, -1)  # (m, L, 4), lanes next to each other in memory
    x[..., SHARING] = sharing
    A = net_intercept(case, x)
    M = investment_response(case, x[..., SHARING])
    gain = 2 * times(np.swapaxes(M, -1, -2), benefit)
    slope = apply_matrix(gain, A)
    share = form_of(case).starting_share(usefulness(case) * rival(x[..., SHARING]), case.max_saving, saved)
    left = [of_firm(case.cost_scale * share, i) for i in (0, 1)]
    bend = times(gain, M)
    curve = [[(left[i] if i == j else 0.0) - bend[..., i, j] for j in (0, 1)] for i in (0, 1)]
    determinant = curve[0][0] * curve[1][1] - curve[0][1] * curve[1][0]
    definite = (curve[0][0] > 0) & (determinant > 0)
    for i, j in ((0, 1), (1, 0)):
        solved = (curve[j][j] * slope[..., i] - curve[i][j] * slope[..., j]) / np.where(definite, determinant, 1.0)
        x[..., 2 + i] = np.where(definite, solved, 2 * slope[..., i] / left[i])
    x[..., INVESTMENT] = np.clip(x[..., INVESTMENT], 0.0, np.minimum(case.investment_cap, 1e6))
    return np.swapaxes(x, 0, 1)


def fine_starts(case: Case, benefit: Array) -> list[Array]:
    """Starting points (L, m, 4) over the fine grid of sharing, a set for each part of the saving that investment may be optimal for."""
    return [starting_levels(case, benefit, FINE_GRID, saved) for saved in form_of(case).saved]


def local_optima(case: Case, benefit: Array, starts: Array, tolerances: Tolerances = DEFAULT) -> Ascent:
    """Climb from starts (L, m, 4) in every lane of a flat case; results have L * m rows, a lane's starts together."""
    lanes, tries, _ = starts.shape
    which = np.repeat(np.arange(lanes), tries)
    payoff = Payoff(case=case, benefit=benefit, cost_weight=BOTH).take(which)
    lower, upper = level_bounds(case.take(which), lanes * tries)
    return maximise(payoff, starts.reshape(-1, 4), lower, upper, tolerances)


CHOOSERS = {"firms": "some firm's profit", "alliance": "joint profit", "planner": "welfare"}
"""What grows without limit where a regime has no solution."""


def needed_scale(case: Case, regime: Regime) -> Array:
    """What cost.scale must exceed (L or 1,) for the choosers' payoffs at a flat case to be bounded, where no cap bounds investment."""
    if regime.chooser == "firms":  # even at the full stand-alone cost some firm's best reply would be to invest without limit
        return np.asarray((reply_bound(case, regime.sharing_range) / relative_scale(case)).max(-1))
    return required_scale(case, benefit_matrix(case, regime), sold_matrix(case, regime.prices))


def unbounded(case: Case, regime: Regime) -> NDArray[np.bool_]:
    """Whether the choosers' payoffs grow without limit in investment, in the lanes of a flat case (L or 1,)."""
    return np.asarray(np.isinf(case.investment_cap).any(-1) & (case.cost_scale[:, 0] <= needed_scale(case, regime)))


def why_unbounded(case: Case, regime: Regime) -> str:
    """The message about one flat case that is unbounded."""
    return explain_unbounded(case, float(needed_scale(case, regime)[0]), CHOOSERS[regime.chooser])


def _optimum(case: Case, regime: Regime, tolerances: Tolerances) -> Outcome:
    if unbounded(case, regime)[0]:
        return unsolved(regime.key, "unbounded", why_unbounded(case, regime))

    who = CHOOSERS[regime.chooser]
    Q = benefit_matrix(case, regime)
    payoff = Payoff(case=case, benefit=Q, cost_weight=BOTH)
    starts = np.concatenate(fine_starts(case, Q), axis=1)
    around = [np.array([1, 1, *pair]) for pair in ((1, 1), (0.3, 0.3), (3, 3), (3, 0.3), (0.3, 3))]
    found = local_optima(case, Q, np.concatenate([starts * factors for factors in around], axis=1), tolerances)
    converged = found.residual <= tolerances.residual
    if not converged.any():
        if zero_unit_cost_pays(payoff, -np.inf):  # what climbs run after
            return unsolved(regime.key, "infeasible", explain_zero_unit_cost(case, who))
        return unsolved(regime.key, "not_converged", f"no ascent on {who} reached a residual of {tolerances.residual:g}")
    # Payoff squares prices, so levels with negative ones can look good. They describe no market and count only if all found are such.
    real = converged & account(case, found.x, regime.prices).describes_market
    converged = real if real.any() else converged
    x, value, residual, hessian = (a[converged] for a in (found.x, found.value, found.residual, found.hessian))
    if zero_unit_cost_pays(payoff, float(value[real[converged]].max(initial=-np.inf))):
        return unsolved(regime.key, "infeasible", explain_zero_unit_cost(case, who))
    bound = bound_optimum(payoff, float(value.max()), tolerances)
    # The proof met a better point than every start led to. If it describes no market, nothing is proven about those that do.
    if bound.better is not None and account(case, bound.better[None], regime.prices).describes_market[0]:
        lower, upper = level_bounds(case, 1)
        more = maximise(payoff, bound.better[None], lower, upper, tolerances)
        x, value = np.concatenate([x, more.x]), np.concatenate([value, more.value])
        residual, hessian = np.concatenate([residual, more.residual]), np.concatenate([hessian, more.hessian])
        bound = bound_optimum(payoff, float(value.max()), tolerances)
    points = distinct_points(x, value, tolerances)
    lower, upper = level_bounds(case, len(x))
    held = on_bound(x, lower, tolerances) | on_bound(x, upper, tolerances)
    curvature = free_curvature(hessian, held)
    # A saddle is no optimum: only points without an ascending direction among the free levels are listed.
    peaks = [i for i in points if not curvature[i] > 1e-9 * max(1.0, abs(value[i]))]
    best = peaks[0] if peaks else points[0]
    if value.max() > value[best] + 1e-9 * max(1.0, abs(value[best])):  # a saddle of a market, from which ascents leave what is one
        return unsolved(
            regime.key,
            "infeasible",
            f"{who} is highest where some price or quantity would be negative: {value.max():.6g} is reached on the way there, and "
            f"{value[best]:.6g} at the best optimum of a market",
        )
    certificate = Certificate(
        residual=float(residual[best]),
        curvature=None if np.isnan(curvature[best]) else float(curvature[best]),
        regret=None,
        scope="proven" if bound.gap <= tolerances.gap else "searched",
        gap=float(bound.gap) if np.isfinite(bound.gap) else None,
        others=tuple(other_point(case, regime.prices, x[i]) for i in peaks[1:]),
        bounds=binding(x[best], lower[0], upper[0], tolerances),
    )
    return finish(case, regime.key, x[best], account(case, x[best][None], regime.prices), certificate)


def firm_game(case: Case, regime: Regime) -> Game:
    """The firms' game over all four levels at one flat case or in all its lanes: own profit, own levels, exact best replies."""
    Q = revenue_matrices(case, regime.prices)
    players = tuple(Payoff(case=case, benefit=Q[..., i, :, :], cost_weight=np.eye(2)[None, i]) for i in (0, 1))
    lower, upper = level_bounds(case, len(case.investment_cap), regime.sharing_range)

    def exact(firm: int, x: Array) -> tuple[Array, Array]:
        return best_reply(case, x, firm, regime.sharing_range)

    return Game(players=players, controls=((0, 2), (1, 3)), lower=lower, upper=upper, reply=exact)


def solve_equilibrium(case: Case, regime: Regime, tolerances: Tolerances = DEFAULT) -> Outcome:
    """The equilibrium of firms that choose at once, at one flat case: the one with the highest joint profit, others listed."""
    Q = revenue_matrices(case, regime.prices).sum(-3)
    if unbounded(case, regime)[0]:
        return unsolved(regime.key, "unbounded", why_unbounded(case, regime))
    starts = starting_levels(case, Q)[0]
    starts[:, SHARING] = np.clip(starts[:, SHARING], *regime.sharing_range)
    game = firm_game(case, regime)
    imposed = regime.sharing_range[0] if regime.sharing_range[0] == regime.sharing_range[1] else None
    only = uniqueness(case, imposed)
    found = find_equilibria(game, starts[:1], tolerances)
    if only.status != "proven" or not len(found.x):
        small = starts * np.array([1, 1, 0.25, 0.25])
        symmetric = symmetric_levels(case, imposed) if case.alike() else starts[:0]
        found = find_equilibria(game, np.concatenate([starts, small, symmetric]), tolerances)
    if not len(found.x):
        return unsolved(
            regime.key,
            "no_equilibrium",
            "no levels were found at which neither firm gains by a global deviation: best replies cycle or grow without limit",
        )
    accounts = [account(case, x[None], regime.prices) for x in found.x]
    real = [i for i, books in enumerate(accounts) if books.describes_market[0]]
    order = sorted(real or range(len(accounts)), key=lambda i: (-round(float(accounts[i].profit.sum()), 9), found.x[i, INVESTMENT].sum()))
    best = order[0]
    curvature = found.curvature[best]
    stable = reply_eigenvalues(game, found.x, tolerances)
    if len(order) > 1:
        only = Uniqueness(status="no", basis=f"{len(order) - 1} other found")
    lower, upper = level_bounds(case, 1)
    if imposed is not None:  # what is imposed is no corner of a choice
        lower[:, SHARING], upper[:, SHARING] = -np.inf, np.inf
    certificate = Certificate(
        residual=float(found.residual[best]),
        curvature=None if np.isnan(curvature) else float(curvature),
        regret=float(found.regret[best]),
        scope="proven",
        others=tuple(other_point(case, regime.prices, found.x[i]) | {"stable": bool(stable[i].max() < 1)} for i in order[1:]),
        bounds=binding(found.x[best], lower[0], upper[0], tolerances),
        unique=only,
        reply_eigenvalues=tuple(float(v) for v in stable[best]),
    )
    return finish(case, regime.key, found.x[best], accounts[best], certificate)


def _staged(case: Case, regime: Regime, tolerances: Tolerances) -> Outcome:
    if unbounded(case, regime)[0]:
        return unsolved(regime.key, "unbounded", why_unbounded(case, regime))
    if regime.leader is not None:
        found = lead(case, 1, regime.leader, tolerances)
    else:
        found = invest_first(case, len(STARTS), np.array(STARTS)[:, None], tolerances)
    outcomes = [_staged_outcome(case, regime, found, lane, tolerances) for lane in range(len(found.levels))]
    solved = [outcome for outcome in outcomes if outcome.solved]
    if not solved:
        return outcomes[0]
    best = max(solved, key=lambda outcome: round(float(outcome.profit.sum()), 9))
    points = np.array([best.levels, *(outcome.levels for outcome in solved)])
    others = distinct_points(points, np.zeros(len(points)), tolerances)
    apart = [i for i in others if np.abs(points[i] - points[0]).max() > 1e3 * tolerances.distinct]
    listed = tuple(other_point(case, regime.prices, points[i]) for i in apart)
    return replace(best, certificate=replace(best.certificate, others=listed))


STARTS = (1.0, 0.3, 10.0)
"""Multiples of what firms would invest alone from which equilibria of staged games are searched."""


def _staged_outcome(case: Case, regime: Regime, found: Staged, lane: int, tolerances: Tolerances) -> Outcome:
    x, residual, regret = found.levels[lane], float(found.residual[lane]), float(found.regret[lane])
    if found.runaway[lane]:
        return unsolved(regime.key, "unbounded", "the payoff of a firm that moves first still rises at the largest investment searched")
    if not np.isfinite(x).all() or regret > tolerances.regret:
        return unsolved(regime.key, "no_equilibrium", "no levels were found from which no firm gains by a deviation")
    if residual > (tolerances.kink if found.switching[lane] else tolerances.residual):
        return unsolved(regime.key, "not_converged", f"the first movers' condition is left with a residual of {residual:.3g}")
    lower, upper = level_bounds(case, 1)
    switch = ("a later reply switches here",) if found.switching[lane] else ()
    certificate = Certificate(
        residual=residual,
        curvature=None if np.isnan(found.curvature[lane]) else float(found.curvature[lane]),
        regret=regret,
        scope="searched",
        bounds=binding(x, lower[0], upper[0], tolerances) + switch,
    )
    return finish(case, regime.key, x, account(case, x[None], regime.prices), certificate)


def finish(case: Case, key: str, x: Array, accounts: Accounts, certificate: Certificate) -> Outcome:
    """The outcome at levels x (4,), or `infeasible` where a price or quantity is negative."""
    accounts = Accounts(**{name: getattr(accounts, name)[0] for name in accounts.__dataclass_fields__})
    if not accounts.describes_market:
        names = ("price", "quantity", "unit_cost")
        where = [f"{name}[{i}] = {v:.6g}" for name in names for i, v in enumerate(getattr(accounts, name)) if v < -ROUNDING]
        return unsolved(key, "infeasible", f"the levels that solve it imply {', '.join(where)}: they describe no market")
    status: Status = "corner" if certificate.bounds else "converged"
    return Outcome(regime=key, status=status, message=None, levels=x, accounts=accounts, certificate=certificate)


def binding(x: Array, lower: Array, upper: Array, tolerances: Tolerances = DEFAULT) -> tuple[str, ...]:
    """The levels (4,) on a bound, in words."""
    names = ("sharing[0]", "sharing[1]", "investment[0]", "investment[1]")
    at_lower, at_upper = on_bound(x, lower, tolerances), on_bound(x, upper, tolerances)
    return tuple(f"{name} = {x[i]:g}" for i, name in enumerate(names) if at_lower[i] or at_upper[i])


def other_point(case: Case, rule: PriceRule, x: Array) -> dict[str, Any]:
    """Another equilibrium or local optimum, as listed in a certificate."""
    a = account(case, x[None], rule)
    return {
        "sharing": numbers(x[SHARING]),
        "investment": numbers(x[INVESTMENT]),
        "profit": numbers(a.profit[0]),
        "welfare": float(a.total_surplus.sum()),
    }
