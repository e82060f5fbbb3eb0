"""What turns pairs of texts into numbers; works without torch."""
