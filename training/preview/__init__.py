"""Pictures of what the network sees and hears of recordings."""
