"""What holds an agreement together: what members gain by breaking it, the patience that deters
that, and the temptation to go further.

An agreement is no equilibrium. A member breaks it by its best own sharing and investment, exact and
global, while the rival keeps to the agreed levels; prices are then set as by firms that compete.
Where prices are agreed on too, it may also keep the levels and undercut. It gains g_i on the agreed
profit Pi_i once, and ever after both earn what today's market gives, o_i. Keeping to it pays at a
discount factor of at least

    g_i / (g_i + Pi_i - o_i)  each member by itself: the largest counts; never if Pi_i < o_i
    sum g_i / (sum g_i + sum (Pi_i - o_i))  where members pay each other as is best for it
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from market.model.case import Array, Case, of_firm
from market.model.cost import investment_cost
from market.model.demand import apply as apply_matrix
from market.model.outcome import account
from market.model.pricing import bertrand_matrix, collusive_matrix, net_intercept
from market.model.reply import best_reply
from market.model.units import in_units, levels_in, natural_units
from market.regimes import Regime
from mechanism.casefile.standard import SAME
from mechanism.frozen import freeze


@dataclass(frozen=True, kw_only=True)
class Breaking:
    """What it takes to hold an agreement together, in expectation over N states that its members
    know."""

    gain: Array
    """(2,): what each member gains once by breaking it, money; infinite where that has no limit."""
    joint_profit: float
    """Of the agreement, money."""
    patience: float | None
    """What a unit of the next period must be worth today to every member in every state; None: no
    patience is enough."""
    with_payments: float | None
    """The same where members pay each other as is best for that; None: no patience is enough."""
    fixing: float | None
    """What the members together gain by going on to fix prices at the agreed levels, money; None
    where prices are agreed on, or where one of them would then be better closed."""

    def __post_init__(self) -> None:
        freeze(self)

    @property
    def share(self) -> float:
        """The largest gain of a member as a share of joint profit."""
        return float(self.gain.max() / self.joint_profit)


def breaking(
    case: Case,
    regime: Regime,
    agreed: Array,
    today: Array,
    weight: Array,
    fees: Array | float = 0.0,
) -> Breaking:
    """Of an agreement to levels `agreed` (N, 4) in the N states of a flat case, each of probability
    `weight` (N,), where the market as it is has levels `today` (N, 4); `fees` (2,) are what each
    member pays for it."""
    fixed = regime.prices is not bertrand_matrix
    kept = account(case, agreed, regime.prices).profit
    outside = account(case, today, bertrand_matrix).profit
    best = np.stack([_broken(case, agreed, firm) for firm in (0, 1)], -1)
    if fixed:
        best = np.maximum(best, np.stack([_undercut(case, agreed, firm) for firm in (0, 1)], -1))
    gain = np.maximum(best - kept, 0.0)
    surplus = kept - outside - fees
    surplus = np.where(np.abs(surplus) <= SAME * np.abs(kept), 0.0, surplus)
    fixing = None
    if not fixed:
        cartel = account(case, agreed, collusive_matrix)
        if bool(cartel.describes_market.all()):
            fixing = float(weight @ (cartel.profit - kept).sum(-1))
    return Breaking(
        gain=weight @ gain,
        joint_profit=float(weight @ kept.sum(-1)),
        patience=_patience(gain, surplus),
        with_payments=_patience(gain.sum(-1), surplus.sum(-1)),
        fixing=fixing,
    )


def _patience(gain: Array, surplus: Array) -> float | None:
    """The largest discount factor that gains once (...) and losses ever after (...) ask for; None
    where keeping to it earns no more than what follows and breaking it pays, or where it earns
    less."""
    lost = (surplus < 0) | ((surplus == 0) & (gain > 0)) | np.isinf(gain)
    if lost.any():
        return None
    total = gain + surplus
    return float(np.max(gain / np.where(total > 0, total, 1.0)))


def _broken(case: Case, agreed: Array, firm: int) -> Array:
    """(N,): the firm's profit at its best own levels, the rival's as agreed; infinite where there
    is no limit to it."""
    units = natural_units(case)
    return np.asarray(
        best_reply(in_units(case, units), levels_in(agreed, units), firm)[1] * units.money[..., 0]
    )


def _undercut(case: Case, agreed: Array, firm: int) -> Array:
    """(N,): the firm's profit at the agreed levels and its best own price, the rival's as agreed.

    It never pays to go below the margin at which the rival sells nothing any more: what is then
    left is what the members earn together, which is highest at the agreed margin above it.
    """
    N = net_intercept(case, agreed)
    margins = apply_matrix(collusive_matrix(case), N)
    n_i, n_j, m_j = N[:, firm], N[:, 1 - firm], margins[:, 1 - firm]
    b_i, b_j, x = (
        of_firm(case.own_slope, firm),
        of_firm(case.own_slope, 1 - firm),
        case.cross_slope[..., 0],
    )
    least = np.where(x > 0, (b_j * m_j - n_j) / np.where(x > 0, x, 1.0), -np.inf)
    margin = np.maximum((n_i + x * m_j) / (2 * b_i), least)
    worth = margin * (n_i + x * m_j - b_i * margin)
    return np.asarray(worth - investment_cost(case, agreed)[:, firm])
