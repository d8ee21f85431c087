"""One module per command. Whatever takes long to import is imported inside the functions, so that
`--help` stays fast."""
