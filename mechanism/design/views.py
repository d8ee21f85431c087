"""What a type judges by when it weighs a report, or whether to join: expectation over the others'
types, or each profile of them. Both are matrices of averages over states.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from mechanism.design.environment import Environment

Matrix = Any
"""A scipy.sparse matrix; scipy ships no annotations."""
Index = NDArray[np.intp]


@dataclass(frozen=True, kw_only=True)
class View:
    """What a player's types judge by: averages over states, in expectation or at each profile of
    the others' types."""

    operator: Matrix
    """(C K_i, states): in each of C contexts, for each own report, the average over others."""
    judges: NDArray[np.bool_]
    """(C, K_i): the types that judge so."""
    each: bool
    """Whether a row selects a state."""

    def states(self, rows: Index) -> Index:
        """(m,): the state that each of these rows selects; -1 of rows that average."""
        if self.each:
            return np.asarray(self.operator.indices[rows], np.intp)
        return np.full(len(rows), -1)


def _by_own_report(environment: Environment, player: int) -> Index:
    """(C, K_i): the states by profile of the others' types and own report."""
    size = environment.shape[player]
    states = np.arange(int(np.prod(environment.shape))).reshape(environment.shape)
    return np.moveaxis(states, player, -1).reshape(-1, size)


def expected(environment: Environment, player: int) -> View:
    """Expectation over the others' types: all types hold the same beliefs, or each its own."""
    beliefs, order = environment.beliefs(player), _by_own_report(environment, player)
    contexts, (profiles, size) = len(beliefs), order.shape
    operator = sparse.csr_matrix(
        (
            np.repeat(beliefs, size, axis=0).ravel(),
            np.tile(order.T, (contexts, 1)).ravel(),
            profiles * np.arange(contexts * size + 1),
        ),
        shape=(contexts * size, order.size),
    )
    alike = environment.joint is None
    return View(
        operator=operator,
        judges=np.ones((1, size), bool) if alike else np.eye(size, dtype=bool),
        each=profiles == 1,
    )


def at_each(environment: Environment, player: int) -> View:
    """Each profile of the others' types."""
    order = _by_own_report(environment, player)
    operator = sparse.csr_matrix(
        (np.ones(order.size), (np.arange(order.size), order.ravel())),
        shape=(order.size, order.size),
    )
    return View(operator=operator, judges=np.ones(order.shape, bool), each=True)


def at_states(environment: Environment) -> View:
    """Each state, in row-major order."""
    count = int(np.prod(environment.shape))
    return View(
        operator=sparse.identity(count).tocsr(), judges=np.ones((1, count), bool), each=True
    )
