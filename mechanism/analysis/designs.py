"""`pigou design` end to end: a case or a setting file and the options on the command line, to a
typed result with its verdicts."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from market.casefile.faults import Fault, dotted
from market.casefile.files import Document, read_document
from market.casefile.schema import check
from market.model.case import Array
from mechanism.analysis.design_verdicts import finding
from mechanism.casefile.policy_case import PolicyCase, parse_tree
from mechanism.casefile.schema import MechanismOptions
from mechanism.casefile.types import PRIVATE, TypeSpace, type_space
from mechanism.design.checks import NOT_ESTABLISHED
from mechanism.design.environment import AllocationRule, Environment, efficient
from mechanism.design.options import (
    LIMITS,
    NO_LEVELS,
    NO_OUTSIDE,
    by_formula,
    too_many,
    with_limits,
    without_payments,
)
from mechanism.design.relaxations import LOTTERIES, GiveUp, give_up, second_best
from mechanism.design.rules import TAX_RULES, TaxRule
from mechanism.design.setting_file import (
    DesignOptions,
    is_setting,
    nothing_without,
    of_limits,
    parse_setting,
    sums_do,
    too_large,
    transfers_by_type,
)
from mechanism.design.solve import (
    Design,
    DirectMechanism,
    least_outlay,
)
from mechanism.design.solve import design as best_mechanism
from mechanism.design.states import own_first
from mechanism.design.sums import TooManySumsError, achieved_by_sums
from mechanism.scheme.continuum import between
from mechanism.scheme.designed import asked
from mechanism.scheme.generation import generate
from mechanism.scheme.market_environment import (
    NoEnvironmentError,
    at_same_levels,
    market_environment,
    outside_options,
    planned_environment,
    planner_levels,
)
from mechanism.scheme.preparation import prepare
from mechanism.scheme.rule_results import Continuum

SOLVED_TO, COMPUTED_TO = 1e-8, 1e-12
"""Shares of the range of payoffs up to which an amount is rounding: where transfers are solved for,
and where they have a formula."""

LARGEST_BESIDE = 5
"""Types per firm up to which the second best of a market is solved for unasked, beside the proof
that nothing else does what is asked: so many take a second."""

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
    *LIMITS,
)
"""What can be asked beside the file."""
Option = str | float | Mapping[str, float] | None
"""A choice, or a limit to what players receive: for all, by name, or none; as a file has it."""


class DesignError(Exception):
    """What is asked makes no sense for this file."""


class NothingToDesignError(DesignError):
    """The market has no outcome to design for: a finding about it, not a fault of the file."""


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
    unit: str | None = None
    """What money is counted in; None where the file does not say."""
    listed: bool = True
    """Whether states are listed; where there are too many, expectations are all there is."""
    give_up: GiveUp | None = None
    """What could be given up; None where something does what is asked, or levels are sought."""

    @property
    def rule(self) -> TaxRule:
        """The tax rule."""
        return TAX_RULES[self.options.tax_rule]

    @property
    def asked(self) -> tuple[tuple[str, str], ...]:
        """The options of the command that ask for just this, with their flags."""
        told = {**self.options.model_dump(), "participation": self.participation}
        return tuple(
            (f"--{key.replace('_', '-')}", text) for key in OPTIONS for text in _texts(told[key])
        )

    def to_json(self, indent: int | None = 2) -> str:
        """What `pigou design --format json` writes, to the byte at the usual indent."""
        from mechanism.analysis.designs_tree import design_tree

        return json.dumps(design_tree(self), indent=indent, allow_nan=False)

    @property
    def rounding(self) -> float:
        """The amount of money up to which a figure is rounding: pages show it as 0."""
        share = SOLVED_TO if self.rule.designed else COMPUTED_TO
        return share * self.environment.range

    def amount(self, value: float) -> str:
        """An amount of money in a sentence."""
        text = "0" if abs(value) <= self.rounding else f"{value:.6g}"
        return text if self.unit is None else f"{text} {self.unit}"

    @property
    def lost(self) -> float:
        """What expected welfare lacks of that of the efficient alternatives, with nothing of their
        constants in it."""
        assert self.found.mechanism is not None
        return self.lost_by(self.found.mechanism)

    def lost_by(self, mechanism: DirectMechanism) -> float:
        """The same under another mechanism in the same setting."""
        if not self.listed:  # then by a formula, at the efficient alternatives
            return 0.0
        best, plan = self.benchmark.centred, mechanism.plan.centred
        return float(self.environment.expect(best.welfare - plan.welfare).item())

    @property
    def verdicts(self) -> tuple[str, ...]:
        """The finding in words, the most important first."""
        return tuple(finding(self))


def _texts(value: Option) -> list[str]:
    if isinstance(value, Mapping):
        return [f"{name}={amount!r}" for name, amount in value.items()]
    return [] if value is None else [str(value)]


def design(problem: PolicyCase | str | Path, **options: Option) -> DesignResult:
    """The transfers, and where asked the lotteries, that do what is asked at best, or the proof
    that none does.

    Args:
        problem: A case with private types, or the path of a setting or case file.
        options: Laid over the file's own, as `pigou design` takes them: `objective`, `incentive`,
            `participation`, `timing`, `budget`, `allocation`, `tax_rule`, `collusion`, and
            `transfer_floor` and `transfer_cap`: a number, numbers by player, or None.

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


def solve_file(path: str | Path, given: Mapping[str, Option]) -> DesignResult:
    """The design a file asks for, with these options laid over its own."""
    faults: list[Fault] = []
    document = read_document(path, faults=faults)
    return _solved(document.tree, given, Path(path), document, faults)


def solve_tree(tree: Mapping[str, object], given: Mapping[str, Option]) -> DesignResult:
    """The design that a case or setting with every default filled in asks for, with these options
    laid over its own."""
    return _solved(tree, given)


def _solved(
    tree: Mapping[str, object],
    given: Mapping[str, Option],
    path: Path | None = None,
    document: Document | None = None,
    faults: Iterable[Fault] = (),
) -> DesignResult:
    named = {} if path is None else {"name": path.stem}
    if is_setting(tree):
        problem = parse_setting(tree, document=document, faults=faults, **named)
        options = _overruled(problem.options, given)
        environment = problem.environment
        _sensible(environment.players, options)
        if why := nothing_without(environment, options.tax_rule):
            raise DesignError(f"needs {why}")
        sizes, count = list(environment.shape), len(environment.alternatives)
        dependent = environment.joint is not None
        if why := too_large(sizes, count, options, dependent=dependent):
            if sums_do(options, dependent=dependent, private=environment.private_values):
                return replace(_by_sums(environment, options, problem.text), unit=problem.unit)
            raise DesignError(f"the players {why}")
        result = _result(problem.environment, None, options, options.participation, problem.text)
        return replace(_beside_lotteries(_giving_up(result)), unit=problem.unit)
    policy = parse_tree(tree, path=path, document=document, faults=faults, **named)
    return _of_market(policy, given)


def _of_market(policy: PolicyCase, given: Mapping[str, Option]) -> DesignResult:
    """The design for a case with private types."""
    return replace(_market(policy, given), unit=policy.units.money)


def _market(policy: PolicyCase, given: Mapping[str, Option]) -> DesignResult:
    if policy.types is None:
        raise DesignError(
            "the case has no types, so there is nothing to design for; add a types block, or use"
            " pigou evaluate"
        )
    grid = type_space(policy.types)
    base = asked(policy.mechanism)
    form = str(given.get("participation", policy.mechanism.participation))
    form = "ir_market" if form == "outside" else form
    joins = "none" if form == "none" else "outside"
    options = _overruled(base, {**given, "participation": joins})
    if not TAX_RULES[options.tax_rule].in_markets:
        raise DesignError(
            f"{options.tax_rule} is a rule for setting files: a market without one of its firms is"
            " not described"
        )
    _sensible(policy.market.firms, options)
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
        result = _of_both_types(policy, grid, options, form)
        return _beside_second_best(_giving_up(result, result.benchmark), policy, grid, form)
    if not grid.private_values and options.collusion == "proof":
        raise DesignError(_both_types(grid, "proof against collusion is not solved for there"))
    try:
        planner = planner_levels(policy.market, types)
        outside = outside_options(policy.market, types, form, options.timing, planner)
    except NoEnvironmentError as error:
        raise NothingToDesignError(str(error)) from None
    if options.allocation == "second_best":
        return _second_best(policy, types, options, form, planner, outside)
    plan = market_environment(policy.market, types, planner[None], outside)
    result = _giving_up(_result(plan.environment, plan, options, form, policy.text), plan)
    result = _beside_second_best(result, policy, grid, form)
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


def _giving_up(result: DesignResult, plan: AllocationRule | None = None) -> DesignResult:
    """The same with what could be given up, where nothing does what is asked."""
    if result.found.status != "infeasible":
        return result
    return replace(result, give_up=give_up(result.environment, result.options, plan))


def _beside_lotteries(result: DesignResult) -> DesignResult:
    """The same with the second best over a setting's alternatives."""
    if result.give_up is None or result.options.allocation == "second_best":
        return result
    best = second_best(result.environment, result.options)
    if isinstance(best, str):
        return replace(result, give_up=replace(result.give_up, not_drawn=best))
    lost = None if best.mechanism is None else result.lost_by(best.mechanism)
    return replace(result, give_up=replace(result.give_up, second_best=best, lost=lost))


def _beside_second_best(
    result: DesignResult, policy: PolicyCase, types: TypeSpace, form: str
) -> DesignResult:
    """The same with the second best over all levels, where that takes no long time."""
    if result.give_up is None:
        return result
    if types.size > LARGEST_BESIDE:
        few = f"The second best over all levels is solved for unasked up to {LARGEST_BESIDE} types:"
        asked_for = "--allocation second_best --objective max_surplus finds it."
        joint = result.options.collusion == "proof"
        why = too_many(types.size, "joint_lotteries" if joint else "lotteries")
        not_drawn = f"{few} {asked_for if why is None else f'here {why.text}.'}"
        return replace(result, give_up=replace(result.give_up, not_drawn=not_drawn))
    options = result.options.model_copy(update=LOTTERIES)
    planner = planner_levels(policy.market, types)
    outside = outside_options(policy.market, types, form, options.timing, planner)
    best = _second_best(policy, types, options, form, planner, outside).found
    had = best.mechanism
    lost = None if had is None else result.efficient_surplus - had.achieved.surplus
    return replace(result, give_up=replace(result.give_up, second_best=best, lost=lost))


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
        raise NothingToDesignError(NO_LEVELS.text)
    if not np.isfinite(scheme.own_outside).all():
        raise NothingToDesignError(NO_OUTSIDE.text)
    plan = planned_environment(scheme)
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


def _overruled(options: DesignOptions, given: Mapping[str, Option]) -> DesignOptions:
    form = given.get("participation", "none")
    if form not in ("outside", "none"):
        raise DesignError(
            f"--participation {form} is for case files; a setting's outside options are in its"
            " players (outside or none)"
        )
    return check(DesignOptions, {**options.model_dump(), **given})


def _sensible(players: Sequence[str], options: DesignOptions) -> None:
    rule = TAX_RULES[options.tax_rule]
    if len(players) < rule.least_players:
        raise DesignError(f"{rule.key} needs {rule.least_players} players or more")
    for why in (
        by_formula(options.tax_rule, options.allocation, options.collusion),
        without_payments(options.tax_rule, options.payments),
        with_limits(options.tax_rule, options.payments) if options.limited else None,
    ):
        if why is not None:
            raise DesignError(why.text)
    for path, message in of_limits(players, options):
        raise DesignError(f"{dotted(path[1:])} {message}")


def _by_sums(environment: Environment, options: DesignOptions, text: str) -> DesignResult:
    """What a rule with a formula achieves where there are too many states to list."""
    try:
        achieved = achieved_by_sums(environment, options)
    except TooManySumsError as error:
        raise DesignError(str(error)) from None
    unlisted = AllocationRule(environment)
    return DesignResult(
        text=text,
        options=options,
        participation=options.participation,
        environment=environment,
        found=Design(
            status="optimal",
            mechanism=DirectMechanism(plan=unlisted, transfers=(), achieved=achieved),
        ),
        benchmark=unlisted,
        efficient_surplus=achieved.surplus,
        least_outlay=None,
        listed=False,
    )


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
