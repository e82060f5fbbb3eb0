"""The folder we ship, and how it travels."""
