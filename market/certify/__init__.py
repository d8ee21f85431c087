"""May this outcome be believed: proofs that an optimum is global, and that an equilibrium is the
only one."""
