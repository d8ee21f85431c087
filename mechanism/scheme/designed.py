"""Transfers that are solved for, in the market: the tax rule `designed`, and the second best, which
chooses levels by lottery as well.

Both are programs on the market as an environment (`mechanism.scheme.market_environment`). With
given levels every point at which incentives are checked counts as a type, the points between the
types with probability zero, so that truth and participation are asked there too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from market.model.case import Array
from mechanism.casefile.schema import MechanismOptions
from mechanism.design.cvx import LinearAnswer
from mechanism.design.environment import AllocationRule
from mechanism.design.paths import least_transfers
from mechanism.design.program import WELFARE, Merit, Program, build
from mechanism.design.rules import DESIGNED
from mechanism.design.setting_file import DesignOptions
from mechanism.design.solve import (
    Contradiction,
    Named,
    OptimalityBound,
    best_known,
    cheapest,
    named,
    objective_value,
    proof,
    solve,
    unpack,
)
from mechanism.design.states import own_first
from mechanism.frozen import read_only
from mechanism.scheme.transfers import in_closed_form


@dataclass(frozen=True, kw_only=True)
class Designed:
    """Transfers that were solved for."""

    plan: AllocationRule
    """The allocation over the market as a setting."""
    transfers: tuple[Array, Array]
    """To either firm, over states: firm 1's report on the first axis. Read-only."""
    status: Literal["optimal", "searched", "infeasible"]
    """Whether the budget asked for can be met; where it cannot, the transfers are those without a
    limit to it. `searched`: whether other levels are better is not proven."""
    objective: str
    """What they are best at, as it was asked for."""
    objective_value: float
    binding: tuple[Named, ...] = ()
    """What binds, at what price."""
    contradiction: Contradiction | None = None
    """Why the budget asked for cannot be met."""
    bound: OptimalityBound | None = None
    """What is known of other levels; None where they are given."""

    @property
    def net(self) -> Array:
        """(2, own reports, rival's reports): net transfer to each firm."""
        return own_first(*self.transfers)


def asked(options: MechanismOptions) -> DesignOptions:
    """What a case asks of transfers that are solved for, as a setting would ask it."""
    return DesignOptions(
        tax_rule=DESIGNED,
        allocation=options.allocation,
        objective=options.objective,
        incentive=options.incentive,
        participation="none" if options.participation == "none" else "outside",
        timing=options.timing,
        budget=options.budget,
        public_funds_cost=options.public_funds_cost,
        fees=options.fees,
    )


def design_transfers(
    plan: AllocationRule,
    options: MechanismOptions,
    bound: OptimalityBound | None = None,
    merit: Merit = WELFARE,
) -> Designed | None:
    """The transfers best at the case's objective under its truth-telling, participation and budget,
    at a plan over the market as a setting, whose menu is what lotteries may choose from and
    `bound` what is known of levels beside it.

    Where the budget asked for cannot be met, the transfers are those without a limit to the budget,
    beside the proof. None where the objective has no limit, the solver gives no answer, or that
    there is none is not proven.
    """
    program = build(plan.environment, asked(options), plan, merit)
    answer, contradiction = solve(program), None
    if answer.x is None and answer.status != "unbounded":
        contradiction = proof(program)
        if contradiction is None:
            return None
        program = build(
            plan.environment, asked(options).model_copy(update={"budget": "none"}), plan, merit
        )
        answer = solve(program)
    return None if answer.x is None else _read(program, answer, options, contradiction, bound)


def _cheapest_of(plan: AllocationRule) -> Array:
    """The net transfers (2, own reports, rival's) of least outlay under Bayesian truth-telling and
    interim participation; NaN if none."""
    environment = plan.environment
    interim = np.stack([plan.interim(i) for i in (0, 1)])
    return least_transfers(
        interim,
        np.stack([environment.interim(i, environment.outside[i]) for i in (0, 1)]),
        environment.probabilities[0],
    )


def _read(
    program: Program,
    answer: LinearAnswer,
    options: MechanismOptions,
    contradiction: Contradiction | None,
    bound: OptimalityBound | None,
) -> Designed:
    assert answer.x is not None
    plan, (first, second) = unpack(program, cheapest(program, answer))
    if in_closed_form(options) and np.isfinite(least := _cheapest_of(plan)).all():
        first, second = least[0], least[1].T  # the same but for the solver's tolerance
    environment = program.space.given
    return Designed(
        plan=plan,
        transfers=(
            read_only(np.broadcast_to(first, environment.shape)),
            read_only(np.broadcast_to(second, environment.shape)),
        ),
        status="infeasible" if contradiction is not None else best_known(bound),
        objective=options.objective,
        objective_value=objective_value(program, answer.value),
        binding=named(environment, program.rows, answer.prices),
        contradiction=contradiction,
        bound=bound,
    )
