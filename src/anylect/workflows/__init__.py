"""The verbs: one file, one function, one configuration each."""
