"""The economics as formulas: demand, cost, prices, payoffs, firms that leave, exact best replies,
accounts."""
