"""Many cases: the design of a batch, its chunks, who computes them and what is written."""
