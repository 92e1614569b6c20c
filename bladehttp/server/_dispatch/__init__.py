"""Which callbacks answer a request, where they run, and the records kept of it."""
