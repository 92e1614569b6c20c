"""Exchange: one request of the caller's with its redirects and retries, under one deadline."""

import logging
from collections.abc import Callable
from contextvars import Context
from dataclasses import replace
from functools import partial
from time import monotonic, sleep
from typing import Any

from bladehttp._message.response import HttpResponse
from bladehttp._message.response_head import Hops
from bladehttp.client._config.environment import active_proxy
from bladehttp.client._config.redaction import redact, secrets_of
from bladehttp.client._config.retry import Retry
from bladehttp.client._curl.engine import SUCCESS, Outcome
from bladehttp.client._curl.errors import Error, annotate
from bladehttp.client._curl.handle import Handle
from bladehttp.client._curl.resend import MOST
from bladehttp.client._curl.transfer import Transfer
from bladehttp.client._curl.transfer_options import PROXY_AUTHENTICATION_REQUIRED
from bladehttp.client._exchange.auth_flow import AuthFlow
from bladehttp.client._exchange.hooks import Hook, HookRequest, Hooks, call, drop
from bladehttp.client._request.prepared import PreparedRequest, with_body_fields
from bladehttp.client._request.redirects import next_request
from bladehttp.exceptions import HttpException, ProxyError, TooManyRedirects, UnrewindableBody
from bladehttp.status import BAD_REQUEST

CHALLENGES = (401, 407)

logger = logging.getLogger("bladehttp.client")


class Exchange:
    """One request of the caller's with its redirects and retries.

    It runs nothing itself, so an engine, a batch and asyncio can drive it alike: wait for
    `not_before`, `prepare` a handle, run it, `finish`; repeat until `finish` returns a response or
    raises.

    Attributes:
        request: The request that is sent next, or was sent last.
        receive_timeout_s: Longest time without a byte in either direction once connected.
        deadline: When the whole exchange must be over, in terms of `time.monotonic`.
        not_before: Earliest time of the next request, in terms of `time.monotonic`; 0 for at once.
        context: The context variables of the caller, in which a scheduler runs all of the caller's
            code: hooks, log records, data. None where an engine runs it, in the caller's own thread
            and context.
        awaitables: Awaitables that hooks have returned (_asyncio/hooks.py); None or [] for none.
        started: When it was created or its clocks were restarted, in terms of `time.monotonic`.
        host: The host whose slot it holds or waits for; see `Slots`.
    """

    __slots__ = (
        "_flow", "_history", "_hooks", "_is_announced", "_is_reauthenticated", "_on_error_due",
        "_outgoing", "_repeated", "_retries", "_transfer", "awaitables", "context", "deadline",
        "given", "host", "not_before", "receive_timeout_s", "request", "started",
    )  # fmt: skip

    host: Any

    def __init__(
        self, request: PreparedRequest, hooks: Hooks | None = None, given: Any = None
    ) -> None:
        """Create an exchange and start its total_timeout clock.

        Args:
            request: The first request.
            hooks: The hooks to call, None for none; see `active_hooks`.
            given: Value of ``request.given`` on responses and exceptions.
        """
        self.request = request
        self.given = given
        self.context: Context | None = None
        self.receive_timeout_s = request.settings.receive_timeout_s
        self.started = started = monotonic()
        self.deadline = started + request.settings.total_timeout_s
        self.not_before = 0.0
        self._history: Hops = ()
        self._retries = self._repeated = 0
        self._transfer = Transfer()
        self._hooks = hooks
        self._is_announced = self._is_reauthenticated = False
        self._on_error_due = False  # whether on_request was called and no other hook since
        self.awaitables: list[Any] | None = None
        self._flow: AuthFlow | None = None
        if hooks is not None:
            self._outgoing = HookRequest(given)
            auth = request.settings.auth
            self._flow = AuthFlow(auth, hooks.may_await) if callable(auth) else None

    def restart_stopwatch(self) -> None:
        """Restart ``time_taken`` after a wait for a slot. The total_timeout clock runs on."""
        self.started = monotonic()

    def restart_clocks(self) -> None:
        """Restart ``time_taken`` and the total_timeout clock after a wait."""
        self.started = started = monotonic()
        self.deadline = started + self.request.settings.total_timeout_s

    def wait_for_retry(self) -> None:
        """Sleep until the next request may be sent."""
        sleep(max(0.0, self.not_before - monotonic()))

    def prepare(self, handle: Handle, sink: Any = None) -> None:
        """Set a handle up for the request.

        Args:
            handle: The handle.
            sink: The sink of the body, with the methods of `StreamSink`; None collects it.

        Raises:
            HttpException: The request cannot be sent.
            RuntimeError: The server belongs to this thread, so that waiting for it would never end.
            BaseException: An exception of a hook.
        """
        self.not_before = 0.0
        try:
            request = self.request if self._hooks is None else self._announced(self._hooks)
            if self._is_reauthenticated:
                handle.invalidate()
            self._transfer.begin(request, handle, sink, self._repeated > 0)
        except BaseException as error:
            self.notify_error(error)
            raise

    def _announced(self, hooks: Hooks) -> PreparedRequest:
        """Return the request with the fields as the hooks have changed them."""
        if not self._is_announced:
            self._announce(hooks)
        fields = self._outgoing.headers.fields()
        if fields == self.request.fields:
            return self.request
        return replace(self.request, fields=with_body_fields(fields, self.request.body))

    @property
    def may_await(self) -> bool:
        """Whether its hooks may return awaitables, which are kept in ``awaitables``."""
        return self._hooks is not None and self._hooks.may_await

    def announce(self) -> None:
        """Call `on_request` for the next request; `prepare` does not call it again.

        Raises:
            BaseException: An exception of a hook.
        """
        if self._hooks is not None and not self._is_announced:
            try:
                self._announce(self._hooks)
            except BaseException as error:
                self.notify_error(error)
                raise

    def _announce(self, hooks: Hooks) -> None:
        self._outgoing.update(self.request, len(self._history), self._retries)
        self._is_announced = True
        flow = self._flow
        steps = hooks.on_request if flow is None else [*hooks.on_request, flow.begin]
        self._call(steps, True, self._outgoing)

    def _call(self, hooks: list[Hook], on_error_due: bool, *arguments: object) -> None:
        """Call hooks; keep the awaitables that they return, if they may.

        Args:
            hooks: The hooks.
            on_error_due: Value of ``_on_error_due`` once the first of them has begun.
            arguments: The arguments of each hook.
        """
        if not self.may_await:
            self._on_error_due = on_error_due
            call(hooks, *arguments)
            return
        given = self.awaitables
        if given is None:
            given = self.awaitables = []
        before, note = self._on_error_due, partial(setattr, self, "_on_error_due", on_error_due)
        is_deferred = bool(given)
        if is_deferred:
            given.append(note)
        else:
            self._on_error_due = on_error_due
        call(hooks, *arguments, given=given)
        if given and not is_deferred and len(given) == len(hooks):
            self._on_error_due = before
            given.insert(0, note)

    def _drop_awaitables(self) -> None:
        """Close the awaitables that will not be awaited."""
        given, self.awaitables = self.awaitables, None
        for each in given or ():
            drop(each)

    def is_final(self, has_begun: bool) -> bool:
        """Whether the response whose head was received is the one to return.

        It is not if it is interim, a redirect, to be retried, or one that ``auth`` may answer. Nor
        are 401 and 407 before the first byte of their body: libcurl may answer them itself.
        """
        settings, status = self.request.settings, self._transfer.last_status()
        if self.is_redirect or not (has_begun or self._transfer.has_head):
            return False
        if status in CHALLENGES and self._may_be_answered(status):
            return False
        if settings.retry is not None and status in settings.retry.statuses:
            return False
        if self._flow is not None and self._flow.is_open and status >= BAD_REQUEST:
            return False
        return has_begun or (status >= 200 and status not in CHALLENGES)

    @property
    def is_redirect(self) -> bool:
        """Whether the received head is that of a redirect, whose body is dropped."""
        return self._transfer.is_redirect

    @property
    def can_follow_now(self) -> bool:
        """Whether a redirect ends its connection, so that its body need not be awaited."""
        return self._transfer.is_redirect and self._transfer.ends_connection

    def open_response(self, begin: Callable[[HttpResponse], None]) -> HttpResponse:
        """Return the final response, its body still to be received.

        Args:
            begin: Gives the response the source of its body, before hooks may read it.
        """
        response = self._transfer.open_response()
        begin(response)
        if self._flow is not None and self._flow.is_open:
            self._add_awaitable(self._flow.give_opened(response))
        return self._completed(response)

    def finish_stream(self, outcome: Outcome) -> None:
        """Finish the body of a response that was opened.

        Raises:
            HttpException: The body is incomplete.
        """
        self._transfer.finish(outcome)

    def abort(self, reason: BaseException) -> None:
        """Reset the handle after an aborted transfer. Call instead of `finish`.

        Args:
            reason: The exception that ended the request; `on_error` is called with it if nothing
                has followed `on_request` yet.
        """
        self._transfer.release_handle()
        self.notify_abort(reason)

    def notify_abort(self, reason: BaseException) -> None:
        """Call `on_error` if it is due, and log its exceptions.

        Raised, they would replace a CancelledError or a KeyboardInterrupt.
        """
        if not (self._is_announced or self._on_error_due):
            return
        self._is_announced = False
        self._drop_awaitables()
        if self._flow is not None:
            self._flow.close()
        try:
            if self.context is None:
                self._call_on_error(reason)
            else:  # a copy: a hook of this request may have aborted it
                self.context.copy().run(self._call_on_error, reason)
        except Exception:
            logger.exception("on_error failed for a request that was aborted")

    def finish(self, outcome: Outcome) -> HttpResponse | None:
        """Return the final response, or None if another request must be sent.

        Raises:
            HttpException: See bladehttp/exceptions.py; ``response`` is the last response.
            BaseException: An exception of a hook, or one that the caller's code raised while its
                data was read.
        """
        if outcome is not SUCCESS and self._is_sent_again():
            return None
        self._repeated = 0
        following = None
        try:
            response = self._transfer.finish(outcome, self.deadline)
            if response is None:
                following = self._following()
            elif response.status in CHALLENGES and self._is_answered(response.status):
                return None
        except BaseException as error:
            if self._is_repeated(error):
                return None
            self.notify_error(error)
            raise
        if following is not None:
            self._follow(following)
            return None
        retry, flow = self.request.settings.retry, self._flow
        if response is None or (retry is not None and self._is_retried(response, retry)):
            return None
        return self._completed(response) if flow is None else self._decided(flow, response)

    def _decided(self, flow: AuthFlow, response: HttpResponse) -> HttpResponse | None:
        """Return the response, None if ``auth`` asks for the request again or is to be awaited."""
        if not flow.is_open:
            return self._completed(response)
        received = self._transfer.received
        received.method, received.given = self.request.method, self.given
        try:
            pending = flow.give(response)
        except BaseException as error:
            self.notify_error(error)
            raise
        if pending is not None:
            flow.held = response
            self._add_awaitable(pending)
            return None
        return self._answered(flow, response)

    def _answered(self, flow: AuthFlow, response: HttpResponse) -> HttpResponse | None:
        """Return the response, None if ``auth`` asks for the request again.

        Raises:
            UnrewindableBody: It does, and the body cannot be sent again.
        """
        if not flow.asks_again:
            return self._completed(response)
        url = redact(self.request.url.text)
        logger.debug("%s %s: %d, again for auth", self.request.method, url, response.status)
        try:
            if self.request.body is not None:
                self.request.body.rewind()
        except UnrewindableBody as error:
            annotate(error, self.request.info(self.given), response)
            self.notify_error(error)
            raise
        return None

    def settle(self) -> HttpResponse | None:
        """Return the response that an awaited ``auth`` has accepted, None to send a request.

        Raises:
            BaseException: As of `finish`.
        """
        flow = self._flow
        if flow is None or flow.held is None:
            return None
        response, flow.held = flow.held, None
        return self._answered(flow, response)

    def _add_awaitable(self, awaitable: object) -> None:
        if awaitable is not None:
            self.awaitables = [*(self.awaitables or ()), awaitable]

    def _may_be_answered(self, status: int) -> bool:
        """Whether a challenge is decided only at its end; see `_is_answered`."""
        if not self._is_reauthenticated and self._transfer.was_answered_early(status):
            return True
        settings, scheme = self.request.settings, self.request.url.origin[0]
        return status == PROXY_AUTHENTICATION_REQUIRED and "@" in active_proxy(settings, scheme)

    def _is_answered(self, status: int | None) -> bool:
        """Whether the request is sent once more with another answer to a challenge.

        A proxy requires Digest; or libcurl has answered with the data of an earlier challenge and
        takes the new one for a refusal (another realm, a nonce that is used once).
        """
        transfer = self._transfer
        if status not in CHALLENGES:
            return False
        is_other = status == PROXY_AUTHENTICATION_REQUIRED and transfer.wants_proxy_digest()
        transfer.forget_challenge()  # refused: it is useless and must not be tried again
        if self._is_reauthenticated or not (is_other or transfer.was_answered_early(status)):
            return False
        self._is_reauthenticated = self.request.rewind()
        return self._is_reauthenticated

    def _is_sent_again(self) -> bool:
        """Whether the request is sent again because it was not processed; see resend.py."""
        if self._repeated == MOST or not self._transfer.was_not_processed():
            return False
        if not self.request.rewind():
            return False
        self._transfer.release_handle()
        self._repeated += 1
        return True

    def _completed(self, response: HttpResponse) -> HttpResponse:
        received = self._transfer.received
        received.method, received.given = self.request.method, self.given
        received.time_taken = (monotonic() - self.started) * 1000
        if self._history:
            received.hops = self._history
        if self._hooks is None and response.status < BAD_REQUEST:
            return response  # nearly always
        if response.status >= BAD_REQUEST:
            sent = self._transfer.request
            patterns, auth = sent.settings.sensitive_headers, sent.settings.auth
            received.secrets = secrets_of(sent.url.text, sent.fields, patterns, auth)
        if self._hooks is not None:
            self._is_announced = False
            self._call(self._hooks.on_response, False, self._outgoing, response)
        if response.status >= BAD_REQUEST and response.source is None:
            self.check_status(response)
        return response

    def check_status(self, response: HttpResponse) -> None:
        """Raise a response of 400 and above if ``raise_for_status`` is set.

        It does nothing while hooks of the response are to be awaited: call it again after them.

        Raises:
            HttpStatusError: With the response.
        """
        if self.request.settings.raise_for_status and not self.awaitables:
            response.raise_for_status()

    def _following(self) -> PreparedRequest:
        """Return the request that a redirect leads to."""
        transfer, limit = self._transfer, self.request.settings.max_redirects
        try:
            if len(self._history) >= limit:
                last = transfer.location[:200]
                raise TooManyRedirects(f"more than {limit} redirects, the last to {last!r}")
            return next_request(self.request, transfer.status, transfer.location)
        except HttpException as error:
            response = transfer.redirect_response()
            raise annotate(error, self.request.info(), response) from error.__cause__

    def _follow(self, following: PreparedRequest) -> None:
        """Continue with the request that a redirect leads to, unless it is to be retried."""
        transfer, retry = self._transfer, self.request.settings.retry
        if retry is not None and self._is_retried(transfer.redirect_response(), retry):
            return
        self._is_reauthenticated = False
        self._history += ((transfer.status, self.request.url.text),)
        self.request = following
        if self._flow is not None:
            self._flow.close()
            if following.settings.auth is None:  # another origin
                self._flow = None
        if self._hooks is not None:
            self._is_announced = False
            response = transfer.redirect_response()
            self._call(self._hooks.on_redirect, False, self._outgoing, response)

    def _is_retried(self, response: HttpResponse, retry: Retry) -> bool:
        """Whether the request is sent again because of a response; then it waits for that."""
        if response.status not in retry.statuses or self.request.method not in retry.methods:
            return False
        return self._is_delayed(response, retry, response.headers.get("Retry-After"))

    def _is_repeated(self, error: BaseException) -> bool:
        """Whether the request is sent again after a failure; then it waits for that."""
        if isinstance(error, ProxyError) and self._is_answered(error.status):
            return True
        retry = self.request.settings.retry
        if retry is None or not isinstance(error, Exception):
            return False
        if not retry.may_repeat(error, self.request.method, self._transfer.was_sent()):
            return False
        return self._is_delayed(error, retry, None)

    def _is_delayed(self, result: object, retry: Retry, retry_after: str | None) -> bool:
        """Whether the same request is sent again after some seconds, and set that time.

        It is not after too many retries, if that would be too late, or its body cannot be rewound.
        """
        delay = retry.delay(self._retries, retry_after)
        if delay is None or monotonic() + delay >= self.deadline or not self.request.rewind():
            return False
        self._retries += 1
        self.not_before = monotonic() + delay
        if self._hooks is not None:
            self._is_announced = False
            self._call(self._hooks.on_retry, False, self._outgoing, result, delay * 1000)
        return True

    def annotate(self, error: Error) -> Error:
        """Set the request on an exception that becomes a result, and return it."""
        return annotate(error, self.request.info(self.given), None)

    def notify_error(self, error: BaseException) -> None:
        """Call `on_error` if `on_request` was called and no hook has followed it."""
        if self._flow is not None:
            self._flow.close()
        if isinstance(error, Exception):
            self._call_on_error(error)
        else:
            self.notify_abort(error)

    def _call_on_error(self, error: BaseException) -> None:
        self._is_announced = False
        if self._hooks is not None and self._on_error_due:
            self._call(self._hooks.on_error, False, self._outgoing, error)
