"""Solvers over boxes that know no economics: global maxima (`optimum`) and equilibria
(`equilibrium`).

They work on many independent problems ("lanes") at once, first axis, and on exact derivatives.
`tolerances` holds every threshold they use.
"""
