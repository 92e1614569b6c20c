"""A download: a file that is there whole or not at all."""
