"""What is found at a case as values, and in words: the answer, cautions, verdicts."""
