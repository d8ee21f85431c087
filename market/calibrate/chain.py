"""The closed chain from observations to parameters: where every fit starts.

With i a firm and j its rival, m margins, q quantities, f spending, s sharing, D_i diversion, G the
margins per unit of the net intercepts (Bertrand), kappa what own investment costs at the margin:

    b_i = q_i / m_i, b2 = sqrt(D_1 b_1 D_2 b_2)
    phi1 = leak_churn_i q_i / s_i^2
    h_i = phi1 G_ii - phi2 G_ij, l_i = phi3 s_j (G_ii + G_ij), R_i = 2 s_i h_i - l_i
    lambda_d = R_i e0_i / [G_ij (f_i / q_i - s_i R_i)], e0_i = G_ii - alpha G_ij
    e_i = e0_i + lambda_d s_i G_ij, t_i = f_i / (q_i e_i), kappa_i = 2 f_i / t_i^2
    k = kappa / (1 - saving), lambda_c / t0 = saving / (gamma - saving) / (s_j t_j)

R and e are the first-order conditions of sharing and of investment: what a unit of sharing costs in
leaks is what it wins by the rival's higher price, 2 q_i e_i = kappa_i t_i. What two firms both
tell is their geometric mean where the parameter is common to them. Firms know each other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from market.calibrate.observed import Data, Prior, refuse
from market.calibrate.parameters import Parameters
from market.model.case import Array, levels
from market.model.demand import shifted_intercept, slope_matrix
from market.model.pricing import bertrand_matrix

LEAST_SPENDING = 1e-7
"""Share of a firm's sales below which spending on security is in other units than prices."""
ROOM = 0.98
"""How near to 1 the cost spillover and the largest saving are at most where a fit starts."""
SAVED_ALONE = 0.5
"""The cost spillover at which the reference investment is chosen where the usual one asks for more
than 1."""


@dataclass(frozen=True, kw_only=True)
class Chain:
    """Where the chain leads."""

    parameters: Parameters
    """Of one lane."""
    levels: Array
    """(4,): sharing observed, investment implied."""
    reference: float
    """t0."""
    implied_spillover: tuple[float, float]
    """lambda_d by either firm's condition; NaN where a firm tells nothing."""
    priors: Mapping[str, Prior]
    """What is believed, the usual belief in leaks as small as the sharing that is seen asks for."""


def chain(data: Data, priors: Mapping[str, Prior]) -> Chain:
    """The parameters that the observations imply one after the other.

    Raises:
        NoCase: They fit no market, with the reason.
    """
    _units(data)
    b, m, mu = _slopes(data, priors)
    x = _cross_slope(data, priors, b)
    q = np.array(data.pair("quantity"))
    s = _sharing(data)
    alpha = _known(data.common("stolen_share"), priors, "rivalry")
    switch = _known(data.common("leak_switch"), priors, "leak_switch")
    together = _believed(priors, "leakage_interaction_share")
    if switch + together >= ROOM and _held(priors, "leakage_interaction_share") is None:
        together = (1 - switch) / 2  # a belief gives way to what is observed
    if switch + together >= 1:
        raise refuse(
            "leaks_help_more_than_they_cost",
            f"of customers lost by a leak {switch:.3g} go to the other firm, and the interaction of"
            f" leaks is {together:.3g} of own leakage: together they must stay below 1",
            leak_switch=switch,
            leakage_interaction_share=together,
        )
    bare = _bare(data, b, x, np.ones(2), switch, together, alpha)
    G = bertrand_matrix(bare.market(1.0))[0]  # whatever the leaks
    own, other = np.diag(G), np.array([G[0, 1], G[1, 0]])
    f = np.array(data.pair("security_spending"))
    e0 = own - alpha * other
    cost = 2 * s * (own - switch * other) - together * s[::-1] * (own + other)
    priors = _small_enough(data, priors, cost, e0, other, f / q, s)
    phi1 = _leakage(data, priors, q, s)
    R = phi1 * cost
    implied = _implied(data, R, e0, other, f, q, s)
    spill = _spillover(data, priors, implied)
    e = e0 + spill * s * other
    t = f / (q * e)
    if np.isnan(t).any():  # the other's cost of investment
        k = np.nanmean(2 * f / t**2)
        t = np.where(np.isnan(t), 2 * q * e / k, t)
    kappa = 2 * q * e / t
    gamma = _believed(priors, "max_saving")
    saving, useful, t0, gamma = _savings(data, priors, gamma, s, t)
    k = kappa / (1 - saving)
    found = _bare(data, b, x, phi1, switch, together, alpha)
    found = Parameters(
        **{
            **vars(found),
            "demand_spillover": _row(data, "demand_spillover", spill),
            "cost_scale": _row(data, "cost_scale", k),
            "max_saving": np.array([[gamma]]),
            "cost_spillover": _row(data, "cost_spillover", useful * t0),
            "net_intercept": np.zeros((1, 2)),
            "margin": mu[None],
        }
    )
    at = levels(s, t)
    shift = shifted_intercept(found.market(t0), at[None])
    # quantities in net prices, q = A - D m, at margins q / b
    net = q + (slope_matrix(found.market(t0))[0] @ m) - shift[0]
    if (net <= 0).any():
        worst = int(net.argmin())
        raise refuse(
            "no_demand_left",
            f"{_firm(data, worst)} would sell nothing without security: what is observed of it"
            " explains more than all of its sales; check leak_churn, partner_gain and the units of"
            " security_spending",
            net_intercept=float(net[worst]),
        )
    found = Parameters(**{**vars(found), "net_intercept": net[None]})
    return Chain(
        parameters=found,
        levels=at,
        reference=t0,
        implied_spillover=(float(implied[0]), float(implied[1])),
        priors=priors,
    )


# --- the steps


def _units(data: Data) -> None:
    """Refuse spending that cannot be in the units of prices and quantities."""
    p, q, f = (np.array(data.pair(kind)) for kind in ("price", "quantity", "security_spending"))
    mu = _margins(data)
    for i in np.flatnonzero(np.isfinite(f)):
        sales = float(p[i] * q[i])
        earned = sales * float(mu[i] if np.isfinite(mu[i]) else 1.0)
        if f[i] >= earned or f[i] < LEAST_SPENDING * sales:
            how = "more than its margin earns" if f[i] >= earned else "next to nothing"
            raise refuse(
                "inconsistent_units",
                f"{_firm(data, i)} spends {f[i]:.4g} on security, {how}: price times quantity is"
                f" {sales:.4g}, of which {earned:.4g} is margin; give security_spending in the unit"
                " of money of price times quantity",
                security_spending=float(f[i]),
                sales=sales,
                margin_earned=earned,
            )


def _margins(data: Data) -> Array:
    """Margins (2,) as shares of price; NaN where nothing is told."""
    p, margin, cost = (np.array(data.pair(kind)) for kind in ("price", "margin", "unit_cost"))
    return np.where(np.isnan(margin), 1 - cost / p, margin)


def _slopes(data: Data, priors: Mapping[str, Prior]) -> tuple[Array, Array, Array]:
    """Own slopes, margins in money and as shares of price, (2,) each: b_i = q_i / m_i."""
    p, q = (np.array(data.pair(kind)) for kind in ("price", "quantity"))
    mu = _margins(data)
    m = mu * p
    b = q / m
    fixed = _held(priors, "own_slope")
    if fixed is not None:
        b = np.full(2, fixed)
    elif "own_slope" not in data.per_firm:
        b = np.full(2, _mean(b))
    elif np.isnan(b).any():
        b = np.where(np.isnan(b), _believed(priors, "own_slope"), b)
    unknown = np.isnan(mu)
    mu = np.where(unknown, q / b / p, mu)
    if (mu > 1).any():
        i = int(mu.argmax())
        raise refuse(
            "margins_fit_no_slopes",
            f"with the own slope of its rival {_firm(data, i)} would have a margin of"
            f" {mu[i]:.3g} of its price, above 1; give its margin, or a slope of its own",
            implied_margin=float(mu[i]),
            own_slope=float(b[i]),
        )
    # Where the slope is common, quantities come out as b m: margins in money are those of the fit.
    return b, q / b, mu


def _cross_slope(data: Data, priors: Mapping[str, Prior], b: Array) -> float:
    """b2, the geometric mean of what either firm tells."""
    p, q = (np.array(data.pair(kind)) for kind in ("price", "quantity"))
    D, elasticity = (np.array(data.pair(kind)) for kind in ("diversion", "cross_elasticity"))
    for i in np.flatnonzero(D == 1):
        raise refuse(
            "singular_diversion",
            f"all sales that {_firm(data, i)} loses go to its rival: the slopes are singular, and"
            " nobody would stop buying; give the diversion counting those who buy neither",
            diversion=1.0,
        )
    told = np.where(np.isnan(D), elasticity * q / p[::-1], D * b)
    x = _held(priors, "cross_slope")
    if x is None:
        x = _believed(priors, "cross_slope") if np.isnan(told).all() else _mean(told)
    if x >= b.min():
        least = int(b.argmin())
        raise refuse(
            "margins_fit_no_slopes",
            f"the cross slope is {x:.4g} and the own slope of {_firm(data, least)} {b[least]:.4g},"
            " which its margin implies: its rival would win more sales than it loses; check margin,"
            " quantity and diversion of both firms",
            cross_slope=float(x),
            own_slope=float(b[least]),
        )
    return float(x)


def _sharing(data: Data) -> Array:
    """Sharing (2,), the other's where one is not told."""
    s = np.array(data.pair("sharing"))
    for i in np.flatnonzero((s == 0) | (s == 1)):
        raise refuse(
            "sharing_at_its_bound",
            f"{_firm(data, i)} shares {'everything' if s[i] else 'nothing'}: at a bound nothing is"
            " weighed against leaks, so that the demand spillover cannot be inferred; give a case"
            " file with an assumed security.demand_spillover instead",
            sharing=float(s[i]),
        )
    return np.where(np.isnan(s), s[::-1], s)


def _leakage(data: Data, priors: Mapping[str, Prior], q: Array, s: Array) -> Array:
    """phi1 (2,)."""
    fixed = _held(priors, "leakage_own")
    told = np.array(data.pair("leak_churn")) * q / s**2
    if fixed is not None or np.isnan(told).all():
        return np.full(2, _believed(priors, "leakage_own") if fixed is None else fixed)
    return _shared(data, "leakage_own", told)


def _small_enough(
    data: Data,
    priors: Mapping[str, Prior],
    cost: Array,
    e0: Array,
    other: Array,
    spent: Array,
    s: Array,
) -> Mapping[str, Prior]:
    """The priors, with leaks of which nobody says anything no larger than a plain demand spillover
    explains: spending `spent` a unit sold, leaks `cost` by phi1. A belief of the program is no
    reason to refuse data."""
    usual = priors.get("leakage_own")
    if usual is None or "leakage_own" in data.priors:
        return priors
    told = data.priors.get("demand_spillover")
    spill = PLAIN_SPILLOVER if told is None else told.median
    with np.errstate(invalid="ignore", divide="ignore"):
        limit = spill * other * spent / (cost * (e0 + spill * s * other))
    limit = limit[np.isfinite(limit) & (cost > 0)]
    median = float(min(usual.median, *limit)) if len(limit) else usual.median
    return {**priors, "leakage_own": Prior(median=median, log_sd=usual.log_sd)}


PLAIN_SPILLOVER = 0.5
"""Demand spillover that leaks of which nothing is known leave room for."""


def _implied(data: Data, R: Array, e0: Array, other: Array, f: Array, q: Array, s: Array) -> Array:
    """lambda_d (2,) by each firm's condition of sharing; NaN where its sharing or spending is not
    observed."""
    seen = np.isfinite(np.array(data.pair("sharing"))) & np.isfinite(f)
    for i in np.flatnonzero(seen):
        if R[i] <= 0:
            raise refuse(
                "no_cost_of_sharing",
                f"{_firm(data, i)} would lose nothing by sharing more than it does: its leaks are"
                " cheaper than what the interaction with its rival's brings; check leak_churn,"
                " leak_switch and leakage_interaction_share",
                marginal_leak=float(R[i]),
            )
        if f[i] / q[i] <= s[i] * R[i]:
            raise refuse(
                "no_motive_to_share",
                f"{_firm(data, i)} spends {f[i] / q[i]:.4g} a unit sold on security, and its leaks"
                f" cost {s[i] * R[i]:.4g}: no demand spillover, however large, makes such sharing"
                " worth while; check leak_churn, sharing and security_spending, and that quantities"
                " are in the unit in which price times quantity is money as spending is",
                spending_per_unit=float(f[i] / q[i]),
                leaks_per_unit=float(s[i] * R[i]),
            )
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(seen, R * e0 / (other * (f / q - s * R)), np.nan)


def _spillover(data: Data, priors: Mapping[str, Prior], implied: Array) -> Array:
    """lambda_d (2,)."""
    fixed = _held(priors, "demand_spillover")
    if fixed is not None:
        return np.full(2, fixed)
    if np.isnan(implied).all():
        if "demand_spillover" not in priors:
            raise refuse(
                "nothing_tells_the_spillover",
                "no firm's sharing and security spending are both observed, so that nothing tells"
                " the demand spillover; give both of one firm, or a prior on demand_spillover",
            )
        return np.full(2, _believed(priors, "demand_spillover"))
    return _shared(data, "demand_spillover", implied)


def _savings(
    data: Data, priors: Mapping[str, Prior], gamma: float, s: Array, t: Array
) -> tuple[Array, Array, float, float]:
    """Shares of cost saved (2,), lambda_c / t0 (2,), t0: today's mean investment, or less where the
    spillover would otherwise exceed 1; and gamma."""
    told = np.array(data.pair("saving_share"))
    usual = data.reference_investment or float(np.exp(np.log(t).mean()))
    received = (s * t)[::-1]
    fixed = _held(priors, "cost_spillover")
    if np.isnan(told).all() or fixed is not None:
        believed = _believed(priors, "cost_spillover") if fixed is None else fixed
        useful = np.full(2, believed / usual)
        y = useful * received
        return gamma * y / (1 + y), useful, usual, gamma
    largest = float(np.nanmax(told))
    if largest >= gamma:
        # Where the largest saving is no more than a belief, the fit starts from one that can be.
        if _held(priors, "max_saving") is not None or largest >= ROOM:
            raise refuse(
                "saves_more_than_can_be_saved",
                f"what the other shares saves {largest:.3g} of security cost, and at most"
                f" {gamma:.3g} is taken to be possible; give a larger priors.max_saving",
                saving_share=largest,
                max_saving=gamma,
            )
        gamma = (largest + min(1.0, 2 * largest)) / 2
    useful = _shared(data, "cost_spillover", told / (gamma - told) / received)
    if (most := float(useful.max()) * usual) > 1:
        if data.reference_investment is None:
            usual = SAVED_ALONE / float(useful.max())
        elif _held(priors, "max_saving") is not None:
            raise refuse(
                "cost_spillover_above_one",
                f"at the reference investment {usual:.4g} the cost spillover would be {most:.3g},"
                f" above 1; give a reference_investment of at most {usual / most:.3g}, or none",
                cost_spillover=most,
                reference_investment=usual,
            )
        else:
            useful = np.minimum(useful, ROOM / usual)
    y = useful * received
    return gamma * y / (1 + y), useful, usual, gamma


# --- what two firms tell together


def _bare(
    data: Data, b: Array, x: float, phi1: Array, switch: float, together: float, alpha: float
) -> Parameters:
    """Parameters in which demand and leakage are set, and the rest is none."""
    one = np.ones((1, 1))
    return Parameters(
        own_slope=_row(data, "own_slope", b),
        cross_slope=x * one,
        rivalry=alpha * one,
        demand_spillover=0 * one,
        leakage_own=_row(data, "leakage_own", phi1),
        leak_switch=switch * one,
        leakage_interaction_share=together * one,
        cost_scale=one,
        max_saving=0 * one,
        cost_spillover=0 * one,
        net_intercept=np.ones((1, 2)),
        margin=np.ones((1, 2)),
    )


def _row(data: Data, name: str, values: Array) -> Array:
    """A parameter (1, 2) of each firm, or (1, 1), the geometric mean, of both."""
    values = np.broadcast_to(values, 2)
    return values[None].copy() if name in data.per_firm else np.array([[_mean(values)]])


def _shared(data: Data, name: str, told: Array) -> Array:
    """What either firm tells (2,): each its own, the other's where it tells nothing, or the mean of
    both."""
    if name in data.per_firm:
        return np.where(np.isnan(told), told[::-1], told)
    return np.full(2, _mean(told))


def _mean(values: Array) -> float:
    """The geometric mean of what is known."""
    return float(np.exp(np.nanmean(np.log(values)))) if (values > 0).any() else 0.0


def _held(priors: Mapping[str, Prior], name: str) -> float | None:
    """The value at which a parameter is held fixed; None where it is not."""
    prior = priors.get(name)
    return prior.median if prior is not None and prior.log_sd is None else None


def _believed(priors: Mapping[str, Prior], name: str) -> float:
    """The value that is believed, or held."""
    return priors[name].median


def _known(observed: float | None, priors: Mapping[str, Prior], name: str) -> float:
    """A number that is observed, or believed."""
    return _believed(priors, name) if observed is None else observed


def _firm(data: Data, firm: int | np.intp) -> str:
    """What a firm is called at the head of a sentence or within."""
    return data.firms[firm] if data.firms else f"firm {firm + 1}"
