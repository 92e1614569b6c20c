"""100 routes with a parameter each on Starlette, as its users write them."""

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from benchmarks.servers import FIELD, ROUTES


async def show(request: Request) -> Response:
    """Answer with the parameter."""
    return Response(request.path_params["id"], headers=dict([FIELD]), media_type="text/plain")


route = Starlette(routes=[Route(f"/things{number}/{{id}}", show) for number in range(ROUTES)])
