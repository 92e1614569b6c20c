"""libcurl: kept handles, the loop that drives them, and one transfer on one handle."""
