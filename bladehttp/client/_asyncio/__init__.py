"""Everything of the client that knows asyncio."""
