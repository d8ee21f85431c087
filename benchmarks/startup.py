"""How long `pigou` takes to start, as ratios to programs that do no less, measured in alternation
on the same machine.

    python benchmarks/startup.py [ROUNDS] [CASE]

`pigou --help` stands against a bare typer program's help; a cold `pigou evaluate` against importing
the libraries it might need.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from pathlib import Path

from measured import PIGOU, ROOT, spent

BARE = """import typer
app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)
@app.command()
def main(name: str = "") -> None:
    print(name)
app()
"""


def compare(
    name: str, ours: list[str], other: str, theirs: list[str], limit: float, rounds: int
) -> bool:
    """Print medians and their ratio; whether it is within the limit."""
    for command in (ours, theirs):
        spent(*command)  # files into the cache, bytecode written
    pairs = [(spent(*ours)[0], spent(*theirs)[0]) for _ in range(rounds)]
    mine, their = (statistics.median(times) for times in zip(*pairs, strict=True))
    ok = mine <= limit * their
    print(
        f"{name:28} {1000 * mine:6.0f} ms   {other:32} {1000 * their:6.0f} ms   ratio"
        f" {mine / their:4.2f}, at most {limit:g}: ",
        end="",
    )
    print("ok" if ok else "TOO SLOW", flush=True)
    return ok


def main() -> int:
    """Measure both; 1 if one is too slow."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 11
    case = sys.argv[2] if len(sys.argv) > 2 else str(ROOT / "cases" / "two_vendors.yaml")
    with tempfile.TemporaryDirectory() as folder:
        bare = Path(folder) / "bare.py"
        bare.write_text(BARE)
        private = Path(folder) / "private.yaml"
        private.write_text(f"base: {case}\ntypes: {{support: [0.2, 0.8], points: 21}}\n")
        cvxpy = [sys.executable, "-c", "import cvxpy"]
        libraries = [sys.executable, "-c", "import scipy.optimize, pandas"]
        results = [
            compare(
                "pigou --help",
                [*PIGOU, "--help"],
                "bare typer program --help",
                [sys.executable, str(bare), "--help"],
                1.2,
                2 * rounds,
            ),
            compare(
                "pigou evaluate (cold)",
                [*PIGOU, "evaluate", case],
                "import scipy.optimize, pandas",
                libraries,
                2.0,
                rounds,
            ),
            compare(
                "with --quick, 21 private types",
                [*PIGOU, "evaluate", str(private), "--quick"],
                "import cvxpy",
                cvxpy,
                2.8,
                rounds,
            ),
        ]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
