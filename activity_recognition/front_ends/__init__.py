"""Frozen pretrained networks before the encoders: images to key points, sounds to embeddings.

They run by a runtime of their own, not by PyTorch; what they give is the network's input, and may
be kept (ADR 41).
"""
