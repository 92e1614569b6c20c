"""One request of the caller's: redirects, retries, hooks and clocks over its transfers."""
