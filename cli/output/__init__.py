"""Where text and files leave: streams, cells, whole files, signals that end a run."""
