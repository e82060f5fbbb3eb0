"""Challenges: rules, submissions run without sight of the references, scores, a leaderboard."""
