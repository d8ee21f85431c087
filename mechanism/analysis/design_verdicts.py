"""The finding of `pigou design` in words."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

import numpy as np

from market.text import capitalised
from mechanism.analysis.giving_up import CONSTRAINTS, given_up
from mechanism.design.checks import Check, JointLie
from mechanism.design.environment import Achieved
from mechanism.design.setting_file import DesignOptions
from mechanism.design.solve import Contradiction, DirectMechanism, OptimalityBound
from mechanism.scheme.rule_results import Continuum

if TYPE_CHECKING:
    from mechanism.analysis.designs import DesignResult

OBJECTIVES = {
    "min_outlay": "the least expected outlay",
    "max_surplus": "the most surplus net of the cost of public funds",
    "min_worst_deficit": "the least deficit in the worst state",
    "min_violation": "the least violation of what is asked",
}


def finding(result: DesignResult) -> list[str]:
    """What was found, the most important first."""
    text = _finding(result)
    return text if result.continuum is None else [*text, _between_types(result, result.continuum)]


def _finding(result: DesignResult) -> list[str]:
    found = result.found
    if found.contradiction is not None:
        return _refuted(result, found.contradiction)
    if found.status == "unbounded":
        return [
            "Transfers can be improved without limit: nobody may refuse to take part, so players"
            " can be made to pay any amount."
        ]
    if found.mechanism is None:
        return ["The solver gave no answer that can be relied on."]
    text = (
        _solved_for(result, found.mechanism)
        if result.rule.designed
        else _by_formula(result, found.mechanism)
    )
    surplus, full = found.mechanism.achieved.surplus, result.efficient_surplus
    if result.lost > result.rounding:
        text.append(
            f"Surplus is {result.amount(surplus)}, {result.amount(result.lost)} below what would be"
            f" efficient ({result.amount(full)})."
        )
    text += _of_types(result, found.mechanism)
    text += _joint(result, found.mechanism)
    opinion = found.second_opinion
    if opinion is not None and not opinion.agrees:
        text.append(
            f"A second solver ({opinion.solver}) does NOT confirm the figure:"
            f" {opinion.objective_value}."
        )
    return text


def _asked(options: DesignOptions) -> str:
    return (
        f"{options.incentive} truth-telling"
        + (", proof against collusion" if options.collusion == "proof" else "")
        + (
            ""
            if options.participation == "none"
            else f" and {options.timing.replace('_', ' ')} participation"
        )
    )


OTHER_TIES = {
    "possible": (
        "broken otherwise, by lottery among the alternatives that tie, what is asked can be done"
    ),
    "infeasible": (
        "no other way to break them, lotteries among the alternatives that tie included, does what"
        " is asked either"
    ),
    "not_established": "whether another way to break them does what is asked is not established",
}


def _refuted(result: DesignResult, proof: Contradiction) -> list[str]:
    kinds = {row.constraint for row in proof.rows}
    who = list(dict.fromkeys(name for kind, name in CONSTRAINTS.items() if kind in kinds))
    does = "contradict each other" if len(who) > 1 else "contradicts itself"
    budget = "" if result.options.budget == "none" else " within the budget asked for"
    text = [f"No transfers give {_asked(result.options)}{budget}: {' and '.join(who)} {does}."]
    if proof.ties is not None:
        many = "1 state" if proof.ties.states == 1 else f"{proof.ties.states} states"
        text.append(
            f"That is with ties, in {many}, broken to the alternative listed first:"
            f" {OTHER_TIES[proof.ties.otherwise]}."
        )
    text.append(
        f"The {len(proof.rows)} conflicting constraints add up to a contradiction; this is"
        " verified."
        if len(proof.rows) > 1
        else "One constraint contradicts itself; this is verified."
    )
    sought = result.levels is not None
    return text + given_up(result.give_up, result.options, result.amount, levels=sought)


def _money(result: DesignResult, mechanism: DirectMechanism) -> str:
    outlay = mechanism.achieved.outlay
    if abs(outlay) <= result.rounding:
        return "costs nothing in expectation"
    who = "costs the public" if outlay > 0 else "brings the public"
    return f"{who} {result.amount(abs(outlay))} in expectation"


def _solved_for(result: DesignResult, mechanism: DirectMechanism) -> list[str]:
    options, value = result.options, result.found.objective_value
    assert value is not None
    if options.objective == "min_violation" and value > result.rounding:
        return [
            f"What is asked ({_asked(options)}) cannot all hold: some constraint is missed by"
            f" {result.amount(value)} at the least."
        ]
    several = options.participation != "none" or options.collusion == "proof"
    allow = "allow" if several else "allows"
    best = f"{OBJECTIVES[options.objective]} that {_asked(options)} {allow}"
    text = [
        f"{capitalised(best)} is {result.amount(value)}; the mechanism {_money(result, mechanism)}."
    ]
    return text if result.found.bound is None else [*text, _beside(result.found.bound)]


def _beside(bound: OptimalityBound) -> str:
    """What is known of levels that are not drawn."""
    up_to = " and ".join(f"{most:.4g}" for most in bound.investment_up_to)
    among = f"Of all levels with investments of at most {up_to}"
    if bound.proven:
        return f"{among} none do better by more than {bound.gap:.2g} (proven)."
    if bound.gap is None:
        return f"{among} none that do better were found; that there are none is not proven."
    return f"{among} none that do better were found; by more than {bound.gap:.4g} none can."


def _worst(result: DesignResult, achieved: Achieved) -> str:
    worst = achieved.worst
    if worst is None:
        return ""
    pays = f"the public pays {result.amount(worst)}"
    return f"; in the worst state {pays if worst >= 0 else f'it brings {result.amount(-worst)}'}"


def _by_formula(result: DesignResult, mechanism: DirectMechanism) -> list[str]:
    options, achieved = result.options, mechanism.achieved
    text = [f"The rule {options.tax_rule} {_money(result, mechanism)}{_worst(result, achieved)}."]
    if not result.listed:
        count = prod(result.environment.shape)
        text.append(
            f"There are {count:.6g} states, too many to list: all is worked out from the sums of"
            " the others' values."
        )
    text.append(
        _holds(
            achieved.ic[options.incentive],
            "Truth is a best reply",
            "Truth is no best reply",
            options.incentive,
        )
    )
    if options.participation != "none":
        joins = achieved.ir[options.timing]
        text.append(_holds(joins, "Everybody joins", "Not everybody joins", options.timing))
        if result.listed and result.rule.without_player and _charges_providers(result, mechanism):
            text.append(
                "Players to whom alternatives are but costs are charged. Where an alternative is"
                " not there without who carries it out, say so by needs: a provider then receives"
                " what the others would lack without it."
            )
    return text


def _charges_providers(result: DesignResult, mechanism: DirectMechanism) -> bool:
    """Whether somebody pays for whom alternatives are but costs, none being said to need it."""
    values, needed = result.environment.values, result.environment.needed
    return not np.any(needed) and any(
        (value <= 0).all() and (value < 0).any() and paid.min() < -result.rounding
        for value, paid in zip(values, mechanism.transfers, strict=True)
    )


def _holds(check: Check, yes: str, no: str, form: str) -> str:
    return f"{yes if check.status == 'holds' else no} ({form.replace('_', ' ')})."


def _of_types(result: DesignResult, mechanism: DirectMechanism) -> list[str]:
    """What is different where types are dependent, or move others' values."""
    environment, rule = result.environment, result.rule
    text = []
    if environment.joint is not None:
        if rule.designed and result.options.payments == "allowed":
            low = min(float(t.min()) for t in mechanism.transfers)
            high = max(float(t.max()) for t in mechanism.transfers)
            text.append(
                "Types are dependent, so that payments can be bets on what the others report: they"
                f" run from {result.amount(low)} to {result.amount(high)}, beside payoffs that"
                f" differ by at most {result.amount(environment.range)}; transfer_floor and"
                " transfer_cap limit them."
            )
        elif rule.if_dependent is not None:
            text.append(f"Types are dependent: {rule.if_dependent}.")
    if not environment.private_values:
        if rule.truth is not None:
            text.append(
                "Values depend on others' types, so that this rule makes truth a best reply by"
                " design no longer: the checks tell whether it is one here."
            )
        if result.options.incentive == "dominant":
            text.append(
                "Values depend on others' types: truth is asked at each profile of the others'"
                " types, told truthfully (an ex-post equilibrium)."
            )
    return text


def _joint(result: DesignResult, mechanism: DirectMechanism) -> list[str]:
    """Whether players that agree on their reports gain by it."""
    check = mechanism.achieved.collusion
    if check.status != "violated" or not isinstance(check.witness, JointLie):
        return []
    told = ", ".join(
        report if isinstance(report, str) else f"{report:.4g}" for report in check.witness.reports
    )
    return [
        f"Players that agree on their reports gain up to {result.amount(check.witness.gain)}"
        f" together, by reporting {told}."
    ]


def _between_types(result: DesignResult, found: Continuum) -> str:
    """What holds between the types of the grid."""
    texts = [_between(result, "truth", found.ic, found.ic.amount, "a lie gains")]
    if found.ir is not None:
        short = None if found.ir.amount is None else -found.ir.amount
        texts.append(_between(result, "participation", found.ir, short, "joining costs some type"))
    return (
        f"Over all types of the interval, {found.points} points of which were searched:"
        f" {' and '.join(texts)}."
    )


def _between(
    result: DesignResult, name: str, check: Check, amount: float | None, loses: str
) -> str:
    excess = ""
    if check.status != "holds" and amount is not None:
        excess = f" ({loses} up to {result.amount(amount)})"
    return f"{name} {check.status.replace('_', ' ')}{excess}"
