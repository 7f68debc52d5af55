"""Recordings as arrays: preprocessed once, cached, split, and cut into crops."""
