"""What could be given up where nothing does all that is asked, in words and as a plain tree."""

from __future__ import annotations

from collections.abc import Callable

from mechanism.design.relaxations import WEAKER, GiveUp, Relaxed, Weaker
from mechanism.design.setting_file import DesignOptions
from mechanism.design.solve import LARGEST_SECOND_OPINION, DirectMechanism
from mechanism.report.plain import Tree

CONSTRAINTS = {
    "ic": "truth-telling",
    "coalition": "proof against collusion",
    "ir": "participation",
    "floor": "limits to payments",
    "cap": "limits to payments",
    "budget": "the budget",
}
"""Kinds of constraints in the middle of a sentence."""
PRICES = {
    "ic": "lies may gain up to {}",
    "coalition": "joint lies may gain up to {}",
    "ir": "joining may cost a type up to {}",
    "payments": "players may pay or receive up to {}",
    "budget": "the public may pay up to {}",
}
"""What relaxing constraints of a kind by an amount means."""


Amount = Callable[[float], str]
"""From an amount of money to its words."""


def given_up(
    found: GiveUp | None, options: DesignOptions, amount: Amount, *, levels: bool
) -> list[str]:
    """What would do if it were given up; of a market `levels` says whether those were sought."""
    if found is None:
        here = (
            "where levels are chosen too"
            if levels
            else f"with more than {LARGEST_SECOND_OPINION:,} constraints"
        )
        return [f"What could be given up instead is not solved for {here}."]
    enough = [_price(one, options, amount) for one in found.relaxed if one.suffices]
    alone = any(one.suffices and len(one.groups) == 1 for one in found.relaxed)
    said = []
    if enough:
        head = "All" if alone else "Giving up one of them alone does not do. All"
        said.append(f"{head} else can be had if {', or if '.join(enough)}.")
    less = [_form(one) for one in found.weaker if one.suffices]
    if less:
        said.append(f"It also can if less is asked: {', or '.join(less)}.")
    return [*said, _lotteries(found, options, amount)]


def _price(one: Relaxed, options: DesignOptions, amount: Amount) -> str:
    assert one.amount is not None
    where = {
        "budget": " in every state" if options.budget == "ex_post" else " in expectation",
        "payments": " beyond the limits" if options.limited else "",
    }
    return " and ".join(
        PRICES[group].format(amount(one.amount)) + where.get(group, "") for group in one.groups
    )


def _form(one: Weaker) -> str:
    return " and ".join(
        f"{key} {to} in place of {WEAKER[key][0]}" for key, to in one.options.items()
    ).replace("_", " ")


def _lotteries(given: GiveUp, options: DesignOptions, amount: Amount) -> str:
    found = given.second_best
    if found is None:
        return (
            "Lotteries over the alternatives are taken into account."
            if given.not_drawn is None
            else given.not_drawn
        )
    if found.mechanism is None or given.lost is None:
        return (
            "No lottery over the alternatives does all of it either."
            if found.status == "infeasible"
            else "Whether lotteries over the alternatives do all of it is not established."
        )
    lost = amount(given.lost)
    surplus = amount(found.mechanism.achieved.surplus)
    return f"The best that does all of it, lotteries allowed, has a surplus of {surplus}, " + (
        "which is efficient." if lost == amount(0) else f"{lost} below what would be efficient."
    )


def give_up_tree(found: GiveUp) -> Tree:
    """`give_up` of `design --format json`."""
    best = found.second_best
    return {
        "relaxed": [
            {
                "constraints": list(one.groups),
                "suffices": one.suffices,
                "amount": one.amount,
                **_had(one.mechanism),
            }
            for one in found.relaxed
        ],
        "weaker": [
            {"options": dict(one.options), "suffices": one.suffices, **_had(one.mechanism)}
            for one in found.weaker
        ],
        "second_best": None
        if best is None
        else {
            "status": best.status,
            "lost": found.lost,
            **_had(best.mechanism),
        },
    }


def _had(mechanism: DirectMechanism | None) -> Tree:
    """What a mechanism comes to; null where there is none."""
    if mechanism is None:
        return dict.fromkeys(("surplus", "payoff", "outlay", "worst"))
    achieved = mechanism.achieved
    return {
        "surplus": achieved.surplus,
        "payoff": list(achieved.payoff),
        "outlay": achieved.outlay,
        "worst": achieved.worst,
    }
