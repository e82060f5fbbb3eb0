"""One corpus layout per file, each a generator of utterances."""
