"""Pretraining of the frame encoder on single images of simulated people."""
