"""Sockets, TLS and the event loop; nothing here knows HTTP."""
