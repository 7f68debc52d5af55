"""Images of what the network gets of recordings."""
