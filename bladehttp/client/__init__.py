"""The client half: HttpClient over libcurl, and the one that the module functions share."""

from bladehttp.client.client import HttpClient
from bladehttp.client.shared import shared

__all__ = ["HttpClient", "shared"]
