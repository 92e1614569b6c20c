"""A route is found as the rule says: segment by segment the literal first."""

from hypothesis import given, strategies as st

from bladehttp.server._dispatch.routes import Routes

words = st.sampled_from(["a", "b", ""])
pieces = st.lists(st.sampled_from(["a", "b", "{}", "{}"]), min_size=1, max_size=4)
templates = st.builds(
    lambda pieces, last: [*pieces, last], pieces, st.sampled_from(["a", "{}", "{:path}"])
)
paths = st.lists(words, max_size=6).map(lambda words: "/" + "/".join(words))


def spelled(template: list[str]) -> str:
    """Return a template as it is registered, each parameter under a name of its own."""
    return "/" + "/".join(piece.replace("{", f"{{p{place}") for place, piece in enumerate(template))


def values_in(template: list[str], path: str) -> dict[str, str] | None:
    """Return the parameters of a template in a path, None if it does not match."""
    segments, found = path[1:].split("/"), {}
    for place, piece in enumerate(template):
        if place >= len(segments):
            return None
        if piece == "{:path}":
            return {**found, f"p{place}": "/".join(segments[place:])}
        if piece == "{}" and segments[place]:
            found[f"p{place}"] = segments[place]
        elif piece != segments[place]:
            return None
    return found if len(segments) == len(template) else None


def rank(template: list[str]) -> list[int]:
    """Return the key that sorts templates in the order in which they are tried."""
    return [{"{}": 1, "{:path}": 2}.get(piece, 0) for piece in template]


@given(st.lists(st.tuples(templates, st.sampled_from(["GET", "PUT"])), max_size=12), paths)
def test_the_most_literal_template_of_the_method_is_found(
    registered: list[tuple[list[str], str]], path: str
) -> None:
    routes, known = Routes(), []
    for template, method in registered:
        if "{" in spelled(template) and (template, method) not in known:
            routes.add(method, spelled(template), print)
            known.append((template, method))
    matching = [
        (template, method) for template, method in known if values_in(template, path) is not None
    ]
    for method in ("GET", "PUT"):
        of_method = sorted((template for template, its in matching if its == method), key=rank)
        found = routes.find(method, path)
        if not of_method:
            assert found is None
        else:
            assert found is not None
            assert found[0].name == f"{method} {spelled(of_method[0])}"
            assert found[1] == values_in(of_method[0], path)
    methods = {method for _, method in matching}
    expected = methods | {"OPTIONS"} | ({"HEAD"} if "GET" in methods else set())
    assert routes.allowed(path) == (sorted(expected) if methods else [])
