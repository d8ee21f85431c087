"""Transfers that are solved for, and lotteries over alternatives with them, as one linear program in matrices.

Variables are, in this order: transfers; the probabilities of alternatives in every state (second best only); auxiliary amounts.
Where truth-telling is Bayesian and participation interim, only expected transfers given the own report matter, so there is one
transfer per player and type. They can be spread over states so that what the public pays is the same in every state,

    tau_i(r) = t_i(r_i) - sum over j != i of (t_j(r_j) - E t_j) / (n - 1),

which leaves every interim transfer as it is: a budget that holds in expectation then holds in every state. Otherwise there is one
transfer per player and state.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from mechanism.programs import LinearAnswer, linear_program
from mechanism.rules import TAX_RULES
from mechanism.setting_file import DesignOptions
from mechanism.settings import Plan, Setting, efficient, interim_by_report, report, transfers_by
from mechanism.states import Array
from mechanism.transfers import least_payoffs

Tree = dict[str, Any]
Matrix = Any
"""A scipy.sparse matrix; scipy ships no annotations."""

LARGEST_SECOND_OPINION = 20_000
"""Rows up to which a second solver is asked too."""


@dataclass(frozen=True)
class Rows:
    """Constraints matrix @ x >= bound, and what each of them says."""

    matrix: Matrix
    bound: Array
    kind: str
    player: NDArray[np.intp]
    """-1 for the budget."""
    type: NDArray[np.intp]
    report: NDArray[np.intp]
    """-1 where there is none."""


@dataclass(frozen=True)
class Program:
    """A designer's program."""

    setting: Setting
    options: DesignOptions
    plan: Plan | None
    """The given allocation; None where lotteries are variables."""
    by_type: bool
    """Whether transfers are per own type alone."""
    size: int
    rows: tuple[Rows, ...]
    equalities: tuple[Matrix, Array]
    cost: Array
    """Minimised."""
    constant: float
    """Added to the minimum of the cost."""
    first_free: tuple[int, int]
    """The range of variables that are lotteries, not negative."""
    spent: Array
    """The expected outlay in the variables."""
    start: Array
    """Where the search starts: the worst-type rule's transfers for a given allocation, zero for a second best. What is then solved for is
    the difference, so that a solver's tolerance is a share of what rules differ by, not of payoffs."""


def _weights(setting: Setting, player: int) -> Matrix:
    """(K_i, S): row k averages over the states in which the player's type is k."""
    states = np.indices(setting.shape).reshape(len(setting.shape), -1)
    weight = np.ones(states.shape[1])
    for j in setting.others(player):
        weight = weight * setting.probabilities[j][states[j]]
    index = np.arange(states.shape[1])
    return sparse.csr_matrix((weight, (states[player], index)), shape=(len(setting.types[player]), len(index)))


def _selections(setting: Setting, player: int) -> Matrix:
    """(C K_i, S): for each profile of the others' types (C of them) the states with each own type."""
    states = np.arange(int(np.prod(setting.shape))).reshape(setting.shape)
    order = np.moveaxis(states, player, -1).reshape(-1)
    return sparse.csr_matrix((np.ones(len(order)), (np.arange(len(order)), order)), shape=(len(order), len(order)))


def build(setting: Setting, options: DesignOptions, plan: Plan | None = None) -> Program:
    """The program for these options; `plan` is the allocation, by default the efficient one, and ignored for a second best."""
    second_best = options.allocation == "second_best"
    plan = None if second_best else plan or efficient(setting)
    menus = setting.menus
    n, (states, alternatives) = len(setting.players), menus.shape
    # What one player receives cannot be evened out over the others' types.
    by_type = n > 1 and options.incentive == "bayesian" and (options.timing == "interim" or options.participation == "none")
    by_type = by_type and options.collusion == "ignored"
    lengths = list(setting.shape) if by_type else [states] * n
    starts = np.concatenate([[0], np.cumsum(lengths)])
    lottery_at = int(starts[-1])
    lotteries = states * alternatives if second_best else 0
    extra = 1  # the amount that max_surplus, min_worst_deficit or min_violation bounds
    size = lottery_at + lotteries + extra
    probability: Array = np.ones(())
    for p in setting.probabilities:
        probability = np.multiply.outer(probability, p)
    probability = probability.ravel()

    def place(matrix: Any, at: int) -> Matrix:
        """The matrix in its columns of all variables."""
        wide = sparse.csr_matrix(matrix)
        left, right = sparse.csr_matrix((wide.shape[0], at)), sparse.csr_matrix((wide.shape[0], size - at - wide.shape[1]))
        return sparse.hstack([left, wide, right]).tocsr()

    def transfer_part(player: int, operator: Matrix) -> Matrix:
        return place(sparse.identity(lengths[player]) if by_type else operator, int(starts[player]))

    def value_part(player: int, operator: Matrix, which: NDArray[np.intp], own: NDArray[np.intp]) -> tuple[Matrix, Array]:
        """The value to types `own` (m,) of the averages in rows `which` (m,) of `operator`: over lotteries, or as numbers."""
        if plan is not None:
            table = operator @ plan.value(player).reshape(len(setting.types[player]), -1).T
            return sparse.csr_matrix((len(which), size)), np.asarray(table)[which, own]
        picked = operator[which]
        blocks = [picked.multiply(setting.values[player][own][:, menus[:, a]]) for a in range(alternatives)]
        # Column order of lotteries: state first, alternative second.
        stacked = sparse.hstack(blocks).tocsc()
        order = np.arange(alternatives * states).reshape(alternatives, states).T.ravel()
        return place(stacked[:, order], lottery_at), np.zeros(len(which))

    rows: list[Rows] = []
    for i in range(n):
        size_i = len(setting.types[i])
        average, each = _weights(setting, i), _selections(setting, i)
        operator = average if options.incentive == "bayesian" else each
        contexts = operator.shape[0] // size_i
        true, told = np.nonzero(~np.eye(size_i, dtype=bool))
        base = np.repeat(np.arange(contexts) * size_i, len(true))
        honest, lying = base + np.tile(true, contexts), base + np.tile(told, contexts)
        kind = np.tile(true, contexts)
        money = transfer_part(i, operator)
        at_truth, worth_truth = value_part(i, operator, honest, kind)
        at_lie, worth_lie = value_part(i, operator, lying, kind)
        rows.append(
            Rows(
                matrix=(money[honest] - money[lying] + at_truth - at_lie).tocsr(),
                bound=worth_lie - worth_truth,
                kind="ic",
                player=np.full(len(kind), i),
                type=kind,
                report=np.tile(told, contexts),
            )
        )
        if options.participation == "outside":
            chosen = average if options.timing == "interim" else each
            own = np.tile(np.arange(size_i), chosen.shape[0] // size_i)
            value, worth = value_part(i, chosen, np.arange(chosen.shape[0]), own)
            stay_out = chosen @ np.broadcast_to(setting.outside[i], setting.shape).ravel()
            rows.append(
                Rows(
                    matrix=(transfer_part(i, chosen) + value).tocsr(),
                    bound=stay_out - worth,
                    kind="ir",
                    player=np.full(len(own), i),
                    type=own,
                    report=np.full(len(own), -1),
                )
            )

    if options.collusion == "proof":
        together = sum(place(sparse.identity(states), int(starts[i])) for i in range(n))
        true, told = (a.ravel() for a in np.nonzero(~np.eye(states, dtype=bool)))
        lying, honest = together[told], together[true]
        worth = np.zeros(len(true))
        for i in range(n):
            own = np.indices(setting.shape)[i].ravel()[true]
            at_truth, worth_truth = value_part(i, sparse.identity(states).tocsr(), true, own)
            at_lie, worth_lie = value_part(i, sparse.identity(states).tocsr(), told, own)
            lying, honest, worth = lying + at_lie, honest + at_truth, worth + worth_lie - worth_truth
        nobody = np.full(len(true), -1)
        rows.append(Rows(matrix=(honest - lying).tocsr(), bound=worth, kind="coalition", player=nobody, type=true, report=told))

    expected = np.zeros(size)
    for i in range(n):
        expected[starts[i] : starts[i + 1]] += setting.probabilities[i] if by_type else probability
    # What the public pays in every state; with transfers by type it is the same in all.
    outlay: Matrix = sparse.csr_matrix(expected[None])
    if not by_type:
        outlay = sum(place(sparse.identity(states), int(starts[i])) for i in range(n))
    extra_column = np.zeros(size)
    extra_column[-1] = 1

    def budget_rows(matrix: Any, bound: Array) -> Rows:
        m = matrix.shape[0]
        nobody = np.full(m, -1)
        return Rows(sparse.csr_matrix(matrix), bound, "budget", nobody, np.arange(m) if m > 1 else nobody, nobody)

    if options.budget != "none":
        limited = outlay if options.budget == "ex_post" else sparse.csr_matrix(expected[None])
        rows.append(budget_rows(-limited, np.zeros(limited.shape[0])))

    surplus = np.zeros(size)
    constant = 0.0
    if plan is None:
        surplus[lottery_at : lottery_at + lotteries] = (probability[:, None] * _welfare(setting)).ravel()
    else:
        constant = float(probability @ plan.welfare.ravel())
    cost, shift = np.zeros(size), 0.0
    if options.objective == "min_outlay":
        cost = expected.copy()
        rows.append(_hold_extra(size))
    elif options.objective == "max_surplus":
        # The amount is the outlay where positive: it bears the shadow cost.
        cost = -surplus + options.public_funds_cost * extra_column
        shift = -constant
        rows.append(_aside(np.stack([extra_column, extra_column - expected]), np.zeros(2)))
    elif options.objective == "min_worst_deficit":
        cost = extra_column
        rows.append(_aside(_ones(outlay.shape[0], size) - outlay, np.zeros(outlay.shape[0])))
    else:
        cost = extra_column
        rows = [replace(r, matrix=(r.matrix + _ones(r.matrix.shape[0], size)).tocsr()) for r in rows]
        rows.append(_aside(extra_column[None], np.zeros(1)))
    equalities = (sparse.csr_matrix((0, size)), np.zeros(0))
    if second_best:
        equalities = (place(sparse.kron(sparse.identity(states), np.ones((1, alternatives))), lottery_at), np.ones(states))
    begin = np.zeros(size)
    if plan is not None:
        for i, tau in enumerate(transfers_by("worst_type", plan, options.timing)):
            full = np.broadcast_to(tau, setting.shape)
            begin[starts[i] : starts[i + 1]] = setting.interim(i, full) if by_type else full.ravel()
    return Program(
        setting=setting,
        options=options,
        plan=plan,
        by_type=by_type,
        size=size,
        rows=tuple(rows),
        equalities=equalities,
        cost=cost,
        constant=shift,
        first_free=(lottery_at, lottery_at + lotteries),
        spent=expected,
        start=begin,
    )


def _welfare(setting: Setting) -> Array:
    """(states, m): welfare of every alternative on the menu of every state."""
    types = np.indices(setting.shape).reshape(len(setting.shape), -1)
    menus = setting.menus
    welfare = setting.public_value[menus]
    for player, own in enumerate(types):
        welfare = welfare + setting.values[player][own[:, None], menus]
    return np.asarray(welfare)


def _ones(m: int, size: int) -> Matrix:
    """(m, size): one in the column of the auxiliary amount."""
    return sparse.csr_matrix((np.ones(m), (np.arange(m), np.full(m, size - 1))), shape=(m, size))


def _aside(matrix: Any, bound: Array) -> Rows:
    """Rows that define the auxiliary amount: no constraint anybody asked for."""
    m = matrix.shape[0]
    nobody = np.full(m, -1)
    return Rows(sparse.csr_matrix(matrix), bound, "aside", nobody, nobody, nobody)


def _hold_extra(size: int) -> Rows:
    """Keep an auxiliary amount that nothing uses at zero."""
    one = _ones(1, size)
    return _aside(sparse.vstack([one, -one]), np.zeros(2))


def stacked(rows: tuple[Rows, ...]) -> tuple[Matrix, Array]:
    """All rows in one matrix, and their bounds."""
    return sparse.vstack([r.matrix for r in rows]).tocsr(), np.concatenate([r.bound for r in rows])


ROUNDS = 6
"""Times that violated truth-telling constraints are added before all are."""


def solve(program: Program, solver: str = "HIGHS") -> LinearAnswer:
    """The program's solution with its prices.

    Truth is first asked of neighbouring types only; the solution is then held against every pair, and what it violates is added.
    A solution of fewer constraints that meets all is one of the whole program, and so is a proof that it has none.
    """
    G, h = stacked(program.rows)
    left = h - G @ program.start
    size = max(float(np.abs(h).max(initial=0.0)), float(np.abs(program.start).max(initial=0.0)))
    scale = max(float(np.abs(left).max(initial=0.0)), 1e-5 * size) or 1.0  # of what is much smaller little is left after rounding
    low, high = program.first_free
    scale = scale if low == high else 1.0
    active = _neighbouring(program.rows)
    for attempt in range(ROUNDS + 1):
        active |= attempt == ROUNDS
        answer = linear_program(
            program.cost, G[active], left[active] / scale, *program.equalities, nonnegative=slice(low, high), solver=solver
        )
        prices = np.zeros(len(h))
        prices[active] = answer.prices
        if answer.x is not None:
            x = program.start + scale * answer.x
            new = (G @ x - h < -1e-9 * scale) & ~active
            if not new.any():
                return replace(answer, value=float(program.cost @ x), x=x, prices=prices)
            active |= new
        elif answer.status == "infeasible" or active.all():
            return replace(answer, prices=prices)
        else:  # fewer constraints may be unbounded where all of them are not
            active[:] = True
    raise AssertionError("the last attempt has all constraints")


def _neighbouring(rows: tuple[Rows, ...]) -> NDArray[np.bool_]:
    """Every row but those on truth between types, or on joint reports in states, that are not next to each other."""
    lazy = ("ic", "coalition")
    return np.concatenate([(np.abs(r.type - r.report) == 1) if r.kind in lazy else np.ones(len(r.bound), bool) for r in rows])


def design(setting: Setting, options: DesignOptions, plan: Plan | None = None) -> Tree:
    """What a mechanism achieves: one of the rules with a formula, or transfers (and lotteries) that are solved for."""
    if not TAX_RULES[options.tax_rule].designed:
        plan = plan or efficient(setting)
        return _tree("optimal", None, plan, transfers_by(options.tax_rule, plan, options.timing))
    program = build(setting, options, plan)
    answer = solve(program)
    if answer.status == "optimal":
        assert answer.x is not None
        found, transfers = unpack(program, cheapest(program, answer))
        tree = _tree("optimal", objective_value(program, answer.value), found, transfers)
        tree["binding"] = named(program, answer.prices, "price")
        tree["second_opinion"] = _second_opinion(program, answer.value)
        return tree
    tree = {"status": answer.status, "objective_value": None, "allocation": None, "transfers": None, "expected": None, "checks": None}
    tree |= {"rents": None, "binding": [], "second_opinion": None, "infeasibility": None}
    if answer.status == "infeasible":
        tree["infeasibility"] = infeasibility(program)
    return tree


def cheapest(program: Program, answer: LinearAnswer) -> Array:
    """Many transfers may give the same surplus, since only what the public pays counts against it: those of the least expected outlay."""
    assert answer.x is not None
    options = program.options
    paid = options.public_funds_cost > 0 and float(program.spent @ answer.x) > 0  # then the objective has seen to it
    if options.objective != "max_surplus" or options.participation == "none" or paid:
        return answer.x
    kept = answer.value + 1e-9 * max(1.0, abs(answer.value + program.constant))
    held = _aside(-program.cost[None], np.array([-kept]))
    again = solve(replace(program, rows=(*program.rows, held), cost=program.spent))
    return answer.x if again.x is None else again.x


def objective_value(program: Program, value: float) -> float:
    """The objective as it was asked for, from the minimum of the program's cost."""
    total = value + program.constant
    return -total if program.options.objective == "max_surplus" else total


def unpack(program: Program, x: Array) -> tuple[Plan, tuple[Array, ...]]:
    """The allocation and the transfers over states."""
    setting, n = program.setting, len(program.setting.players)
    low, high = program.first_free
    plan = program.plan or Plan(setting, lottery=_lottery(setting, x[low:high]))
    lengths = list(setting.shape) if program.by_type else [int(np.prod(setting.shape))] * n
    parts = np.split(x[: sum(lengths)], np.cumsum(lengths)[:-1])
    if not program.by_type:
        return plan, tuple(part.reshape(setting.shape) for part in parts)
    own = [setting.along(i, part) for i, part in enumerate(parts)]
    away = [own[i] - float(parts[i] @ setting.probabilities[i]) for i in range(n)]
    shared = (own[i] - sum(away[j] for j in setting.others(i)) / (n - 1) for i in range(n))
    return plan, tuple(np.broadcast_to(part, setting.shape) for part in shared)


def _lottery(setting: Setting, shares: Array) -> Array:
    """(*shape, A): probabilities of all alternatives from those on the menus."""
    menus = setting.menus
    full = np.zeros((len(menus), len(setting.alternatives)))
    np.add.at(full, (np.arange(len(menus))[:, None], menus), shares.reshape(menus.shape))
    return full.reshape(*setting.shape, -1)


def _tree(status: str, objective: float | None, plan: Plan, transfers: tuple[Array, ...]) -> Tree:
    alternatives = plan.setting.alternatives
    return {
        "status": status,
        "objective_value": objective,
        "allocation": [{alternatives[a]: float(state[a]) for a in np.flatnonzero(state > 1e-12)} for state in plan.shares()],
        "transfers": [np.asarray(t, float).ravel().tolist() for t in transfers],
        **report(plan, transfers),
        "binding": [],
        "second_opinion": None,
        "infeasibility": None,
    }


def named(program: Program, weights: Array, name: str) -> list[Tree]:
    """The constraints with a positive weight, in words; in order of weight."""
    setting, out, at = program.setting, [], 0
    for r in program.rows:
        part = weights[at : at + len(r.bound)]
        at += len(r.bound)
        if r.kind == "aside":
            continue
        for k in np.flatnonzero(part > 1e-9):
            player = int(r.player[k])
            kind: Any = None
            told: Any = None
            if r.kind == "coalition":  # everybody together: a list, one entry per player
                kind, told = setting.state(int(r.type[k])), setting.state(int(r.report[k]))
            elif player >= 0:
                types = setting.types[player]
                kind, told = float(types[r.type[k]]), float(types[r.report[k]]) if r.report[k] >= 0 else None
            who = None if player < 0 else setting.players[player]
            out.append({"constraint": r.kind, "player": who, "type": kind, "report": told, name: float(part[k])})
    return sorted(out, key=lambda row: -row[name])


def _second_opinion(program: Program, value: float) -> Tree | None:
    if sum(len(r.bound) for r in program.rows) > LARGEST_SECOND_OPINION:
        return None
    again = solve(program, "CLARABEL")
    if again.status != "optimal":
        return {"solver": "CLARABEL", "status": again.status, "objective_value": None, "agrees": False}
    scale = max(1.0, abs(value))
    return {
        "solver": "CLARABEL",
        "status": "optimal",
        "objective_value": objective_value(program, again.value),
        "agrees": bool(abs(again.value - value) <= 1e-6 * scale),
    }


def infeasibility(program: Program) -> Tree:
    """Which constraints contradict each other, with weights that prove it, checked in plain arithmetic.

    The least violation v of all rows at once (in a large program of those between neighbouring types, if that suffices) is positive, and
    its prices y >= 0 (rows) and z (probabilities add up) show why: the weighted rows add up to something that is zero on transfers, not
    positive on probabilities, and must be at least v > 0.
    """
    kept = tuple(r for r in program.rows if r.kind != "aside")
    G, h = stacked(kept)
    E, e = program.equalities
    low, high = program.first_free
    size = program.size
    begin = program.start
    everything = np.ones(len(h), bool)
    # Of a large program the neighbouring rows first: what contradicts itself among them does so among all.
    for active in (everything,) if len(h) <= LARGEST_SECOND_OPINION else (_neighbouring(kept), everything):
        answer = linear_program(
            np.eye(1, size, size - 1).ravel(),
            sparse.vstack([G[active] + _ones(int(active.sum()), size), _ones(1, size)]).tocsr(),
            np.append((h - G @ begin)[active], 0.0),
            E,
            e,
            nonnegative=slice(low, high),
        )
        if answer.value > 1e-9 * max(1.0, float(np.abs(h).max(initial=0.0))):
            break
    y, z = np.zeros(len(h)), answer.equality_prices
    y[active] = answer.prices[:-1]
    combined = np.asarray(G.T @ y + E.T @ z).ravel()[:-1]
    free = np.ones(size - 1, bool)
    free[low:high] = False
    scale = max(1.0, float(np.abs(h).max(initial=0.0)))
    # What probabilities, which add up to one in every state, can make of what is left of their weights.
    states = len(e) or 1
    left = float(np.maximum(combined[low:high].reshape(states, -1).max(1), 0.0).sum()) if high > low else 0.0
    gap = float(h @ y + e @ z) - left
    verified = bool(
        y.min(initial=0.0) >= -1e-9
        and np.abs(combined[free]).max(initial=0.0) <= 1e-7
        and combined[low:high].max(initial=-np.inf) <= 1e-7
        and gap > 1e-9 * scale
    )
    return {"rows": named(replace(program, rows=kept), y, "weight"), "least_violation": answer.value, "verified": verified}


def least_outlay(setting: Setting, plan: Plan | None = None) -> tuple[float, tuple[Array, ...]]:
    """The least expected outlay under Bayesian truth-telling and interim participation, and the interim payoffs (K_i,), in closed form;
    infinite where no transfers make truth a best reply."""
    plan = plan or efficient(setting)
    total, found = 0.0, []
    for i in range(len(setting.players)):
        interim = interim_by_report(setting, i, plan.value(i))
        payoff = least_payoffs(interim, setting.interim(i, setting.outside[i]))
        if np.isnan(payoff).any():
            return float("inf"), ()
        total += float(setting.probabilities[i] @ (payoff - np.diagonal(interim)))
        found.append(payoff)
    return total, tuple(found)
