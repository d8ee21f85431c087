"""What a regime leads to, as a claim that carries its proof."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from market.case import INVESTMENT, SHARING, Array, Case
from market.cost import investment_cost, unit_cost
from market.demand import apply as apply_matrix
from market.demand import consumer_surplus, gross_utility, quantity, shifted_intercept
from market.pricing import PriceRule, net_intercept

Status = Literal["converged", "corner", "infeasible", "unbounded", "no_equilibrium", "not_converged"]
"""The one vocabulary of statuses; the README explains each."""

SOLVED: frozenset[str] = frozenset({"converged", "corner"})
"""The statuses under which numbers are claimed."""

ROUNDING = 1e-12
"""Size up to which a negative price, quantity or unit cost counts as zero."""


@dataclass(frozen=True, kw_only=True)
class Accounts:
    """Prices, quantities and money at given levels, per firm (..., 2)."""

    price: Array
    quantity: Array
    unit_cost: Array
    """F_i, money per unit sold."""
    investment_cost: Array
    """f_i."""
    profit: Array
    """Pi_i = (p_i - F_i) q_i - f_i."""
    consumer_surplus: Array
    """CS_i = GU_i - p_i q_i."""
    total_surplus: Array
    """TS_i = GU_i - f_i - F_i q_i = CS_i + Pi_i; the sum over firms is social welfare."""

    @property
    def describes_market(self) -> NDArray[np.bool_]:
        """Whether no price, quantity or unit cost is negative, (...)."""
        least = np.minimum(np.minimum(self.price, self.quantity), self.unit_cost)
        return np.asarray((least >= -ROUNDING).all(-1))


def account(case: Case, x: Array, rule: PriceRule) -> Accounts:
    """The accounts at levels x (..., 4) when prices follow the rule."""
    A = shifted_intercept(case, x)
    F = unit_cost(case, x)
    margin = apply_matrix(rule(case), net_intercept(case, x))
    per_unit = np.zeros_like(margin) if F is None else np.broadcast_to(F.value, margin.shape)
    price = margin + per_unit
    sold = quantity(case, A, price)
    cost = investment_cost(case, x)
    return Accounts(
        price=price,
        quantity=sold,
        unit_cost=per_unit,
        investment_cost=np.broadcast_to(cost, margin.shape),
        profit=margin * sold - cost,
        consumer_surplus=consumer_surplus(case, A, sold, price),
        total_surplus=gross_utility(case, A, sold) - cost - per_unit * sold,
    )


@dataclass(frozen=True, kw_only=True)
class Uniqueness:
    """Whether an equilibrium is the only one, and what the statement rests on."""

    status: Literal["proven", "not proven", "no"]
    basis: str


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """Why an outcome may be believed."""

    residual: float | None
    """Largest projected first-order residual over max(1, |payoff|)."""
    curvature: float | None
    """Largest eigenvalue of the Hessian on the free levels, in each chooser's own levels; negative at a strict local maximum."""
    regret: float | None
    """Largest gain of any firm from a global own deviation over max(1, |payoff|); None where nobody deviates."""
    scope: Literal["proven", "searched"]
    """`proven`: no better point exists up to `gap` (optima), or every best reply is exact (equilibria). `searched`: none was found."""
    gap: float | None = None
    """For a proven optimum: how far, over max(1, |payoff|), the proven upper bound lies above the value."""
    others: tuple[dict[str, Any], ...] = ()
    """Other equilibria, or local optima, that were found: levels and welfare."""
    bounds: tuple[str, ...] = ()
    """Levels that lie on a bound, such as `sharing[0] = 1`."""
    unique: Uniqueness | None = None
    """Whether an equilibrium is the only one; None where that is not asked."""
    reply_eigenvalues: tuple[float, ...] | None = None
    """Moduli of the eigenvalues of the best-reply map at an equilibrium, largest first; all below one: stable."""

    def tree(self) -> dict[str, Any]:
        """As plain values for JSON."""
        return {
            "residual": self.residual,
            "curvature": self.curvature,
            "regret": self.regret,
            "global": self.scope,
            "gap": self.gap,
            "others": [dict(o) for o in self.others],
            "bounds": list(self.bounds),
            "unique": None if self.unique is None else {"status": self.unique.status, "basis": self.unique.basis},
            "reply_eigenvalues": numbers(self.reply_eigenvalues),
            "stable": None if self.reply_eigenvalues is None else bool(max(self.reply_eigenvalues) < 1),
        }


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The outcome of one regime at one case. Without a solution every figure is None and `message` says why."""

    regime: str
    status: Status
    message: str | None
    levels: Array | None
    accounts: Accounts | None
    certificate: Certificate

    @property
    def solved(self) -> bool:
        """Whether numbers are claimed."""
        return self.status in SOLVED

    @property
    def welfare(self) -> float:
        """Social welfare; NaN without a solution."""
        return float(self.accounts.total_surplus.sum()) if self.accounts else float("nan")

    @property
    def profit(self) -> Array:
        """Profits (2,); NaN without a solution."""
        return self.accounts.profit if self.accounts else np.full(2, np.nan)

    def tree(self) -> dict[str, Any]:
        """As plain values for JSON; None for what is not claimed."""
        x, a = self.levels, self.accounts
        return {
            "status": self.status,
            "message": self.message,
            "sharing": numbers(None if x is None else x[SHARING]),
            "investment": numbers(None if x is None else x[INVESTMENT]),
            "price": numbers(None if a is None else a.price),
            "quantity": numbers(None if a is None else a.quantity),
            "profit": numbers(None if a is None else a.profit),
            "investment_cost": numbers(None if a is None else a.investment_cost),
            "unit_cost": numbers(None if a is None else a.unit_cost),
            "consumer_surplus": None if a is None else float(a.consumer_surplus.sum()),
            "welfare": None if a is None else self.welfare,
            "certificate": self.certificate.tree(),
        }


def unsolved(regime: str, status: Status, message: str) -> Outcome:
    """An outcome that claims nothing and says why."""
    nothing = Certificate(residual=None, curvature=None, regret=None, scope="searched")
    return Outcome(regime=regime, status=status, message=message, levels=None, accounts=None, certificate=nothing)


def numbers(values: Array | Sequence[float] | None) -> list[float] | None:
    """A list of floats, or None."""
    return None if values is None else [float(v) for v in values]
