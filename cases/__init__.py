"""The shipped cases: YAML files, each with a comment on what it shows and the values an independent
solution gives it."""
