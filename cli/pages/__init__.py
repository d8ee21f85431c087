"""Results as text for a terminal, and as rows of CSV."""
