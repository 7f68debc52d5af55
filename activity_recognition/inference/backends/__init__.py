"""What runs the steps of the network: PyTorch as it is, or something faster that equals it."""
