"""`pigou design` end to end: a case or a setting file and the options on the command line, to a
typed result with its verdicts."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from market.casefile.faults import Fault
from market.casefile.files import Document, read_document
from market.casefile.schema import check
from market.model.case import Array
from mechanism.casefile.policy_case import PolicyCase, parse_tree
from mechanism.casefile.schema import MechanismOptions
from mechanism.casefile.types import PRIVATE, TypeSpace, type_space
from mechanism.design.checks import NOT_ESTABLISHED, Check, JointLie
from mechanism.design.environment import AllocationRule, Environment, efficient
from mechanism.design.options import (
    NO_LEVELS,
    NO_OUTSIDE,
    by_formula,
    too_many,
    without_payments,
)
from mechanism.design.rules import TAX_RULES, TaxRule
from mechanism.design.setting_file import (
    DesignOptions,
    is_setting,
    nothing_without,
    parse_setting,
    too_large,
    transfers_by_type,
)
from mechanism.design.solve import (
    Contradiction,
    Design,
    DirectMechanism,
    OptimalityBound,
    least_outlay,
)
from mechanism.design.solve import design as best_mechanism
from mechanism.design.states import own_first
from mechanism.scheme.continuum import between
from mechanism.scheme.designed import asked
from mechanism.scheme.generation import generate
from mechanism.scheme.market_environment import (
    NoEnvironmentError,
    at_same_levels,
    both_types_environment,
    market_environment,
    outside_options,
    planner_levels,
)
from mechanism.scheme.preparation import prepare
from mechanism.scheme.rule_results import Continuum

LARGEST_CONTINUUM = 103
"""Points per firm up to which truth and participation are searched between them too."""


OPTIONS = (
    "tax_rule",
    "objective",
    "allocation",
    "incentive",
    "participation",
    "timing",
    "budget",
    "collusion",
)
"""What can be asked beside the file."""


class DesignError(Exception):
    """What is asked makes no sense for this file."""


@dataclass(frozen=True, kw_only=True)
class DesignResult:
    """What a file asks of a mechanism, and the mechanism that does it or why none does."""

    text: str
    """The file with every default spelled out, as JSON."""
    options: DesignOptions
    participation: str
    """Against what players compare joining, in the words of the file."""
    environment: Environment
    found: Design
    benchmark: AllocationRule
    """The efficient alternatives."""
    efficient_surplus: float
    """Their expected welfare."""
    least_outlay: float | None
    """The least expected outlay under Bayesian truth and interim participation; None where there is
    none, or nobody may refuse."""
    levels: Array | None = None
    """(A, 4): the levels that alternatives are, where those are sought; None elsewhere."""
    continuum: Continuum | None = None
    """Truth and participation between the types of a grid; None where there is nothing between, or
    it is not searched."""

    @property
    def rule(self) -> TaxRule:
        """The tax rule."""
        return TAX_RULES[self.options.tax_rule]

    @property
    def asked(self) -> dict[str, str]:
        """The options of the command that ask for just this, by their flags."""
        told = {**self.options.model_dump(), "participation": self.participation}
        return {f"--{key.replace('_', '-')}": told[key] for key in OPTIONS}

    def to_json(self, indent: int | None = 2) -> str:
        """What `pigou design --format json` writes, to the byte at the usual indent."""
        from mechanism.analysis.designs_tree import design_tree

        return json.dumps(design_tree(self), indent=indent, allow_nan=False)

    @property
    def lost(self) -> float:
        """What expected welfare lacks of that of the efficient alternatives, with nothing of their
        constants in it."""
        assert self.found.mechanism is not None
        best, plan = self.benchmark.centred, self.found.mechanism.plan.centred
        return float(self.environment.expect(best.welfare - plan.welfare).item())

    @property
    def verdicts(self) -> tuple[str, ...]:
        """The finding in words, the most important first."""
        return tuple(_verdicts(self)) + (
            () if self.continuum is None else (_between_types(self.continuum),)
        )


def design(problem: PolicyCase | str | Path, **options: str) -> DesignResult:
    """The transfers, and where asked the lotteries, that do what is asked at best, or the proof
    that none does.

    Args:
        problem: A case with private types, or the path of a setting or case file.
        options: Laid over the file's own, as `pigou design` takes them: `objective`, `incentive`,
            `participation`, `timing`, `budget`, `allocation`, `tax_rule`, `collusion`.

    Returns:
        The mechanism, or what contradicts itself; `verdicts` says it in words.

    Raises:
        BadCase: The file is not admissible.
        DesignError: Nothing can be designed for it, or an option makes no sense there.

    Example:
        >>> import pigou
        >>> found = pigou.design("settings/bilateral_trade.yaml")
        >>> found.found.status, round(found.found.mechanism.achieved.outlay, 8)
        ('optimal', -0.03125)
    """
    if isinstance(problem, PolicyCase):
        return _of_market(problem, options)
    return solve_file(problem, options)


def solve_file(path: str | Path, given: dict[str, str]) -> DesignResult:
    """The design a file asks for, with these options laid over its own."""
    faults: list[Fault] = []
    document = read_document(path, faults=faults)
    return _solved(document.tree, given, Path(path), document, faults)


def solve_tree(tree: Mapping[str, object], given: dict[str, str]) -> DesignResult:
    """The design that a case or setting with every default filled in asks for, with these options
    laid over its own."""
    return _solved(tree, given)


def _solved(
    tree: Mapping[str, object],
    given: dict[str, str],
    path: Path | None = None,
    document: Document | None = None,
    faults: Iterable[Fault] = (),
) -> DesignResult:
    named = {} if path is None else {"name": path.stem}
    if is_setting(tree):
        problem = parse_setting(tree, document=document, faults=faults, **named)
        options = _overruled(problem.options, given)
        environment = problem.environment
        _sensible(len(environment.players), options)
        if why := nothing_without(environment, options.tax_rule):
            raise DesignError(f"needs {why}")
        if why := too_large(list(environment.shape), len(environment.alternatives), options):
            raise DesignError(f"the players {why}")
        return _result(problem.environment, None, options, options.participation, problem.text)
    policy = parse_tree(tree, path=path, document=document, faults=faults, **named)
    return _of_market(policy, given)


def _of_market(policy: PolicyCase, given: dict[str, str]) -> DesignResult:
    """The design for a case with private types."""
    if policy.types is None:
        raise DesignError(
            "the case has no types, so there is nothing to design for; add a types block, or use"
            " pigou evaluate"
        )
    grid = type_space(policy.types)
    base = asked(policy.mechanism)
    form = given.get("participation", policy.mechanism.participation)
    form = "ir_market" if form == "outside" else form
    joins = "none" if form == "none" else "outside"
    options = _overruled(base, given | {"participation": joins})
    if not TAX_RULES[options.tax_rule].in_markets:
        raise DesignError(
            f"{options.tax_rule} is a rule for setting files: a market without one of its firms is"
            " not described"
        )
    _sensible(2, options)
    # As in evaluate: truth and participation are asked at the points between types too, unless the
    # program is too large for that.
    few = options.allocation == "second_best" or options.collusion == "proof"
    types = grid if few else grid.everywhere()
    by_type = transfers_by_type(2, options)
    kind = "by_type" if by_type else "by_state"
    if few:
        both = options.allocation == "second_best" and options.collusion == "proof"
        kind = (
            "joint_lotteries" if both else "joint" if options.collusion == "proof" else "lotteries"
        )
    if why := too_many(len(types.nodes), kind):
        raise DesignError(why.text)
    if not grid.private_values and options.allocation != "second_best":
        return _of_both_types(policy, grid, options, form)
    if not grid.private_values and options.collusion == "proof":
        raise DesignError(_both_types(grid, "proof against collusion is not solved for there"))
    try:
        planner = planner_levels(policy.market, types)
        outside = outside_options(policy.market, types, form, options.timing, planner)
    except NoEnvironmentError as error:
        raise DesignError(str(error)) from None
    if options.allocation == "second_best":
        return _second_best(policy, types, options, form, planner, outside)
    plan = market_environment(policy.market, types, planner[None], outside)
    result = _result(plan.environment, plan, options, form, policy.text)
    if (
        few
        or not types.continuous
        or types.size > LARGEST_CONTINUUM
        or result.found.mechanism is None
    ):
        return result
    return replace(
        result, continuum=_continuum(policy, grid, options, form, result.found.mechanism)
    )


def _second_best(
    policy: PolicyCase,
    types: TypeSpace,
    options: DesignOptions,
    form: str,
    planner: Array,
    outside: tuple[Array, Array],
) -> DesignResult:
    """The design with lotteries over all levels."""
    found = generate(
        policy.market, types, planner, outside, options, same_levels=at_same_levels(form)
    )
    if found is None:  # without a limit or an answer whatever the levels
        plan = market_environment(policy.market, types, planner[None], outside)
        return _result(plan.environment, plan, options, form, policy.text)
    result = _result(found.plan.environment, found.plan, options, form, policy.text)
    if not types.private_values:
        result = replace(result, found=_without_joint_lies(result.found))
    return replace(
        result, found=result.found.beside(found.bound), levels=found.levels.reshape(-1, 4)
    )


def _without_joint_lies(found: Design) -> Design:
    """The same where both types move both profits: what firms earn is stated for a rival that tells
    the truth, and joint lies are not judged by it."""
    if found.mechanism is None:
        return found
    known = replace(found.mechanism.achieved, collusion=NOT_ESTABLISHED)
    return replace(found, mechanism=replace(found.mechanism, achieved=known))


def _both_types(types: TypeSpace, but: str) -> str:
    return (
        f"{PRIVATE[types.parameter].label} are private, so that both types move both profits: {but}"
    )


def _of_both_types(
    policy: PolicyCase, types: TypeSpace, options: DesignOptions, form: str
) -> DesignResult:
    """The design where both types move both profits: transfers at the planner's levels."""
    if not TAX_RULES[options.tax_rule].designed:
        judged = f"pigou evaluate judges {options.tax_rule}"
        raise DesignError(
            _both_types(types, f"only transfers that are solved for are designed; {judged}")
        )
    if options.collusion == "proof":
        raise DesignError(_both_types(types, "proof against collusion is not solved for there"))
    scheme = prepare(policy.market, types, _chosen(policy, options, form))
    if scheme is None:
        raise DesignError(NO_LEVELS.text)
    if not np.isfinite(scheme.own_outside).all():
        raise DesignError(NO_OUTSIDE.text)
    plan = both_types_environment(scheme)
    result = _result(plan.environment, plan, options, form, policy.text)
    return replace(result, found=_without_joint_lies(result.found))


def _chosen(policy: PolicyCase, options: DesignOptions, form: str) -> MechanismOptions:
    """What a design asks, as a case would ask it."""
    return replace(
        policy.mechanism,
        payoff="with_cost",
        incentive=options.incentive,
        participation=form,  # type: ignore[arg-type]
        timing=options.timing,
    )


def _continuum(
    policy: PolicyCase, types: TypeSpace, options: DesignOptions, form: str, found: DirectMechanism
) -> Continuum | None:
    """Truth and participation between the types of the grid; None where the market has none to
    compare with."""
    prepared = prepare(policy.market, types, _chosen(policy, options, form))
    first, second = found.transfers
    return (
        None
        if prepared is None
        else between(prepared, TAX_RULES[options.tax_rule], own_first(first, second))
    )


def _overruled(options: DesignOptions, given: dict[str, str]) -> DesignOptions:
    form = given.get("participation", "none")
    if form not in ("outside", "none"):
        raise DesignError(
            f"--participation {form} is for case files; a setting's outside options are in its"
            " players (outside or none)"
        )
    return check(DesignOptions, options.model_dump() | given)


def _sensible(players: int, options: DesignOptions) -> None:
    rule = TAX_RULES[options.tax_rule]
    if players < rule.least_players:
        raise DesignError(f"{rule.key} needs {rule.least_players} players or more")
    for why in (
        by_formula(options.tax_rule, options.allocation, options.collusion),
        without_payments(options.tax_rule, options.payments),
    ):
        if why is not None:
            raise DesignError(why.text)


def _result(
    environment: Environment,
    plan: AllocationRule | None,
    options: DesignOptions,
    participation: str,
    text: str,
) -> DesignResult:
    benchmark = plan or efficient(environment)
    outlay, _ = least_outlay(environment, benchmark)
    return DesignResult(
        text=text,
        options=options,
        participation=participation,
        environment=environment,
        found=best_mechanism(environment, options, plan),
        benchmark=benchmark,
        efficient_surplus=environment.shifted_welfare
        + float(environment.expect(benchmark.centred.welfare).item()),
        least_outlay=outlay if np.isfinite(outlay) and options.participation != "none" else None,
    )


# --- the finding in words


OBJECTIVES = {
    "min_outlay": "the least expected outlay",
    "max_surplus": "the most surplus net of the cost of public funds",
    "min_worst_deficit": "the least deficit in the worst state",
    "min_violation": "the least violation of what is asked",
}
CONSTRAINTS = {
    "ic": "truth-telling",
    "coalition": "proof against collusion",
    "ir": "participation",
    "budget": "the budget",
}


def _verdicts(result: DesignResult) -> list[str]:
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
    if result.lost > 1e-9 * result.environment.range:
        text.append(
            f"Surplus is {surplus:.6g}, {result.lost:.6g} below what would be efficient"
            f" ({full:.6g})."
        )
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
    who = " and ".join(name for kind, name in CONSTRAINTS.items() if kind in kinds)
    budget = "" if result.options.budget == "none" else " within the budget asked for"
    text = [f"No transfers give {_asked(result.options)}{budget}: {who} contradict each other."]
    if proof.ties is not None:
        many = "1 state" if proof.ties.states == 1 else f"{proof.ties.states} states"
        text.append(
            f"That is with ties, in {many}, broken to the alternative listed first:"
            f" {OTHER_TIES[proof.ties.otherwise]}."
        )
    text.append(
        f"The {len(proof.rows)} conflicting constraints add up to a contradiction; this is"
        " verified."
    )
    if "budget" in kinds and result.least_outlay is not None and "coalition" not in kinds:
        text.append(
            f"Without a limit to the budget the public would have to pay {result.least_outlay:.6g}"
            " in expectation."
        )
    return text


def _money(mechanism: DirectMechanism) -> str:
    outlay = mechanism.achieved.outlay
    if abs(outlay) <= 1e-9 * mechanism.plan.environment.range:
        return "costs nothing in expectation"
    return (
        f"{'costs the public' if outlay > 0 else 'brings the public'} {abs(outlay):.6g} in"
        " expectation"
    )


def _solved_for(result: DesignResult, mechanism: DirectMechanism) -> list[str]:
    options, value = result.options, result.found.objective_value
    assert value is not None
    if options.objective == "min_violation" and value > 1e-9 * result.environment.range:
        return [
            f"What is asked ({_asked(options)}) cannot all hold: some constraint is missed by"
            f" {value:.6g} at the least."
        ]
    best = f"{OBJECTIVES[options.objective]} that {_asked(options)} allow"
    text = [f"{best[0].upper()}{best[1:]} is {value:.6g}; the mechanism {_money(mechanism)}."]
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


def _by_formula(result: DesignResult, mechanism: DirectMechanism) -> list[str]:
    options, achieved = result.options, mechanism.achieved
    worst = achieved.worst
    then = f"the public pays {worst:.6g}" if worst >= 0 else f"it brings {-worst:.6g}"
    text = [f"The rule {options.tax_rule} {_money(mechanism)}; in the worst state {then}."]
    text.append(
        _holds(
            achieved.ic[options.incentive],
            "Truth is a best reply",
            "Truth is no best reply",
            options.incentive,
        )
    )
    if options.participation != "none":
        text.append(
            _holds(
                achieved.ir[options.timing],
                "Everybody joins",
                "Not everybody joins",
                options.timing,
            )
        )
    return text


def _holds(check: Check, yes: str, no: str, form: str) -> str:
    return f"{yes if check.status == 'holds' else no} ({form.replace('_', ' ')})."


def _joint(result: DesignResult, mechanism: DirectMechanism) -> list[str]:
    """Whether players that agree on their reports gain by it."""
    check = mechanism.achieved.collusion
    if check.status != "violated" or not isinstance(check.witness, JointLie):
        return []
    told = ", ".join(
        report if isinstance(report, str) else f"{report:.4g}" for report in check.witness.reports
    )
    return [
        f"Players that agree on their reports gain up to {check.witness.gain:.6g} together, by"
        f" reporting {told}."
    ]


def _between_types(found: Continuum) -> str:
    """What holds between the types of the grid."""
    texts = [_between("truth", found.ic, found.ic.amount, "a lie gains")]
    if found.ir is not None:
        short = None if found.ir.amount is None else -found.ir.amount
        texts.append(_between("participation", found.ir, short, "joining costs some type"))
    return (
        f"Over all types of the interval, {found.points} points of which were searched:"
        f" {' and '.join(texts)}."
    )


def _between(name: str, check: Check, amount: float | None, loses: str) -> str:
    excess = "" if check.status == "holds" or amount is None else f" ({loses} up to {amount:.6g})"
    return f"{name} {check.status.replace('_', ' ')}{excess}"
