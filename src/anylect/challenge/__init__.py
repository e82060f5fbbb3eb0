"""Challenges: rules, submissions run where they cannot see the references, scores, a leaderboard."""
