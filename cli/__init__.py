"""The shell around market and mechanism: arguments in, one call, rendering out."""
