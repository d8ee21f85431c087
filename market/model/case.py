"""The market of Gal-Or and Ghose (2005) as frozen arrays.

Two firms with differentiated products choose how much security information to share (s in [0, 1])
and how much to invest in security (t >= 0), then prices. A `Case` holds the parameters of one
market or of many: every array carries leading batch axes and a last axis over firms, of length 2
(one value per firm) or 1 (common to both), so that a formula written once broadcasts over cases,
types and starting points.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from market.solve.lanes import pick
from market.text import FIRMS

Array = NDArray[np.float64]

SHARING = slice(0, 2)
"""Where a levels vector holds the firms' sharing."""
INVESTMENT = slice(2, 4)
"""Where a levels vector holds the firms' investment."""


def rival(x: Array) -> Array:
    """The array with the two firms exchanged on the last axis (an axis of length 1 stands for both
    and stays)."""
    return x[..., ::-1]


def levels(sharing: ArrayLike, investment: ArrayLike) -> Array:
    """Pack sharing (..., 2) and investment (..., 2) into one vector of levels (..., 4)."""
    s, t = np.broadcast_arrays(np.asarray(sharing, float), np.asarray(investment, float))
    return np.concatenate([s, t], axis=-1)


def of_firm(x: Array, firm: int) -> Array:
    """One firm's entries of an array whose last axis is over firms, of length 2 or, for what is
    common to both, 1."""
    return x[..., firm if x.shape[-1] > firm else -1]


def take_lanes(x: Array, lanes: Any) -> Array:
    """The entries at these lanes (indices, flags or a slice) of an array whose first axis has one
    entry per lane, or one for all."""
    if len(x) == 1:
        return x
    if isinstance(lanes, slice):
        return x[lanes]
    which = np.asarray(lanes)
    return np.asarray(pick(x, np.flatnonzero(which) if which.dtype == bool else which))


@dataclass(frozen=True, kw_only=True)
class UnitCost:
    """Parameters of the cost of a unit sold, F_i = (c - lambdahat t_j s_j) delta(t_i), delta(t) = 1
    + slope t + curvature t^2 / 2.

    Section 4 of the paper: security makes every unit dearer, what the rival shares makes it
    cheaper. Money per unit of quantity.
    """

    base: Array
    """c >= 0: unit cost without investment."""
    spillover: Array
    """lambdahat >= 0: unit cost saved per unit of what the rival invests and shares."""
    slope: Array
    """delta'(0) >= 0: relative rise of unit cost per unit of own investment."""
    curvature: Array
    """delta'' >= 0."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """Parameters of the market; every array is (..., 1) or (..., 2), the last axis over firms."""

    intercept: Array
    """a_i > 0: base demand, quantity units."""
    own_slope: Array
    """b1_i > 0: quantity lost per unit of the own price ("disloyalty")."""
    cross_slope: Array
    """b2 in [0, min b1): quantity gained per unit of the rival's price (substitutability); common
    to both firms."""
    rivalry: Array
    """alpha in [0, 1): demand lost per unit of the rival's investment."""
    demand_spillover: Array
    """lambda_d: demand gained per unit of what the rival invests and shares (of the firm that
    benefits); usually in (0, 1], may be negative."""
    leakage_own: Array
    """phi1: demand lost per squared unit of own sharing; phi1 > phi2 + phi3."""
    leakage_cross: Array
    """phi2 >= 0: demand gained per squared unit of the rival's sharing."""
    leakage_interaction: Array
    """phi3 >= 0: demand gained per product of both firms' sharing."""
    cost_scale: Array
    """k > 0: curvature of the stand-alone investment cost k t^2 / 2, money units."""
    max_saving: Array
    """gamma in [0, 1): largest share of the stand-alone cost that the rival's shared knowledge can
    save."""
    cost_spillover: Array
    """lambda_c,i in [0, 1]: how useful the rival's shared knowledge is to firm i's cost (of the
    firm that benefits)."""
    reference_investment: Array
    """t0 > 0: the investment that, shared in full by the rival, is one unit of knowledge; quantity
    units. Only lambda_c / t0 matters."""
    investment_cap: Array
    """Upper bound on t_i; infinity when there is none."""
    cost_form: str = "saturating"
    """Name of the investment-cost form (see `market.model.cost`)."""
    unit_cost: UnitCost | None = None
    """The cost of a unit sold; None where units cost nothing, as outside the paper's section 4."""
    firms: tuple[str, str] = FIRMS
    """What the two firms are called, in all lanes; no figure depends on it."""

    @property
    def batch(self) -> tuple[int, ...]:
        """Shape of the leading axes common to all parameters."""
        return np.broadcast_shapes(*(x.shape for x in self.arrays()))[:-1]

    def arrays(self) -> list[Array]:
        """All parameters, those of unit costs last."""
        unit = [] if self.unit_cost is None else list(vars(self.unit_cost).values())
        return [getattr(self, name) for name in PARAMETERS] + unit

    def map(self, function: Any) -> Case:
        """The case with `function` applied to every parameter array."""
        unit = self.unit_cost and UnitCost(
            **{name: function(value) for name, value in vars(self.unit_cost).items()}
        )
        mapped = {name: function(getattr(self, name)) for name in PARAMETERS}
        return Case(**{**vars(self), **mapped, "unit_cost": unit})

    def flat(self) -> Case:
        """The case with its batch axes laid out as one axis of lanes; what is common to all lanes
        keeps length 1 there."""
        shape = self.batch

        def lay_out(x: Array) -> Array:
            if x.size == x.shape[-1]:
                return x.reshape(1, -1)
            return np.broadcast_to(x, (*shape, x.shape[-1])).reshape(-1, x.shape[-1])

        return self.map(lay_out)

    def take(self, lanes: Any) -> Case:
        """The cases at these indices of a flat case."""
        if all(len(x) == 1 for x in self.arrays()):  # common to all lanes
            return self
        return self.map(lambda x: take_lanes(x, lanes))

    def symmetric(self) -> bool:
        """Whether the two firms are identical in every parameter."""
        return all(x.shape[-1] == 1 or bool(np.all(x[..., 0] == x[..., 1])) for x in self.arrays())

    def with_cost_spillover(self, cost_spillover: ArrayLike) -> Case:
        """The same market at other cost spillovers lambda_c (..., 2); leading axes become batch
        axes."""
        return self.with_parameter("cost_spillover", cost_spillover)

    def with_parameter(self, name: str, values: ArrayLike) -> Case:
        """The same market at other values (..., 2) of one parameter; leading axes become batch
        axes."""
        return Case(**{**vars(self), name: np.asarray(values, float)})


PARAMETERS = tuple(
    f.name for f in fields(Case) if f.name not in ("cost_form", "unit_cost", "firms")
)
"""The names of the market's own parameter arrays."""


def make_case(
    *,
    intercept: ArrayLike,
    own_slope: ArrayLike,
    cross_slope: ArrayLike,
    rivalry: ArrayLike,
    demand_spillover: ArrayLike,
    leakage: Sequence[ArrayLike],
    cost_scale: ArrayLike,
    max_saving: ArrayLike,
    cost_spillover: ArrayLike,
    investment_cap: ArrayLike | None = None,
    reference_investment: ArrayLike = 1.0,
    cost_form: str = "saturating",
    unit_cost: Sequence[ArrayLike] = (0, 0, 0, 0),
    firms: tuple[str, str] = FIRMS,
) -> Case:
    """A `Case` from numbers, one per market or, for intercept, own slope and spillovers, one per
    firm.

    `leakage` is (own, cross, interaction), `unit_cost` (base, spillover, slope, curvature). A
    number may be a column (L, 1) of as many cases. No admissibility is checked here: files go
    through `market.casefile.schema`.
    """

    def array(value: ArrayLike) -> Array:
        if isinstance(value, tuple) and any(isinstance(each, np.ndarray) for each in value):
            value = np.concatenate(np.broadcast_arrays(*map(np.atleast_1d, value)), -1)
        own = np.array(value, float, ndmin=1)
        own.flags.writeable = False
        return own

    own, cross, interaction = leakage
    base, spillover, slope, curvature = map(array, unit_cost)
    free = not (np.any(base) or np.any(spillover))
    return Case(
        intercept=array(intercept),
        own_slope=array(own_slope),
        cross_slope=array(cross_slope),
        rivalry=array(rivalry),
        demand_spillover=array(demand_spillover),
        leakage_own=array(own),
        leakage_cross=array(cross),
        leakage_interaction=array(interaction),
        cost_scale=array(cost_scale),
        max_saving=array(max_saving),
        cost_spillover=array(cost_spillover),
        reference_investment=array(reference_investment),
        investment_cap=array(np.inf if investment_cap is None else investment_cap),
        cost_form=cost_form,
        unit_cost=(
            None
            if free
            else UnitCost(base=base, spillover=spillover, slope=slope, curvature=curvature)
        ),
        firms=firms,
    )
