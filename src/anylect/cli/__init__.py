"""The command line: a click command per workflow, nothing else."""
