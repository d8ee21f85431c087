"""The paper's claims, at one case and over random markets."""
