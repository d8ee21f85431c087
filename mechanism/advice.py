"""Which rule, or where nothing is private which policy, to use: the answer first, then its reasons, in five sentences at most.

Truth comes first, then that firms join, then money. Reads the result tree only; computes nothing new.
"""

from __future__ import annotations

from typing import Any

from mechanism.tidy import welfare_net
from mechanism.words import AGAINST, NEGLIGIBLE, SHORT, Sentence, Words

Tree = dict[str, Any]

FORMULAS = ("printed", "groves", "worst_type", "agv", "observed")
FREE_OF_CHARGE = ("joint_profit", "price_collusion", "nash")
"""Policies that cost the public nothing."""
PLAIN = {
    "joint_profit": "permission for an industry alliance that leaves prices to the firms (joint_profit)",
    "price_collusion": "permission for an alliance that also fixes prices (price_collusion)",
    "nash": "leaving the market as it is (nash)",
}


def advice(result: Tree) -> list[Sentence]:
    """The recommendation of a case with its reasons."""
    say = Words(result["case"])
    rows = {row["policy"]: row for row in result["comparison"]}
    if result["case"]["types"] is not None:
        texts = _with_types(result, rows, say)
    elif rows["social_optimum"]["welfare"] is None:
        texts = _without_planner(rows, say)
    else:
        texts = _known(result, rows, say)
    return [{"code": "recommendation" if i == 0 else "reason", "text": text} for i, text in enumerate(texts)]


# --- private cost spillovers


def _with_types(result: Tree, rows: Tree, say: Words) -> list[str]:
    mechanism, options = result["mechanism"], result["case"]["mechanism"]
    trees = [mechanism["reported"], *(mechanism["alternatives"] or {}).values()]
    rules = {tree["tax_rule"]: tree for tree in trees if tree is not None}
    if not any(rule in rules for rule in FORMULAS):
        return ["Which rule? None can be recommended: at some pair of types the planner's problem has no solution."]
    form = options["participation"]
    truthful = {rule for rule, tree in rules.items() if tree["checks"]["ic"]["status"] == "holds"}
    joined = {rule for rule in truthful if form == "none" or rules[rule]["checks"][form]["status"] == "holds"}
    if not truthful:
        return ["Which rule? No tax rule makes truth a best reply with the payoff this case assumes; what firms would then do is shown."]
    # On an interval of types what is solved for on a grid undercuts the formula only by the gaps between grid points.
    continuous = "support" in result["case"]["types"]
    # Where both types move both profits no formula is known to cost least.
    continuous = continuous and options["allocation"] == "efficient" and result["case"]["types"]["parameter"] == "cost_spillover"
    preferred = joined & set(FORMULAS) if continuous and joined & set(FORMULAS) else joined or truthful & set(FORMULAS)

    def money(rule: str) -> tuple[float, float, float, int]:
        """Welfare net of the cost of public funds, expected outlay, the worst: rounded so that ties stay ties; then the order of rules."""
        tree = rules[rule]
        scale = abs(tree["expected"]["welfare"]) or 1.0
        net = welfare_net(tree["expected"]["welfare"], tree["expected"]["budget"], options["public_funds_cost"])
        return (
            -round(net / scale, 9),
            round(tree["expected"]["budget"] / scale, 9),
            round(tree["checks"]["budget"]["worst"] / scale, 9),
            (*FORMULAS, "designed").index(rule),
        )

    best = min(preferred, key=money)
    tree = rules[best]
    name = f"{SHORT[best]} ({best})"
    outlay, worst, welfare = tree["expected"]["budget"], tree["checks"]["budget"]["worst"], tree["expected"]["welfare"]
    zero = NEGLIGIBLE * abs(welfare)
    pays = _pays(outlay, zero, say) + (f"; at worst {say.money(worst)}" if worst > max(outlay, 0.0) + zero else "")
    texts = []
    if joined:
        also = "" if form == "none" else f", and no type would rather stay out ({form})"
        texts.append(f"Which rule? {name[0].upper()}{name[1:]}: truth is a best reply{also}. In expectation this {pays}.")
    else:
        texts.append(
            f"Which rule? If firms can be obliged to take part, {name}: truth is a best reply, and this {pays}. If they may refuse "
            f"({form}), no rule here is known to keep them all{_closest(truthful, rules, form)}."
        )
    if rows["nash"]["welfare"] is not None:
        texts.append(_worth(rows, welfare, outlay, options, zero, say))
    texts.append(_others(best, rules, truthful, joined, form, say))
    if options["allocation"] == "efficient" and options["objective"] == "min_outlay" and form != "none":
        texts += _bounds(best, rules, options["budget"], result["case"]["types"]["parameter"], zero, say)
    texts += _rates_under_types(rows, welfare, zero, say)
    return [text for text in texts if text][:5]


def _pays(outlay: float, zero: float, say: Words) -> str:
    if abs(outlay) <= zero:
        return "costs the public nothing"
    return f"costs the public {say.money(outlay)}" if outlay > 0 else f"brings the public {say.money(-outlay)}"


def _closest(truthful: set[str], rules: Tree, form: str) -> str:
    known = [rule for rule in FORMULAS if rule in truthful and rules[rule]["checks"][form]["min_slack"] is not None]
    closest = max(known, key=lambda rule: rules[rule]["checks"][form]["min_slack"], default=None)
    return "" if closest is None else f"; {SHORT[closest]} ({closest}) comes closest"


def _worth(rows: Tree, welfare: float, outlay: float, options: Tree, zero: float, say: Words) -> str:
    """What it brings beyond today's market, and up to what cost of public funds it is worth more than what costs nothing."""
    market, cost = rows["nash"]["welfare"], options["public_funds_cost"]
    net = welfare_net(welfare, outlay, cost) - market
    after = f" after the cost of public funds ({cost:g} per unit)" if cost and outlay > zero else ""
    free = max((key for key in FREE_OF_CHARGE if rows[key]["welfare"] is not None), key=lambda key: rows[key]["welfare"])
    rest = rows[free]["welfare"]
    if net + market < rest - zero:
        return f"But welfare{after} is {say.money(rest - market - net)} BELOW what {PLAIN[free]} gives, which costs the public nothing."
    text = f"Welfare{after} is {say.money(net)} above today's market's"
    if outlay > zero and options["allocation"] == "efficient":  # a second best would change with the cost
        limit = (welfare - rest) / outlay
        text += f"; above a shadow cost of public funds of {limit:.3g}, {PLAIN[free]} is better"
    return text + "."


def _others(best: str, rules: Tree, truthful: set[str], joined: set[str], form: str, say: Words) -> str:
    """What is wrong with the other formulas: who would lie, who would stay out, what costs more."""
    lies, stays, dearer = [], [], []
    for rule in FORMULAS:
        if rule == best or rule not in rules:
            continue
        checks = rules[rule]["checks"]
        if rule not in truthful:
            gain = checks["ic"]["max_gain"]
            lies.append(f"{rule} (a lie gains {'without limit' if gain is None else say.money(gain)})")
        elif rule not in joined and form != "none":
            slack = checks[form]["min_slack"]
            stays.append(rule + ("" if slack is None else f" (some type lacks {say.money(-slack)})"))
        else:
            dearer.append(f"{rule} ({say.money(rules[rule]['expected']['budget'])})")
    parts = []
    if lies:
        parts.append(f"truth does not pay under {_listed(lies)}")
    if stays:
        parts.append(f"some would rather stay out under {_listed(stays)}")
    if dearer:
        parts.append(f"no cheaper: {_listed(dearer)}")
    text = "; ".join(parts)
    return f"The others: {text}." if text else ""


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _bounds(best: str, rules: Tree, budget: str, parameter: str, zero: float, say: Words) -> list[str]:
    """Whether anything could do the same for less, and within the budget asked for."""
    designed = rules.get("designed")
    if designed is None:
        return []
    # Where both types move both profits, what firms are seen to do tells more than their reports: paying by it is another matter.
    what = "transfers" if parameter == "cost_spillover" else "transfers that depend on the reports alone"
    least, within = designed["expected"]["budget"], designed["design"]["status"] != "infeasible"
    parts = []
    if best != "designed" and least > zero:
        parts.append(f"no {what} at the planner's levels do the same at the types checked for less than {say.money(least)} (designed)")
    elif best != "designed":
        parts.append(f"transfers that are solved for do the same and bring the public {say.money(-least)} (designed)")
    if not within:
        limit = {"ex_ante": "with no net public money in expectation", "ex_post": "with no public money in any state"}[budget]
        sure = "proven" if designed["design"]["infeasibility"]["verified"] else "not verified"
        parts.append(f"{limit} no {what} have truth pay and everybody join ({sure})")
    text = "; ".join(parts)
    return [f"{text[0].upper()}{text[1:]}."] if text else []


def _rates_under_types(rows: Tree, welfare: float, zero: float, say: Words) -> list[str]:
    row = rows["linear_subsidies"]
    if row["welfare"] is None or row["share_of_gain"] is None:
        return []
    return [
        f"Without any report, subsidies per unit that are fixed beforehand (linear_subsidies) reach {row['share_of_gain']:.1%} of the "
        f"possible gain and cost the public {say.money(row['public_outlay'])}."
    ]


# --- everything known


def _without_planner(rows: Tree, say: Words) -> list[str]:
    """What can be said where the planner's problem has no solution."""
    status = rows["social_optimum"]["status"]
    texts = [f"Which policy? No subsidy or tax can be recommended: the planner's problem, on which they rest, has no solution ({status})."]
    known = {key: rows[key]["welfare"] for key in FREE_OF_CHARGE if rows[key]["welfare"] is not None}
    if known:
        best = max(known, key=lambda key: known[key])
        texts.append(f"Of what costs the public nothing {PLAIN[best]} has the highest welfare, {say.money(known[best])}.")
    return texts


def _known(result: Tree, rows: Tree, say: Words) -> list[str]:
    mechanism, options = result["mechanism"], result["case"]["mechanism"]
    form, cost = options["participation"], options["public_funds_cost"]
    optimum = rows["social_optimum"]["welfare"]
    zero = NEGLIGIBLE * abs(optimum)
    free = {key: rows[key]["welfare"] for key in FREE_OF_CHARGE if rows[key]["welfare"] is not None}
    best_free = max(free, key=lambda key: (round(free[key] / (abs(optimum) or 1.0), 9), key == "nash"), default=None)
    lump, joins = _lump_sums(mechanism["full_information"], form)
    paid: dict[str, tuple[float, float]] = {}
    if lump is not None:
        paid["scheme"] = (rows["vcg_full_information"]["welfare"], lump)
    rates = mechanism["linear_subsidies"]
    gains = None if rates is None else rates["participation_gain"]
    if rates is not None and rates["status"] == "holds" and (form != "ir_market" or (gains is not None and min(gains) >= -zero)):
        paid["rates"] = (optimum, rates["outlay"])
    choices = {key: (value - cost * max(spent, 0.0), -max(spent, 0.0)) for key, (value, spent) in paid.items()}
    choices |= {key: (value, 0.0) for key, value in free.items()}
    if not choices:
        return ["Which policy? None can be recommended: no regime of this market has a solution."]
    best = max(choices, key=lambda key: (round(choices[key][0] / (abs(optimum) or 1.0), 9), choices[key][1]))
    texts = [f"Which policy? {_answer(best, lump, zero, say)}"]
    if rows["nash"]["welfare"] is not None:
        net = choices[best][0] - rows["nash"]["welfare"]
        text = f"Welfare is {say.money(net)} above today's market's" if net > zero else "Welfare is today's market's"
        text += f" after the cost of public funds ({cost:g} per unit)" if cost and best in paid and paid[best][1] > zero else ""
        if best in paid and paid[best][1] > zero and best_free is not None and optimum > free[best_free]:
            limit = (paid[best][0] - free[best_free]) / paid[best][1]
            text += f"; above a shadow cost of public funds of {limit:.3g}, {PLAIN[best_free]} is better"
        texts.append(text + ".")
    if lump is not None and form != "none":
        if joins:
            texts.append(f"No firm would rather stay out of subsidy and tax: each is at least as well off as with {AGAINST[form]}.")
        elif best != "scheme":
            texts.append(f"Subsidy and tax would need lump sums of {say.money(lump)} before both firms join.")
    if rates is not None and best != "rates":
        if rates["status"] == "holds":
            spent = rates["outlay"]
            money = f"cost the public {say.money(spent)}" if spent > zero else f"bring the public {say.money(-spent)}"
            texts.append(f"Plain subsidies per unit (linear_subsidies) reach the same levels without a schedule, and {money}.")
        else:
            texts.append("Plain subsidies per unit do not lead to the planner's levels: some firm would choose others.")
    if best == "scheme" and mechanism["full_information"]["certificate"]["others"]:
        texts.insert(2, "But the planner's levels are not the only equilibrium under it: firms may settle at another.")
    if best not in free and best_free not in (None, "nash") and rows[best_free]["share_of_gain"] is not None:
        texts.append(f"Without money, {PLAIN[best_free]} brings {rows[best_free]['share_of_gain']:.0%} of the possible gain.")
    return texts[:5]


def _lump_sums(full: Tree | None, form: str) -> tuple[float | None, bool]:
    """What the public must pay before both firms join the full-information scheme, and whether they join without; None: no scheme."""
    if full is None or full["net_transfer"] is None:
        return None, False
    if form == "none" or full["participation"][form]["status"] == "holds":
        return 0.0, True
    check = full["participation"][form]
    if check["status"] != "violated":
        return None, False
    # A firm that gains can be made to pay the one that loses.
    return max(0.0, -float(sum(check["slack"]))), False


def _answer(best: str, lump: float | None, zero: float, say: Words) -> str:
    if best == "scheme":
        text = "The subsidy and tax (vcg_full_information): nothing is private, so all tax rules come to the same; they make the "
        text += "planner's levels an equilibrium"
        if lump is not None and lump > zero:
            return f"{text}, and firms join for lump sums that cost the public {say.money(lump)}."
        return f"{text} at no cost to the public."
    if best == "rates":
        return "Plain subsidies per unit of investment and of sharing (linear_subsidies): they make the planner's levels an equilibrium."
    text = PLAIN[best]
    return f"{text[0].upper()}{text[1:]}."
