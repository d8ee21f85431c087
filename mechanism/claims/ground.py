"""What the paper's claims are judged on: the solved games of many markets, with what follows from
them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from market.model.case import INVESTMENT, Array, Case, rival
from market.model.outcome import Accounts, account
from market.model.pricing import bertrand_matrix, rivalry_bound
from market.model.units import NaturalUnits, in_units, levels_in, natural_units
from market.regimes import REGIMES, firm_game, level_bounds
from market.regimes.statics import STEP, Slopes, comparative_statics
from market.solve.equilibrium import own_system
from market.solve.linear import implicit_slope
from market.solve.optimum import on_bound

FIGURES = ("B.full_information", "B.participation", "B.truthful")
"""Claims of Appendix B, whose margins are amounts of money."""

NEEDED = (
    "no_sharing",
    "nash",
    "joint_profit",
    "price_collusion",
    "social_optimum",
    "sequential",
    "investment_first",
)
"""The regimes that claims are about."""


@dataclass(frozen=True, kw_only=True)
class Ground:
    """L markets and the levels (L, 4) of their regimes; NaN where a regime has no solution."""

    case: Case
    lanes: int
    levels: dict[str, Array]
    without_unit_spillover: Array | None = None
    """Nash levels of the same markets with lambdahat = 0, where any has it."""
    forced: dict[tuple[str, float], Array] = field(default_factory=dict)
    """Investments (L, 2) by cost form where sharing is imposed at 0 or 1 and demand has no
    spillover."""
    mechanism: dict[str, Array] = field(default_factory=dict)
    """What Appendix B's claims need: see `mechanism_figures`."""

    @property
    def nash(self) -> Array:
        """Levels of the market equilibrium; zero where there is none (its claims are then not
        asked)."""
        return np.nan_to_num(self.levels["nash"])

    @property
    def exists(self) -> Array:
        """(L,): NaN where there is no market equilibrium, else zero; added to margins."""
        return np.where(np.isfinite(self.levels["nash"]).all(-1), 0.0, np.nan)

    @property
    def units(self) -> NaturalUnits:
        """What one natural unit is worth in each market's own."""
        return natural_units(self.case)

    @cached_property
    def natural(self) -> Ground:
        """The same markets in natural units, where the scale of levels and payoffs is one."""
        units, money = self.units, self.units.money[:, 0]
        without = self.without_unit_spillover
        return replace(
            self,
            case=in_units(self.case, units),
            levels={key: levels_in(x, units) for key, x in self.levels.items()},
            without_unit_spillover=None if without is None else levels_in(without, units),
            forced={key: t / units.quantity for key, t in self.forced.items()},
            mechanism={
                key: figure / money for key, figure in self.mechanism.items() if key in FIGURES
            },
        )

    @cached_property
    def statics(self) -> dict[str, Slopes]:
        """Derivatives at the market equilibrium, firms' parameters moving together."""
        return comparative_statics(self.case, REGIMES["nash"], self.nash, common=True)

    @cached_property
    def reactions(self) -> Array:
        """(L, 2 firms, 2 own, 2 rival's): derivatives of each firm's best sharing and investment in
        the rival's."""
        jacobian = own_system(firm_game(self.case, REGIMES["nash"]), self.nash)[2]
        held = np.logical_or(
            *(self.on(self.nash, bound) for bound in level_bounds(self.case, self.lanes))
        )
        out = []
        for own, other in (([0, 2], [1, 3]), ([1, 3], [0, 2])):
            out.append(
                implicit_slope(
                    jacobian[:, own][:, :, own], jacobian[:, own][:, :, other], held[:, own]
                )
            )
        return np.stack(out, 1)

    def on(self, x: Array, bound: Array) -> NDArray[np.bool_]:
        """(L, 4): which levels lie on a bound."""
        return on_bound(levels_in(x, self.units), levels_in(bound, self.units))

    def both_at_top(self, x: Array, y: Array) -> NDArray[np.bool_]:
        """(L, 4): which levels lie on their upper bound at both: no more is possible there."""
        _, upper = level_bounds(self.case, self.lanes)
        return self.on(x, upper) & self.on(y, upper)

    def books(self, key: str) -> Accounts:
        """The accounts of a regime."""
        return account(self.case, self.levels[key], REGIMES[key].prices)

    def price_slopes(self, x: Array) -> Array:
        """(L, 2 firms, 4 levels): derivatives of Bertrand prices."""
        slopes = [
            account(self.case, x + 1j * STEP * unit, bertrand_matrix).price.imag / STEP
            for unit in np.eye(4)
        ]
        return np.stack(slopes, -1)

    @property
    def alpha_bound(self) -> Array:
        """alpha-bar (L, 2) (Assumption 1) at the market equilibrium."""
        return rivalry_bound(self.case, self.nash)

    @property
    def assumption_1(self) -> Array:
        """1 where alpha <= alpha-bar for both firms, else 0; NaN without equilibrium."""
        met = (self.case.rivalry <= self.alpha_bound).all(-1)
        return np.where(met, 1.0, 0.0) + self.exists

    @property
    def sharing_slopes(self) -> tuple[Array, Array]:
        """Assumption 2's expressions (L, 2), without sharing and with full sharing by both, at the
        equilibrium investments."""
        case, t = self.case, self.nash[:, INVESTMENT]
        b_j, b2 = rival(case.own_slope + np.zeros(2)), case.cross_slope
        # what a firm shares moves its own demand by its own leakage, the rival's by the rival's
        gain = b2 * rival(case.demand_spillover) * t
        lost = 2 * b_j * (2 * case.leakage_own - case.leakage_interaction) - b2 * rival(
            2 * case.leakage_cross + case.leakage_interaction
        )
        return gain, gain - lost

    @property
    def assumption_2(self) -> Array:
        """1 where some sharing pays and full sharing does not, else 0; NaN without equilibrium."""
        none, full = self.sharing_slopes
        return np.where((none > 0).all(-1) & (full < 0).all(-1), 1.0, 0.0) + self.exists

    @property
    def spillover_positive(self) -> NDArray[np.bool_]:
        """(L,): whether lambda_d > 0 for both firms."""
        return np.broadcast_to((self.case.demand_spillover > 0).all(-1), self.lanes)

    @property
    def equal_firms(self) -> Array:
        """1 where the firms are alike in every parameter, else 0."""
        same = [np.broadcast_to(a[..., 0] == a[..., -1], self.lanes) for a in self.case.arrays()]
        return np.all(same, axis=0).astype(float)
