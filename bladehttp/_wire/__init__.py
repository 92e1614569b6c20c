"""HTTP/1.1 on the wire: bytes to plain data and back.

No socket, no clock, no libcurl and no message class in here: what a byte stream means is
decided by its bytes alone, so every rule can be tested by feeding bytes.
"""
