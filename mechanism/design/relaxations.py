"""What could be given up where nothing does all that is asked, and at what price.

Truth, participation, the budget and so on are relaxed by the same amount of money in all their
rows; the least that suffices is the price: what a lie may still gain, what joining may cost a type,
what the public pays. Of several relaxed together the amount is the same for all. A set of them is
told where no part of it suffices. Forms of a constraint that ask less (Bayesian
for dominant truth, and the like) are tried in the same way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TypeVar

from mechanism.design.environment import AllocationRule, Environment
from mechanism.design.program import Constraint, Program, build, relaxed
from mechanism.design.setting_file import DesignOptions, too_large
from mechanism.design.solve import (
    LARGEST_SECOND_OPINION,
    Design,
    DirectMechanism,
    design,
    just_above,
    proof,
    read,
    solve,
)
from mechanism.frozen import freeze

GROUPS: dict[str, tuple[Constraint, ...]] = {
    "ic": ("ic",),
    "coalition": ("coalition",),
    "ir": ("ir",),
    "payments": ("floor", "cap"),
    "budget": ("budget",),
}
"""What is given up together, by its name."""
WEAKER = {
    "incentive": ("dominant", "bayesian"),
    "timing": ("ex_post", "interim"),
    "budget": ("ex_post", "ex_ante"),
}
"""By option the form that asks more, and the one that asks less."""

LOTTERIES = {"allocation": "second_best", "objective": "max_surplus"}
"""What asks for the second best."""


@dataclass(frozen=True, kw_only=True)
class Relaxed:
    """Constraints relaxed together, all else kept."""

    groups: tuple[str, ...]
    """Of `GROUPS`."""
    suffices: bool | None
    """Whether all else can then be had, however much they are relaxed; None: not established."""
    amount: float | None = None
    """The least that suffices, money; None where nothing does."""
    mechanism: DirectMechanism | None = None
    """The best by the objective at that amount, and of several the one of least outlay."""


@dataclass(frozen=True, kw_only=True)
class Weaker:
    """Forms that ask less, all else kept."""

    options: Mapping[str, str]
    suffices: bool | None
    """Whether all else can then be had; None: not established."""
    mechanism: DirectMechanism | None = None

    def __post_init__(self) -> None:
        freeze(self)


@dataclass(frozen=True, kw_only=True)
class GiveUp:
    """What could be given up."""

    relaxed: tuple[Relaxed, ...]
    """Every group alone, and the least sets of several."""
    weaker: tuple[Weaker, ...]
    """Every form alone, and the least sets of several."""
    second_best: Design | None = None
    """The most surplus that lotteries over alternatives yield under all that is asked: what is
    given up is efficiency. None where they were asked for, or `not_drawn` says why not."""
    not_drawn: str | None = None
    """Why the second best is not solved for, as a sentence; None where it is, or was asked for."""
    lost: float | None = None
    """What that is below the surplus of the efficient alternatives."""


Item = TypeVar("Item")
Found = TypeVar("Found", Relaxed, Weaker)


def give_up(
    environment: Environment, options: DesignOptions, plan: AllocationRule | None = None
) -> GiveUp | None:
    """What could be given up where nothing does all that is asked, of the constraints alone; None
    where the program is so large that it would take long. `plan` is the allocation, by default the
    efficient one, and ignored for a second best."""
    program = build(environment, options, plan)
    if sum(len(r.bound) for r in program.rows) > LARGEST_SECOND_OPINION:
        return None
    kinds = {r.kind for r in program.rows}
    groups = [name for name, group in GROUPS.items() if kinds & set(group)]
    weaker = tuple(
        key
        for key, (strong, _) in WEAKER.items()
        if getattr(options, key) == strong and (key, options.participation) != ("timing", "none")
    )
    return GiveUp(
        relaxed=tuple(_least_sets(groups, lambda some: _relaxed(program, some))),
        weaker=tuple(
            _least_sets(weaker, lambda some: _weaker(environment, options, plan, some)),
        ),
    )


def _least_sets(
    items: Sequence[Item], tried: Callable[[tuple[Item, ...]], Found]
) -> Iterator[Found]:
    """Every item alone, and the sets of several that suffice while no part of them does."""
    enough: list[set[Item]] = []
    for size in range(1, len(items) + 1):
        for some in combinations(items, size):
            if any(part <= set(some) for part in enough):
                continue
            found = tried(some)
            if found.suffices:
                enough.append(set(some))
            if found.suffices or size == 1:
                yield found


def _relaxed(program: Program, groups: tuple[str, ...]) -> Relaxed:
    kinds = [kind for group in groups for kind in GROUPS[group]]
    least = solve(relaxed(program, kinds))
    if least.x is None:
        kept = tuple(r for r in program.rows if r.kind not in kinds)
        refuted = proof(replace(program, rows=kept)) is not None
        return Relaxed(groups=groups, suffices=False if refuted else None)
    found = None
    for slack in just_above(least.value):
        there = replace(
            program,
            rows=tuple(
                replace(r, bound=r.bound - slack) if r.kind in kinds else r for r in program.rows
            ),
        )
        answer = solve(there)
        if answer.x is not None:
            found = read(there, answer)
            break
    return Relaxed(
        groups=groups,
        suffices=True,
        amount=program.space.given.range * least.value,
        mechanism=found,
    )


def _weaker(
    environment: Environment,
    options: DesignOptions,
    plan: AllocationRule | None,
    keys: tuple[str, ...],
) -> Weaker:
    forms = {key: WEAKER[key][1] for key in keys}
    program = build(environment, options.model_copy(update=forms), plan)
    answer = solve(program)
    if answer.x is None:
        return Weaker(options=forms, suffices=False if proof(program) is not None else None)
    return Weaker(options=forms, suffices=True, mechanism=read(program, answer))


def second_best(environment: Environment, options: DesignOptions) -> Design | str:
    """The most surplus, less the cost of public funds, that lotteries over the alternatives yield
    under all that is asked; where they are too many, that as a sentence."""
    drawn = options.model_copy(update=LOTTERIES)
    sizes = list(environment.shape)
    dependent, count = environment.joint is not None, len(environment.alternatives)
    if why := too_large(sizes, count, drawn, dependent=dependent):
        return f"Lotteries over the alternatives are not solved for: the players {why}."
    return design(environment, drawn)
