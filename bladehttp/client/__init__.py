"""The client half: HttpClient over libcurl, and the one that the module functions share.

AsyncHttpClient is in bladehttp/client/aio.py, which is imported when it is asked for.
"""

from bladehttp.client.client import HttpClient
from bladehttp.client.shared import shared

__all__ = ["HttpClient", "shared"]
