"""Info: what a bug report should say about the parts this package is made of."""

import platform
import sys

import pycurl

from bladehttp._data.decoders import CODINGS
from bladehttp.client._config.environment import active_authorities
from bladehttp.client._config.options import Settings

FEATURES = {
    name.removeprefix("VERSION_").lower().replace("_", "-"): bit
    for name, bit in vars(pycurl).items()
    if name.startswith("VERSION_") and isinstance(bit, int)
}
"""What libcurl can be built with -> its bit in the features. CURL_VERSION_*."""


def describe(version: str) -> dict[str, str | list[str]]:
    """Return the versions of the parts, what libcurl can do, and whom is trusted.

    Args:
        version: Of this package.

    Raises:
        CertificateFileError: A variable of the environment names a file that is not there.
    """
    curl = pycurl.version_info()
    bits = curl[4]
    return {
        "bladehttp": version,
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "platform": f"{sys.platform} {platform.machine()}",
        "libcurl": curl[1],
        "pycurl": pycurl.version.split()[0].partition("/")[2],
        "libraries": pycurl.version.split()[2:],
        "protocols": sorted(name for name in curl[8] if name in ("http", "https")),
        "features": sorted(name for name, bit in FEATURES.items() if bits & bit),
        "content_codings": list(CODINGS),
        "certificate_authorities": active_authorities(Settings()),
    }
