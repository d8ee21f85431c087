"""The market of Gal-Or and Ghose (2005): demand, costs, prices, and the outcome of every regime
with its proof."""
