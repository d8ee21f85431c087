"""Published examples: what their sources print, or their formulas give, and what is right.

Each is a shipped case or setting. A test computes every figure and holds it to the one here; where
a source prints another, a remark says why.
"""

from __future__ import annotations

from dataclasses import dataclass

Value = float | str


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One figure of an example."""

    what: str
    """In words."""
    key: str
    """Where it stands in the JSON of the example's command; of `propositions` a claim's id."""
    printed: Value
    """What the source has, or its formula gives."""
    right: Value
    """What comes out here, to the digits given."""
    why: str = ""
    """Why the two differ, where they do."""


@dataclass(frozen=True, kw_only=True)
class Example:
    """A shipped file with figures in print."""

    name: str
    """As `pigou examples` calls it."""
    source: str
    """Citation."""
    command: str
    """evaluate, design or propositions."""
    figures: tuple[Figure, ...]


PAPER = "Gal-Or and Ghose (2005), Information Systems Research 16(2), 186-208"
NOT_THE_SAME = "the source errs, prices fall to unit costs only where products are the same"
FEW_TYPES = "in print types lie on an interval; the four here come near, more of them nearer"
FILO = "answer at askfilo.com to an exercise on Bertrand duopoly, q = 100 - 2 p + p'"

EXAMPLES = (
    Example(
        name="published/pindyck_rubinfeld",
        source="Pindyck and Rubinfeld, Microeconomics, 12.3, as quoted in lecture notes"
        " (Santesteban 2010, Berkeley, Econ 121)",
        command="evaluate",
        figures=(
            Figure(what="price", key="regimes.nash.price[0]", printed=4, right=4),
            Figure(
                what="price set together",
                key="regimes.price_collusion.price[0]",
                printed=6,
                right=6,
            ),
        ),
    ),
    Example(
        name="published/dixit_nalebuff",
        source="Dixit and Nalebuff (2008), The Art of Strategy, ch. 3, The Pricing Game",
        command="evaluate",
        figures=(
            Figure(
                what="price set together",
                key="regimes.price_collusion.price[0]",
                printed=80,
                right=80,
            ),
        ),
    ),
    Example(
        name="published/equal_costs",
        source=f"{FILO}, part (a)",
        command="evaluate",
        figures=(
            Figure(
                what="price",
                key="regimes.nash.price[0]",
                printed=10,
                right=40,
                why=NOT_THE_SAME,
            ),
            Figure(
                what="quantity",
                key="regimes.nash.quantity[0]",
                printed=90,
                right=60,
                why="it follows from the prices",
            ),
        ),
    ),
    Example(
        name="published/unequal_costs",
        source=f"{FILO}, part (b)",
        command="evaluate",
        figures=(
            Figure(
                what="price of the first firm",
                key="regimes.nash.price[0]",
                printed=30,
                right=50.667,
                why=NOT_THE_SAME,
            ),
            Figure(
                what="price of the second firm",
                key="regimes.nash.price[1]",
                printed=10,
                right=42.667,
                why=NOT_THE_SAME,
            ),
        ),
    ),
    Example(
        name="private_spillovers",
        source=f"{PAPER}, Appendix B, (37)",
        command="evaluate",
        figures=(
            Figure(
                what="truth is a best reply",
                key="mechanism.reported.checks.ic.status",
                printed="holds",
                right="violated",
                why="the source errs, the tax depends on the firm's own report",
            ),
            Figure(
                what="firms take part, as (IR1) is written",
                key="mechanism.reported.checks.ir1.status",
                printed="holds",
                right="holds",
            ),
            Figure(
                what="firms earn no less than in today's market",
                key="mechanism.reported.checks.ir_market.status",
                printed="holds",
                right="violated",
                why="the source errs, (IR1) compares the regulated price with itself",
            ),
        ),
    ),
    Example(
        name="sharing_lowers_welfare",
        source=f"{PAPER}, Proposition 5 (i)",
        command="propositions",
        figures=(
            Figure(
                what="welfare is higher with sharing",
                key="P5.i",
                printed="holds",
                right="violated",
                why="the source errs, sharing can add to investment that only takes customers away",
            ),
        ),
    ),
    Example(
        name="restricted_cost",
        source="Gordon, Loeb and Lucyshyn (2003), Journal of Accounting and Public Policy 22(6), as"
        " contrasted with in Gal-Or and Ghose (2005)",
        command="propositions",
        figures=(
            Figure(
                what="what is shared replaces own investment",
                key="R.restricted_cost",
                printed="holds",
                right="holds",
            ),
        ),
    ),
    Example(
        name="settings/bilateral_trade",
        source="Myerson and Satterthwaite (1983), Journal of Economic Theory 29(2)",
        command="design",
        figures=(
            Figure(
                what="most gains from trade without a subsidy",
                key="objective_value",
                printed=0.140625,
                right=0.15625,
                why=FEW_TYPES,
            ),
        ),
    ),
    Example(
        name="settings/auction",
        source="Myerson (1981), Optimal auction design, Mathematics of Operations Research 6(1)",
        command="design",
        figures=(
            Figure(
                what="expected outlay, less than nothing: revenue",
                key="objective_value",
                printed=-5 / 12,
                right=-13 / 32,
                why=FEW_TYPES,
            ),
        ),
    ),
    Example(
        name="settings/procurement",
        source="Myerson (1981), Optimal auction design, by its formula with costs for values",
        command="design",
        figures=(
            Figure(what="expected price", key="objective_value", printed=2.75, right=2.75),
            Figure(
                what="how often the weak supplier wins at 4 against 3",
                key="allocation[2].from the weak",
                printed=1,
                right=1,
            ),
        ),
    ),
    Example(
        name="settings/public_good",
        source="Guth and Hellwig (1986), Journal of Economics, Supplement 5, by its formula",
        command="design",
        figures=(
            Figure(
                what="most surplus that pays for itself",
                key="objective_value",
                printed=5 / 3,
                right=5 / 3,
            ),
        ),
    ),
    Example(
        name="settings/regulation",
        source="Baron and Myerson (1982), Econometrica 50(4), by its formula, with a cost of public"
        " funds as in Laffont and Tirole (1986), Journal of Political Economy 94(3)",
        command="design",
        figures=(
            Figure(what="value", key="objective_value", printed=22.25, right=22.25),
            Figure(what="8 units at cost 1", key="allocation[0].q8", printed=1, right=1),
            Figure(what="5 units at cost 2", key="allocation[1].q5", printed=1, right=1),
            Figure(what="paid at cost 1", key="transfers[0][0]", printed=13, right=13),
            Figure(what="paid at cost 2", key="transfers[0][1]", printed=10, right=10),
        ),
    ),
    Example(
        name="settings/painting",
        source="Conitzer and Sandholm (2003), divorce settings of automated mechanism design",
        command="design",
        figures=(
            Figure(
                what="expected value without money",
                key="objective_value",
                printed=5509.82,
                right=5509.82,
            ),
        ),
    ),
    Example(
        name="settings/partnership",
        source="Cramton, Gibbons and Klemperer (1987), Econometrica 55(3)",
        command="design",
        figures=(
            Figure(
                what="equal shares can be dissolved",
                key="status",
                printed="optimal",
                right="optimal",
            ),
        ),
    ),
    Example(
        name="settings/package_auction",
        source="Weber, The Vickrey (-Clarke-Groves) combinatorial auction, Kellogg, Decs 452",
        command="design",
        figures=(
            Figure(what="1 receives", key="transfers[0][0]", printed=-50, right=-50),
            Figure(what="2 receives", key="transfers[1][0]", printed=-50, right=-50),
            Figure(what="1 receives at 160", key="transfers[0][1]", printed=-50, right=-50),
            Figure(
                what="2 receives where 1 has 160", key="transfers[1][1]", printed=-40, right=-40
            ),
        ),
    ),
    Example(
        name="settings/public_project",
        source="Foldvary, lecture notes Econ 132, Demand revelation: a TV set of three room-mates",
        command="design",
        figures=(Figure(what="C receives", key="transfers[2][0]", printed=-100, right=-100),),
    ),
    Example(
        name="settings/road",
        source="answer at askfilo.com to an exercise on three homeowners and a road",
        command="design",
        figures=tuple(
            Figure(
                what=f"homeowner {n + 1} receives",
                key=f"transfers[{n}][0]",
                printed=printed,
                right=right,
                why="the source errs, it counts shares of the cost, paid apart, a second time",
            )
            for n, (printed, right) in enumerate([(-500, 0), (-2500, 0), (-5500, -1000)])
        ),
    ),
    Example(
        name="settings/route",
        source="Coursera, Game Theory II, 3-3, after Shoham and Leyton-Brown (2009)",
        command="design",
        figures=(
            Figure(what="AB receives", key="transfers[0][0]", printed=4, right=4),
            Figure(what="BE receives", key="transfers[1][0]", printed=2, right=2),
            Figure(what="EF receives", key="transfers[2][0]", printed=3, right=3),
        ),
    ),
    Example(
        name="settings/street_lights",
        source="Groves-Clarke Mechanism: An Example, lecture slides of 4 December 2008",
        command="design",
        figures=(
            Figure(what="A receives", key="transfers[0][0]", printed=0, right=0),
            Figure(what="B receives", key="transfers[1][0]", printed=-5, right=-5),
            Figure(what="C receives", key="transfers[2][0]", printed=-10, right=-10),
        ),
    ),
    Example(
        name="settings/two_apples",
        source="Wikipedia, Vickrey auction, generalizations",
        command="design",
        figures=(
            Figure(what="A receives", key="transfers[0][0]", printed=-4, right=-4),
            Figure(what="B receives", key="transfers[1][0]", printed=-1, right=-1),
            Figure(what="C receives", key="transfers[2][0]", printed=0, right=0),
        ),
    ),
)
"""Markets, the model's own paper, mechanisms."""
