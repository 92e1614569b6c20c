"""A script that was written for requests, moved here. What it was stands in the comments.

    python examples/migrated.py URL

The lines of requests stand above those that took their place.
"""

import sys

import bladehttp as http  # import requests

# was: session = requests.Session()
# was: session.headers["Accept"] = "application/json"
client = http.HttpClient(base_url=sys.argv[1], cookies=True)
client.headers["Accept"] = "application/json"

# was: session.post(f"{url}/login", data={"name": "ada"}, timeout=5).raise_for_status()
client.post("/login", form={"name": "ada"}, total_timeout=5_000).raise_for_status()

try:
    # was: users = session.get(f"{url}/users", params={"page": 2}, timeout=5).json()
    users = client.get("/users", query={"page": 2}, total_timeout=5_000).json()
# was: except requests.Timeout:
except http.TimeoutException:
    sys.exit("the server takes too long")
# was: except requests.RequestException as error:
except http.HttpException as error:
    sys.exit(str(error))

# was: with open("photo.png", "rb") as photo:
# was:     session.post(f"{url}/photos", files={"photo": photo}, timeout=60)
with open(__file__, "rb") as photo:
    answer = client.post("/photos", files={"photo": photo}, total_timeout=60_000)
print(users, answer.status_code)
client.close()
