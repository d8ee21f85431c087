"""Results read back from their files: run again, compared figure by figure, told as scripts."""
