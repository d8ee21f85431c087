"""What a whole case file states: market, types, mechanism, the standard; its keys; the policies
there are."""
