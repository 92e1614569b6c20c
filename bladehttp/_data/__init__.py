"""Plain data and codecs, the ground floor: no socket, no clock, no libcurl."""
