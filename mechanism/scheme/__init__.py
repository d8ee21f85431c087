"""Appendix B in this market: levels assigned by reports, subsidies, taxes, truth, participation,
budget."""
