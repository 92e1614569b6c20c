"""The http module."""

__version__ = "0.1.0"
