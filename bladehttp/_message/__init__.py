"""Request and response, the objects that both sides share."""
