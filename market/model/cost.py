"""What security costs: a fixed cost of investment, and the cost of a unit sold.

Investment cost is f(t, y): y_i = lambda_c,i t_j s_j / t0 is the knowledge firm i receives. The
paper's section 2 asks f_t(0, y) = 0 and, for t > 0, f_t > 0, f_tt > 0, f_y < 0 and f_ty < 0, and
names no form. The forms of a share, f = (k/2) t^2 share(y), obey: `share` is the part of the
stand-alone cost k t^2 / 2 that is left, from 1 at y = 0 down to 1 - gamma. The restricted form f =
(k/2) max(t - y, 0)^2 of Gordon, Loeb and Lucyshyn (2003) does not: knowledge replaces investment,
and f_t(0, y) = 0 only because received knowledge is enough; the paper contrasts its results with
it. It has a kink in its second derivatives at t = y.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from market.model.case import INVESTMENT, SHARING, Array, Case, UnitCost, of_firm, rival
from market.solve.interval import Interval

CostDerivatives = tuple[Array, Array, Array, Array, Array, Array]
"""f, f_t, f_y, f_tt, f_ty, f_yy."""


@dataclass(frozen=True, kw_only=True)
class CostForm:
    """An investment-cost form and everything that is true of it: schema, starts, proofs and words
    read it; only what is about one form names it.

    Arguments are own investment t, knowledge received y, the scale k and the largest saving gamma;
    formulas are elementwise.
    """

    key: str
    """Name in case files."""
    label: str
    """What it is called in sentences: the ... form."""
    formula: str
    """f in one line, for documents."""
    value: Callable[[Array, Array, Array, Array], Array]
    """f(t, y, k, gamma), money units."""
    derivatives: Callable[[Array, Array, Array, Array], CostDerivatives]
    """f and its derivatives in t and y."""
    parabola: Callable[[Array, Array, Array], tuple[Array, Array]]
    """From (y, k, gamma) to (kappa, origin) such that f = (kappa / 2) max(t - origin, 0)^2: every
    form is this in own investment."""
    far_out: Callable[[Array, Array, NDArray[np.bool_], Array], Array]
    """2 f / (k r^2) along a ray (r t, r y) as r grows without limit, from (t, y, whether the firm
    has any use for y, gamma)."""
    starting_share: Callable[[Array, Array, float], Array]
    """Share of the stand-alone cost at which starting investments are optimal, from (lambda_c s_j,
    gamma, part of the saving made)."""
    saved: tuple[float, ...]
    """Parts of what sharing can save at which starting investments are taken; where much can be
    saved, optima with little and with much investment may stand side by side."""
    own_far_out: bool
    """Whether far out f is a parabola in own investment whatever the rival's, so that the corners
    of the sharing square decide whether a payoff is bounded; otherwise a fan of directions is
    tried."""
    convex_in_both: bool
    """Whether f is convex in both investments jointly, k diag(far_out) below its Hessian: the
    branch and bound proof then covers it."""
    falling_share: bool
    """Whether f = (k/2) t^2 share(y), share falling in y ever more slowly: the ends of an interval
    of y then enclose the share and its slope, as the proofs by intervals need."""
    pure_knowledge: bool = True
    """Whether y is a pure number, lambda_c t_j s_j / t0; if not it is measured in units of
    investment."""
    uses_max_saving: bool = True
    """Whether gamma plays a part in it."""
    obeys_paper: bool = True
    """Whether it meets the assumptions of the paper's section 2."""

    def described(self) -> str:
        """The form in one line, with what sets it apart."""
        apart = ", outside the paper's assumptions" * (not self.obeys_paper)
        return f"{self.key}: {self.formula}{apart}" + ", max_saving plays no part in it" * (
            not self.uses_max_saving
        )


def of_share(
    share: Callable[[Array, Array], Array],
    bends: Callable[[Array, Array], tuple[Array, Array]],
    **facts: Any,
) -> CostForm:
    """The form (k/2) t^2 share(y) from the share that is left, which falls ever more slowly from 1
    to 1 - gamma, and from its first two derivatives in y; `facts` are the fields of the row that do
    not follow from these."""

    def value(t: Array, y: Array, k: Array, gamma: Array) -> Array:
        return np.asarray(k / 2 * t**2 * share(y, gamma))

    def derivatives(t: Array, y: Array, k: Array, gamma: Array) -> CostDerivatives:
        left, (left_y, left_yy) = share(y, gamma), bends(y, gamma)
        half, kt = k / 2 * t**2, k * t
        return half * left, kt * left, half * left_y, k * left, kt * left_y, half * left_yy

    def parabola(y: Array, k: Array, gamma: Array) -> tuple[Array, Array]:
        return k * share(y, gamma), np.zeros_like(y)

    def far_out(t: Array, y: Array, useful: NDArray[np.bool_], gamma: Array) -> Array:
        return np.where(useful, 1 - gamma, 1.0) * t**2

    def starting_share(received: Array, gamma: Array, saved: float) -> Array:
        return 1 - saved * gamma

    return CostForm(
        value=value,
        derivatives=derivatives,
        parabola=parabola,
        far_out=far_out,
        starting_share=starting_share,
        own_far_out=True,
        falling_share=True,
        **facts,
    )


def _saturating(y: Array, gamma: Array) -> Array:
    return 1 - gamma + gamma / (1 + y)


def _saturating_bends(y: Array, gamma: Array) -> tuple[Array, Array]:
    left = 1 / (1 + y)
    slope = -gamma * left * left
    return slope, -2 * slope * left


def _exponential(y: Array, gamma: Array) -> Array:
    return 1 - gamma + gamma * np.exp(-y)


def _exponential_bends(y: Array, gamma: Array) -> tuple[Array, Array]:
    decay = gamma * np.exp(-y)
    return -decay, decay


def _restricted(t: Array, y: Array, k: Array, gamma: Array) -> Array:
    return np.asarray(k / 2 * np.maximum(t - y, 0.0) ** 2)


def _restricted_derivatives(t: Array, y: Array, k: Array, gamma: Array) -> CostDerivatives:
    net = np.maximum(t - y, 0.0)
    bend = k * (net > 0)
    return k / 2 * net**2, k * net, -k * net, bend, -bend, bend


def _restricted_parabola(y: Array, k: Array, gamma: Array) -> tuple[Array, Array]:
    return k + 0 * y, y


def _restricted_far_out(t: Array, y: Array, useful: NDArray[np.bool_], gamma: Array) -> Array:
    return np.maximum(t - y, 0.0) ** 2


def _restricted_starting_share(received: Array, gamma: Array, saved: float) -> Array:
    """Equal investments t leave t - lambda_c t s_j to be paid for."""
    return np.asarray(np.maximum(1 - saved * received, 0.02) ** 2)


COST_FORMS: dict[str, CostForm] = {
    form.key: form
    for form in (
        of_share(
            _saturating,
            _saturating_bends,
            key="saturating",
            label="saturating",
            formula="(k/2) t^2 [1 - gamma y/(1+y)]",
            saved=(0.5,),
            convex_in_both=True,
        ),
        of_share(
            _exponential,
            _exponential_bends,
            key="exponential",
            label="exponential",
            formula="(k/2) t^2 [1 - gamma (1 - e^-y)]",
            saved=(0.5, 1.0),
            convex_in_both=False,
        ),
        CostForm(
            key="restricted",
            label="restricted",
            formula="(k/2) max(t - y, 0)^2",
            value=_restricted,
            derivatives=_restricted_derivatives,
            parabola=_restricted_parabola,
            far_out=_restricted_far_out,
            starting_share=_restricted_starting_share,
            saved=(0.5, 1.0),
            own_far_out=False,
            convex_in_both=False,
            falling_share=False,
            pure_knowledge=False,
            uses_max_saving=False,
            obeys_paper=False,
        ),
    )
}
"""Every cost form by its key; the first is what a case has unless it says otherwise."""


def form_of(case: Case) -> CostForm:
    """The cost form of a case."""
    return COST_FORMS[case.cost_form]


def share_enclosure(case: Case, y: Interval) -> tuple[Interval, Interval]:
    """Enclosures (N, 2) of the share of the stand-alone cost left at a flat case, which falls in
    y, and of minus its derivative, which falls too."""
    # at t = 1 and k = 2 the cost is the share itself
    one, gamma, k = np.ones(1), case.max_saving, np.full(1, 2.0)
    at_low, at_high = (form_of(case).derivatives(one, bound, k, gamma) for bound in (y.low, y.high))
    return Interval(at_high[0], at_low[0]), Interval(-at_high[2], -at_low[2])


def usefulness(case: Case) -> Array:
    """What firm i receives of a unit that its rival invests and shares: lambda_c,i / t0, per unit
    of quantity, (..., 1 or 2)."""
    return (
        case.cost_spillover / case.reference_investment
        if form_of(case).pure_knowledge
        else case.cost_spillover
    )


def knowledge_received(case: Case, x: Array) -> Array:
    """y_i = lambda_c,i t_j s_j / t0, a pure number (the restricted form: lambda_c,i t_j s_j), shape
    (..., 2)."""
    return usefulness(case) * rival(x[..., INVESTMENT] * x[..., SHARING])


def investment_cost(case: Case, x: Array) -> Array:
    """f_i at levels x (..., 4), per firm (..., 2), money units."""
    return form_of(case).value(
        x[..., INVESTMENT], knowledge_received(case, x), case.cost_scale, case.max_saving
    )


def cost_derivatives(case: Case, x: Array) -> CostDerivatives:
    """f_i and its derivatives in own investment and knowledge received, each (..., 2)."""
    return form_of(case).derivatives(
        x[..., INVESTMENT], knowledge_received(case, x), case.cost_scale, case.max_saving
    )


def own_parabola(case: Case, x: Array, firm: int) -> tuple[Array, Array]:
    """(kappa, origin), each (...): f_i = (kappa / 2) max(t_i - origin, 0)^2 of this firm while the
    rival's levels stay."""
    use, scale, saving = (
        of_firm(a, firm) for a in (usefulness(case), case.cost_scale, case.max_saving)
    )
    return form_of(case).parabola(use * (x[..., 3 - firm] * x[..., 1 - firm]), scale, saving)


class UnitCostTerms(NamedTuple):
    """F_i and what its derivatives are made of, each (..., 2)."""

    parameters: UnitCost
    value: Array
    """F_i = K_i delta_i."""
    left: Array
    """K_i = c - lambdahat t_j s_j."""
    rise: Array
    """delta_i."""
    rise_t: Array
    """delta'_i."""


def unit_cost_rises(case: Case) -> NDArray[np.bool_]:
    """Whether (L or 1,) some firm's unit cost rises with its investment."""
    F = case.unit_cost
    if F is None:
        return np.zeros(1, bool)
    return np.asarray(((F.base > 0) & ((F.slope > 0) | (F.curvature > 0))).any(-1))


def received_at_nil(F: UnitCost) -> Array:
    """What a firm receives, t_j s_j, (..., 1 or 2), at which its unit cost is nil, c / lambdahat;
    infinite where nothing received lowers it."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        return np.asarray(np.where(F.spillover > 0, F.base / F.spillover, np.inf))


def unit_cost(case: Case, x: Array) -> UnitCostTerms | None:
    """F_i = (c - lambdahat t_j s_j) delta(t_i) at levels x (..., 4), money per unit; None where
    units cost nothing."""
    F = case.unit_cost
    if F is None:
        return None
    t = x[..., INVESTMENT]
    left = F.base - F.spillover * rival(t * x[..., SHARING])
    rise = 1 + F.slope * t + F.curvature / 2 * t**2
    return UnitCostTerms(F, left * rise, left, rise, F.slope + F.curvature * t)
