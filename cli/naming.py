"""Names of policies as users give them: what none has, the nearest to it, and what needs types."""

from __future__ import annotations

from difflib import get_close_matches

from mechanism.casefile.policies import followed, known, policy_of


def no_policy(name: str) -> str | None:
    """Why no policy of this name can be followed, with the nearest that can; None where one can."""
    if known(name):
        return None
    names = followed(private=True)
    close = get_close_matches(name, names, 1)
    return "is no policy; " + (
        f"did you mean {close[0]}?" if close else f"there are {', '.join(names)}"
    )


def on_reports(name: str) -> bool:
    """Whether a policy asks firms for reports of their types, which a case without types has
    not."""
    return policy_of(name).source in ("rule", "own_rule")
