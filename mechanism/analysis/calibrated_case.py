"""The case file that a calibration writes: complete, each value with the observation or prior it
rests on, and what is left open as its `uncertainty`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from market.calibrate.observed import Data
from market.calibrate.parameters import PINNED_BY, USUAL_PRIORS, WORDS
from market.casefile.faults import KeyPath
from market.model.case import Array
from market.text import Json, firm_names, visible
from mechanism.casefile.case_keys import key_path
from mechanism.casefile.distributions import AND, copula_correlation, rank_correlation
from mechanism.version import VERSION

if TYPE_CHECKING:
    from market.calibrate.fit import Fit
    from mechanism.analysis.calibration import CalibratedValue

DIGITS = 10
"""Significant digits of values, far beyond what is observed: today's market is reproduced."""
SPREAD_DIGITS = 6
"""Of standard deviations and correlations."""
CERTAIN = 1e-9
"""Standard deviation of a logarithm below which a value is certain."""
NEAR_NOTHING = 0.3
"""Standard deviation of the logarithm of a unit cost beyond which it is taken as normal."""
LEAST_SHOWN = 0.05
"""Elasticity of a value in an observation below which the observation is not named."""
MOST_SHOWN = 4
"""Observations named beside a value."""
CORRELATIONS = (0.02, 0.002, 0.0)
"""Correlations below which none is written: the largest that leaves the matrix possible."""
POSSIBLE = -1e-5
"""Smallest eigenvalue of a possible matrix of correlations, up to rounding."""
ADDED_TYPES = "The firms know each other here: with `types` added today's market is another one."
BLOCKS = ("demand", "security", "cost", "unit_cost")


def rounded(value: float, digits: int = DIGITS) -> float:
    """A number with this many significant digits."""
    return float(f"{value:.{digits}g}")


def case_tree(fit: Fit, name: str) -> Json:
    """The case as a tree, `uncertainty` included."""
    data = fit.problem.data
    tree: Json = {"schema_version": 1, "name": name}
    tree["reference"] = data.reference or "calibrated"
    units = {"money": data.money, "quantity": data.quantity}
    if any(units.values()):
        tree["units"] = units
    if data.firms is not None:
        tree["firms"] = list(data.firms)
    for key, value in fit.case_values.items():
        _put(tree, key_path(key), rounded(value))
    tree["cost"]["reference_investment"] = rounded(fit.problem.reference)
    if (block := _uncertainty(fit)) is not None:
        tree["uncertainty"] = block
    return tree


def _put(tree: Json, path: KeyPath, value: float) -> None:
    """Put a value there; one firm's is the next of a list."""
    *above, last = path
    listed = isinstance(last, int)
    name = above.pop() if listed else last
    parent: Json = tree
    for part in above:
        parent = parent.setdefault(str(part), {})
    if listed:
        parent.setdefault(str(name), []).append(value)
    else:
        parent[str(name)] = value


def near_nothing(key: str, sd: float) -> bool:
    """Whether a unit cost may as well be none, the standard deviation of its logarithm being this:
    what is left of a price beside a margin close to 1 is not told by its order of size."""
    return key.startswith("unit_cost.") and sd > NEAR_NOTHING


def _form(key: str, value: float, sd: float) -> Json:
    """A value's distribution: log-normal, or normal where it may as well be none."""
    form, spread = ("normal", value * sd) if near_nothing(key, sd) else ("lognormal", sd)
    return {form: [rounded(value), rounded(spread, SPREAD_DIGITS)]}


def _uncertainty(fit: Fit) -> Json | None:
    """The posterior: log-normal values joined by rank correlations."""
    keys = [key for key, value in fit.case_values.items() if value]
    spread = np.sqrt(np.diag(fit.case_covariance))
    open_ = np.flatnonzero(spread > CERTAIN)
    if not len(open_):
        return None
    spread = spread[open_]
    names = [keys[k] for k in open_]
    linear = fit.case_covariance[np.ix_(open_, open_)] / np.outer(spread, spread)
    ranks = rank_correlation(linear)
    block: Json = {
        key: _form(key, fit.case_values[key], float(sd))
        for key, sd in zip(names, spread, strict=True)
    }
    ranks = _sparse(np.round(ranks, SPREAD_DIGITS))
    pairs = {
        f"{one}{AND}{names[j]}": float(ranks[i, j])
        for i, one in enumerate(names)
        for j in range(i + 1, len(names))
        if ranks[i, j]
    }
    return block | ({"correlation": pairs} if pairs else {})


def _sparse(ranks: Array) -> Array:
    """Rank correlations without the small ones, as far as what is left is possible."""
    for least in CORRELATIONS:
        kept = np.where(np.abs(ranks) >= least, ranks, 0.0)
        if np.linalg.eigvalsh(copula_correlation(kept)).min() > POSSIBLE:
            break
    return kept


# --- as text


def case_text(fit: Fit, tree: Json, estimates: Sequence[CalibratedValue]) -> str:
    """The case file, with comments."""
    found = {estimate.key: estimate for estimate in estimates}
    return "\n".join(_lines(fit, tree, found)) + "\n"


def _lines(fit: Fit, tree: Json, found: dict[str, CalibratedValue]) -> Iterator[str]:
    data = fit.problem.data
    name, source = visible(str(tree["name"])), visible(data.source)
    yield f"# {name}: calibrated by pigou {VERSION} from {source}."
    p = "" if fit.p_value is None else f", p = {fit.p_value:.2g}"
    yield f"# Sum of squares {fit.statistic:.4g} with {fit.degrees} degrees of freedom{p}."
    yield f"# {ADDED_TYPES}"
    yield "# Beside each value: its 90 % interval, the part of its variance that comes from priors,"
    yield "# and the per cent by which it moves where an observation, or a prior, rises by 1 %."
    yield "#"
    yield "# Observed:"
    for one in data.observations:
        noise = f"{100 * one.noise:.3g} %" if one.noise else "exact"
        told = data.sources.get(one.key)
        yield f"#   {one.key} {one.value:.6g} ({noise})" + _from(told)
    yield "# Assumed:"
    yield from (f"#   {line}" for line in assumed(fit))
    yield ""
    for key in ("schema_version", "name", "reference", "units", "firms"):
        if key in tree:
            yield f"{key}: {_scalar(tree[key])}"
    for block in BLOCKS:
        yield f"{block}:"
        yield from _block(tree[block], block, 1, found, firm_names(data.firms))
    if "uncertainty" in tree:
        yield "# What is left open: log-normal [median, standard deviation of the logarithm] of a"
        yield "# value (normal of a unit cost that may be none), joined by rank correlations."
        yield "uncertainty:"
        for key, value in tree["uncertainty"].items():
            if key != "correlation":
                yield f"  {key}: {_scalar(value)}"
        if pairs := tree["uncertainty"].get("correlation"):
            yield "  correlation:"
            yield from (f"    {pair}: {value!r}" for pair, value in pairs.items())


def _from(source: str | None) -> str:
    return f": {visible(source)}" if source else ""


def assumed(fit: Fit) -> list[str]:
    """What is not observed but believed or held, a line for each parameter."""
    data, out = fit.problem.data, []
    for name, prior in fit.problem.priors.items():
        told = data.sources.get(f"priors.{name}") or data.sources.get(name)
        if name not in data.priors:
            pinned = PINNED_BY.get(name)
            instead = f"observe {pinned}, or give priors.{name}" if pinned else f"priors.{name}"
            told = f"the usual prior, as nothing observed tells it; better {instead}"
        spread = (
            "held fixed" if prior.log_sd is None else f"log standard deviation {prior.log_sd:g}"
        )
        out.append(f"{WORDS[name]} ({name}): {prior.median:.6g}, {spread}" + _from(told))
    return out or ["nothing"]


def usual_priors(data: Data, priors: Sequence[str]) -> list[str]:
    """The parameters that rest on what the program believes."""
    return [name for name in priors if name not in data.priors and name in USUAL_PRIORS]


def _block(
    tree: Json, path: str, depth: int, found: dict[str, CalibratedValue], firms: tuple[str, str]
) -> Iterator[str]:
    pad = "  " * depth
    for key, value in tree.items():
        here = f"{path}.{key}"
        if isinstance(value, dict):
            yield f"{pad}{key}:"
            yield from _block(value, here, depth + 1, found, firms)
            continue
        if here == "cost.reference_investment":
            yield f"{pad}# t0: chosen; only spillover / reference_investment matters"
        elif isinstance(value, list):
            for firm in (0, 1):
                yield f"{pad}# {firms[firm]}: {_told(found[f'{here}[{firm}]'])}"
        else:
            yield f"{pad}# {_told(found[here])}"
        yield f"{pad}{key}: {_scalar(value)}"


def _told(estimate: CalibratedValue) -> str:
    """An estimate's interval and what it rests on."""
    if estimate.certain:
        return estimate.why_certain
    moved = ", ".join(f"{key} {share:+.2f}" for key, share in shown_influences(estimate))
    return (
        f"{estimate.low:.4g} to {estimate.high:.4g}, {100 * estimate.prior_share:.0f} % from"
        f" priors; {moved or 'nothing moves it much'}"
    )


def shown_influences(estimate: CalibratedValue) -> list[tuple[str, float]]:
    """The observations and priors that move an estimate most."""
    return [
        (one.key, one.elasticity)
        for one in estimate.influences[:MOST_SHOWN]
        if abs(one.elasticity) >= LEAST_SHOWN
    ]


def _scalar(value: object) -> str:
    """A value as YAML takes it on one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_scalar(below)}" for key, below in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_scalar, value)) + "]"
    return json.dumps(value, ensure_ascii=False)
