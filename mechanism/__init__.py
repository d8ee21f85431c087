"""The policy of Gal-Or and Ghose (2005), Appendix B: subsidies, taxes, participation and
truth-telling."""
