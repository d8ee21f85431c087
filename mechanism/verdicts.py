"""What the numbers mean, in words a regulator uses. Reads the result tree only; computes nothing new."""

from __future__ import annotations

from typing import Any

from market.case import Case
from market.outcome import SOLVED
from market.regimes import REGIMES
from mechanism.advice import advice
from mechanism.words import AGAINST, NEGLIGIBLE, RULES, SHORT, Sentence, Words

NAMES = {
    "no_sharing": "a market without sharing",
    "nash": "today's market",
    "sequential": "a market in which firm 1 commits first",
    "sequential_firm_2": "a market in which firm 2 commits first",
    "investment_first": "a market in which investment comes before sharing",
    "joint_profit": "an industry alliance",
    "price_collusion": "an alliance that also fixes prices",
    "social_optimum": "the planner's optimum",
    "first_best": "a planner who also sets prices",
    "bayes_nash": "today's market with private types",
    "vcg_full_information": "the full-information subsidy and tax",
}

LARGE = 1e10
"""Welfare above which the case had better be stated in other units."""


def verdicts(result: dict[str, Any]) -> list[Sentence]:
    """The findings of a case, most important first."""
    say = Words(result["case"])
    rows = {row["policy"]: row for row in result["comparison"]}
    out = advice(result)
    out += _possible_gain(rows, say)
    out += _alliances(rows, say)
    out += _unsolved(result)
    full = result["mechanism"]["full_information"]
    if full is not None and full["net_transfer"] is not None:
        out += _full_information(full, result, say)
    out += _rates(result["mechanism"]["linear_subsidies"], say, private=reported_types(result))
    out += _losses(result, say)
    reported = result["mechanism"]["reported"]
    if reported is not None:
        for tree in (reported, *result["mechanism"]["alternatives"].values()):
            out += [] if tree is None else _reported(tree, say, own=tree is reported)
    return out


def _possible_gain(rows: dict[str, Any], say: Words) -> list[Sentence]:
    market, best = rows["nash"], rows["social_optimum"]
    if market["welfare"] is None or best["welfare"] is None:
        return []
    gain = best["change"]["welfare"]
    share = gain / abs(market["welfare"])
    corner = " with everything shared" if best["sharing"] == [1.0, 1.0] else ""
    return [
        {
            "code": "possible_gain",
            "text": f"Today's market yields welfare of {say.money(market['welfare'])}. With the levels a planner would choose{corner} "
            f"it would be {say.money(best['welfare'])}: {say.money(gain)} more ({share:.1%}), at the prices firms set themselves.",
        }
    ]


def _alliances(rows: dict[str, Any], say: Words) -> list[Sentence]:
    out = []
    for key, code in (("joint_profit", "alliance"), ("price_collusion", "price_collusion")):
        row = rows[key]
        if row["change"] is None:
            continue
        change = row["change"]["welfare"]
        consumers = row["change"]["consumer_surplus"]
        share = row["share_of_gain"]
        if abs(change) <= NEGLIGIBLE * abs(row["welfare"]):
            text = f"{NAMES[key].capitalize()} changes nothing."
        else:
            losers = [
                f"firm {i + 1} loses {say.money(-c)}"
                for i, c in enumerate(row["change"]["profit"])
                if c < -NEGLIGIBLE * abs(row["welfare"])
            ]
            moved = "raises" if change > 0 else "LOWERS"
            part = f" ({share:.0%} of the possible gain)" if share is not None and change > 0 else ""
            side = "gain" if consumers > 0 else "lose"
            text = (
                f"{NAMES[key].capitalize()} {moved} welfare by {say.money(abs(change))}{part}; "
                f"consumers {side} {say.money(abs(consumers))}{''.join(', ' + loser for loser in losers)}."
            )
        out.append({"code": code, "text": text})
    return out


def _unsolved(result: dict[str, Any]) -> list[Sentence]:
    return [
        {"code": f"{key}_{outcome['status']}", "text": f"There is no figure for {NAMES[key]} ({outcome['status']}): {outcome['message']}."}
        for key, outcome in result["regimes"].items()
        if outcome["status"] not in SOLVED
    ]


def _full_information(full: dict[str, Any], result: dict[str, Any], say: Words) -> list[Sentence]:
    regimes, case = result["regimes"], result["case"]
    out: list[Sentence] = []
    gap, others = full["welfare_gap"], full["certificate"]["others"]
    if abs(gap) <= 1e-9 * max(1.0, abs(regimes["social_optimum"]["welfare"])):
        text = (
            "With full information, the subsidy and tax make the planner's optimum an equilibrium: best replies stay there, and what "
            "each firm receives equals what it pays."
        )
    else:
        text = f"With full information, best replies from the planner's optimum end elsewhere, {say.money(gap)} of welfare below it."
    out.append({"code": "full_information", "text": text})
    if others:
        worst = min(other["welfare"] for other in others)
        out.append(
            {
                "code": "coordination_failure",
                "text": f"It is not the only equilibrium: {len(others)} other{'s' if len(others) > 1 else ''} "
                f"{'were' if len(others) > 1 else 'was'} found, the worst with welfare of {say.money(worst)}. "
                "The scheme alone does not rule out that firms settle there.",
            }
        )
    form = case["mechanism"]["participation"]
    if form == "none":
        return out
    check = full["participation"][form]
    against = AGAINST[form]
    # These are figures of one state, the case's own lambda_c, also where the comparison is in expectation.
    at = " at the case's own parameters" if case["types"] is not None else ""
    if check["status"] == "violated":
        losing = [i for i, slack in enumerate(check["slack"]) if slack < 0]
        losers = " and ".join(f"firm {i + 1} falls short by {say.money(-check['slack'][i])}" for i in losing)
        who = "Both firms" if len(losing) == 2 else f"Firm {losing[0] + 1}"
        total, burden = sum(check["correction"]), case["mechanism"]["public_funds_cost"]
        consumers = full["regulated"]["consumer_surplus"] - (regimes["nash"]["consumer_surplus"] or 0.0)
        if check["balanced_correction_exists"]:
            source = "the other firm could pay for it"
        else:
            source = "the firms together lose, so the public would have to pay"
            source += f", at a burden of {say.money(burden * total)} beyond the sum itself" if burden > 0 else ""
            if regimes["nash"]["consumer_surplus"] is not None:
                source += f"; consumers {'gain' if consumers >= 0 else 'lose'} {say.money(abs(consumers))} from the scheme"
        text = f"{who} would rather not join{at}: against {against} {losers}. "
        text += f"Lump sums of {say.money(total)} in all would change that; {source}."
        out.append({"code": f"{form}_violated", "text": text})
    elif check["status"] == "holds":
        out.append({"code": f"{form}_holds", "text": f"Every firm is at least as well off under the scheme{at} as with {against}."})
    return out


def _reported(tree: dict[str, Any], say: Words, own: bool) -> list[Sentence]:
    rule, ic = tree["tax_rule"], tree["checks"]["ic"]
    name = RULES[rule]
    out: list[Sentence] = []
    if ic["status"] == "holds":
        always = any(
            c["incentive"] == "dominant" and c["deviation"] == "free" and c["payoff"] == tree["payoff"] and c["status"] == "holds"
            for c in tree["checks"]["ic_all"]
        )
        text = f"With {name}, truth is a best reply" + (
            ", whatever the rival says and whatever levels the firm then picks." if always else "."
        )
        space = tree["continuum"]
        if space is not None and space["ic"]["status"] == "violated":
            gain = say.money(space["ic"]["max_gain"])
            text = f"With {name}, truth is a best reply at the types checked; between them a lie gains up to {gain}."
        if abs(tree["expected"]["budget"]) <= NEGLIGIBLE * abs(tree["expected"]["welfare"]):
            text += " Its budget balances in expectation"
            worst = tree["checks"]["budget"]["worst"]
            text += (
                "."
                if worst <= NEGLIGIBLE * abs(tree["expected"]["welfare"])
                else f"; in the worst case the public pays {say.money(worst)}."
            )
        else:
            outlay, worst = tree["expected"]["budget"], tree["checks"]["budget"]["worst"]
            who = "costs the public" if outlay > 0 else "brings the public"
            then = f"the public pays {say.money(worst)}" if worst > 0 else f"it brings {say.money(-worst)}"
            text += f" It {who} {say.money(abs(outlay))} in expectation; in the worst case {then}."
        out.append({"code": f"{rule}_truthful", "text": text})
    elif ic["status"] == "violated":
        witness = ic["witness"]
        if witness is None:
            text = f"With {name}, firms do not tell the truth: what a lie gains has no limit."
        elif tree["if_not_truthful"] is not None and tree["if_not_truthful"]["truthful"]:
            text = (
                f"With {name}, truth is a best reply in expectation only: knowing what the rival reports, firm {witness['firm']} of type "
                f"{witness['type']:.3g} can gain {say.money(witness['gain'])} by reporting {witness['report']:.3g}."
            )
        else:
            text = (
                f"With {name}, firms do not tell the truth: firm {witness['firm']} of type {witness['type']:.3g} gains "
                f"{say.money(witness['gain'])} by reporting {witness['report']:.3g}."
            )
        out.append({"code": f"{rule}_not_truthful", "text": text})
        out += _behaviour(tree, say)
    if own or ic["status"] == "holds":
        out += _joining(tree, say)
    together = tree["checks"]["collusion"]
    if own and together["status"] == "violated":
        (one, other), (told, said) = together["witness"]["types"], together["witness"]["reports"]
        gain = say.money(together["max_gain"])
        text = (
            f"If the firms can agree on what to report, {SHORT[rule]} would not hold: types {one:.3g} and {other:.3g} together "
            f"gain {gain} by reporting {told:.3g} and {said:.3g}."
        )
        out.append({"code": f"{rule}_collusion", "text": text})
    return out


def _behaviour(tree: dict[str, Any], say: Words) -> list[Sentence]:
    rule, played = tree["tax_rule"], tree["if_not_truthful"]
    if played is None:
        return []
    if played["status"] != "converged":
        text = "Best replies in reports cycle: what firms would report is not established."
    else:
        low, high = min(map(min, played["reports"])), max(map(max, played["reports"]))
        what = f"everybody reports {low:.3g}" if high - low < 1e-9 else f"reports lie between {low:.3g} and {high:.3g}"
        loss, outlay = played["welfare_loss"], played["expected"]["budget"]
        if played["truthful"]:
            return []
        text = f"In the equilibrium that follows {what}, and welfare is {say.money(loss)} below what truth would give"
        big = abs(outlay) > NEGLIGIBLE * abs(played["expected"]["welfare"])
        text += f", while the public {'pays' if outlay > 0 else 'receives'} {say.money(abs(outlay))}." if big else "."
    return [{"code": f"{rule}_behaviour", "text": text}]


def _joining(tree: dict[str, Any], say: Words) -> list[Sentence]:
    rule, market = tree["tax_rule"], tree["checks"]["ir_market"]
    repair = tree["repair"]
    out: list[Sentence] = []
    # Participation is judged at the truth; where firms would not tell it, that has to be said.
    when = f"Under {SHORT[rule]}" + (", even if everybody told the truth," if tree["checks"]["ic"]["status"] == "violated" else "")
    counted = " (counting revenue only, as (38) does: own cost is left out on both sides)" if tree["payoff"] == "printed" else ""
    if market["status"] == "violated":
        witness = market["witness"]
        text = (
            f"{when} some firms would rather not join: the worst off is firm {witness['firm']} of type {witness['type']:.3g}, which earns "
            f"{say.money(-witness['slack'])} less than in today's market{counted}."
        )
        out.append({"code": f"{rule}_ir_market_violated", "text": text})
    elif market["status"] == "holds":
        out.append({"code": f"{rule}_ir_market_holds", "text": f"{when} every type is at least as well off as in today's market{counted}."})
    if repair is not None:
        asks = repair["asks"]
        goal = "truth-telling" + (" and participation" if asks["participation"] != "none" else "")
        if repair["status"] == "optimal":
            outlay = repair["expected_outlay"]
            who = "cost" if outlay >= 0 else "bring"
            text = (
                f"Corrections of what a firm receives under {SHORT[rule]} can restore {goal}; they {who} the public "
                f"{say.money(abs(outlay))} in expectation."
            )
        elif repair["status"] == "infeasible":
            text = f"No correction that depends on the own report alone restores {goal}; the conflicting constraints prove it."
        else:
            text = f"Whether a correction restores {goal} is not established."
        out.append({"code": f"{rule}_repair_{repair['status']}", "text": text})
    return out


def reported_types(result: dict[str, Any]) -> bool:
    """Whether cost spillovers are private in this case."""
    return result["case"].get("types") is not None


def _rates(found: dict[str, Any] | None, say: Words, private: bool) -> list[Sentence]:
    """What a plain subsidy per unit would have to be, and whether it does."""
    if found is None:
        return []

    def rate(key: str, unit: str) -> str:
        one, other = found[key]
        if abs(one - other) <= 1e-6 * max(1.0, abs(one)):
            return f"{say.money(one)} per unit of {unit}"
        return f"{say.money(one)} (firm 1) and {say.money(other)} (firm 2) per unit of {unit}"

    rates = f"{rate('investment_rate', 'investment')} and {rate('sharing_rate', 'sharing')}"
    if found["status"] != "holds":
        text = f"No plain subsidy or tax per unit leads to the planner's levels: at {rates} some firm would still rather choose others."
        return [{"code": "linear_subsidies_fail", "text": text}]
    outlay = found["outlay"]
    where = " at the case's own parameters" if private else ""
    kind = "subsidies" if min(*found["investment_rate"], *found["sharing_rate"]) >= 0 else "subsidies (negative: taxes)"
    text = f"Plain {kind} of {rates}, without any report, also make the planner's levels an equilibrium{where}"
    text += f"; they cost the public {say.money(outlay)}." if outlay > 0 else f"; they bring in {say.money(-outlay)}."
    gains = found["participation_gain"]
    if gains is not None:
        text += " Both firms gain." if min(gains) >= 0 else f" The worse-off firm loses {say.money(-min(gains))} against today's market."
    return [{"code": "linear_subsidies", "text": text}]


def _losses(result: dict[str, Any], say: Words) -> list[Sentence]:
    profit = result["regimes"]["social_optimum"]["profit"] or []
    losers = [f"firm {i + 1} ({say.money(p)})" for i, p in enumerate(profit) if p < 0]
    if not losers:
        return []
    text = f"At the planner's optimum {' and '.join(losers)} would run a loss: without a lump sum a firm that may leave the market leaves."
    return [{"code": "loss_at_optimum", "text": text}]


def warnings(result: dict[str, Any], case: Case) -> list[Sentence]:
    """What limits the answer: assumptions of the paper that do not hold here, missing proofs, several solutions."""
    out: list[Sentence] = []
    nash = result["regimes"]["nash"]
    case = case.flat()
    rivalry, spill = float(case.rivalry.ravel()[0]), float(case.demand_spillover.ravel()[0])
    if nash["sharing"] is not None:
        bound = spill * min(nash["sharing"]) + float((case.cross_slope / (2 * case.own_slope)).min())
        if rivalry > bound:
            out.append(
                {
                    "code": "rivalry_above_bound",
                    "message": f"security.rivalry = {rivalry:g} exceeds the paper's bound {bound:.4g} (Assumption 1) at today's "
                    "equilibrium: its comparisons between regimes are not guaranteed here",
                }
            )
    if spill < 0:
        out.append(
            {
                "code": "negative_spillover",
                "message": f"security.demand_spillover = {spill:g} is negative: the paper's propositions assume it positive",
            }
        )
    if nash["welfare"] is not None and abs(nash["welfare"]) > LARGE:
        text = (
            f"amounts are of the order of {abs(nash['welfare']):.0e}: tolerances are relative to payoffs, so levels and the list of other "
            "optima lose accuracy; state quantities in larger units (thousands, millions)"
        )
        out.append({"code": "units", "message": text})
    market, best = (result["regimes"][key]["welfare"] for key in ("nash", "social_optimum"))
    if market is not None and best is not None and abs(best) > 5 * abs(market):
        text = (
            f"the planner's welfare is {best / market:.3g} times today's: cost.scale is close to where the planner's problem is "
            "unbounded, and figures there say more about that bound than about a market"
        )
        out.append({"code": "nearly_unbounded", "message": text})
    for key, outcome in result["regimes"].items():
        certificate = outcome["certificate"]
        sole = key in REGIMES and REGIMES[key].chooser != "firms"
        if sole and outcome["status"] in SOLVED and certificate["global"] == "searched":
            text = f"{key}: the optimum was searched for from many starts; that no better one exists is not proven"
            out.append({"code": "not_proven", "message": text})
        if outcome["status"] in SOLVED and certificate.get("stable") is False:
            text = f"{key}: the equilibrium is unstable: after a small disturbance best replies lead away from it"
            out.append({"code": "unstable", "message": text})
        if outcome["status"] in SOLVED and certificate["others"]:
            one, several = ("local optimum", "local optima") if sole else ("equilibrium", "equilibria")
            count = len(certificate["others"])
            text = f"{key}: {count} other {one if count == 1 else several} found (listed in the certificate)"
            out.append({"code": "several", "message": text})
    return out
