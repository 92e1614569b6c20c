"""One client's connection: its states, how requests come in and how responses go out."""
