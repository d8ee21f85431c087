"""A local page on which the answer follows the fingers."""
