"""What we learn from: manifests, corpora, splits, batches."""
