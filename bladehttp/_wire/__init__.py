"""HTTP/1.1 on the wire: bytes to plain data and back.

No socket, no clock, no libcurl and no message class: the meaning of a byte stream depends on its
bytes alone, so every rule can be tested by feeding bytes.
"""
