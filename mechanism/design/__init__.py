"""Mechanism design without the market: environments, tax rules, checks, and what transfers can do
at best."""
