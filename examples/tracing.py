"""OpenTelemetry on both sides: a span for each request of the client's, and one for its answer.

    pip install opentelemetry-sdk
    python examples/tracing.py

The two are joined by the traceparent field (W3C Trace Context). Attributes are named as in
OpenTelemetry's conventions for HTTP.
"""

import sys
from time import time_ns

import bladehttp as http
from bladehttp.client import HookRequest
from bladehttp.server import Answered

try:
    from opentelemetry import propagate, trace
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
    from opentelemetry.trace import Span, SpanKind, Status, StatusCode
except ImportError as error:
    print(f"nothing is traced: {error}; pip install opentelemetry-sdk")
    sys.exit(0)

exporter = InMemorySpanExporter()  # a program of your own exports to a collector
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
trace.set_tracer_provider(provider)
tracer = trace.get_tracer("bladehttp")


def begin(request: HookRequest) -> None:
    """Begin a span with each message: a redirect and a retry have spans of their own."""
    span = tracer.start_span(request.method, kind=SpanKind.CLIENT)
    span.set_attribute("http.request.method", request.method)
    span.set_attribute("url.full", request.url)
    if request.retries:
        span.set_attribute("http.request.resend_count", request.retries)
    request.context["span"] = span
    fields: dict[str, str] = {}
    propagate.inject(fields, trace.set_span_in_context(span))
    request.headers.update(fields)


def end(request: HookRequest, result: http.HttpResponse | BaseException, delay: float = 0) -> None:
    """End it with what came of the message, a response or an exception."""
    span: Span = request.context.pop("span")
    if isinstance(result, http.HttpResponse):
        span.set_attribute("http.response.status_code", result.status)
        span.set_attribute("network.protocol.version", result.version)
        failed = not result.ok
    else:
        span.record_exception(result)
        span.set_attribute("error.type", type(result).__qualname__)
        failed = True
    if failed:
        span.set_status(Status(StatusCode.ERROR))
    span.end()


def traced_client(base_url: str) -> http.HttpClient:
    """Return a client whose requests are traced."""
    return http.HttpClient(
        base_url,
        on_request=[begin],
        on_response=[end],
        on_redirect=[end],
        on_retry=[end],
        on_error=[end],
    )


def record(answered: Answered) -> None:
    """Make the span of an answer that is over, from when its request was complete."""
    request, response = answered.request, answered.response
    if request is None:  # it could not be understood
        return
    now = time_ns()
    span = tracer.start_span(
        request.method,
        context=propagate.extract(dict(request.headers)),
        kind=SpanKind.SERVER,
        start_time=now - int(answered.milliseconds * 1e6),
    )
    span.set_attribute("http.request.method", request.method)
    span.set_attribute("url.path", request.path)
    span.set_attribute("client.address", request.ip)
    span.set_attribute("http.response.status_code", response.status)
    if response.status >= 500:
        span.set_status(Status(StatusCode.ERROR))
    span.end(now)


def main() -> None:
    server = http.server(0)
    server.on_answered(record)
    server.handle("GET", "/old", lambda request, response: response.redirect("/new"))
    server.handle("GET", "/new", lambda request, response: response.write("here"))
    with server, traced_client(server.url) as client, tracer.start_as_current_span("main"):
        client.get("/old")
        client.get("/missing")
    for span in exporter.get_finished_spans():
        attributes = span.attributes or {}
        where = attributes.get("url.full", attributes.get("url.path", ""))
        status = attributes.get("http.response.status_code", "")
        trace_id = f"{span.context.trace_id:032x}"[:8] if span.context else ""
        print(trace_id, span.kind.name, span.name, where, status)


if __name__ == "__main__":
    main()
