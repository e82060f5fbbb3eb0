"""What is written: normalizers and vocabularies."""
