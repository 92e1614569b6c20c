"""Static files: opened safely, answered with conditions and ranges, listed."""
