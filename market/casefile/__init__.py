"""From a file to what a market is: trees that know their place, faults and how they are worded, the
blocks of a case."""
