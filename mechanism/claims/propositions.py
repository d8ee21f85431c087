"""The paper's claims at given markets: is the assumption met, is the claim true, and by how much.

A claim is a function of `Ground`, the solved games of L markets, to a `Finding`: arrays over the
markets, so that one market and a sample of thousands go the same way. A margin is positive where
the claim is true; NaN where the question does not arise. Claims of strict inequalities fail on
equality: a margin up to `EQUAL` of the size of what is compared counts as none.

Propositions 2 to 4 are derived from first-order conditions of interior sharing, which Assumption 2
grants: it is part of their assumption here. The proofs of Lemma 1 (i), Proposition 3 (ii) and
Proposition 5 are about equal firms.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from market.model.case import INVESTMENT, SHARING, Array, Case, rival
from market.model.cost import COST_FORMS
from market.model.outcome import account
from market.model.pricing import bertrand_matrix, collusive_matrix
from market.regimes import REGIMES, Regime, firm_game
from market.solve.equilibrium import own_system
from mechanism.claims.claim import SMALL, Assumption, Claim, Finding, finding_of
from mechanism.claims.ground import Ground

FORCED = {
    s: Regime(key=f"sharing_{s:g}", chooser="firms", prices=bertrand_matrix, sharing_range=(s, s))
    for s in (0.0, 1.0)
}
"""Markets in which sharing is imposed, for the contrast with the restricted cost form."""


def claims_at(ground: Ground) -> dict[str, Finding]:
    """Every claim's finding, in the paper's order."""
    return {claim.key: finding_of(claim, ground) for claim in CLAIMS}


def _least(*parts: Array) -> Array:
    """The smallest over all parts and all but the first axis, (L,)."""
    return np.asarray(np.min([part.reshape(len(part), -1).min(1) for part in parts], axis=0))


def _prices_rise_with_investment(g: Ground) -> Finding:
    slopes = g.price_slopes(g.nash)
    own, other = slopes[:, [0, 1], [2, 3]], slopes[:, [0, 1], [3, 2]]
    return Finding(
        margin=_least(own, other) + g.exists,
        met=g.assumption_1,
        numbers={"dp_i_dt_i": own, "dp_i_dt_j": other},
    )


def _prices_peak_in_sharing(g: Ground) -> Finding:
    at = []
    for s in (0.0, 1.0):
        own = []
        for firm in (0, 1):
            x = g.nash.copy()
            x[:, firm] = s
            own.append(g.price_slopes(x)[:, firm, firm])
        at.append(np.stack(own, -1))
    return Finding(
        margin=_least(at[0], -at[1]) + g.exists,
        met=g.assumption_2,
        numbers={"dp_i_ds_i_at_0": at[0], "dp_i_ds_i_at_1": at[1]},
    )


def _no_full_sharing(g: Ground) -> Finding:
    s = g.nash[:, SHARING]
    return Finding(
        margin=1 - s.min(-1) + g.exists,
        met=np.minimum(g.assumption_2, g.equal_firms),
        numbers={"sharing": s},
    )


def _reaction_signs(
    g: Ground, columns: tuple[int, ...], rows: tuple[int, ...] = (0, 1)
) -> tuple[Array, dict[str, Array]]:
    names = [["ds_i_ds_j", "ds_i_dt_j"], ["dt_i_ds_j", "dt_i_dt_j"]]
    picked = {
        names[row][column]: g.reactions[:, :, row, column] for row in rows for column in columns
    }
    return _least(*picked.values()) + g.exists, picked


def _reactions_rise(g: Ground) -> Finding:
    margin, numbers = _reaction_signs(g, (0, 1))
    return Finding(margin=margin, met=np.minimum(g.assumption_1, g.assumption_2), numbers=numbers)


def _sharing_answers_sharing(g: Ground) -> Finding:
    margin, numbers = _reaction_signs(g, (0,))
    return Finding(margin=margin, met=g.assumption_2, numbers=numbers)


def _answers_to_investment(g: Ground) -> Finding:
    margin, numbers = _reaction_signs(g, (1,))
    return Finding(margin=margin, met=np.minimum(g.assumption_1, g.assumption_2), numbers=numbers)


def _complements(g: Ground) -> Finding:
    across = {"ds_i_dt_j": g.reactions[:, :, 0, 1], "dt_i_ds_j": g.reactions[:, :, 1, 0]}
    jacobian = own_system(firm_game(g.case, REGIMES["nash"]), g.nash)[2]
    cross = np.stack([jacobian[:, 0, 3], jacobian[:, 1, 2]], -1)
    return Finding(
        margin=_least(*across.values()) + g.exists,
        met=np.minimum(g.assumption_1, g.assumption_2),
        numbers={**across, "d2_profit_i_ds_i_dt_j": cross},
    )


def _moves(g: Ground, signs: dict[str, int]) -> tuple[Array, dict[str, Array]]:
    """The least of sign times the equilibrium's derivative in these parameters, and the
    derivatives, both sides of a kink alike."""
    parts, numbers = [], {}
    for name, sign in signs.items():
        found = g.statics[name].levels
        parts += [sign * found[0], sign * found[1]]
        numbers[f"d_sharing_d_{name}"], numbers[f"d_investment_d_{name}"] = (
            found[1][:, SHARING],
            found[1][:, INVESTMENT],
        )
    return _least(*parts) + g.exists, numbers


def _disloyalty(g: Ground) -> Finding:
    margin, numbers = _moves(g, {"demand.own_slope": -1})
    return Finding(margin=margin, met=g.assumption_2, numbers=numbers, size=SMALL)


def _substitutability(g: Ground) -> Finding:
    margin, numbers = _moves(g, {"demand.cross_slope": 1})
    return Finding(
        margin=margin,
        met=np.minimum(np.minimum(g.assumption_1, g.assumption_2), g.equal_firms),
        numbers=numbers,
        size=SMALL,
    )


def _size_of_firms(g: Ground) -> Finding:
    margin, numbers = _moves(g, {"demand.intercept": 1})
    return Finding(margin=margin, met=g.assumption_2, numbers=numbers, size=SMALL)


def _spillovers(g: Ground) -> Finding:
    margin, numbers = _moves(g, {"security.demand_spillover": 1, "cost.spillover": 1})
    return Finding(margin=margin, met=g.assumption_2, numbers=numbers, size=SMALL)


def _rivalry(g: Ground) -> Finding:
    margin, numbers = _moves(g, {"security.rivalry": -1})
    return Finding(margin=margin, met=g.assumption_2, numbers=numbers, size=SMALL)


def _sharing_helps(g: Ground) -> Finding:
    welfare = {key: g.books(key).total_surplus.sum(-1) for key in ("no_sharing", "nash")}
    return Finding(
        margin=welfare["nash"] - welfare["no_sharing"],
        met=np.minimum(g.assumption_2, g.equal_firms),
        numbers=welfare,
        size=1 + np.abs(welfare["nash"]),
    )


def _ordering(g: Ground) -> Finding:
    keys = ("nash", "joint_profit", "social_optimum")
    x = [g.levels[key] for key in keys]
    # Where no more is possible there is no counterexample.
    gaps = [
        np.where(g.both_at_top(low, high), np.inf, high - low)
        for low, high in ((x[0], x[1]), (x[1], x[2]))
    ]
    margin = _least(*gaps)
    everywhere = np.isposinf(margin)
    return Finding(
        margin=np.where(everywhere, np.nan, margin),
        met=np.minimum(g.assumption_1, g.equal_firms),
        numbers={
            f"{key}.{name}": levels[:, part]
            for key, levels in zip(keys, x, strict=True)
            for name, part in PARTS
        },
        size=1 + np.abs(x[2]).max(-1),
    )


PARTS = (("sharing", SHARING), ("investment", INVESTMENT))


def _leading(g: Ground) -> Finding:
    leader, nash = g.levels["sequential"], g.levels["nash"]
    profit = {key: g.books(key).profit for key in ("nash", "sequential")}
    gain = np.where(g.both_at_top(leader, nash), np.inf, leader - nash)[:, [0, 2]]
    margin = gain.min(-1)
    return Finding(
        margin=np.where(np.isposinf(margin), np.nan, margin),
        met=g.assumption_1,
        numbers={
            "sequential.sharing": leader[:, SHARING],
            "sequential.investment": leader[:, INVESTMENT],
            "nash.sharing": nash[:, SHARING],
            "nash.investment": nash[:, INVESTMENT],
            "profit_change": profit["sequential"] - profit["nash"],
        },
        size=1 + np.abs(nash).max(-1),
    )


def _unit_spillover(g: Ground) -> Array:
    """(L,): zero where there is a volume-related spillover, else NaN."""
    if g.case.unit_cost is None:
        return np.full(g.lanes, np.nan)
    some = (g.case.unit_cost.spillover > 0).any(-1)
    return np.broadcast_to(np.where(some, 0.0, np.nan), g.lanes)


def _volume_spillover(g: Ground) -> Finding:
    asked = _unit_spillover(g)
    if np.isnan(asked).all():
        return Finding(margin=asked, met=asked, numbers={}, null=True)
    slope = g.statics["unit_cost.spillover"].levels[1]
    return Finding(
        margin=slope.min(-1) + asked + g.exists,
        met=np.full(g.lanes, np.nan),
        numbers={"sharing": slope[:, SHARING], "investment": slope[:, INVESTMENT]},
        null=True,
    )


def _less_sharing_with_volume_spillover(g: Ground) -> Finding:
    asked = _unit_spillover(g)
    if np.isnan(asked).all() or g.without_unit_spillover is None:
        return Finding(margin=asked, met=asked, numbers={})
    with_it, without = g.levels["nash"][:, SHARING], g.without_unit_spillover[:, SHARING]
    return Finding(
        margin=_least(without - with_it) + asked,
        met=np.where(g.spillover_positive, 1.0, 0.0) + asked + g.exists,
        numbers={"sharing": with_it, "sharing_without": without},
    )


def _negative_spillover(g: Ground) -> Finding:
    negative = (g.case.demand_spillover < 0).all(-1)
    asked = np.broadcast_to(np.where(negative, 0.0, np.nan), g.lanes)
    numbers = {"sharing": g.nash[:, SHARING]}
    still = np.zeros(g.lanes)
    for name in ("security.demand_spillover", "cost.spillover"):
        slope = g.statics[name].levels[0][:, INVESTMENT]  # as the spillover falls further
        numbers[f"d_investment_d_{name}"] = slope
        still = np.maximum(still, np.abs(slope / g.units.quantity).max(-1))
    # Equalities: true up to rounding, so the margin is what rounding leaves.
    margin = 1e-8 - np.maximum(g.nash[:, SHARING].max(-1), still)
    return Finding(
        margin=margin + asked + g.exists, met=asked + g.exists + 1, numbers=numbers, size=0.0
    )


def _collusion(g: Ground) -> Finding:
    welfare = {
        key: g.books(key).total_surplus.sum(-1)
        for key in ("nash", "joint_profit", "price_collusion")
    }
    at_nash = account(g.case, g.levels["nash"], collusive_matrix).total_surplus.sum(-1)
    return Finding(
        margin=welfare["nash"] - welfare["price_collusion"],
        met=np.full(g.lanes, np.nan),
        numbers={**welfare, "collusive_prices_at_nash_levels": at_nash},
        size=1 + np.abs(welfare["nash"]),
    )


def _investment_first(g: Ground) -> Finding:
    first, nash = g.levels["investment_first"], g.levels["nash"]
    margin = np.where(g.both_at_top(first, nash), np.inf, first - nash).min(-1)
    return Finding(
        margin=np.where(np.isposinf(margin), np.nan, margin),
        met=np.minimum(g.assumption_1, g.assumption_2),
        numbers={
            f"{key}.{name}": g.levels[key][:, part]
            for key in ("investment_first", "nash")
            for name, part in PARTS
        },
        size=1 + np.abs(nash).max(-1),
    )


def _contrast(g: Ground) -> Finding:
    if not g.forced:
        nothing = np.full(g.lanes, np.nan)
        return Finding(margin=nothing, met=nothing, numbers={})
    numbers = {}
    for (form, s), t in g.forced.items():
        received = (
            g.case.cost_spillover * rival(t) * s if not COST_FORMS[form].pure_knowledge else 0.0
        )
        numbers[f"{form}.sharing_{s:g}"] = t - received
    falls = numbers["restricted.sharing_0"] - numbers["restricted.sharing_1"]
    rises = numbers["saturating.sharing_1"] - numbers["saturating.sharing_0"]
    return Finding(margin=_least(falls, rises), met=np.full(g.lanes, np.nan), numbers=numbers)


def _from_mechanism(key: str) -> Callable[[Ground], Finding]:
    def find(g: Ground) -> Finding:
        nothing = np.full(g.lanes, np.nan)
        margin = g.mechanism.get(key, nothing)
        numbers = {
            name.removeprefix(key + "."): value
            for name, value in g.mechanism.items()
            if name.startswith(key + ".")
        }
        return Finding(margin=margin, met=nothing, numbers=numbers, size=0.0)

    return find


def _assumption_1_at(g: Ground) -> str:
    bound, rivalry = g.alpha_bound[0], g.case.rivalry[0] + np.zeros(2)
    i = int((rivalry - bound).argmax())
    return f"alpha = {rivalry[i]:.6g} against {bound[i]:.6g} (Assumption 1)"


def _assumption_2_at(g: Ground) -> str:
    none, full = (values[0] for values in g.sharing_slopes)
    return (
        f"marginal sharing {none.min():.4g} at none, must be > 0, {full.max():.4g} at full, must be"
        " < 0 (Assumption 2)"
    )


def _equal_firms_at(g: Ground) -> str:
    return "the firms are equal" if g.equal_firms[0] else "the firms differ"


def _spillover_at(g: Ground) -> str:
    return f"lambda_d = {float(g.case.demand_spillover.min()):.6g}, must be > 0"


ONE = Assumption(
    text="alpha <= lambda_d min(s_1, s_2) + b2 / (2 b1) (Assumption 1)", at=_assumption_1_at
)


TWO = Assumption(
    text="some sharing pays and full sharing does not (Assumption 2)", at=_assumption_2_at
)


EQUAL_FIRMS = Assumption(text="equal firms", at=_equal_firms_at)


POSITIVE_SPILLOVER = Assumption(text="lambda_d > 0", at=_spillover_at)


VOLUME_SPILLOVER = Assumption(text="a volume-related spillover", at=None)


NEGATIVE_SPILLOVER = Assumption(text="lambda_d < 0", at=None)


CLAIMS: tuple[Claim, ...] = (
    Claim(
        key="P1.i",
        text="A firm's price rises with its own investment and with its rival's",
        assumes=(ONE,),  # its second part, about the rival's, rests on it
        find=_prices_rise_with_investment,
    ),
    Claim(
        key="P1.ii",
        text="A firm's price first rises and then falls with its own sharing",
        assumes=(TWO,),
        find=_prices_peak_in_sharing,
    ),
    Claim(
        key="L1.i",
        text="Firms do not share everything",
        assumes=(TWO, EQUAL_FIRMS),
        find=_no_full_sharing,
    ),
    Claim(
        key="L1.ii",
        text=(
            "Sharing and investment answer more sharing and more investment of the rival with more"
        ),
        assumes=(ONE, TWO),
        find=_reactions_rise,
    ),
    Claim(
        key="P2.i",
        text="More sharing by one firm leads the other to share and invest more",
        assumes=(TWO,),
        find=_sharing_answers_sharing,
    ),
    Claim(
        key="P2.ii",
        text="More investment by one firm leads the other to share and invest more",
        assumes=(ONE, TWO),
        find=_answers_to_investment,
    ),
    Claim(
        key="P2.iii",
        text=(
            "Sharing and investment are strategic complements: each answers more of the rival's"
            " other with more"
        ),
        assumes=(ONE, TWO),
        find=_complements,
    ),
    Claim(
        key="P3.i",
        text="Less loyal customers (b1 up) mean less sharing and investment",
        assumes=(TWO,),
        find=_disloyalty,
    ),
    Claim(
        key="P3.ii",
        text="Closer substitutes (b2 up) mean more sharing and investment",
        assumes=(ONE, TWO, EQUAL_FIRMS),
        find=_substitutability,
    ),
    Claim(
        key="P4.i",
        text="Larger firms (a up) share and invest more",
        assumes=(TWO,),
        find=_size_of_firms,
    ),
    Claim(
        key="P4.ii",
        text="Larger demand and cost spillovers mean more sharing and investment",
        assumes=(TWO,),
        find=_spillovers,
    ),
    Claim(
        key="P4.iii",
        text="More rivalry (alpha up) means less sharing and investment",
        assumes=(TWO,),
        find=_rivalry,
    ),
    Claim(
        key="P5.i",
        text="Welfare is higher with sharing than without",
        assumes=(TWO, EQUAL_FIRMS),
        find=_sharing_helps,
        compares=("no_sharing", "nash"),
    ),
    Claim(
        key="P5.ii",
        text=(
            "The planner shares and invests more than the alliance, the alliance more than the"
            " market"
        ),
        assumes=(ONE, EQUAL_FIRMS),
        find=_ordering,
        compares=("nash", "joint_profit", "social_optimum"),
    ),
    Claim(
        key="P6",
        text="A firm that commits first shares and invests more than when firms move at once",
        assumes=(ONE,),
        find=_leading,
        compares=("nash", "sequential"),
    ),
    Claim(
        key="P7.i",
        text="A larger volume-related spillover may raise or lower sharing and investment",
        find=_volume_spillover,
        about_section_2=False,
        unasked="the case has no unit_cost.spillover",
        remark="the paper says that the signs may differ; the margin is the smaller derivative",
    ),
    Claim(
        key="P7.ii",
        text="A volume-related spillover lowers sharing against a market without one",
        assumes=(VOLUME_SPILLOVER, POSITIVE_SPILLOVER),
        find=_less_sharing_with_volume_spillover,
        about_section_2=False,
        unasked="the case has no unit_cost.spillover",
    ),
    Claim(
        key="R.negative_spillover",
        text=(
            "With a negative demand spillover nothing is shared, and investment does not depend on"
            " the spillovers"
        ),
        assumes=(NEGATIVE_SPILLOVER,),
        find=_negative_spillover,
        about_section_2=False,
        unasked="the demand spillover is not negative",
    ),
    Claim(
        key="R.price_collusion",
        text="An alliance that also fixes prices lowers welfare below the market's",
        find=_collusion,
        compares=("nash", "joint_profit", "price_collusion"),
        about_section_2=False,
    ),
    Claim(
        key="R.investment_first",
        text=(
            "If investment comes before sharing, firms share and invest more than when they do both"
            " at once (footnote 27)"
        ),
        assumes=(ONE, TWO),
        find=_investment_first,
        compares=("nash", "investment_first"),
    ),
    Claim(
        key="R.restricted_cost",
        text=(
            "Without demand effects of sharing, the restricted cost makes shared knowledge replace"
            " own effort; the paper's form does not"
        ),
        find=_contrast,
        about_section_2=False,
    ),
    Claim(
        key="B.full_information",
        text=(
            "With full information the subsidy and tax make the social optimum an equilibrium at no"
            " cost to the public"
        ),
        find=_from_mechanism("B.full_information"),
        about_section_2=False,
    ),
    Claim(
        key="B.truthful",
        text="The tax as printed, (37), makes firms report their cost spillover truthfully",
        find=_from_mechanism("B.truthful"),
        about_section_2=False,
        unasked="the case has no private types",
    ),
    Claim(
        key="B.participation",
        text="No firm earns less under the subsidy and tax than in the market without them",
        find=_from_mechanism("B.participation"),
        about_section_2=False,
    ),
)
"""The claims in the paper's order."""


def without_spillover(case: Case) -> Case | None:
    """The markets with lambdahat = 0; None where none has it."""
    if case.unit_cost is None or not np.any(case.unit_cost.spillover):
        return None
    return replace(
        case, unit_cost=replace(case.unit_cost, spillover=np.zeros_like(case.unit_cost.spillover))
    )


def contrast_cases(case: Case) -> dict[str, Case]:
    """By cost form, the markets without demand spillover in which sharing is then imposed."""
    silent = replace(case, demand_spillover=np.zeros_like(case.demand_spillover))
    return {form: replace(silent, cost_form=form) for form in ("restricted", "saturating")}
