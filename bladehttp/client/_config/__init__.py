"""The properties of a client, and the libcurl options they become."""
