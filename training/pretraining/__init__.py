"""Pretraining of the frame encoder on single pictures of simulated people."""
