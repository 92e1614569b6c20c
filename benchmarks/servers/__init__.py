"""What the servers run: the same three applications for each interface.

hello   13 bytes, whatever is asked
large   10 MB from memory
sink    reads a body and says how long it was
"""

HELLO = b"Hello, world!"
LARGE = bytes(10_000_000)
