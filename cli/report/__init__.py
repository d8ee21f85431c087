"""Results as a report to hand on."""
