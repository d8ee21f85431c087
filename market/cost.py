"""Investment cost f(t, y): what security investment t costs when the rival's shared knowledge saves part of it.

y_i = lambda_c,i t_j s_j is the knowledge firm i receives. Every form is f = (k/2) t^2 share(y): `share` is the part of the
stand-alone cost k t^2 / 2 that is left, from 1 at y = 0 down to 1 - gamma. Then f_t(0, y) = 0, f_t > 0, f_tt > 0, f_y < 0 and
f_ty < 0 for t > 0 and gamma > 0, as the paper's section 2 asks; the paper names no form.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from market.case import INVESTMENT, SHARING, Array, Case, rival

Share = tuple[Array, Array, Array]
"""The share of the stand-alone cost left at y, and its first and second derivative in y."""


def saturating_share(y: Array, gamma: Array) -> Share:
    """1 - gamma y / (1 + y): the saving rises toward the share gamma; f is then jointly convex in both investments."""
    left = 1 / (1 + y)
    return 1 - gamma * y * left, -gamma * left**2, 2 * gamma * left**3


def exponential_share(y: Array, gamma: Array) -> Share:
    """1 - gamma (1 - exp(-y))."""
    decay = gamma * np.exp(-y)
    return 1 - gamma + decay, -decay, decay


COST_FORMS: dict[str, Callable[[Array, Array], Share]] = {"saturating": saturating_share, "exponential": exponential_share}


def knowledge_received(case: Case, x: Array) -> Array:
    """y_i = lambda_c,i t_j s_j, shape (..., 2)."""
    return case.cost_spillover * rival(x[..., INVESTMENT] * x[..., SHARING])


def cost_share(case: Case, x: Array) -> Share:
    """The share of the stand-alone cost left to each firm and its derivatives in the knowledge received, each (..., 2)."""
    return COST_FORMS[case.cost_form](knowledge_received(case, x), case.max_saving)


def investment_cost(case: Case, x: Array) -> Array:
    """f_i at levels x (..., 4), per firm (..., 2), money units."""
    return case.cost_scale / 2 * x[..., INVESTMENT] ** 2 * cost_share(case, x)[0]
