"""A designer's problem as one linear program in matrices: transfers, and lotteries over
alternatives with them.

Variables are, in this order: transfers; the probabilities of alternatives in every state (second
best only); an auxiliary amount. Where truth-telling is Bayesian and participation interim, only
expected transfers given the own report matter, so there is one transfer per player and type. They
can be spread over states so that what the public pays is the same in every state,

    tau_i(r) = t_i(r_i) - sum over j != i of (t_j(r_j) - E t_j) / (n - 1),

which leaves every interim transfer as it is: a budget that holds in expectation then holds in every
state. Otherwise there is one transfer per player and state: also where types are not independent,
for then what a report lets a type expect depends on the type, and where transfers have limits.

Numbers are those of the natural setting: payoffs from staying out, in units of what they differ by.
A program is then the same whatever the file counts in, and its tolerances are shares of that range.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from mechanism.design.environment import AllocationRule, Environment, efficient, transfers_by
from mechanism.design.setting_file import DesignOptions, transfers_by_type
from mechanism.design.states import Array
from mechanism.design.views import View, at_each, at_states, expected
from mechanism.frozen import freeze

Matrix = Any
"""A scipy.sparse matrix; scipy ships no annotations."""
Index = NDArray[np.intp]
Constraint = Literal["ic", "ir", "budget", "coalition", "floor", "cap"]
"""`floor` and `cap`: the least and the most that a player may receive net."""
Kind = Constraint | Literal["aside"]


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Constraints matrix @ x >= bound, and what each of them says."""

    matrix: Matrix
    bound: Array
    kind: Kind
    """`aside`: no constraint anybody asked for, but what defines the auxiliary amount."""
    player: Index
    """-1 where it is nobody's alone."""
    type: Index
    """The player's type; the state of a joint report; -1 where there is none."""
    report: Index
    """-1 where there is none."""
    state: Index
    """The true state where the constraint is of one, -1 where it is an expectation."""

    def __post_init__(self) -> None:
        freeze(self)


@dataclass(frozen=True, kw_only=True)
class Space:
    """The variables of a program: where transfers, probabilities and the auxiliary amount stand in
    one vector."""

    given: Environment
    """As it was asked about."""
    environment: Environment
    """The same in natural units, in which everything here is stated."""
    plan: AllocationRule | None
    """The given allocation there; None where lotteries are variables."""
    by_type: bool
    """Whether transfers are per own type alone."""

    @property
    def states(self) -> int:
        """How many states there are."""
        return int(np.prod(self.environment.shape))

    @cached_property
    def menus(self) -> Index:
        """(states, m): the alternatives a lottery may choose in each state."""
        return self.environment.menus

    @cached_property
    def starts(self) -> Index:
        """(n + 1,): where each player's transfers start, and where the last's end."""
        return np.concatenate([[0], np.cumsum(self.lengths)])

    @property
    def lengths(self) -> list[int]:
        """How many transfers each player has."""
        return (
            list(self.environment.shape)
            if self.by_type
            else [self.states] * len(self.environment.shape)
        )

    @property
    def lottery_at(self) -> int:
        """Where probabilities start: state first, alternative second."""
        return int(self.starts[-1])

    @property
    def lotteries(self) -> int:
        """How many probabilities there are."""
        return 0 if self.plan is not None else self.menus.size

    @property
    def size(self) -> int:
        """How many variables there are; the auxiliary amount is the last."""
        return self.lottery_at + self.lotteries + 1

    @cached_property
    def probability(self) -> Array:
        """(states,): the probability of every state."""
        return self.environment.probability.ravel()

    @cached_property
    def occurring(self) -> Index:
        """The states that can occur."""
        return np.flatnonzero(self.environment.occurs)

    def place(self, matrix: Matrix, at: int) -> Matrix:
        """A matrix in its columns of all variables."""
        wide = sparse.csr_matrix(matrix)
        left = sparse.csr_matrix((wide.shape[0], at))
        right = sparse.csr_matrix((wide.shape[0], self.size - at - wide.shape[1]))
        return sparse.hstack([left, wide, right]).tocsr()

    def money(self, player: int, operator: Matrix) -> Matrix:
        """Averages over states, the rows of `operator` (m, states), of a player's transfer; by type
        these are its transfers."""
        return self.place(
            sparse.identity(self.lengths[player]) if self.by_type else operator,
            int(self.starts[player]),
        )

    def value(
        self, player: int, view: View, which: Index, own: Index, seen: Index | None = None
    ) -> tuple[Matrix, Array]:
        """The value to types `own` (m,) of the averages in rows `which` (m,) of a view: over
        lotteries, or as numbers. What others report is true, unless every state is a row and
        `seen` (m,) are the true states."""
        if self.plan is not None:
            types = len(self.environment.types[player])
            if seen is not None:
                worth = self.plan.value_in(player).reshape(self.states, -1)[seen, which]
            elif view.each:
                worth = self.plan.value(player).reshape(types, -1)[own, view.states(which)]
            else:
                worth = self.plan.interim(player)[own, which % types]
            return sparse.csr_matrix((len(which), self.size)), worth
        picked, alternatives = sparse.csr_matrix(view.operator[which]), self.menus.shape[1]
        row = np.repeat(np.arange(len(which)), np.diff(picked.indptr))
        state = picked.indices
        truth = state if seen is None else seen[row]
        worth = self.environment.value_to(player, own[row], truth, self.menus[state])
        place = state[:, None] * alternatives + np.arange(alternatives)
        drawn = sparse.csr_matrix(
            (
                (picked.data[:, None] * worth).ravel(),
                place.ravel(),
                picked.indptr * alternatives,
            ),
            shape=(len(which), self.menus.size),
        )
        return self.place(drawn, self.lottery_at), np.zeros(len(which))

    @cached_property
    def spent(self) -> Array:
        """(size,): the expected outlay in the variables."""
        spent = np.zeros(self.size)
        for i, p in enumerate(self.environment.probabilities):
            spent[self.starts[i] : self.starts[i + 1]] += p if self.by_type else self.probability
        return spent

    def each_state(self) -> Matrix:
        """(states, size): what all players together receive in every state; transfers are per
        state."""
        return sum(self.place(sparse.identity(self.states), int(at)) for at in self.starts[:-1])

    @cached_property
    def outlay(self) -> Matrix:
        """What the public pays in every state that can occur; with transfers by type it is the same
        in all."""
        if self.by_type:
            return sparse.csr_matrix(self.spent[None])
        return self.each_state()[self.occurring]

    def extra(self, m: int) -> Matrix:
        """(m, size): one in the column of the auxiliary amount."""
        return sparse.csr_matrix(
            (np.ones(m), (np.arange(m), np.full(m, self.size - 1))), shape=(m, self.size)
        )


@dataclass(frozen=True, kw_only=True)
class Merit:
    """What the objective `max_surplus` counts, and whom it must not hurt."""

    payoff_weight: float = 1.0
    """beta in [0, 1]: what a unit of players' payoffs counts beside one of public value (Baron and
    Myerson)."""
    least_public: float | None = None
    """Below which the expected public value may not be; None: anything goes."""


WELFARE = Merit()
"""All count the same."""


@dataclass(frozen=True, kw_only=True)
class Program:
    """A designer's program: the least cost @ x subject to its rows, equalities, and probabilities
    that are not negative."""

    space: Space
    options: DesignOptions
    merit: Merit = WELFARE
    rows: tuple[Rows, ...]
    equalities: tuple[Matrix, Array]
    cost: Array
    """Minimised, in natural units."""
    constant: float
    """Added to the minimum of the cost, in natural units."""
    start: Array
    """Where the search starts: the worst-type rule's transfers for a given allocation, zero for a
    second best. What is then solved for is the difference, so that a solver's tolerance is a share
    of what rules differ by, not of payoffs."""

    def __post_init__(self) -> None:
        freeze(self)

    @property
    def probabilities(self) -> slice:
        """Which variables are probabilities."""
        return slice(self.space.lottery_at, self.space.lottery_at + self.space.lotteries)


def build(
    environment: Environment,
    options: DesignOptions,
    plan: AllocationRule | None = None,
    merit: Merit = WELFARE,
) -> Program:
    """The program for these options; `plan` is the allocation, by default the efficient one, and
    ignored for a second best."""
    drawn = options.allocation == "second_best"
    space = Space(
        given=environment,
        environment=environment.natural,
        plan=None if drawn else (plan or efficient(environment)).natural,
        by_type=transfers_by_type(
            len(environment.players), options, dependent=environment.joint is not None
        ),
    )
    return _stated(space, options, merit)


@dataclass(frozen=True, kw_only=True)
class Worth:
    """What payoffs are worth to a designer at the prices of a program's constraints: in every
    state, a unit of the public value of what is then done, and a unit of what each player's type
    makes of it. That of a type is negative where a lie must be kept from paying. Payoffs are in the
    setting's units, their worth in its range."""

    public: Array
    """(states,)."""
    own: tuple[Array, ...]
    """(K_i, states) per player."""
    needed: Array
    """(states,): what is done already comes to. An alternative that comes to more in a state
    improves on it; lotteries with it gain at most the difference."""

    def __post_init__(self) -> None:
        freeze(self)


def worth(program: Program, prices: Array, equality_prices: Array) -> Worth:
    """What payoffs are worth at prices of the rows and of probabilities' adding up: the program's
    own rows at alternatives that are worth one unit to nobody but one type, or to the public."""
    space, given = program.space, program.space.given
    sizes = [1, *given.shape]
    ends = np.cumsum(sizes)[:-1]
    unit = np.eye(sum(sizes))
    public, *own = np.split(unit, ends)
    probe = replace(
        space.environment,
        alternatives=tuple(map(str, range(len(unit)))),
        values=tuple(own),
        public_value=public[0],
        menu=None,
    )
    here = replace(space, given=probe, environment=probe)
    units = _stated(here, program.options, program.merit)
    G, _ = stacked(units.rows)
    earned = (G.T @ prices - units.cost)[units.probabilities].reshape(space.states, -1).T
    first, *each = np.split(earned, ends)
    base = first[0] * given.public_value[0] + sum(
        part.T @ shift for part, shift in zip(each, given.shift, strict=True)
    )
    return Worth(
        public=first[0] / given.range,
        own=tuple(part / given.range for part in each),
        needed=base / given.range - equality_prices[: space.states],
    )


def _stated(space: Space, options: DesignOptions, merit: Merit) -> Program:
    asked: list[Rows] = []
    for player in range(len(space.environment.players)):
        asked += _of_player(space, options, player)
    if options.collusion == "proof":
        asked.append(_joint_truth(space))
    if options.budget != "none":
        asked.append(_budget(space, options))
    if merit.least_public is not None:
        asked.append(_least_public(space, merit.least_public))
    cost, constant, rows = _objective(space, options, merit, asked)
    rows += _limits(space, options)  # no violation counts among what may be paid
    equal, amounts = sparse.csr_matrix((0, space.size)), np.zeros(0)
    if space.plan is None:
        states, alternatives = space.menus.shape
        add_up = sparse.kron(sparse.identity(states), np.ones((1, alternatives)))
        equal, amounts = space.place(add_up, space.lottery_at), np.ones(states)
    return Program(
        space=space,
        options=options,
        merit=merit,
        rows=tuple(rows),
        equalities=(equal, amounts),
        cost=cost,
        constant=constant,
        start=_start(space, options),
    )


# --- constraints


def _lies(size: int) -> tuple[Index, Index]:
    """Every true type with every other report."""
    true, told = np.nonzero(~np.eye(size, dtype=bool))
    return true, told


def _of_player(space: Space, options: DesignOptions, player: int) -> list[Rows]:
    """One player's truth-telling, and its participation where that is asked."""
    average, each = expected(space.environment, player), at_each(space.environment, player)
    rows = [_truth(space, player, average if options.incentive == "bayesian" else each)]
    if options.participation != "none":
        rows.append(_joining(space, player, average if options.timing == "interim" else each))
    return rows


def _truth(space: Space, player: int, view: View) -> Rows:
    contexts, size = view.judges.shape
    true, told = _lies(size)
    asked = view.judges[:, true].ravel()
    base = np.repeat(np.arange(contexts) * size, len(true))[asked]
    kind, report = np.tile(true, contexts)[asked], np.tile(told, contexts)[asked]
    honest, lying = base + kind, base + report
    money = space.money(player, view.operator)
    at_truth, worth_truth = space.value(player, view, honest, kind)
    at_lie, worth_lie = space.value(player, view, lying, kind)
    return Rows(
        matrix=(money[honest] - money[lying] + at_truth - at_lie).tocsr(),
        bound=worth_lie - worth_truth,
        kind="ic",
        player=np.full(len(kind), player),
        type=kind,
        report=report,
        state=view.states(honest),
    )


def _joining(space: Space, player: int, view: View) -> Rows:
    """Whoever joins in a state does so in one that can occur."""
    environment = space.environment
    asked = np.flatnonzero(view.judges)
    if view.each:
        asked = asked[environment.occurs.ravel()[view.states(asked)]]
    own = asked % view.judges.shape[1]
    received, least = space.money(player, view.operator)[asked], np.zeros(len(own))
    if not environment.same_alternative:
        value, worth = space.value(player, view, asked, own)
        outside = np.broadcast_to(environment.outside[player], environment.shape)
        received, least = received + value, (view.operator @ outside.ravel())[asked] - worth
    return Rows(
        matrix=received.tocsr(),
        bound=least,
        kind="ir",
        player=np.full(len(own), player),
        type=own,
        report=np.full(len(own), -1),
        state=view.states(asked),
    )


def _joint_truth(space: Space) -> Rows:
    """No joint report of all players together may pay, money changing hands among them."""
    environment = space.environment
    together = space.each_state()
    true, told = _lies(space.states)
    can = environment.occurs.ravel()[true]
    true, told = true[can], told[can]
    lying, honest, worth = together[told], together[true], np.zeros(len(true))
    every = at_states(space.environment)
    for i, types in enumerate(np.indices(environment.shape).reshape(len(environment.shape), -1)):
        own = types[true]
        at_truth, worth_truth = space.value(i, every, true, own)
        at_lie, worth_lie = space.value(i, every, told, own, true)
        lying, honest, worth = lying + at_lie, honest + at_truth, worth + worth_lie - worth_truth
    nobody = np.full(len(true), -1)
    return Rows(
        matrix=(honest - lying).tocsr(),
        bound=worth,
        kind="coalition",
        player=nobody,
        type=true,
        report=told,
        state=true,
    )


def _limits(space: Space, options: DesignOptions) -> list[Rows]:
    """What players may receive at the least and at the most, whatever is reported."""
    given = space.given
    sides: tuple[tuple[Literal["floor", "cap"], int], ...] = (("floor", 1), ("cap", -1))
    return [
        _limited(space, player, kind, sign, limit)
        for side, (kind, sign) in enumerate(sides)
        for player, name in enumerate(given.players)
        if (limit := options.limits(name)[side]) is not None
    ]


def _limited(
    space: Space, player: int, kind: Literal["floor", "cap"], sign: int, limit: float
) -> Rows:
    count = space.lengths[player]
    own = np.arange(count)
    if not space.by_type:
        own = np.indices(space.environment.shape)[player].ravel()
    return Rows(
        matrix=sign * space.place(sparse.identity(count), int(space.starts[player])),
        bound=np.full(count, sign * limit / space.given.range),
        kind=kind,
        player=np.full(count, player),
        type=own,
        report=np.full(count, -1),
        state=np.full(count, -1) if space.by_type else np.arange(count),
    )


def _budget(space: Space, options: DesignOptions) -> Rows:
    """The public pays nothing: in expectation, or in every state that can occur."""
    always = options.budget == "ex_post"
    outlay = space.outlay if always else sparse.csr_matrix(space.spent[None])
    nobody = np.full(outlay.shape[0], -1)
    return Rows(
        matrix=sparse.csr_matrix(-outlay),
        bound=np.zeros(len(nobody)),
        kind="budget",
        player=nobody,
        type=nobody,
        report=nobody,
        state=space.occurring if always and not space.by_type else nobody,
    )


# --- the objective


def _aside(matrix: Matrix, bound: Array) -> Rows:
    nobody = np.full(matrix.shape[0], -1)
    return Rows(
        matrix=sparse.csr_matrix(matrix),
        bound=bound,
        kind="aside",
        player=nobody,
        type=nobody,
        report=nobody,
        state=nobody,
    )


def held(cost: Array, most: float) -> Rows:
    """A cost (size,) of at most so much."""
    return _aside(-cost[None], np.array([-most]))


def _least_public(space: Space, least: float) -> Rows:
    """The expected public value of a second best is at least so much."""
    given, s = space.given, space.environment
    row = np.zeros(space.size)
    row[space.lottery_at : -1] = (space.probability[:, None] * s.public_value[space.menus]).ravel()
    return _aside(row[None], np.array([(least - given.public_value[0]) / given.range]))


def _objective(
    space: Space, options: DesignOptions, merit: Merit, asked: list[Rows]
) -> tuple[Array, float, list[Rows]]:
    """The cost, what its minimum lacks, and the rows, with those that the auxiliary amount
    takes."""
    amount = np.zeros(space.size)
    amount[-1] = 1
    one = space.extra(1)
    if options.objective == "min_outlay":  # nothing uses the amount
        return space.spent.copy(), 0.0, [*asked, _aside(sparse.vstack([one, -one]), np.zeros(2))]
    if options.objective == "max_surplus":
        surplus, constant = _surplus(space, merit.payoff_weight)
        # The amount is the outlay, without fees where positive: what it costs beyond what players
        # have of it.
        burden = 1 + options.public_funds_cost - merit.payoff_weight
        rows = [amount - space.spent] if options.fees else [amount, amount - space.spent]
        paid = _aside(np.stack(rows), np.zeros(len(rows)))
        return -surplus + burden * amount, -constant, [*asked, paid]
    if options.objective == "min_worst_deficit":
        m = space.outlay.shape[0]
        return amount, 0.0, [*asked, _aside(space.extra(m) - space.outlay, np.zeros(m))]
    return amount, 0.0, _relaxed(space, asked)


def _relaxed(
    space: Space, asked: Iterable[Rows], kinds: Sequence[Kind] | None = None
) -> list[Rows]:
    """The rows with those of these kinds (by default all) relaxed by the auxiliary amount, which is
    not negative."""
    amount = space.extra(1)
    rows = [
        replace(r, matrix=(r.matrix + space.extra(r.matrix.shape[0])).tocsr())
        if kinds is None or r.kind in kinds
        else r
        for r in asked
    ]
    return [*rows, _aside(amount, np.zeros(1))]


def relaxed(program: Program, kinds: Sequence[Constraint]) -> Program:
    """The program of the least amount by which constraints of these kinds must be relaxed for all
    others to hold."""
    space = program.space
    asked = (r for r in program.rows if r.kind != "aside")
    return replace(
        program,
        rows=tuple(_relaxed(space, asked, kinds)),
        cost=space.extra(1).toarray().ravel(),
        constant=0.0,
    )


def _surplus(space: Space, weight: float) -> tuple[Array, float]:
    """Expected welfare in the variables, payoffs counting by their weight, and what of it does not
    depend on them."""
    surplus = np.zeros(space.size)
    if space.plan is not None:
        plan = space.plan
        welfare = plan.public + weight * sum(plan.truth)
        return surplus, float(space.probability @ np.asarray(welfare).ravel())
    surplus[space.lottery_at : -1] = (
        space.probability[:, None] * _welfare(space.environment, weight)
    ).ravel()
    return surplus, 0.0


def _welfare(environment: Environment, weight: float) -> Array:
    """(states, m): welfare of every alternative on the menu of every state, payoffs counting by
    their weight."""
    types = np.indices(environment.shape).reshape(len(environment.shape), -1)
    menus = environment.menus
    welfare = environment.public_value[menus]
    for player, own in enumerate(types):
        worth = environment.value_to(player, own, np.arange(len(own)), menus)
        welfare = welfare + weight * worth
    return np.asarray(welfare)


def _start(space: Space, options: DesignOptions) -> Array:
    start = np.zeros(space.size)
    if space.plan is None or options.payments == "none":
        return start
    for i, tau in enumerate(transfers_by("worst_type", space.plan, options.timing)):
        part = space.environment.interim(i, tau) if space.by_type else tau.ravel()
        start[space.starts[i] : space.starts[i + 1]] = part
    return start


def stacked(rows: tuple[Rows, ...]) -> tuple[Matrix, Array]:
    """All rows in one matrix, and their bounds."""
    return sparse.vstack([r.matrix for r in rows]).tocsr(), np.concatenate([r.bound for r in rows])
