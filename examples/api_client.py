"""A client for a service whose access tokens run out, in the form a library would have it.

    python examples/api_client.py URL CLIENT_ID CLIENT_SECRET

The tests stand in test_api_client.py.
"""

import sys
import threading

import bladehttp as http


class Token:
    """Send an access token, and request another one when the service refuses it."""

    def __init__(self, url, client_id, client_secret):
        self.url, self.login = url, (client_id, client_secret)
        self.value, self.lock = None, threading.Lock()

    def __call__(self, request):
        used = self.value
        request.headers["Authorization"] = f"Bearer {used}"
        response = yield request
        if response.status == http.UNAUTHORIZED:
            request.headers["Authorization"] = f"Bearer {self.refreshed(used)}"
            yield request

    def refreshed(self, used):
        with self.lock:  # one refresh, however many threads were refused
            if self.value == used:
                answer = http.post(
                    self.url,
                    form={"grant_type": "client_credentials"},
                    auth=self.login,
                    auth_method=http.Auth.BASIC,
                    raise_for_status=True,
                )
                self.value = answer.json()["access_token"]
            return self.value


class Shop(http.HttpClient):
    """The service."""

    def __init__(self, url, client_id, client_secret):
        super().__init__(
            base_url=url,
            auth=Token(f"{url}/token", client_id, client_secret),
            raise_for_status=True,
            retry=http.Retry(3),
            total_timeout=30_000,
        )

    def items(self):
        for page in self.pages("/items"):
            yield from page.json()

    def order(self, item, count=1):
        return self.post("/orders", json={"item": item, "count": count}).json()["id"]


if __name__ == "__main__":
    with Shop(*sys.argv[1:]) as shop:
        print(list(shop.items()))
