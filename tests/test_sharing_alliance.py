"""An alliance on sharing alone: what is agreed, what each then invests, and what is said where that
has no solution.

Expected values come from the model written out once more: profits with a firm possibly out of the
market, best replies in investment by search, sharing by a grid that is refined.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from admissible import market
from numpy.typing import NDArray

from market.model.case import Array, Case, make_case
from market.regimes import solve_markets, solve_regime
from market.regimes.agreed_sharing import _Pieces
from mechanism.casefile.policy_case import load_case
from mechanism.scheme.allocation import allocate

KEY = "sharing_alliance"
SHIPPED = Path(__file__).resolve().parents[1] / "cases"


# --- the model written out once more


def figure(a: Array, firm: int) -> float:
    """A parameter of one firm of a flat case."""
    return float(a.reshape(-1)[firm if a.size > 1 else 0])


def accounts(case: Case, s: list[Array], t: list[Array]) -> tuple[list[Array], Array]:
    """Both firms' profits, and whether both sell, elementwise: prices of section 2, a firm whose
    quantity would be negative being out."""
    x, N, cost = figure(case.cross_slope, 0), [], []
    b = [figure(case.own_slope, i) for i in (0, 1)]
    F = [np.zeros(1)] * 2
    for i, j in ((0, 1), (1, 0)):
        received = t[j] * s[j]
        if (unit := case.unit_cost) is not None:
            rise = 1 + figure(unit.slope, i) * t[i] + figure(unit.curvature, i) / 2 * t[i] ** 2
            F[i] = (figure(unit.base, i) - figure(unit.spillover, i) * received) * rise
        k, y = figure(case.cost_scale, i), figure(case.cost_spillover, i) * received
        if case.cost_form == "restricted":
            cost.append(k / 2 * np.maximum(t[i] - y, 0.0) ** 2)
            continue
        y = y / figure(case.reference_investment, i)
        saved = y / (1 + y) if case.cost_form == "saturating" else 1 - np.exp(-y)
        cost.append(k / 2 * t[i] ** 2 * (1 - figure(case.max_saving, i) * saved))
    for i, j in ((0, 1), (1, 0)):
        lost = [
            figure(a, i) for a in (case.leakage_own, case.leakage_cross, case.leakage_interaction)
        ]
        A = (
            figure(case.intercept, i)
            + t[i]
            - figure(case.rivalry, i) * t[j]
            + figure(case.demand_spillover, i) * t[j] * s[j]
        )
        A = A - lost[0] * s[i] ** 2 + lost[1] * s[j] ** 2 + lost[2] * s[i] * s[j]
        N.append(A - b[i] * F[i] + x * F[j])
    earned = []
    sells = (2 * b[1] * N[0] + x * N[1] >= 0) & (2 * b[0] * N[1] + x * N[0] >= 0)
    for i, j in ((0, 1), (1, 0)):
        own, cross, rest = (
            2 * b[j] * N[i] + x * N[j],
            2 * b[i] * N[j] + x * N[i],
            b[j] * N[i] + x * N[j],
        )
        both = b[i] * (own / (4 * b[0] * b[1] - x**2)) ** 2
        alone = np.maximum(
            np.minimum(-N[j] / x if x > 0 else np.inf, rest / (2 * (b[0] * b[1] - x**2))), 0.0
        )
        sold = np.maximum(
            np.where(-N[j] < x * alone * (1 + 1e-12), N[i] - b[i] * alone, rest / (2 * b[j])), 0.0
        )
        earned.append(np.where(own < 0, 0.0, np.where(cross < 0, alone * sold, both)) - cost[i])
    return earned, sells


def profits(case: Case, s: list[Array], t: list[Array]) -> list[Array]:
    """Both firms' profits alone."""
    return accounts(case, s, t)[0]


def reply(case: Case, s: list[Array], t: list[Array], i: int, top: float) -> Array:
    """Firm i's best investment, elementwise, by a grid and golden sections."""
    top = min(top, figure(case.investment_cap, i))

    def value(own: Array) -> Array:
        return profits(case, s, [own, t[1]] if i == 0 else [t[0], own])[i]

    grid = np.linspace(0, top, 41)
    best = grid[np.argmax([value(np.full_like(t[i], g)) for g in grid], axis=0)]
    low, high = np.maximum(best - grid[1], 0.0), np.minimum(best + grid[1], top)
    ratio = (np.sqrt(5) - 1) / 2
    for _ in range(30):
        one, two = high - ratio * (high - low), low + ratio * (high - low)
        up = value(one) < value(two)
        low, high = np.where(up, one, low), np.where(up, high, two)
    return (low + high) / 2


def followed(case: Case, s: list[Array], top: float, rounds: int = 15) -> tuple[list[Array], Array]:
    """The investments that best replies from zero settle on, and joint profit there; minus infinity
    where they do not settle."""
    t = [np.zeros_like(s[0]), np.zeros_like(s[0])]
    for _ in range(rounds):
        before = [v.copy() for v in t]
        for i in (0, 1):
            t[i] = reply(case, s, t, i, top)
        moved = np.maximum(*(np.abs(a - b) for a, b in zip(t, before, strict=True)))
        if moved.max() < 1e-6 * top:
            break
    earned, sells = accounts(case, s, t)
    counts = sells & (moved < 1e-5 * top) & (np.maximum(*t) < 0.99 * top)
    if case.unit_cost is not None:
        left = [
            figure(case.unit_cost.base, i)
            - figure(case.unit_cost.spillover, i) * t[1 - i] * s[1 - i]
            for i in (0, 1)
        ]
        counts &= np.minimum(*left) >= 0
    return t, np.where(counts, earned[0] + earned[1], -np.inf)


def brute_force(case: Case, top: float, side: int = 7) -> tuple[Array, float]:
    """Sharing (2,) of highest joint profit and that profit, on a grid that narrows around its best
    point."""
    centre, width, best = np.array([0.5, 0.5]), 0.5, -np.inf
    for _ in range(6):
        axes = [np.clip(np.linspace(c - width, c + width, side), 0, 1) for c in centre]
        s = [a.ravel() for a in np.meshgrid(*axes, indexing="ij")]
        worth = followed(case, s, top)[1]
        k = int(worth.argmax())
        if worth[k] > best:
            centre, best = np.array([s[0][k], s[1][k]]), float(worth[k])
        width *= 2.5 / (side - 1)
    return centre, best


def random_market(seed: int) -> Case:
    """A market far from the usual ones: any cost form, unequal firms, unit costs, a cap, a negative
    demand spillover."""
    chance = np.random.default_rng(seed)
    number, own_slope = chance.uniform, chance.uniform(0.5, 2, 2)
    cross, together = number(0, 0.5), number(0, 0.4)
    return make_case(
        intercept=number(10, 25, 2),
        own_slope=own_slope,
        cross_slope=number(0, 0.9) * own_slope.min(),
        rivalry=number(0, 0.9),
        demand_spillover=number(-0.5, 1),
        leakage=(cross + together + number(0.1, 6), cross, together),
        cost_scale=np.exp(number(1, np.log(30))),
        max_saving=number(0, 0.9),
        cost_spillover=number(0, 1, 2),
        cost_form=("saturating", "exponential", "restricted")[seed % 3],
        investment_cap=None if chance.random() < 0.6 else number(0.1, 4),
        unit_cost=(
            (0, 0, 0, 0)
            if chance.random() < 0.6
            else (number(1, 3), number(0, 0.1), number(0, 0.2), number(0, 0.1))
        ),
    ).flat()


# --- figures


def test_the_figures_of_the_model() -> None:
    case = load_case(SHIPPED / "two_vendors.yaml").market
    found, nash, alliance = (solve_regime(case, key) for key in (KEY, "nash", "joint_profit"))
    assert found.levels == pytest.approx([0.1812034] * 2 + [0.9097870] * 2, abs=1e-7)
    assert found.welfare - nash.welfare == pytest.approx(2.01095, abs=1e-5)
    gain = alliance.profit.sum() - nash.profit.sum()
    assert (found.profit.sum() - nash.profit.sum()) / gain == pytest.approx(0.8002, abs=1e-4)
    proof = found.certificate
    assert proof.residual < 1e-10
    assert proof.regret < 1e-10
    assert proof.curvature < 0
    assert proof.scope == "searched"
    assert not proof.others


def held_against_brute_force(case: Case) -> None:
    """No firm gains by another investment, and no other sharing brings more."""
    found = solve_regime(case, KEY)
    if not found.solved:
        assert found.message
        return
    s, t = ([found.levels[k : k + 1] for k in pair] for pair in ((0, 1), (2, 3)))
    top = 3 * max(float(found.levels[2:].max()), 1.0)
    earned = profits(case, s, t)
    total = float(earned[0][0] + earned[1][0])
    assert [e[0] for e in earned] == pytest.approx(list(found.profit), rel=1e-9, abs=1e-9)
    for i in (0, 1):
        other = [reply(case, s, t, i, top) if k == i else t[k] for k in (0, 1)]
        assert profits(case, s, other)[i][0] <= earned[i][0] + 1e-8 * max(1.0, total)
    assert brute_force(case, top)[1] <= total + 1e-6 * max(1.0, abs(total))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_nothing_better_is_found_by_brute_force(seed: int) -> None:
    held_against_brute_force(random_market(seed))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3, 10))
def test_nothing_better_is_found_by_brute_force_in_more_markets(seed: int) -> None:
    held_against_brute_force(random_market(seed))


# --- what must hold


@pytest.mark.parametrize("form", ["saturating", "exponential", "restricted"])
def test_sharing_that_is_worth_nothing_is_not_agreed_on(form: str) -> None:
    """Nothing spills over and what leaks helps nobody: today's market, in which nobody shares."""
    case = market(
        intercept=[20, 17],
        demand_spillover=0.0,
        cost_spillover=0.0,
        leakage=(3.0, 0.0, 0.0),
        cost_form=form,
    )
    found, nash = solve_regime(case, KEY), solve_regime(case, "nash")
    assert found.status == "corner"
    assert list(found.levels[:2]) == [0, 0]
    assert found.levels == pytest.approx(nash.levels, abs=1e-9)


@pytest.mark.parametrize(
    "changes",
    [{}, {"intercept": [20, 15]}, {"unit_cost": (2.0, 0.05, 0.1, 0.02)}, {"investment_cap": 0.8}],
)
def test_members_earn_at_least_what_they_do_today_and_at_most_what_the_alliance_does(
    changes: dict[str, object],
) -> None:
    """Today's sharing could be agreed on, and its investments would follow; all that follows an
    alliance could have ordered."""
    case = market(rivalry=0.5, demand_spillover=0.2, **changes)
    low, found, high = (
        solve_regime(case, key).profit.sum() for key in ("nash", KEY, "joint_profit")
    )
    assert low + 1e-6 < found < high - 1e-6 or found == pytest.approx(high, rel=1e-12)


def test_without_investment_sharing_alone_is_left() -> None:
    """At a cap of zero joint profit in sharing is what the alliance on everything maximises."""
    case = market(investment_cap=0.0, intercept=[20, 12], leakage=(1.0, 0.6, 0.3))
    found, alliance = solve_regime(case, KEY), solve_regime(case, "joint_profit")
    assert found.levels == pytest.approx(alliance.levels, abs=1e-8)


def test_exchanged_firms_have_exchanged_levels() -> None:
    one, other = (
        solve_regime(market(intercept=a, cost_spillover=c), KEY)
        for a, c in (([20, 16], [0.2, 0.7]), ([16, 20], [0.7, 0.2]))
    )
    assert one.levels == pytest.approx(other.levels[[1, 0, 3, 2]], abs=1e-9)


@pytest.mark.slow
def test_many_markets_are_solved_as_each_is_alone() -> None:
    scales = np.array([3.0, 8.0, 20.0, 40.0])[:, None]
    together = solve_markets(market(cost_scale=scales), KEY, 4)
    for lane, scale in enumerate(scales[:, 0]):
        alone = solve_regime(market(cost_scale=scale), KEY)
        assert together.status[lane] == alone.status
        assert together.levels[lane] == pytest.approx(alone.levels, abs=1e-9)


# --- where there is nothing to claim


@pytest.mark.slow
def test_investments_that_follow_without_limit_are_told_of() -> None:
    """At no sharing firms settle; sharing drives what they invest, and joint profit, beyond any
    limit before all is shared."""
    case = Case(
        **{**vars(load_case(SHIPPED / "two_vendors.yaml").market), "cost_scale": np.array([[0.8]])}
    )
    assert solve_regime(case, "no_sharing").solved
    found = solve_regime(case, KEY)
    assert (found.status, found.message) == (
        "unbounded",
        "joint profit still rises at the largest investment searched",
    )


def test_replies_without_limit_at_any_sharing_are_unbounded() -> None:
    case = Case(
        **{**vars(load_case(SHIPPED / "two_vendors.yaml").market), "cost_scale": np.array([[0.3]])}
    )
    found = solve_regime(case, KEY)
    assert found.status == "unbounded"
    assert "cost.scale above 0.34171875" in str(found.message)


@pytest.mark.slow
def test_an_agreement_that_would_drive_a_unit_cost_to_zero_is_refused() -> None:
    case = market(unit_cost=(0.3, 0.25, 0.0, 0.0), leakage=(0.5, 0.1, 0.1), cost_scale=6.0)
    found = solve_regime(case, KEY)
    assert found.status == "infeasible"
    assert "joint profit would be highest where shared knowledge drives a unit cost to zero" in str(
        found.message
    )


@pytest.mark.slow
def test_an_agreement_goes_along_the_edge_at_which_a_firm_would_drive_the_other_out() -> None:
    """Joint profit rises towards the edge much faster than along it. An independent search with the
    exit branch has 0.8918697 of intercept squared over own slope at s = (0.7606, 0.0194)."""
    case = make_case(
        intercept=[0.27189598912826146, 0.40880980027471414],
        own_slope=[13.086741261167651, 5.536391248846715],
        cross_slope=1.2116599707895241,
        rivalry=0.7545091965565929,
        demand_spillover=[0.8147058219552833, 0.0],
        leakage=(0.3713666313472616, 0.036176381214134336, 0.0016383962827167813),
        cost_scale=0.3170901984086944,
        max_saving=0.010852403065630623,
        cost_spillover=1.0,
        reference_investment=11.323178469012587,
        cost_form="exponential",
    )
    outcome = solve_regime(case, KEY)
    assert outcome.levels is not None
    unit = 0.27189598912826146 * 0.40880980027471414
    unit /= (13.086741261167651 * 5.536391248846715) ** 0.5
    assert outcome.profit.sum() / unit == pytest.approx(0.8918697, rel=3e-7)


@pytest.mark.slow
@pytest.mark.parametrize("first", [0, 1])
def test_what_follows_is_looked_for_near_where_the_search_has_come(first: int) -> None:
    """Investments feed on each other without limit as sharing nears a curve: whichever firm is
    named first, the joint profit has no limit, and nothing before the curve is a kink."""

    def pair(one: float, other: float) -> list[float]:
        return [one, other] if first == 0 else [other, one]

    case = make_case(
        intercept=0.0069,
        own_slope=0.018,
        cross_slope=0.0118,
        rivalry=pair(0.2704, 0.9872),
        demand_spillover=pair(0.0, 0.3),
        leakage=(0.006582, 0.001748, 0.004808),
        cost_form="restricted",
        cost_scale=2777,
        max_saving=0.0446,
        cost_spillover=1,
        reference_investment=0.005035,
        unit_cost=(pair(0.03562, 0.0145), 0, 0, 0),
    )
    assert solve_regime(case, "sharing_alliance").status == "unbounded"


def test_levels_carried_over_many_pairs_of_types_are_those_of_each_pair_alone() -> None:
    case, types = market(intercept=[20, 16]), np.linspace(0.1, 0.7, 14)
    found = allocate(case, types, KEY)
    assert found.plain
    assert found.residual.max() <= 1e-9
    for k, m in ((1, 8), (6, 2), (12, 11)):
        alone = solve_regime(market(intercept=[20, 16], cost_spillover=types[[k, m]]), KEY)
        assert found.levels[k, m] == pytest.approx(alone.levels, abs=1e-8)


@pytest.mark.slow
def test_the_best_agreement_on_an_edge_is_the_same_in_any_order_and_unit() -> None:
    """Both invest all they may, and the first firm would rather be idle if it shared more: the best
    of the curve on which it earns nothing, written out and cut by halves."""
    a, own, cross, cap = [0.92, 1.0], 1.0, 0.318, 1.74
    rivalry, spillover = 0.482, [-0.682, 0.852]
    leakage = ([2.13, 1.93], [0.0437, 1.93], [2.08, 0.00132])

    def market_of(order: tuple[int, int], unit: float) -> Case:
        def pair(values: list[float], scale: float = 1.0) -> list[float]:
            return [values[i] * scale for i in order]

        return make_case(
            intercept=pair(a, unit),
            own_slope=own * unit,
            cross_slope=cross * unit,
            rivalry=rivalry,
            demand_spillover=pair(spillover),
            leakage=[pair(one, unit) for one in leakage],
            cost_scale=0.29 / unit,
            max_saving=0.215,
            cost_spillover=1.0,
            reference_investment=0.115 * unit,
            investment_cap=cap * unit,
        )

    one = solve_regime(market_of((0, 1), 1.0), KEY)
    other = solve_regime(market_of((1, 0), 1e5), KEY)
    assert one.levels is not None
    assert other.levels is not None
    same = other.levels[[1, 0, 3, 2]] / [1, 1, 1e5, 1e5]
    assert one.levels == pytest.approx(same, rel=1e-9)
    assert one.levels[2:] == pytest.approx([cap, cap])
    case = market_of((0, 1), 1.0)
    t = [np.array([cap]), np.array([cap])]

    def on_the_curve(second: float) -> tuple[float, float]:
        low, high = 0.0, 1.0
        for _ in range(60):
            middle = (low + high) / 2
            first = accounts(case, [np.array([middle]), np.array([second])], t)[0][0]
            low, high = (middle, high) if first[0] >= 0 else (low, middle)
        profits = accounts(case, [np.array([low]), np.array([second])], t)[0]
        return low, float(sum(profits)[0])

    curve = [on_the_curve(float(one.levels[1]) + d) for d in (-1e-4, 0.0, 1e-4)]
    assert curve[1][0] == pytest.approx(one.levels[0], abs=1e-8)
    rise = [curve[1][1] - curve[k][1] for k in (0, 2)]
    assert min(rise) > 0
    # the top of the parabola through the three is where we are
    assert abs(rise[0] - rise[1]) <= 1e-3 * sum(rise)


@pytest.mark.slow
def test_an_agreement_at_the_corner_of_an_edge_is_found_in_few_looks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One of two alike firms gives all it knows and invests a hundred times the other, whose profit
    is the small difference of large amounts; joint profit rises with what the small one gives, up
    to where it would rather outgrow its rival."""
    alike = load_case(SHIPPED / "two_vendors.yaml").market
    dear, rivalry = np.array([[0.3854582171027523]]), np.array([[0.6474116156773058]])
    case = Case(**{**vars(alike), "cost_scale": dear, "rivalry": rivalry})
    looks: list[int] = []
    labels = _Pieces.labels

    def counted(pieces: _Pieces, s: Array) -> NDArray[np.intp]:
        looks.append(len(s))
        return labels(pieces, s)

    monkeypatch.setattr(_Pieces, "labels", counted)
    found = solve_regime(case, KEY)
    assert found.levels is not None
    # either may be the one that gives all: both agreements are found
    assert len(found.certificate.others) == 1
    assert len(looks) < 2 * 300
    small = int(found.levels[2:].argmin())
    assert found.levels[1 - small] == pytest.approx(1.0)

    def tempted(more: float) -> bool:
        """Whether the small firm earns more by a large investment where it gives so much more."""
        earned = []
        for own in (
            np.linspace(0.5, 2, 20001) * found.levels[2 + small],
            np.linspace(4e3, 9e3, 20001),
        ):
            levels = [np.full(len(own), level) for level in found.levels]
            levels[small] += more
            levels[2 + small] = own
            earned.append(profits(case, levels[:2], levels[2:])[small].max())
        return bool(earned[1] > earned[0])

    assert tempted(1e-6)
    assert not tempted(-1e-6)


@pytest.mark.slow
def test_a_market_among_many_is_searched_beyond_a_kink_near_its_peak() -> None:
    """Joint profit has two local maxima close together, at one of which both firms invest all they
    may and at the higher one only one of them does."""
    case = make_case(
        intercept=(26.35, 14.62),
        own_slope=(1.23, 1.605),
        cross_slope=0.6287,
        rivalry=(0.519, 0.5763),
        demand_spillover=0.2255,
        leakage=(1.776, 0.06473, 0.2077),
        cost_scale=3.899,
        max_saving=0.4608,
        cost_spillover=(0.5939, 0.5347),
        investment_cap=1.848,
    )
    alone, among = solve_regime(case, KEY), solve_markets(case.flat(), KEY, 1)
    assert alone.levels is not None
    np.testing.assert_allclose(among.levels[0], alone.levels, rtol=1e-8)
    assert alone.levels[3] < 1.84 < 1.8479 < alone.levels[2]

    def joint(sharing: tuple[float, float]) -> float:
        """At investments that follow, found by replies on a fine grid."""
        s, t = np.array(sharing), np.full(2, 1.8)
        tried = np.linspace(1.6, 1.848, 4961)
        for _ in range(8):
            for i in (0, 1):
                both = [np.full(len(tried), each) for each in t]
                both[i] = tried
                shared = [np.full(len(tried), each) for each in s]
                t[i] = tried[profits(case, shared, both)[i].argmax()]
        return float(np.sum([each[0] for each in profits(case, s[:, None], t[:, None])]))

    best = joint((alone.levels[0], alone.levels[1]))
    both_capped = max(joint((s, 0.2677)) for s in np.linspace(0.13, 0.17, 9))
    assert best > both_capped
