"""Info: the versions for a bug report."""

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
"""Optional features of libcurl and their bits. CURL_VERSION_*."""


def describe(version: str) -> dict[str, str | list[str]]:
    """Return the versions of the parts, libcurl's features, and the trusted authorities.

    Args:
        version: The version of this package.

    Raises:
        CertificateFileError: A variable of the environment names a file that does not exist.
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
