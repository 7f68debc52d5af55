"""What people around a robot are doing, told while it happens."""

__version__ = '0.1.0'
