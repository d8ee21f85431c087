"""Plain subsidies per unit: at known types, and fixed before types are drawn."""
