"""Faults put into a copy of the program one at a time, each with the tests that have to notice it.

    python tests/mutants.py [NAME...]      all mutants, or those named

A mutant is a file, a piece of its text that occurs once, and what stands there instead. One that no
named test notices has SURVIVED, and the exit code is 1: either a test is missing, or the text makes
no difference. `test_frozen.py` never counts: it says that a result changed, not that it is wrong.
When code moves, only `file`, `old` and `new` need to follow it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
COPIED = (
    "market",
    "mechanism",
    "cli",
    "cases",
    "tests",
    "pyproject.toml",
    "README.md",
    "constraints.txt",
)

EQUATIONS = "tests/test_market_equations.py"
REFUTED = "tests/test_market_refuted.py"
REPORTED = "tests/test_mechanism_reported.py"
LEAVING = "tests/test_market_leaving.py"
UNITS = "tests/test_market_units.py"
CLAIMS = "tests/test_mechanism_claims.py"
DESIGN = "tests/test_design.py"
DEPENDENT = "tests/test_dependent_types.py"
PROGRAMS = "tests/test_setting_programs.py"
SETTING_UNITS = "tests/test_setting_units.py"
CAUTIONS = "tests/test_cautions.py"
DERIVATIVES = f"{EQUATIONS}::test_payoff_derivatives_by_complex_step"


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """A fault."""

    name: str
    file: str
    """From the root of the project."""
    old: str
    """Occurs once in the file."""
    new: str
    killers: tuple[str, ...]
    """Tests of which at least one must fail."""


MUTANTS = (
    # --- payoff: slopes and bends
    Mutant(
        name="demand shift in s",
        file="market/model/payoff.py",
        old="both * s[::-1] - 2 * own * s",
        new="both * s[::-1] + 2 * own * s",
        killers=(DERIVATIVES,),
    ),
    Mutant(
        name="demand shift in t",
        file="market/model/payoff.py",
        old="spill * s[::-1] - rivalry",
        new="spill * s[::-1] + rivalry",
        killers=(DERIVATIVES,),
    ),
    Mutant(
        name="demand shift in s and t",
        file="market/model/payoff.py",
        old="own=spill[::-1].copy()",
        new="own=-spill[::-1]",
        killers=(DERIVATIVES,),
    ),
    Mutant(
        name="cost f_t",
        file="market/model/payoff.py",
        old="gradient[2:] -= f_t + f_y * s",
        new="gradient[2:] -= -f_t + f_y * s",
        killers=(DERIVATIVES,),
    ),
    Mutant(
        name="cost f_y",
        file="market/model/payoff.py",
        old="gradient[:2] -= f_y * t",
        new="gradient[:2] += f_y * t",
        killers=(DERIVATIVES,),
    ),
    Mutant(
        name="cost f_tt",
        file="market/model/payoff.py",
        old="bend.investment -= f_yy * s**2 + f_tt",
        new="bend.investment -= f_yy * s**2 - f_tt",
        killers=(DERIVATIVES,),
    ),
    Mutant(
        name="cost f_ty",
        file="market/model/payoff.py",
        old="bend.across -= f_ty * t",
        new="bend.across += f_ty * t",
        killers=(DERIVATIVES,),
    ),
    Mutant(
        name="cost f_yy",
        file="market/model/payoff.py",
        old="bend.sharing -= f_yy * t**2",
        new="bend.sharing += f_yy * t**2",
        killers=(DERIVATIVES,),
    ),
    Mutant(
        name="unit cost in own investment",
        file="market/model/payoff.py",
        old="_firms_first(F.left * F.rise_t, x), ",
        new="-_firms_first(F.left * F.rise_t, x), ",
        killers=(DERIVATIVES,),
    ),
    Mutant(
        name="unit cost in what is shared",
        file="market/model/payoff.py",
        old="-passed_on * t[::-1],",
        new="passed_on * t[::-1],",
        killers=(DERIVATIVES,),
    ),
    Mutant(
        name="unit cost, second derivative",
        file="market/model/payoff.py",
        old="bend.across += risen * t",
        new="bend.across -= risen * t",
        killers=(DERIVATIVES,),
    ),
    # --- cost forms, prices, welfare
    Mutant(
        name="saturating cost, second derivative",
        file="market/model/cost.py",
        old="return slope, -2 * slope * left",
        new="return slope, -slope * left",
        killers=(f"{EQUATIONS}::test_cost_derivatives_by_complex_step",),
    ),
    Mutant(
        name="exponential cost, first derivative",
        file="market/model/cost.py",
        old="return -decay, decay",
        new="return decay, decay",
        killers=(f"{EQUATIONS}::test_cost_derivatives_by_complex_step",),
    ),
    Mutant(
        name="Bertrand prices",
        file="market/model/pricing.py",
        old="(2 * rival(own) * pull + cross * rival(pull))",
        new="(2 * own * pull + cross * rival(pull))",
        killers=(
            f"{EQUATIONS}::test_bertrand_prices_solve_both_first_order_conditions_and_leave_q_equal_slope_times_margin",
        ),
    ),
    Mutant(
        name="Bertrand margins",
        file="market/model/pricing.py",
        old="matrix(2 * other, cross, cross, 2 * own)",
        new="matrix(2 * own, cross, cross, 2 * other)",
        killers=(f"{EQUATIONS}::test_price_matrices_give_the_price_functions",),
    ),
    Mutant(
        name="collusive prices",
        file="market/model/pricing.py",
        old="return (choke + unit_cost) / 2",
        new="return (choke + unit_cost) / 2.1",
        killers=(f"{EQUATIONS}::test_collusive_prices_cannot_be_improved",),
    ),
    Mutant(
        name="collusive margins",
        file="market/model/pricing.py",
        old="return inverse_slope_matrix(case) / 2",
        new="return inverse_slope_matrix(case) / 2.1",
        killers=(f"{EQUATIONS}::test_price_matrices_give_the_price_functions",),
    ),
    Mutant(
        name="consumer surplus",
        file="market/model/demand.py",
        old="return utility - price * quantity",
        new="return utility - 0.9 * price * quantity",
        killers=(f"{EQUATIONS}::test_accounts_add_up",),
    ),
    Mutant(
        name="gross utility",
        file="market/model/demand.py",
        old="(apply(H, intercept) - apply(H, quantity) / 2)",
        new="(apply(H, intercept) - apply(H, quantity) / 3)",
        killers=(
            f"{EQUATIONS}::test_gross_utility_is_the_line_integral_of_inverse_demand_along_any_path",
        ),
    ),
    Mutant(
        name="planner's welfare",
        file="market/model/pricing.py",
        old="np.swapaxes(cross, -1, -2) - times(cross, sold)) / 2",
        new="np.swapaxes(cross, -1, -2) - 0.9 * times(cross, sold)) / 2",
        killers=(
            "tests/test_mechanism_full_information.py::test_own_profit_plus_subsidy_is_social_welfare_at_any_levels",
            "tests/test_mechanism_full_information.py::test_coordination_failure_is_found_and_is_real",
        ),
    ),
    # --- what proofs rest on
    Mutant(
        name="modulus x 1.05",
        file="market/model/wellposed.py",
        old="least = np.minimum(least, np.linalg.eigvalsh(N)[..., 0])",
        new="least = np.minimum(least, 1.05 * np.linalg.eigvalsh(N)[..., 0])",
        killers=(f"{REFUTED}::test_without_savings_the_modulus_is_the_curvature_at_some_corner",),
    ),
    Mutant(
        name="modulus without what is saved",
        file="market/model/wellposed.py",
        old="kappa = case.cost_scale * remaining_cost(case)",
        new="kappa = case.cost_scale * np.ones(2)",
        killers=(
            f"{REFUTED}::test_no_sampled_curvature_is_below_the_modulus",
            f"{REFUTED}::test_the_modulus_is_reached_far_out_at_full_sharing",
        ),
    ),
    Mutant(
        name="required scale x 0.98",
        file="market/model/wellposed.py",
        old="needed = 2 * np.where(inside, mean + reach",
        new="needed = 1.96 * np.where(inside, mean + reach",
        killers=(f"{REFUTED}::test_payoff_grows_without_limit_exactly_below_the_required_scale",),
    ),
    Mutant(
        name="bound of replies",
        file="market/model/reply.py",
        old="np.where(grows, 2 * margin",
        new="np.where(grows, 1.99 * margin",
        killers=(f"{REFUTED}::test_profit_grows_without_limit_exactly_below_the_bound_of_replies",),
    ),
    Mutant(
        name="best replies that share all",
        file="market/model/reply.py",
        old="for s in dict.fromkeys(sharing_range)]",
        new="for s in sharing_range[:1]]",
        killers=(
            f"{REFUTED}::test_no_point_of_a_grid_beats_a_best_reply_that_shares_in_part_or_all",
        ),
    ),
    Mutant(
        name="best replies that share in part",
        file="market/model/reply.py",
        old=(
            "stretches.append((n0 + e**2 / (2 * twice), n1 + e * g / twice, n2 + g**2 / (2 *"
            " twice)))"
        ),
        new=(
            "stretches.append((n0 + e**2 / (2 * twice), n1 + e * g / (2 * twice), n2 + g**2 / (2 *"
            " twice)))"
        ),
        killers=(
            f"{REFUTED}::test_no_point_of_a_grid_beats_a_best_reply_that_shares_in_part_or_all",
        ),
    ),
    Mutant(
        name="difference of intervals",
        file="market/solve/interval.py",
        old="Interval(self.low - other.high, self.high - other.low)",
        new="Interval(self.low - other.high, self.high - other.high)",
        killers=(f"{REFUTED}::test_interval_arithmetic_holds_all_results_and_no_more",),
    ),
    Mutant(
        name="slope of the planner's payoff, one end",
        file="market/model/cost.py",
        old="Interval(-at_high[2], -at_low[2])",
        new="Interval(-at_low[2], -at_low[2])",
        killers=(f"{REFUTED}::test_slopes_on_a_box_are_enclosed",),
    ),
    Mutant(
        name="slope of the planner's payoff, a term",
        file="market/certify/proof.py",
        old="return u * own + u.rival * others + spilled",
        new="return u * own + u.rival * others",
        killers=(f"{REFUTED}::test_slopes_on_a_box_are_enclosed",),
    ),
    Mutant(
        name="radius on one side",
        file="market/certify/proof.py",
        old="move = np.maximum(slope.high - at_center, at_center - slope.low)",
        new="move = np.minimum(slope.high - at_center, at_center - slope.low) / 2",
        killers=(f"{REFUTED}::test_the_radius_is_what_moves_the_gradient_over_the_modulus",),
    ),
    Mutant(
        name="distance x 0.95",
        file="market/certify/proof.py",
        old="np.linalg.norm(off, axis=-1, keepdims=True) / modulus",
        new="np.linalg.norm(off, axis=-1, keepdims=True) * 0.95 / modulus",
        killers=(
            f"{REFUTED}::test_the_distance_to_the_optimum_is_exact_along_the_flattest_direction",
        ),
    ),
    Mutant(
        name="bound on a box",
        file="market/certify/proof.py",
        old="(half * np.maximum(slope.high, -slope.low)).sum(-1)",
        new="0.1 * (half * np.maximum(slope.high, -slope.low)).sum(-1)",
        killers=(
            f"{REFUTED}::test_a_peak_between_the_first_centers_is_found",
            f"{REFUTED}::test_a_value_below_the_optimum_is_never_proven",
        ),
    ),
    Mutant(
        name="conditions of an equilibrium, a term",
        file="market/certify/uniqueness.py",
        old="+ square.scaled(c.b2 * phi2 - 2 * c.b_j * phi1)",
        new="+ square.scaled(-2 * c.b_j * phi1)",
        killers=(f"{REFUTED}::test_conditions_and_their_slopes_on_a_box_are_enclosed",),
    ),
    Mutant(
        name="response of sharing, one end",
        file="market/certify/uniqueness.py",
        old="return Interval(np.minimum(limit, 0.0), np.maximum(limit, 0.0))",
        new="return Interval(np.minimum(limit, 0.0), 0.98 * np.maximum(limit, 0.0))",
        killers=(f"{REFUTED}::test_sharing_on_a_box_is_enclosed_and_its_ends_are_reached",),
    ),
    Mutant(
        name="largest investment",
        file="market/certify/uniqueness.py",
        old="room = c.k * c.share_bounds[0] - 2 * c.w * steepest * (steepest + others)",
        new="room = c.k * c.share_bounds[0] - c.w * steepest * (steepest + others)",
        killers=(
            f"{REFUTED}::test_the_largest_investment_is_reached_where_nothing_is_lost_in_the_bound",
        ),
    ),
    # --- firms that leave
    Mutant(
        name="who leaves",
        file="market/model/leaving.py",
        old="own, cross = 2 * b_j * N_i + x * N_j, 2 * b_i * N_j + x * N_i",
        new="own, cross = 2 * b_j * N_i + x * N_j, 2 * b_i * N_j - x * N_i",
        killers=(
            f"{LEAVING}::test_prices_are_an_equilibrium_against_consumers_who_cannot_buy_less_than_nothing",
        ),
    ),
    Mutant(
        name="the price that keeps a rival out",
        file="market/model/leaving.py",
        old="limits = keeps_out < monopoly",
        new="limits = keeps_out > monopoly",
        killers=(
            f"{LEAVING}::test_prices_are_an_equilibrium_against_consumers_who_cannot_buy_less_than_nothing",
        ),
    ),
    Mutant(
        name="sales at the price that keeps a rival out",
        file="market/model/leaving.py",
        old="np.where(limits, N_i - b_i * alone,",
        new="np.where(limits, N_i - x * alone,",
        killers=(
            f"{LEAVING}::test_prices_are_an_equilibrium_against_consumers_who_cannot_buy_less_than_nothing",
        ),
    ),
    Mutant(
        name="what a price that keeps a rival out earns at most",
        file="market/model/aside.py",
        old="limit = (-1 / related, 0 * x), (b_i / related, 1 + 0 * x)",
        new="limit = (-1 / related, 0 * x), (b_i / related, 0.5 + 0 * x)",
        killers=(f"{LEAVING}::test_nothing_that_drives_the_rival_out_earns_more_than_its_bound",),
    ),
    Mutant(
        name="a rival that just leaves, by rounding",
        file="market/model/aside.py",
        old="values = np.where(self.drives_out(s, t, ABOUT), values, -np.inf)",
        new="values = np.where(self.drives_out(s, t), values, -np.inf)",
        killers=(f"{LEAVING}::test_a_rival_that_just_leaves_is_out_whichever_way_rounding_goes",),
    ),
    Mutant(
        name="steps along an edge do not grow",
        file="market/solve/search.py",
        old="factor = np.where(up, np.where(rose, 2.0, 1.0), 0.5)",
        new="factor = np.where(up, 1.0, 0.5)",
        killers=(
            "tests/test_published_games.py::test_the_end_of_a_long_bent_edge_is_reached_in_few_steps",
        ),
    ),
    Mutant(
        name="replies that drive the rival out are not sought",
        file="market/model/reply.py",
        old="better = found.value > value[tempted]",
        new="better = found.value > np.inf",
        killers=(f"{LEAVING}::test_replies_that_drive_the_rival_out_are_found",),
    ),
    Mutant(
        name="profit where the rival has left",
        file="market/model/reply.py",
        old="values[beyond] = there.take(without).profit(s[beyond], t[beyond])",
        new="pass",
        killers=(f"{LEAVING}::test_replies_that_drive_the_rival_out_are_found",),
    ),
    Mutant(
        name="scale needed, whoever sells",
        file="market/model/wellposed.py",
        old="sells = (apply_matrix(sold, rise) >= -nil).all(-1)",
        new="sells = (apply_matrix(sold, rise) >= -np.inf).all(-1)",
        killers=(f"{LEAVING}::test_only_growth_with_every_firm_selling_makes_a_problem_unbounded",),
    ),
    Mutant(
        name="unit costs that rise at will",
        file="market/model/wellposed.py",
        old="np.where(dearer_at_will(case), VAST, saved)",
        new="saved + np.zeros(2)",
        killers=("tests/test_unbounded_unit_costs.py::test_a_dear_rival_lets_joint_profit_grow",),
    ),
    # --- units
    Mutant(
        name="the unit of leakage",
        file="market/model/units.py",
        old='"leakage_cross": "quantity"',
        new='"leakage_cross": "number"',
        killers=(f"{UNITS}::test_the_same_levels_give_the_same_books_in_other_units",),
    ),
    Mutant(
        name="powers of the unit of slopes",
        file="market/model/units.py",
        old='"slope": (-1, 2)',
        new='"slope": (-1, 1)',
        killers=(f"{UNITS}::test_the_same_levels_give_the_same_books_in_other_units",),
    ),
    Mutant(
        name="the natural unit of money",
        file="market/model/units.py",
        old="Units(money=a**2 / b, quantity=a)",
        new="Units(money=a / b, quantity=a)",
        killers=(f"{UNITS}::test_in_natural_units_the_mean_intercept_and_own_slope_are_one",),
    ),
    # --- when a search may end
    Mutant(
        name="a box is settled too early",
        file="market/certify/proof.py",
        old="done = elsewhere | (bound <= allowed[lane])",
        new="done = elsewhere | (bound <= allowed[lane] + 1e-3)",
        killers=(f"{REFUTED}::test_a_value_below_the_optimum_is_never_proven",),
    ),
    Mutant(
        name="a square about any levels settles",
        file="market/certify/proof.py",
        old="fine = most <= allowed",
        new="fine = np.isfinite(most)",
        killers=(f"{REFUTED}::test_a_square_about_levels_that_are_not_best_settles_nothing",),
    ),
    Mutant(
        name="the tree ran out",
        file="market/certify/proof.py",
        old="gap[open_] = np.maximum(settled - value, 0.0)[open_]",
        new="gap[:] = np.maximum(settled - value, 0.0)",
        killers=(f"{CLAIMS}::test_a_proof_that_ran_out_of_boxes_claims_nothing",),
    ),
    Mutant(
        name="the cover ran out",
        file="market/certify/uniqueness.py",
        old="""        status="not proven",
        basis=f"interval search""",
        new="""        status="proven",
        basis=f"interval search""",
        killers=(f"{REFUTED}::test_uniqueness_is_not_proven_where_two_equilibria_are_known",),
    ),
    Mutant(
        name="one-to-one by the wrong end",
        file="market/certify/uniqueness.py",
        old="determinant.low.min() > 0",
        new="determinant.high.min() > 0",
        killers=(f"{REFUTED}::test_no_box_around_an_unstable_equilibrium_is_one_to_one",),
    ),
    Mutant(
        name="a climb ends early",
        file="market/solve/optimum.py",
        old="done = (residual <= tolerances.target) & (step.max(-1) <= tolerances.step) | stalled",
        new="done = (residual <= 1e-3) | stalled",
        killers=(
            "tests/test_market_solvers.py::test_concave_quadratics_satisfy_the_first_order_conditions_of_the_box",
        ),
    ),
    Mutant(
        name="Newton's method without its check",
        file="market/solve/equilibrium.py",
        old="best[~(best_residual <= tolerances.residual)] = np.nan",
        new="best[~(best_residual <= np.inf)] = np.nan",
        killers=(f"{CLAIMS}::test_newton_says_where_it_did_not_arrive",),
    ),
    Mutant(
        name="Newton's method ends early",
        file="market/solve/equilibrium.py",
        old="            (left > tolerances.target) & (better",
        new="            (left > 1e-5) & (better",
        killers=(f"{CLAIMS}::test_newton_goes_on_to_the_last_digit",),
    ),
    Mutant(
        name="an equilibrium without regret",
        file="market/solve/equilibrium.py",
        old="(self.residual <= tolerances.residual) & (self.regret <= tolerances.regret)",
        new="self.residual <= tolerances.residual",
        killers=(
            "tests/test_market_solvers.py::test_a_first_order_point_that_fails_globally_is_no_equilibrium",
        ),
    ),
    # --- truth-telling, participation, taxes
    Mutant(
        name="truth-telling holds too easily",
        file="mechanism/scheme/incentives.py",
        old="gain=float(gain.max())\n        ),\n        scale,",
        new="gain=float(gain.max())\n        ),\n        1e3 * scale,",
        killers=(f"{CLAIMS}::test_truth_telling_is_judged_to_a_ten_millionth_of_the_payoff_range",),
    ),
    Mutant(
        name="participation holds too easily",
        file="mechanism/design/checks.py",
        old="payoff_range(payoff, outside) if scale is None else scale)",
        new="1e3 * payoff_range(payoff, outside))",
        killers=(f"{CLAIMS}::test_participation_is_judged_to_a_ten_millionth_of_the_payoff_range",),
    ),
    Mutant(
        name="truth-telling in settings holds too easily",
        file="mechanism/design/checks.py",
        old="status=judged(witness.gain, scale)",
        new="status=judged(1e-3 * witness.gain, scale)",
        killers=(f"{CLAIMS}::test_settings_are_judged_alike",),
    ),
    Mutant(
        name="participation in settings holds too easily",
        file="mechanism/design/checks.py",
        old="status=judged(-witness.slack, scale)",
        new="status=judged(-1e-3 * witness.slack, scale)",
        killers=(f"{CLAIMS}::test_settings_are_judged_alike",),
    ),
    Mutant(
        name="truth-telling of a rule holds too easily",
        file="mechanism/scheme/judge.py",
        old="excess <= RELATIVE_TOLERANCE * scale",
        new="excess <= 1e3 * RELATIVE_TOLERANCE * scale",
        killers=(f"{CLAIMS}::test_many_cases_are_judged_alike",),
    ),
    Mutant(
        name="what is not known counts as violated",
        file="mechanism/scheme/judge.py",
        old='"violated"),\n        "not_established",',
        new='"violated"),\n        "violated",',
        killers=(f"{CLAIMS}::test_many_cases_are_judged_alike",),
    ),
    Mutant(
        name="the market a firm stays in",
        file="mechanism/scheme/preparation.py",
        old='return fallback.private() if timing == "interim" else fallback.market()',
        new='return fallback.private() if timing == "ex_post" else fallback.market()',
        killers=(
            f"{REPORTED}::test_participation_against_the_market_uses_the_market_at_each_pair_of_types",
        ),
    ),
    Mutant(
        name="a refusal worth something",
        file="mechanism/scheme/preparation.py",
        old="return np.zeros_like(own[..., :1])",
        new="return np.ones_like(own[..., :1])",
        killers=(f"{REPORTED}::test_what_staying_out_is_worth",),
    ),
    Mutant(
        name="a refusal before the rival's type is known",
        file="mechanism/scheme/preparation.py",
        old='return (own @ weights)[..., None] if timing == "interim" else own',
        new='return own.mean(-1, keepdims=True) if timing == "interim" else own',
        killers=(f"{REPORTED}::test_what_staying_out_is_worth",),
    ),
    Mutant(
        name="what a regime requires",
        file="mechanism/casefile/policies.py",
        old="requires=regime.requires,",
        new='requires="nothing",',
        killers=("tests/test_policies.py::test_what_policies_take",),
    ),
    Mutant(
        name="weights of the prior",
        file="mechanism/casefile/types.py",
        old="weights[nodes] = w / 2",
        new="weights[nodes] = 1 / count",
        killers=(
            f"{REPORTED}::test_type_space_integrates_polynomials_exactly_and_keeps_both_ends",
        ),
    ),
    Mutant(
        name="tax as printed",
        file="mechanism/design/rules.py",
        old="return tuple(others - others for others in reports.others)",
        new="return tuple(1e-3 * others for others in reports.others)",
        killers=(
            f"{REPORTED}::test_the_printed_tax_pays_nothing_on_the_path_and_invites_misreports",
        ),
    ),
    Mutant(
        name="tax free of the own report",
        file="mechanism/design/rules.py",
        old="others - reports.expect(others, (i,))",
        new="others - reports.expect(others, reports.rivals(i))",
        killers=(f"{REPORTED}::test_a_tax_free_of_the_own_report_is_exactly_truthful",),
    ),
    Mutant(
        name="tax set by the worst type",
        file="mechanism/design/states.py",
        old="expected <= expected.min(axis, keepdims=True) + rounding",
        new="expected >= expected.max(axis, keepdims=True) - rounding",
        killers=(f"{REPORTED}::test_the_tax_set_by_the_worst_type_and_mutual_payments",),
    ),
    Mutant(
        name="mutual payments",
        file="mechanism/design/rules.py",
        old="told[i] - sum(",
        new="told[i] + sum(",
        killers=(f"{REPORTED}::test_the_tax_set_by_the_worst_type_and_mutual_payments",),
    ),
    # --- designs and recommendations
    Mutant(
        name="a proof of impossibility, its gap",
        file="mechanism/design/solve.py",
        old="LARGEST_TRANSFER * paid > NEGLIGIBLE",
        new="LARGEST_TRANSFER * paid > -1e9",
        killers=(f"{CLAIMS}::test_no_proof_of_impossibility_where_something_is_possible",),
    ),
    Mutant(
        name="a proof of impossibility, its balance",
        file="mechanism/design/solve.py",
        old="- left - LARGEST_TRANSFER * paid",
        new="- left",
        killers=(f"{CLAIMS}::test_spoiled_weights_are_no_proof_of_impossibility",),
    ),
    Mutant(
        name="an impossibility, unverified",
        file="mechanism/design/solve.py",
        old="return found if found.verified else None",
        new="return found",
        killers=(f"{DESIGN}::test_what_is_not_verified_is_not_announced",),
    ),
    Mutant(
        name="other ways to break ties",
        file="mechanism/design/solve.py",
        old="first = np.argsort(~best, axis=1",
        new="first = np.argsort(best, axis=1",
        killers=(f"{DESIGN}::test_an_impossibility_says_which_way_ties_are_broken",),
    ),
    Mutant(
        name="a limit that is none",
        file="mechanism/design/solve.py",
        old="options.revenue_counts and free",
        new="free",
        killers=(
            f"{DESIGN}::test_a_solver_that_says_unbounded_of_what_has_a_limit_is_not_believed",
        ),
    ),
    Mutant(
        name="revenue that does not count",
        file="mechanism/design/program.py",
        old="rows = [amount - space.spent] if options.fees",
        new="rows = [amount - space.spent] if not options.fees",
        killers=(f"{DESIGN}::test_what_the_public_takes_in_counts_as_outlay_does",),
    ),
    Mutant(
        name="the state of a row",
        file="mechanism/design/program.py",
        old="state=view.states(honest)",
        new="state=view.states(lying)",
        killers=(
            f"{DESIGN}::test_rows_of_single_states_add_up_to_a_contradiction_by_what_they_name",
        ),
    ),
    Mutant(
        name="beliefs of the wrong type",
        file="mechanism/design/environment.py",
        old="weights = given_the_rest(self.probabilities, self.joint, self.others(player))",
        new="weights = np.broadcast_to(self.joint.sum(player, keepdims=True), self.shape)",
        killers=(f"{DEPENDENT}::test_dependent_types_leave_bidders_nothing",),
    ),
    Mutant(
        name="who joins where nobody is",
        file="mechanism/design/program.py",
        old="asked = asked[environment.occurs.ravel()[view.states(asked)]]",
        new="pass",
        killers=(f"{DEPENDENT}::test_nobody_joins_in_a_state_that_never_occurs",),
    ),
    Mutant(
        name="whose types a value depends on",
        file="mechanism/design/environment.py",
        old="types[player] = own",
        new="pass",
        killers=(f"{PROGRAMS}::test_a_random_setting_by_an_independent_road",),
    ),
    Mutant(
        name="a limit in the file's unit",
        file="mechanism/design/program.py",
        old="sign * limit / space.given.range",
        new="sign * limit",
        killers=(f"{DEPENDENT}::test_limits_move_what_the_public_pays",),
    ),
    Mutant(
        name="the worst of states that never occur",
        file="mechanism/design/environment.py",
        old="np.broadcast_to(total, s.shape)[s.occurs].max()",
        new="np.max(total)",
        killers=(f"{DEPENDENT}::test_the_worst_state_is_one_that_can_occur",),
    ),
    Mutant(
        name="who is summed up",
        file="mechanism/design/sums.py",
        old="for j in environment.others(player):",
        new="for j in range(len(environment.players) - 1):",
        killers=("tests/test_setting_sums.py::test_sums_come_to_what_states_come_to",),
    ),
    Mutant(
        name="what ties, in the file's unit",
        file="mechanism/design/environment.py",
        old="near = SAME * float(np.ptp(total, -1).max()) + environment.rounding",
        new="near = SAME * max(1.0, float(np.abs(total).max()))",
        killers=(f"{SETTING_UNITS}::test_what_ties_does_not_depend_on_the_unit",),
    ),
    Mutant(
        name="what constants leave of a welfare that ties",
        file="mechanism/design/environment.py",
        old="np.ptp(total, -1).max()) + environment.rounding",
        new="np.ptp(total, -1).max())",
        killers=(
            f"{SETTING_UNITS}::test_efficient_trade_is_impossible_in_any_unit_beside_any_constant",
        ),
    ),
    Mutant(
        name="what constants leave of a gain",
        file="mechanism/design/environment.py",
        old="scale = max(payoff_range(*earned), given.rounding / RELATIVE_TOLERANCE)",
        new="scale = payoff_range(*earned)",
        killers=(f"{SETTING_UNITS}::test_truth_holds_beside_any_constant",),
    ),
    Mutant(
        name="a program in the file's unit",
        file="mechanism/design/environment.py",
        old="        s, unit = self.centred, self.range",
        new="        s, unit = self.centred, 1.0",
        killers=(f"{SETTING_UNITS}::test_trade_is_worth_the_same_in_any_unit_beside_any_constant",),
    ),
    Mutant(
        name="where payoffs are counted from",
        file="mechanism/design/environment.py",
        old="                value - (base if",
        new="                value - 0 * (base if",
        killers=(f"{SETTING_UNITS}::test_designs_do_not_depend_on_where_payoffs_are_counted_from",),
    ),
    Mutant(
        name="profits that both types move, the second firm's",
        file="mechanism/scheme/market_environment.py",
        old="second = np.swapaxes(second, -1, -2)",
        new="second = second",
        killers=(
            "tests/test_mechanism_interdependent.py::test_transfers_are_solved_for_at_each_type_of_the_rival",
        ),
    ),
    Mutant(
        name="what a member earns by breaking an agreement",
        file="mechanism/ranking/agreements.py",
        old="gain = np.maximum(best - kept, 0.0)",
        new="gain = np.maximum(best - outside, 0.0)",
        killers=(f"{CAUTIONS}::test_what_breaking_an_agreement_gains_by_brute_force",),
    ),
    Mutant(
        name="where a rival that is undercut sells nothing any more",
        file="mechanism/ranking/agreements.py",
        old="margin = np.maximum((n_i + x * m_j) / (2 * b_i), least)",
        new="margin = (n_i + x * m_j) / (2 * b_i) + 0 * least",
        killers=(f"{CAUTIONS}::test_what_undercutting_agreed_prices_gains_by_brute_force",),
    ),
    Mutant(
        name="what the consumers' clause costs",
        file="mechanism/report/answer.py",
        old="free = replace(standard, allow=standard.allow | {CONSUMERS_LOSE})",
        new="free = standard",
        killers=("tests/test_advice.py::test_what_protecting_consumers_costs",),
    ),
    Mutant(
        name="a tie between reports",
        file="mechanism/design/checks.py",
        old="values.max() - 1e-12 * max(scale, float(np.abs(values).max()))",
        new="values.max()",
        killers=(f"{CLAIMS}::test_ties_up_to_rounding_go_to_the_first",),
    ),
)


def tried(mutant: Mutant, copy: Path) -> str | None:
    """The test that noticed the mutant, or None; the copy is left as it was."""
    path = copy / mutant.file
    text = path.read_text(encoding="utf-8")
    for cached in copy.rglob("__pycache__"):  # compiled from other text written in the same second
        shutil.rmtree(cached)
    if text.count(mutant.old) != 1:
        raise SystemExit(
            f"{mutant.name}: its text occurs {text.count(mutant.old)} times in {mutant.file}"
        )
    path.write_text(text.replace(mutant.old, mutant.new), encoding="utf-8")
    try:
        done = pytest(mutant.killers, copy)
    finally:
        path.write_text(text, encoding="utf-8")
    if done.returncode not in (0, 1):  # nothing was collected, or not even that
        raise SystemExit(
            f"{mutant.name}: pytest ended with {done.returncode}\n{done.stdout[-2000:]}"
        )
    failed = re.search(r"^FAILED (\S+)", done.stdout, re.MULTILINE)
    return failed[1] if failed else None


def pytest(tests: tuple[str, ...], copy: Path) -> subprocess.CompletedProcess[str]:
    """Run tests in the copy up to the first failure."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "--tb=no"]
    command += ["--hypothesis-profile", "first_failure", *tests]
    environment = {
        **os.environ,
        "OPENBLAS_NUM_THREADS": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "COLUMNS": "400",
    }
    return subprocess.run(
        command, cwd=copy, env=environment, capture_output=True, text=True, timeout=3600
    )


def main(names: list[str]) -> int:
    """Try the mutants and print what became of them."""
    unknown = set(names) - {mutant.name for mutant in MUTANTS}
    if unknown:
        raise SystemExit(f"no such mutant: {', '.join(sorted(unknown))}")
    chosen = [mutant for mutant in MUTANTS if not names or mutant.name in names]
    survived = 0
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for name in COPIED:
            if (ROOT / name).is_dir():
                shutil.copytree(
                    ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__")
                )
            else:
                shutil.copy(ROOT / name, copy / name)
        clean = pytest(
            tuple(dict.fromkeys(test for mutant in chosen for test in mutant.killers)), copy
        )
        if clean.returncode:
            raise SystemExit(f"without any mutant the tests fail\n{clean.stdout[-2000:]}")
        for mutant in chosen:
            begun = time.perf_counter()
            by = tried(mutant, copy)
            survived += by is None
            print(
                f"{mutant.name:45} {time.perf_counter() - begun:5.1f} s  {by or 'SURVIVED'}",
                flush=True,
            )
    print(f"{len(chosen) - survived} of {len(chosen)} noticed")
    return 1 if survived else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
