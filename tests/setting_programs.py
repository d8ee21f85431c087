"""A setting as a linear program, and what rules pay, written anew in loops over states: the oracle
of tests on settings. Nothing of ours is used here."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog

Tree = dict[str, Any]
Row = tuple[NDArray[np.float64], float]
"""Coefficients and bound: coefficients @ variables >= bound."""
State = tuple[int, ...]


TIGHT = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}


class Oracle:
    """The program of a setting: net transfers of every player in every state, the probability of
    every alternative in every state, an amount."""

    def __init__(self, tree: Tree) -> None:
        self.asked = tree["mechanism"]
        self.players, self.needs = tree["players"], tree["needs"]
        self.n, self.alternatives = len(self.players), tree["alternatives"]
        self.labels = [list(p["types"]) for p in self.players]
        self.sizes = [len(own) for own in self.labels]
        self.states: list[State] = list(product(*map(range, self.sizes)))
        self.number = {state: k for k, state in enumerate(self.states)}
        self.public = [tree["public_value"].get(a, 0.0) for a in self.alternatives]
        alone = [
            p.get("probabilities") or [1 / len(p["types"])] * len(p["types"]) for p in self.players
        ]
        joint = tree.get("joint")
        self.chance = [
            float(np.prod([alone[i][k] for i, k in enumerate(state)]))
            if joint is None
            else float(np.array(joint)[state])
            for state in self.states
        ]
        self.can = [joint is None or p > 0 for p in self.chance]
        self.size = (self.n + len(self.alternatives)) * len(self.states) + 1
        self.best = [
            int(np.argmax([self.welfare(state, a) for a in range(len(self.alternatives))]))
            for state in self.states
        ]

    def value(self, i: int, state: State, a: int) -> float:
        """What an alternative is worth to a player in a state."""
        table = np.array(self.players[i]["value"][self.alternatives[a]])
        return float(table[state] if table.ndim > 1 else table[state[i]])

    def welfare(self, state: State, a: int) -> float:
        return self.public[a] + sum(self.value(i, state, a) for i in range(self.n))

    def outside(self, i: int, own: int) -> float:
        worth = self.players[i]["outside"]
        return float(worth[own] if isinstance(worth, list) else worth)

    def paid(self, i: int, state: State) -> int:
        return i * len(self.states) + self.number[state]

    def drawn(self, state: State, a: int) -> int:
        return self.n * len(self.states) + self.number[state] * len(self.alternatives) + a

    # --- who gets what, as coefficients

    def utility(self, i: int, true: State, told: State) -> NDArray[np.float64]:
        """What a player gets in a true state where another is reported."""
        row = np.zeros(self.size)
        row[self.paid(i, told)] = 1
        for a in range(len(self.alternatives)):
            row[self.drawn(told, a)] = self.value(i, true, a)
        return row

    def believed(self, i: int, own: int) -> dict[State, float]:
        """The states a type thinks possible."""
        mine = {s: p for s, p in zip(self.states, self.chance, strict=True) if s[i] == own}
        return {s: p / sum(mine.values()) for s, p in mine.items()}

    def seen(self, i: int, own: int, state: State | None) -> dict[State, float]:
        return self.believed(i, own) if state is None else {state: 1.0}

    def row(self, constraint: str, i: int, own: Any, told: Any, state: State | None) -> Row:
        """A constraint by its name."""
        total = np.zeros(self.size)
        if constraint == "budget":
            weights = zip(self.states, self.chance, strict=True) if state is None else [(state, 1)]
            for s, p in weights:
                for j in range(self.n):
                    total[self.paid(j, s)] -= p
            return total, 0.0
        if constraint == "coalition":
            for j in range(self.n):
                total += self.utility(j, own, own) - self.utility(j, own, told)
            return total, 0.0
        if constraint in ("floor", "cap"):
            sign = 1 if constraint == "floor" else -1
            for s, p in self.seen(i, own, state).items():
                total[self.paid(i, s)] = sign * p
            limit = self.asked.get(f"transfer_{constraint}", 0)
            name = self.players[i]["name"]
            return total, sign * (limit[name] if isinstance(limit, dict) else limit)
        for s, p in self.seen(i, own, state).items():
            total += p * self.utility(i, s, s)
            if constraint == "ic":
                total -= p * self.utility(i, s, (*s[:i], told, *s[i + 1 :]))
        return total, self.outside(i, own) if constraint == "ir" else 0.0

    def truth(self, i: int, incentive: str) -> list[Row]:
        """No false report pays."""
        return [
            self.row("ic", i, own, told, s)
            for own in range(self.sizes[i])
            for told in set(range(self.sizes[i])) - {own}
            for s in self.when(i, own, incentive == "bayesian")
        ]

    def joining(self, i: int, timing: str) -> list[Row]:
        """Everybody joins, in states that can occur."""
        return [
            self.row("ir", i, own, None, s)
            for own in range(self.sizes[i])
            for s in self.when(i, own, timing == "interim")
            if s is None or self.can[self.number[s]]
        ]

    def when(self, i: int, own: int, expected: bool) -> list[State | None]:
        """The states a constraint of a type is asked in; None: in expectation."""
        return [None] if expected else [s for s in self.states if s[i] == own]

    def rows(self) -> list[Row]:
        """All that is asked beside limits to payments."""
        asked, out = self.asked, []
        for i in range(self.n):
            out += self.truth(i, asked["incentive"])
            if asked["participation"] == "outside":
                out += self.joining(i, asked["timing"])
        occurring = [s for s in self.states if self.can[self.number[s]]]
        if asked["budget"] != "none":
            when: list[State | None] = [None] if asked["budget"] == "ex_ante" else [*occurring]
            out += [self.row("budget", -1, None, None, s) for s in when]
        if asked["collusion"] == "proof":
            out += [
                self.row("coalition", -1, s, u, s) for s in occurring for u in self.states if u != s
            ]
        return out

    def limits(self) -> list[Row]:
        """What may be paid; with the objective of the least violation it is kept."""
        out = []
        for kind, i in product(("floor", "cap"), range(self.n)):
            limit = self.asked.get(f"transfer_{kind}")
            named = not isinstance(limit, dict) or self.players[i]["name"] in limit
            if limit is not None and named:
                out += [self.row(kind, i, s[i], None, s) for s in self.states]
        return out

    def equalities(self) -> list[Row]:
        out = []
        for s in self.states:
            row = np.zeros(self.size)
            row[[self.drawn(s, a) for a in range(len(self.alternatives))]] = 1
            out.append((row, 1.0))
            if self.asked["allocation"] == "efficient":
                row = np.zeros(self.size)
                row[self.drawn(s, self.best[self.number[s]])] = 1
                out.append((row, 1.0))
        if self.asked["payments"] == "none":
            out += [(np.eye(self.size)[k], 0.0) for k in range(self.n * len(self.states))]
        return out

    def goal(self) -> tuple[NDArray[np.float64], list[Row]]:
        """What is minimised, and what defines the amount."""
        spent, amount = -self.row("budget", -1, None, None, None)[0], np.eye(self.size)[-1]
        objective = self.asked["objective"]
        if objective == "min_outlay":
            return spent, []
        if objective == "min_violation":
            return amount, [(amount, 0.0)]
        if objective == "min_worst_deficit":
            per_state = [
                (amount + self.row("budget", -1, None, None, s)[0], 0.0)
                for s in self.states
                if self.can[self.number[s]]
            ]
            return amount, per_state
        surplus = np.zeros(self.size)
        for s, p in zip(self.states, self.chance, strict=True):
            for a in range(len(self.alternatives)):
                surplus[self.drawn(s, a)] = p * self.welfare(s, a)
        cost = self.asked["public_funds_cost"] * amount - surplus
        aside = [(amount - spent, 0.0)]
        return cost, aside if self.asked.get("fees", True) else [(amount, 0.0), *aside]

    def relaxed(self, rows: list[Row]) -> list[Row]:
        """Least violation: the amount relaxes everything that is asked."""
        if self.asked["objective"] != "min_violation":
            return rows
        return [(row + np.eye(self.size)[-1], bound) for row, bound in rows]

    # --- rules with a formula

    def others(self, i: int) -> NDArray[np.float64]:
        """What everybody else gets of the best alternatives, over states."""
        return np.array(
            [
                self.welfare(s, a) - self.value(i, s, a)
                for s, a in zip(self.states, self.best, strict=True)
            ]
        )

    def formula(self, rule: str) -> NDArray[np.float64]:
        """(n, S): the net transfers of a rule."""
        R = np.array([self.others(i) for i in range(self.n)])
        paid = np.zeros((self.n, len(self.states)))
        count = range(len(self.alternatives))
        for i in range(self.n):
            for k, s in enumerate(self.states):
                same = [self.number[(*s[:i], own, *s[i + 1 :])] for own in range(self.sizes[i])]
                weight = np.array([self.chance[m] for m in same])
                if rule == "clarke":
                    paid[i, k] = R[i, k] - max(
                        self.welfare(s, a) - self.value(i, s, a)
                        for a in count
                        if self.without(i, a)
                    )
                elif rule == "groves":
                    if not weight.sum():
                        weight = np.array([sum(self.given(i, own)) for own in range(self.sizes[i])])
                    paid[i, k] = R[i, k] - R[i, same] @ weight / weight.sum()
                elif rule == "worst_type":
                    gain = [
                        self.welfare(self.states[m], self.best[m]) - self.outside(i, own)
                        for own, m in enumerate(same)
                    ]
                    worst = self.worst(i) if self.asked["timing"] == "interim" else np.argmin(gain)
                    paid[i, k] = R[i, k] - gain[worst]
                else:
                    paid[i, k] += self.told(i, s[i], R)
                    for j in set(range(self.n)) - {i}:
                        paid[j, k] -= self.told(i, s[i], R) / (self.n - 1)
        return paid

    def without(self, i: int, a: int) -> bool:
        """Whether an alternative is there without a player."""
        return self.players[i]["name"] not in self.needs.get(self.alternatives[a], ())

    def given(self, i: int, own: int) -> list[float]:
        """The probabilities of states with this type."""
        return [p for s, p in zip(self.states, self.chance, strict=True) if s[i] == own]

    def told(self, i: int, own: int, R: NDArray[np.float64]) -> float:
        """What a report lets the others expect, beyond its mean."""
        expected = sum(p * R[i, self.number[s]] for s, p in self.believed(i, own).items())
        return float(expected - np.array(self.chance) @ R[i])

    def worst(self, i: int) -> int:
        """The type that expects the least welfare beyond its outside option."""
        expected = [
            sum(
                p * self.welfare(s, self.best[self.number[s]])
                for s, p in self.believed(i, own).items()
            )
            - self.outside(i, own)
            for own in range(self.sizes[i])
        ]
        return int(np.argmin(expected))

    # --- what a mechanism comes to

    def point(self, result: Tree) -> NDArray[np.float64]:
        """A result's mechanism in the variables."""
        drawn = [[shares.get(a, 0.0) for a in self.alternatives] for shares in result["allocation"]]
        return np.concatenate([np.ravel(result["transfers"]), np.ravel(drawn), [0.0]])

    def least(self, constraint: str, form: str, x: NDArray[np.float64]) -> float:
        """The least slack of truth or participation in a form, at a mechanism."""
        asked = self.truth if constraint == "ic" else self.joining
        rows = [row for i in range(self.n) for row in asked(i, form)]
        return min((float(row @ x - bound) for row, bound in rows), default=0.0)

    # --- solved, and held against ours

    def solved(self) -> Any:
        cost, aside = self.goal()
        rows = self.relaxed(self.rows()) + self.limits() + aside
        E, e = map(np.array, zip(*self.equalities(), strict=True))
        A, b = (
            (-np.array([r for r, _ in rows]), -np.array([h for _, h in rows]))
            if rows
            else (None, None)
        )
        free = self.n * len(self.states)
        bounds = [(None, None)] * free + [(0, None)] * (self.size - free - 1) + [(None, None)]
        found = linprog(cost, A, b, E, e, bounds, method="highs", options=TIGHT)
        if found.status == 2:  # so scipy also calls what has no limit
            can = linprog(0 * cost, A, b, E, e, bounds, method="highs", options=TIGHT)
            found.status = 3 if can.status == 0 else 2
        return found

    def index(self, player: int, label: Any) -> Any:
        return None if label is None else self.labels[player].index(label)

    def state(self, labels: list[Any] | None) -> State | None:
        return labels and tuple(self.labels[i].index(one) for i, one in enumerate(labels))

    def named(self, row: Tree) -> Row:
        """The row of our result that bears these names."""
        kind = row["constraint"]
        if kind == "coalition":
            return self.row(kind, -1, self.state(row["type"]), self.state(row["report"]), None)
        names = [p["name"] for p in self.players]
        player = -1 if row["player"] is None else names.index(row["player"])
        own, told = (self.index(player, row[key]) for key in ("type", "report"))
        return self.row(kind, player, own, told, self.state(row["state"]))

    def proven(
        self, found: list[Tree], weight: str, cost: NDArray[np.float64] | None, scale: float
    ) -> float:
        """The most that these weights of ours, with whatever prices of equalities and of what
        defines the amount, show the objective to come to at the least; without a cost, by how much
        they contradict each other. Infinitely little where they show nothing."""
        prices = np.array([row[weight] for row in found])
        rows = [self.named(row) for row in found]
        base = np.zeros(self.size) if cost is None else cost
        shown, aside = 0.0, []
        if cost is not None:
            kept = [row["constraint"] in ("floor", "cap") for row in found]
            relaxed = zip(rows, self.relaxed(rows), kept, strict=True)
            rows = [whole if hard else less for whole, less, hard in relaxed]
            aside = self.goal()[1]
        for (row, bound), price in zip(rows, prices, strict=True):
            base, shown = base - price * row, shown + price * bound
        E, e = map(np.array, zip(*self.equalities(), strict=True))
        G = np.array([row for row, _ in aside]).reshape(len(aside), self.size)
        columns = np.vstack([E, G])
        free = self.n * len(self.states)
        drawn = np.zeros(self.size, bool)
        drawn[free:-1] = True
        slack = 1e-8 * max(1.0, np.abs(prices).max(initial=0.0)) * np.where(drawn, scale, 1.0)
        answer = linprog(
            -np.concatenate([e, [bound for _, bound in aside]]),
            np.vstack([columns.T, -columns.T[~drawn]]),
            np.concatenate([base + slack, (slack - base)[~drawn]]),
            bounds=[(None, None)] * len(e) + [(0, None)] * len(aside),
            method="highs",
            options=TIGHT,
        )
        return shown - answer.fun if answer.status == 0 else -np.inf


def sometimes(rng: np.random.Generator, chance: float) -> bool:
    return bool(rng.random() < chance)


def random_setting(seed: int) -> Tree:
    """A setting with any of the options."""
    rng = np.random.default_rng(seed)
    n = int(rng.choice([1, 2, 2, 2, 3]))
    sizes = [int(rng.integers(1, 4 if n < 3 else 3)) for _ in range(n)]
    alternatives = ["a", "b", "c"][: int(rng.integers(2, 4))]
    dependent = sometimes(rng, 0.5)
    joint = rng.dirichlet(np.ones(int(np.prod(sizes)))).reshape(sizes)
    if sometimes(rng, 0.3):  # states that never occur
        joint[rng.random(sizes) < 0.3] = 0
    if min(joint.sum(tuple(set(range(n)) - {i})).min() for i in range(n)) <= 0:
        dependent = False
    unit = float(10.0 ** rng.integers(-3, 4))
    players = []
    for i, size in enumerate(sizes):
        by_table = sometimes(rng, 0.5)
        value = {}
        for a in alternatives:
            over = sizes if by_table and sometimes(rng, 0.7) else [size]
            value[a] = (unit * rng.normal(size=over).round(3)).tolist()
        outside = unit * rng.normal(-0.4, 0.4, size).round(3)
        player = {
            "name": f"p{i}",
            "types": ["low", "middle", "high"][:size] if sometimes(rng, 0.5) else list(range(size)),
            "value": value,
            "outside": outside.tolist() if sometimes(rng, 0.5) else float(outside[0]),
        }
        if not dependent and sometimes(rng, 0.7):
            player["probabilities"] = rng.dirichlet(np.ones(size) * 3).tolist()
        players.append(player)
    asked: Tree = {
        "allocation": rng.choice(["efficient", "second_best"]),
        "objective": rng.choice(
            ["min_outlay", "max_surplus", "max_surplus", "min_worst_deficit", "min_violation"]
        ),
        "incentive": rng.choice(["bayesian", "dominant"]),
        "participation": rng.choice(["outside", "outside", "none"]),
        "timing": rng.choice(["interim", "ex_post"]),
        "budget": rng.choice(["ex_ante", "ex_post", "none"]),
        "collusion": "proof" if sometimes(rng, 0.15) else "ignored",
        "payments": "none" if sometimes(rng, 0.1) else "allowed",
        "public_funds_cost": float(rng.choice([0.0, 0.3])),
    }
    asked = {key: value if isinstance(value, float) else str(value) for key, value in asked.items()}
    asked["fees"] = sometimes(rng, 0.5)
    if asked["payments"] == "allowed":
        for key, sign in (("transfer_floor", -1), ("transfer_cap", 1)):
            limits = (sign * unit * rng.uniform(0, 1.5, n)).round(6).tolist()
            if sometimes(rng, 0.3):
                asked[key] = limits[0]
            elif sometimes(rng, 0.3):
                asked[key] = {f"p{i}": limit for i, limit in enumerate(limits) if i != 1}
    tree: Tree = {
        "alternatives": alternatives,
        "players": players,
        "public_value": {a: unit * round(float(rng.normal()), 3) for a in alternatives[1:]},
        "needs": {
            a: [p["name"] for p in players if sometimes(rng, 0.4)]
            for a in alternatives[1:]
            if sometimes(rng, 0.5)
        },
        "mechanism": asked,
    }
    return tree | ({"joint": (joint / joint.sum()).tolist()} if dependent else {})
