"""Where the messages of a playing node come from."""
