"""Recognises what the people around a robot are doing, while it happens."""

__version__ = '0.1.0'
