"""The JSON contract of `design`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from market.model.case import INVESTMENT, SHARING
from mechanism.analysis.giving_up import give_up_tree
from mechanism.casefile.policy_case import tree_sha256
from mechanism.report.checks_tree import (
    bound_tree,
    continuum_tree,
    contradiction_tree,
    gain_tree,
    rows_tree,
    slack_tree,
)
from mechanism.report.plain import Tree
from mechanism.report.provenance import command_line, provenance

DRAWN = 1e-9
"""Probability up to which an alternative counts as not drawn."""

if TYPE_CHECKING:
    from mechanism.analysis.designs import DesignResult
    from mechanism.design.solve import DirectMechanism


def design_tree(result: DesignResult) -> Tree:
    """`design --format json`. States are listed in row-major order of the players' types."""
    environment, found = result.environment, result.found
    return {
        **_asked_tree(result),
        "players": list(environment.players),
        "probabilities": [p.tolist() for p in environment.probabilities],
        "joint": None if environment.joint is None else environment.joint.ravel().tolist(),
        "states": [
            list(environment.state(index))
            for index in range(int(np.prod(environment.shape)) if result.listed else 0)
        ],
        "payoff_range": environment.range,
        "rounding": result.rounding,
        "status": found.status,
        "objective_value": found.objective_value,
        "bound": None if found.bound is None else bound_tree(found.bound),
        **_mechanism_tree(result, found.mechanism),
        "levels": _levels_tree(result),
        "binding": rows_tree(found.binding, environment.players, "price"),
        "second_opinion": (
            None if found.second_opinion is None else vars(found.second_opinion).copy()
        ),
        "infeasibility": (
            None
            if found.contradiction is None
            else contradiction_tree(found.contradiction, environment.players)
        ),
        "give_up": None if result.give_up is None else give_up_tree(result.give_up),
        "continuum": None if result.continuum is None else continuum_tree(result.continuum),
        "benchmark": {
            "efficient_surplus": result.efficient_surplus,
            "least_outlay": result.least_outlay,
        },
        "verdicts": list(result.verdicts),
    }


def design_rows(labels: Sequence[str], results: Sequence[DesignResult]) -> list[Tree]:
    """`design --format json` of several designs: a row each, with what it takes to run it again."""
    return [_row(label, result) for label, result in zip(labels, results, strict=True)]


def _row(label: str, result: DesignResult) -> Tree:
    found, options = result.found, result.options
    mechanism, joins = found.mechanism, options.participation != "none"
    achieved = None if mechanism is None else mechanism.achieved
    return {
        "design": label,
        "status": found.status,
        "objective_value": found.objective_value,
        "surplus": None if achieved is None else achieved.surplus,
        "lost": None if mechanism is None else result.lost_by(mechanism),
        "outlay": None if achieved is None else achieved.outlay,
        "worst": None if achieved is None else achieved.worst,
        "truth": None if achieved is None else achieved.ic[options.incentive].status,
        "joins": achieved.ir[options.timing].status if achieved and joins else None,
        "payoff": None
        if achieved is None
        else dict(zip(result.environment.players, achieved.payoff, strict=True)),
        "finding": result.verdicts[0],
        "rounding": result.rounding,
        **_asked_tree(result),
    }


def _asked_tree(result: DesignResult) -> Tree:
    """What was asked, of what, and where the result comes from."""
    given = json.loads(result.text)
    command = command_line("design", "FILE", result.asked)
    return {
        "provenance": provenance(command, tree_sha256(given)),
        "input": given,
        "options": result.options.model_dump(mode="json") | {"participation": result.participation},
    }


def _levels_tree(result: DesignResult) -> Tree | None:
    """The levels behind the alternatives that are drawn; null where they are not sought."""
    mechanism = result.found.mechanism
    if result.levels is None or mechanism is None:
        return None
    drawn = np.flatnonzero((mechanism.plan.shares() > DRAWN).any(0))
    return {
        result.environment.alternatives[a]: {
            "sharing": result.levels[a, SHARING].tolist(),
            "investment": result.levels[a, INVESTMENT].tolist(),
        }
        for a in drawn
    }


def _mechanism_tree(result: DesignResult, mechanism: DirectMechanism | None) -> Tree:
    """Who gets what under a mechanism; null where there is none."""
    if mechanism is None:
        return dict.fromkeys(("allocation", "transfers", "expected", "checks", "rents"))
    plan, achieved = mechanism.plan, mechanism.achieved
    environment, options = plan.environment, result.options
    ic = {
        strength: {"incentive": strength, **gain_tree(check, environment.players)}
        for strength, check in achieved.ic.items()
    }
    ir = {
        timing: {"timing": timing, **slack_tree(check, environment.players)}
        for timing, check in achieved.ir.items()
    }
    return {
        "allocation": [
            {environment.alternatives[a]: float(state[a]) for a in np.flatnonzero(state > DRAWN)}
            for state in plan.shares()
        ]
        if result.listed
        else None,
        "transfers": [t.ravel().tolist() for t in mechanism.transfers] if result.listed else None,
        "expected": {
            "surplus": achieved.surplus,
            "payoff": list(achieved.payoff),
            "outlay": achieved.outlay,
        },
        "checks": {
            "ic": list(ic.values()),
            "ir": list(ir.values()),
            "budget": {"ex_ante": achieved.outlay, "worst": achieved.worst},
            "collusion": gain_tree(achieved.collusion),
            "chosen": {
                "ic": ic[options.incentive],
                "ir": None if options.participation == "none" else ir[options.timing],
            },
        },
        "rents": [
            {"player": name, "types": list(types), "rent": rent.tolist()}
            for name, types, rent in zip(
                environment.players, environment.types, achieved.rents, strict=True
            )
        ],
    }
