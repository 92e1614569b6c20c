"""The client half: HttpClient over libcurl, and the one that the module functions share."""

from bladehttp.client.aio import AsyncHttpClient
from bladehttp.client.client import HttpClient
from bladehttp.client.shared import shared

__all__ = ["AsyncHttpClient", "HttpClient", "shared"]
