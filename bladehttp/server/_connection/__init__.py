"""One client's connection: its states, reading requests, sending responses."""
