"""What is likely: n-gram language models; works without torch."""
