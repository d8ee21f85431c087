"""From what can be observed of a market to its parameters: the data file, the closed chain, the fit
and what it leaves open; slopes and prices of any number of products."""
