"""One training run: batches, losses, optimisation, validation, and what is kept of it."""
