"""The JSON contract and tables: typed results as plain values, the only place where they become
so."""
