"""Slopes, intercepts and merger prices of any number of products, from prices, quantities, margins
and diversion: linear demand q = a - D p, prices set by the owners of the products.

The two readings are those of the R package `antitrust` (`linear`, version 0.99.31): each product's
own slope from its own margin, with slopes that need not be symmetric; or symmetric slopes, whose
scale comes from the first margin alone. A market with two products of a symmetric and regular D is
that of `market.model.demand`; what is a market for calculations here need not be a case.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from market.model.case import Array

SYMMETRIC = 1e-9
"""Relative difference of two slopes up to which they count as equal."""
SINGULAR = 1e-9
"""Smallest share of a slope's size that the smallest eigenvalue may be: below, prices that all rise
together cost no sales."""


@dataclass(frozen=True, kw_only=True, eq=False)
class LinearDemand:
    """Linear demand for N products, and what a unit of each costs."""

    intercept: Array
    """a (N,): sales at prices of nil, quantity units."""
    slopes: Array
    """D (N, N), q = a - D p: own slopes on the diagonal, minus the cross slopes beside it."""
    unit_cost: Array
    """(N,): price less the margin that explains the price; money per unit."""
    implied_margin: Array
    """(N,): the margin, as a share of price, that explains each price if every product has an owner
    of its own."""
    margin_gap: Array
    """(N,): implied less observed margin; NaN where none was observed."""

    @property
    def why_no_case(self) -> str | None:
        """Why these slopes have no consumer's utility behind them, so that they are no case; None
        where they have one."""
        D = self.slopes
        if np.abs(D - D.T).max() > SYMMETRIC * np.abs(D).max():
            return "the cross slopes are not symmetric: no consumer's utility leads to such demand"
        if np.linalg.eigvalsh(D).min() <= SINGULAR * np.abs(D).max():
            return (
                "the slopes are singular: all sales that one product loses go to the others; give"
                " the diversion to products outside of the market"
            )
        return None

    def prices(self, owners: ArrayLike, unit_cost: ArrayLike | None = None) -> Array:
        """Prices (N,) at which every owner maximises the profit of all its products.

        Args:
            owners: Who owns each product, (N,) labels, or the ownership matrix (N, N), whose entry
                i, j is the share of product j's profit that counts where price i is set.
            unit_cost: (N,), money per unit; those of the calibration by default, which savings by a
                merger change.

        Raises:
            ValueError: Prices are not determined, or some product would not be sold at them.

        Source:
            First-order conditions q_i + sum_j Omega_ij (p_j - c_j) dq_j / dp_i = 0; Werden and
            Froeb (1994) for merger simulation.
        """
        ownership = ownership_matrix(owners, len(self.intercept))
        cost = self.unit_cost if unit_cost is None else np.asarray(unit_cost, float)
        own = ownership * self.slopes.T
        try:
            price = np.linalg.solve(self.slopes + own, self.intercept + own @ cost)
        except np.linalg.LinAlgError:
            raise ValueError(
                "these owners have no best prices: sales they lose all stay with them"
            ) from None
        sold = self.intercept - self.slopes @ price
        if (sold < 0).any():
            unsold = ", ".join(str(k + 1) for k in np.flatnonzero(sold < 0))
            raise ValueError(f"at these owners' prices product {unsold} would not be sold")
        return np.asarray(price)


def ownership_matrix(owners: ArrayLike, products: int) -> NDArray[np.float64]:
    """The ownership matrix (N, N) from labels (N,): 1 where two products have one owner; a matrix
    is taken as it is."""
    given = np.asarray(owners)
    if given.shape == (products,):
        return (given[:, None] == given).astype(float)
    if given.shape == (products, products):
        return given.astype(float)
    raise ValueError(
        f"owners has the shape {given.shape}; give one label for each of the {products} products,"
        f" or a matrix of {products} by {products}"
    )


def linear_demand(
    price: ArrayLike,
    quantity: ArrayLike,
    margin: ArrayLike,
    diversion: ArrayLike,
    *,
    symmetric: bool = False,
) -> LinearDemand:
    """Linear demand that explains prices and quantities of N products of as many owners.

    Args:
        price: p (N,), money per unit, above 0.
        quantity: q (N,), above 0.
        margin: (p - c) / p (N,), in (0, 1]; with `symmetric` the first that is no NaN is used.
        diversion: (N, N), entry i, j the share of the sales product i loses by a rise of its price
            that go to j, in [0, 1]; the diagonal is not read. Rows may sum to at most 1.
        symmetric: Whether cross slopes are made equal both ways. Own slopes are then as far as may
            be those at which the diversion allows it, and their scale is that of one margin; the
            other margins are implied, and `margin_gap` tells how far off they are.

    Returns:
        Intercepts, slopes, unit costs. `why_no_case` tells whether a consumer's utility is behind
        them.

    Raises:
        ValueError: Something has another shape or lies out of range.

    Source:
        `antitrust` (Taragin and Sandfort), class Linear, `symmetry=FALSE` and `symmetry=TRUE`.

    Example:
        >>> import pigou
        >>> found = pigou.linear_demand([40, 40], [60, 60], [0.75, 0.75], [[0, 0.5], [0.5, 0]])
        >>> found.prices(["one", "one"]).round(6).tolist()
        [55.0, 55.0]
    """
    p, q, m = (np.asarray(x, float) for x in (price, quantity, margin))
    D = np.array(diversion, float)
    _admissible(p, q, m, D, symmetric)
    count = len(p)
    np.fill_diagonal(D, 0.0)
    if symmetric:
        own = _balanced(D)
        first = int(np.flatnonzero(np.isfinite(m))[0])
        own *= q[first] / (p[first] * m[first]) / own[first]
        flow = own[:, None] * D
        cross = np.sqrt(flow * flow.T)
    else:
        own = q / (p * m)
        cross = (own[:, None] * D).T  # dq_i / dp_j: what j loses of its own sales goes to i
    slopes = np.where(np.eye(count, dtype=bool), own[:, None], -cross)
    implied = q / (own * p)
    return LinearDemand(
        intercept=q + slopes @ p,
        slopes=slopes,
        unit_cost=p * (1 - implied),
        implied_margin=implied,
        margin_gap=implied - m,
    )


def _balanced(diversion: Array) -> Array:
    """Own slopes (N,), up to their scale, at which what diverts is the same both ways, b_i D_ij =
    b_j D_ji, as nearly as may be in logs."""
    count = len(diversion)
    rows, sides = [], []
    for i in range(count):
        for j in range(i):
            if diversion[i, j] > 0 and diversion[j, i] > 0:
                row = np.zeros(count)
                row[i], row[j] = 1.0, -1.0
                rows.append(row)
                sides.append(np.log(diversion[j, i] / diversion[i, j]))
    if not rows:
        return np.ones(count)
    return np.exp(np.linalg.lstsq(np.array(rows), np.array(sides), rcond=None)[0])


def _admissible(p: Array, q: Array, m: Array, D: Array, symmetric: bool) -> None:
    count = len(p) if p.ndim == 1 else 0
    if not count or q.shape != (count,) or m.shape != (count,) or D.shape != (count, count):
        raise ValueError(
            "give price, quantity and margin as lists of the same length N, and diversion as N by N"
        )
    for name, values in (("price", p), ("quantity", q)):
        if not (np.isfinite(values) & (values > 0)).all():
            raise ValueError(f"every {name} must be a number above 0")
    known = m[np.isfinite(m)] if symmetric else m
    if not len(known) or not ((known > 0) & (known <= 1)).all():
        raise ValueError("every margin must lie in (0, 1]: (price - unit cost) / price")
    off = D[~np.eye(count, dtype=bool)]
    if not ((off >= 0) & (off <= 1)).all():
        raise ValueError("every diversion must lie in [0, 1]: a share of the sales that are lost")
    sums = D.sum(1) - np.diag(D)
    if (sums > 1 + SINGULAR).any():
        i = int(sums.argmax())
        raise ValueError(f"the diversion from product {i + 1} adds up to {sums[i]:.6g}, above 1")
