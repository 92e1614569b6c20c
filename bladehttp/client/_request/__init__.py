"""A request as it will be sent: method, URL, fields and body, checked."""
