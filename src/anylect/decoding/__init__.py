"""What turns emissions into hypotheses; works without torch."""
