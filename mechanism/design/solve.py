"""Transfers that are solved for, and lotteries over alternatives with them: the program's answer
read, checked, and if there is none refuted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from mechanism.design.cvx import LinearAnswer, least_cost
from mechanism.design.environment import (
    Achieved,
    AllocationRule,
    Environment,
    achieved,
    best_alternatives,
    efficient,
    payoffs,
    transfers_by,
)
from mechanism.design.paths import least_payoffs
from mechanism.design.program import Constraint, Matrix, Program, Rows, build, held, stacked
from mechanism.design.rules import TAX_RULES
from mechanism.design.setting_file import DesignOptions
from mechanism.design.states import Array, Label
from mechanism.frozen import read_only

LARGEST_SECOND_OPINION = 20_000
"""Rows up to which a second solver is asked too."""

SECOND_SOLVER = "CLARABEL"

NEGLIGIBLE = 1e-9
"""Weights and prices, and shares of the range of payoffs, up to this one are rounding: a
contradiction must exceed it."""

LARGEST_TRANSFER = 1e4
"""In ranges of payoffs: what a proof of impossibility allows transfers to be, where rounding leaves
them a weight."""

Status = Literal["optimal", "searched", "infeasible", "unbounded", "not_established"]
"""`searched`: it does what is asked, but whether other alternatives do better is not proven."""


@dataclass(frozen=True, kw_only=True)
class Named:
    """One constraint of a program, by what it says, with its weight in a proof or its price."""

    constraint: Constraint
    player: int | None
    """Counted from 0; None where it is nobody's alone."""
    type: Label | tuple[Label, ...] | None
    """The true type; of a joint report the type of every player."""
    report: Label | tuple[Label, ...] | None
    """The report that must not pay; of a joint report that of every player."""
    state: tuple[Label, ...] | None
    """Every player's true type, where the constraint is of one state; None where it is an
    expectation."""
    weight: float


@dataclass(frozen=True, kw_only=True)
class Ties:
    """Alternatives of the same welfare, of which the first listed was taken."""

    states: int
    """In how many states several are best."""
    otherwise: Literal["possible", "infeasible", "not_established"]
    """Whether what is asked can be done with ties broken in some other way, lotteries among those
    that tie included."""


@dataclass(frozen=True, kw_only=True)
class Contradiction:
    """Why nothing does what is asked."""

    rows: tuple[Named, ...]
    """The constraints that contradict each other, in order of weight."""
    least_violation: float | None
    """The least amount by which all constraints must be relaxed; None where that was not solved
    for."""
    ties: Ties | None = None
    """Other ways to break ties, which the proof says nothing about; None where alternatives are
    given, drawn, or do not tie."""
    verified: bool
    """Whether the weights prove it in plain arithmetic."""


@dataclass(frozen=True, kw_only=True)
class SecondOpinion:
    """What another solver finds."""

    solver: str
    status: Status
    objective_value: float | None
    agrees: bool


@dataclass(frozen=True, kw_only=True)
class OptimalityBound:
    """What is known of all alternatives beside those on the menus, where those are sought."""

    gap: float | None
    """By how much the objective could be better with others, at most; None where that is not
    known."""
    proven: bool
    """Whether that is nothing but a tolerance."""
    investment_up_to: tuple[float, float]
    """Each firm's investment up to which levels were looked at."""


@dataclass(frozen=True, kw_only=True)
class DirectMechanism:
    """An allocation with net transfers, and what they achieve."""

    plan: AllocationRule
    transfers: tuple[Array, ...]
    """To every player over states, read-only."""
    achieved: Achieved


@dataclass(frozen=True, kw_only=True)
class Design:
    """A mechanism that does what is asked, or why there is none."""

    status: Status
    mechanism: DirectMechanism | None = None
    objective_value: float | None = None
    """None for a rule with a formula."""
    binding: tuple[Named, ...] = ()
    """What binds, at what price, the dearest first."""
    second_opinion: SecondOpinion | None = None
    """None where the program is too large for it, or nothing was solved for."""
    contradiction: Contradiction | None = None
    bound: OptimalityBound | None = None
    """What is known of alternatives beside those on the menus; None where there are none."""

    def beside(self, bound: OptimalityBound) -> Design:
        """The same where alternatives were sought, of which this is known: without a proof nothing
        is the best, and nothing impossible."""
        if self.status == "infeasible" and not bound.proven:
            return Design(status="not_established", bound=bound)
        status = best_known(bound) if self.status == "optimal" else self.status
        return replace(self, status=status, bound=bound)


def best_known(bound: OptimalityBound | None) -> Literal["optimal", "searched"]:
    """The status of the best mechanism over menus beside which this is known."""
    return "optimal" if bound is None or bound.proven else "searched"


def design(
    environment: Environment, options: DesignOptions, plan: AllocationRule | None = None
) -> Design:
    """What a mechanism achieves: one of the rules with a formula, or transfers (and lotteries) that
    are solved for."""
    if not TAX_RULES[options.tax_rule].designed:
        plan = plan or efficient(environment)
        return Design(
            status="optimal",
            mechanism=_mechanism(plan, transfers_by(options.tax_rule, plan, options.timing)),
        )
    program = build(environment, options, plan)
    answer = solve(program)
    if answer.x is None:
        refuted = proof(program)
        if refuted is None:
            unlimited = answer.status == "unbounded" and without_limit(environment, options)
            return Design(status="unbounded" if unlimited else "not_established")
        open_ties = plan is None and options.allocation == "efficient"
        return Design(
            status="infeasible",
            contradiction=replace(refuted, ties=_ties(environment, options) if open_ties else None),
        )
    mechanism = read(program, answer)
    return Design(
        status="optimal",
        mechanism=mechanism,
        objective_value=_attained(program, mechanism.achieved, answer.value),
        binding=named(program.space.environment, program.rows, answer.prices),
        second_opinion=_second_opinion(program, answer.value),
    )


def without_limit(environment: Environment, options: DesignOptions) -> bool:
    """Whether what is asked has no best answer wherever it has any: where nobody may refuse, who
    cannot be kept from paying can be made to pay more at every report, whatever else is asked."""
    free = any(options.limits(name)[0] is None for name in environment.players)
    return options.participation == "none" and options.revenue_counts and free


def _mechanism(plan: AllocationRule, transfers: tuple[Array, ...]) -> DirectMechanism:
    return DirectMechanism(
        plan=plan, transfers=tuple(map(read_only, transfers)), achieved=achieved(plan, transfers)
    )


def read(program: Program, answer: LinearAnswer) -> DirectMechanism:
    """The mechanism in the answer to a program, of several the one of least outlay."""
    return _mechanism(*unpack(program, cheapest(program, answer)))


LARGEST_TIES = 2000
"""Probabilities of alternatives up to which other ways to break ties are tried."""


def _ties(environment: Environment, options: DesignOptions) -> Ties | None:
    """Whether lotteries among the alternatives that tie do what those listed first do not; None
    where nothing ties."""
    best = best_alternatives(environment).reshape(-1, len(environment.alternatives))
    count = best.sum(1)
    states, most = int((count > 1).sum()), int(count.max())
    if not states:
        return None
    if len(best) * most > LARGEST_TIES:
        return Ties(states=states, otherwise="not_established")
    first = np.argsort(~best, axis=1, kind="stable")[:, :most]
    menu = np.where(np.arange(most) < count[:, None], first, first[:, :1])
    drawn = build(
        replace(environment, menu=menu.reshape(*environment.shape, most)),
        options.model_copy(update={"allocation": "second_best"}),
    )
    answer = solve(drawn)
    if answer.x is not None or answer.status == "unbounded":
        return Ties(states=states, otherwise="possible")
    return Ties(
        states=states, otherwise="not_established" if proof(drawn) is None else "infeasible"
    )


# --- solving


def solve(program: Program, solver: str = "HIGHS") -> LinearAnswer:
    """The program's solution with its prices.

    Truth is first asked of neighbouring types only.
    """
    G, h = stacked(program.rows)
    left = h - G @ program.start
    scale = 1.0
    if program.space.plan is not None:  # of what is much smaller little is left after rounding
        scale = max(float(np.abs(left).max(initial=0.0)), 1e-5)
    answer = least_cost(
        program.cost,
        G,
        left / scale,
        program.equalities,
        nonnegative=program.probabilities,
        first=_neighbouring(program.rows),
        solver=solver,
    )
    if answer.x is None:
        return answer
    x = program.start + scale * answer.x
    return replace(answer, value=float(program.cost @ x), x=x)


def _neighbouring(rows: Sequence[Rows]) -> NDArray[np.bool_]:
    """Every row but those on truth between types, or on joint reports in states, that are not next
    to each other."""
    lazy = ("ic", "coalition")
    return np.concatenate(
        [
            (np.abs(r.type - r.report) == 1) if r.kind in lazy else np.ones(len(r.bound), bool)
            for r in rows
        ]
    )


def cheapest(program: Program, answer: LinearAnswer) -> Array:
    """Many transfers may give the same surplus, since only what the public pays counts against it:
    those of the least expected outlay."""
    assert answer.x is not None
    options, spent = program.options, program.space.spent
    # then the objective has seen to it
    paid = options.public_funds_cost > 0 and (options.fees or float(spent @ answer.x) > 0)
    if options.objective != "max_surplus" or options.participation == "none" or paid:
        return answer.x
    for kept in just_above(answer.value):
        again = solve(replace(program, rows=(*program.rows, held(program.cost, kept)), cost=spent))
        if again.x is not None:
            return again.x
    return answer.x


def just_above(value: float) -> tuple[float, float]:
    """A least amount, and the next that is tried where rounding leaves nothing there."""
    return value, value + NEGLIGIBLE / 10


def _second_opinion(program: Program, value: float) -> SecondOpinion | None:
    if sum(len(r.bound) for r in program.rows) > LARGEST_SECOND_OPINION:
        return None
    again = solve(program, SECOND_SOLVER)
    if again.status != "optimal":
        return SecondOpinion(
            solver=SECOND_SOLVER, status=again.status, objective_value=None, agrees=False
        )
    return SecondOpinion(
        solver=SECOND_SOLVER,
        status="optimal",
        objective_value=objective_value(program, again.value),
        agrees=bool(abs(again.value - value) <= 1e-6),
    )


# --- reading the answer


def objective_value(program: Program, value: float) -> float:
    """The objective as it was asked for, in the file's units, from the minimum of the program's
    cost."""
    given = program.space.given
    total = given.range * (value + program.constant)
    if program.options.objective != "max_surplus":
        return total
    return given.shifted(program.merit.payoff_weight) - total


def _attained(program: Program, found: Achieved, value: float) -> float:
    """The objective at the mechanism that is given, which what is told of it adds up to; the
    violation, which no mechanism shows, from the minimum of the program's cost."""
    options = program.options
    if options.objective == "min_outlay":
        return found.outlay
    if options.objective == "max_surplus":
        counts = found.outlay if options.fees else max(found.outlay, 0.0)
        return found.surplus - options.public_funds_cost * counts
    if options.objective == "min_worst_deficit" and found.worst is not None:
        return found.worst
    return objective_value(program, value)


def unpack(program: Program, x: Array) -> tuple[AllocationRule, tuple[Array, ...]]:
    """The allocation and the transfers over states, in the file's units."""
    space = program.space
    environment, n = space.given, len(space.given.players)
    plan = (
        replace(space.plan, environment=environment)
        if space.plan
        else AllocationRule(environment, lottery=_lottery(environment, x[program.probabilities]))
    )
    parts = np.split(environment.range * x[: space.lottery_at], space.starts[1:-1])
    if not space.by_type:
        return plan, tuple(part.reshape(environment.shape) for part in parts)
    own = [environment.along(i, part) for i, part in enumerate(parts)]
    away = [own[i] - float(parts[i] @ environment.probabilities[i]) for i in range(n)]
    shared = (own[i] - sum(away[j] for j in environment.others(i)) / (n - 1) for i in range(n))
    return plan, tuple(np.broadcast_to(part, environment.shape) for part in shared)


def _lottery(environment: Environment, shares: Array) -> Array:
    """(*shape, A): probabilities of all alternatives from those on the menus."""
    menus = environment.menus
    full = np.zeros((len(menus), len(environment.alternatives)))
    np.add.at(full, (np.arange(len(menus))[:, None], menus), shares.reshape(menus.shape))
    return full.reshape(*environment.shape, -1)


def named(environment: Environment, rows: Sequence[Rows], weights: Array) -> tuple[Named, ...]:
    """The constraints with a positive weight, in order of weight."""
    out: list[Named] = []
    at = 0
    for r in rows:
        part = weights[at : at + len(r.bound)]
        at += len(r.bound)
        if r.kind != "aside":
            out += [
                _name(environment, r, r.kind, int(k), float(part[k]))
                for k in np.flatnonzero(part > NEGLIGIBLE)
            ]
    return tuple(sorted(out, key=lambda row: -round(row.weight / NEGLIGIBLE)))


def _name(environment: Environment, rows: Rows, kind: Constraint, k: int, weight: float) -> Named:
    player, true, told = int(rows.player[k]), int(rows.type[k]), int(rows.report[k])
    state = None if rows.state[k] < 0 else environment.state(int(rows.state[k]))
    if kind == "coalition":
        return Named(
            constraint=kind,
            player=None,
            type=state,
            report=environment.state(told),
            state=state,
            weight=weight,
        )
    if player < 0:
        return Named(
            constraint=kind, player=None, type=None, report=None, state=state, weight=weight
        )
    types = environment.types[player]
    return Named(
        constraint=kind,
        player=player,
        type=types[true],
        report=types[told] if told >= 0 else None,
        state=state,
        weight=weight,
    )


# --- where there is none


def proof(program: Program) -> Contradiction | None:
    """Why nothing does what is asked, where that is proven; None where it is not."""
    found = refute(program)
    return found if found.verified else None


def refute(program: Program) -> Contradiction:
    """Which constraints contradict each other, with weights that prove it, checked in plain
    arithmetic.

    The least violation v of all rows at once is positive, and its prices y >= 0 (rows) and z
    (probabilities add up) show why: the weighted rows add up to something that is zero on
    transfers, not positive on probabilities, and must be at least v > 0.
    """
    kept = tuple(r for r in program.rows if r.kind != "aside")
    G, h = stacked(kept)
    violation, y, z = _least_violation(program, G, h, _neighbouring(kept))
    return Contradiction(
        rows=named(program.space.environment, kept, y),
        least_violation=program.space.given.range * violation if np.isfinite(violation) else None,
        verified=proves(program, G, h, y, z),
    )


def _least_violation(
    program: Program, G: Matrix, h: Array, first: NDArray[np.bool_]
) -> tuple[float, Array, Array]:
    """The least amount by which all rows G x >= h must be relaxed, those in `first` asked first,
    and the prices of rows and equalities."""
    space = program.space
    left, one = h - G @ program.start, space.extra(1)
    answer = least_cost(
        one.toarray().ravel(),
        sparse.vstack([G + space.extra(len(h)), one]).tocsr(),
        np.append(left, 0.0),
        program.equalities,
        nonnegative=program.probabilities,
        first=np.append(first, True),
    )
    return answer.value, answer.prices[:-1], answer.equality_prices


def proves(program: Program, G: Matrix, h: Array, y: Array, z: Array) -> bool:
    """Whether weights y of rows G x >= h and z of the equalities contradict each other, in plain
    arithmetic."""
    if y.min(initial=0.0) < -NEGLIGIBLE:
        return False
    y = np.maximum(y, 0.0)
    E, e = program.equalities
    combined = np.asarray(G.T @ y + E.T @ z).ravel()[:-1]
    drawn = combined[program.probabilities]
    paid = float(np.abs(np.delete(combined, program.probabilities)).sum())
    # What probabilities, which add up to one in every state, can make of what is left of their
    # weights, and transfers of what rounding leaves of theirs.
    states = program.space.states
    left = float(np.maximum(drawn.reshape(states, -1).max(1), 0.0).sum()) if drawn.size else 0.0
    return bool(
        drawn.max(initial=-np.inf) <= 1e-7
        and float(h @ y + e @ z) - left - LARGEST_TRANSFER * paid > NEGLIGIBLE
    )


# --- in closed form


def least_outlay(
    environment: Environment, plan: AllocationRule | None = None
) -> tuple[float, tuple[Array, ...]]:
    """The least expected outlay under Bayesian truth-telling and interim participation, and the
    interim payoffs (K_i,): in closed form where types are independent. Infinite where no transfers
    make truth a best reply, or none are found."""
    if environment.joint is not None:
        program = build(environment, DesignOptions(budget="none"), plan)
        answer = solve(program)
        if answer.x is None:
            return float("inf"), ()
        earned = payoffs(*unpack(program, answer.x))
        expected = tuple(environment.interim(i, one) for i, one in enumerate(earned))
        return objective_value(program, answer.value), expected
    plan = (plan or efficient(environment)).centred
    total, found = 0.0, []
    for i, (prior, base) in enumerate(
        zip(environment.probabilities, environment.shift, strict=True)
    ):
        interim = plan.interim(i)
        payoff = least_payoffs(interim, plan.environment.interim(i, plan.environment.outside[i]))
        if np.isnan(payoff).any():
            return float("inf"), ()
        total += float(prior @ (payoff - np.diagonal(interim)))
        found.append(payoff + base)
    return total, tuple(found)
