"""Teaching a checkpoint more activities from a few recordings, without forgetting the old ones."""
