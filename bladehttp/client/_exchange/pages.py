"""Pages: a list of responses, each of which names the next in a Link field (RFC 8288)."""

from bladehttp._message.response import HttpResponse
from bladehttp.client._config.validators import at_least_one
from bladehttp.client._curl.errors import annotate
from bladehttp.client._request.prepared import PreparedRequest
from bladehttp.client._request.redirects import page_request
from bladehttp.exceptions import HttpException

MOST_PAGES = 1000
"""Most pages where the caller sets no limit: a server can name a next page for ever."""


class Pages:
    """The requests for one list of pages.

    Attributes:
        first: The first request.
    """

    def __init__(self, first: PreparedRequest, limit: int | None) -> None:
        """Create a list.

        Args:
            first: The first request.
            limit: Most pages; None for MOST_PAGES, beyond which `after` raises.

        Raises:
            TypeError: The limit is not an int.
            ValueError: It is 0 or less.
        """
        self.first = self._request = first
        self._limit = None if limit is None else at_least_one("limit", limit)
        self._visited: set[str] = set()
        self._count = 0

    def after(self, response: HttpResponse) -> PreparedRequest | None:
        """Return the request for the page after a response, None at the end.

        The end is a response without a link of the type "next", one that leads to an earlier page,
        or the limit.

        Raises:
            HttpException: The link cannot be followed, or there are more than MOST_PAGES.
        """
        self._count += 1
        self._visited |= {_page(self._request.url.text), _page(response.url)}
        link = response.links.get("next")
        if link is None or self._count == self._limit:
            return None
        places = [*(hop.url for hop in response.history), response.url]
        info = self._request.info()
        try:
            following = page_request(self._request, places, link.url)
        except HttpException as error:
            raise annotate(error, info, response) from error.__cause__
        if _page(following.url.text) in self._visited:
            return None
        if self._limit is None and self._count >= MOST_PAGES:
            many = HttpException(f"more than {MOST_PAGES} pages: set limit to get more")
            raise annotate(many, info, response)
        if following.body is not None:
            following.body.rewind()
        self._request = following
        return following


def _page(url: str) -> str:
    return url.partition("#")[0]
