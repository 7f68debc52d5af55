"""The nodes that play to live topics: ``player`` and ``simulator``."""
