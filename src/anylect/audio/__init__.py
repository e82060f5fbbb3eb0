"""What is heard: recordings, frames, windows, features, and a voice of our own."""
