"""Idle engines: who gets which, and which are closed."""

from collections.abc import Callable
from dataclasses import dataclass, field

from bladehttp.client._curl.pool import Limits, Pool


@dataclass
class Few:
    """Limits of a pool."""

    max_idle_connections: int | None = None
    idle_timeout: int | None = None


@dataclass(eq=False)
class Engine:
    """An engine without connections; ``look`` is what happens while it is looked at."""

    look: Callable[[], object] = field(default=lambda: None)
    idle_since: float = 0.0
    is_inherited: bool = False
    closed: bool = False
    alive: bool = True

    def may_be_kept(self) -> bool:
        return True

    def is_open(self, limits: Limits) -> bool:
        del limits
        self.look()
        return self.alive

    def close(self) -> None:
        self.closed = True


def filled(count: int) -> tuple[Pool[Engine], list[Engine]]:
    """Return a pool with idle engines, the oldest first, that looks at them at the next release."""
    pool = Pool(Engine)
    engines = [pool.acquire() for _ in range(count)]
    pool._look_at = float("inf")
    for engine in engines:
        pool.release(engine, Few())
    pool._look_at = 0.0
    return pool, engines


def test_a_look_keeps_the_order() -> None:
    pool, engines = filled(5)
    engines[1].alive = False
    pool.release(pool.acquire(), Few())
    assert [engine.closed for engine in engines] == [False, True, False, False, False]
    assert [pool.acquire() for _ in range(4)] == [engines[at] for at in (4, 3, 2, 0)]


def test_a_look_leaves_idle_engines_to_other_threads() -> None:
    pool, engines = filled(5)
    taken: list[Engine] = []
    for engine in engines[:3]:
        engine.look = lambda: taken.append(pool.acquire())
    pool.release(pool.acquire(), Few())
    assert taken == [engines[4], engines[3], engines[1]]


def test_a_pool_closed_during_a_look_keeps_nothing() -> None:
    pool, engines = filled(3)
    engines[0].look = pool.close
    pool.release(pool.acquire(), Few())
    assert all(engine.closed for engine in engines)
    assert pool.idle == 0


def test_a_look_closes_what_is_beyond_the_limit() -> None:
    pool, engines = filled(5)
    pool.release(pool.acquire(), Few(max_idle_connections=3))
    assert [engine.closed for engine in engines] == [True, True, False, False, False]
