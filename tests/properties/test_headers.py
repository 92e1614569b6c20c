"""Headers and MultiDict behave as a plain list of pairs does."""

from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from bladehttp._data.headers import Headers, index_of
from bladehttp._data.multidict import MultiDict

names = st.sampled_from(["a", "A", "b", "B-c", "b-C", "Set-Cookie", "set-cookie"])
values = st.sampled_from(["", "1", "2", "x, y"])
keys = st.sampled_from(["a", "A", "b", ""])


class HeadersModel(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.headers = Headers()
        self.pairs: list[tuple[str, str]] = []

    def others(self, name: str) -> list[tuple[str, str]]:
        return [pair for pair in self.pairs if pair[0].lower() != name.lower()]

    @rule(name=names, value=values)
    def add(self, name: str, value: str) -> None:
        self.headers.add(name, value)
        self.pairs.append((name, value))

    @rule(name=names, value=values)
    def assign(self, name: str, value: str) -> None:
        self.headers[name] = value
        lowered = [key.lower() for key, _ in self.pairs]
        place = lowered.index(name.lower()) if name.lower() in lowered else len(lowered)
        before = [pair for pair in self.pairs[:place] if pair[0].lower() != name.lower()]
        after = [pair for pair in self.pairs[place:] if pair[0].lower() != name.lower()]
        self.pairs = [*before, (name, value), *after]

    @rule(name=names)
    def delete(self, name: str) -> None:
        present = self.others(name) != self.pairs
        try:
            del self.headers[name]
        except KeyError:
            assert not present
        else:
            assert present
        self.pairs = self.others(name)

    @rule(pairs=st.lists(st.tuples(names, values), max_size=3))
    def extend(self, pairs: list[tuple[str, str]]) -> None:
        self.headers.extend(pairs)
        self.pairs += pairs

    @rule(pairs=st.lists(st.tuples(names, values), max_size=3))
    def extend_by_headers(self, pairs: list[tuple[str, str]]) -> None:
        self.headers.extend(Headers(pairs))
        self.pairs += pairs

    @rule()
    def copy(self) -> None:
        copied = self.headers.copy()
        self.headers.add("only-in-the-old-one", "")
        self.headers = copied

    @rule()
    def adopt(self) -> None:
        index = index_of(self.pairs)
        before = dict(index)
        adopted = Headers.adopt(self.pairs, index)
        adopted.add("only-in-another-one", "")
        assert index == before
        self.headers = Headers.adopt(self.pairs, index)

    @rule()
    def share(self) -> None:
        shared = self.headers.shared()
        another = Headers.adopt_shared(shared)
        another["only-in-another-one"] = ""
        self.headers = Headers.adopt_shared(shared)

    @invariant()
    def agrees(self) -> None:
        assert self.headers.pairs() == self.pairs
        assert dict(self.headers) == {
            next(key for key, _ in self.pairs if key.lower() == name): joined
            for name, joined in index_of(self.pairs).items()
        }
        assert len(self.headers) == len({name.lower() for name, _ in self.pairs})

    @rule(name=names)
    def look_up(self, name: str) -> None:
        found = [value for key, value in self.pairs if key.lower() == name.lower()]
        assert self.headers.get_all(name) == found
        assert (name in self.headers) is bool(found)
        joined = found[-1] if "cookie" in name.lower() and found else ", ".join(found)
        assert self.headers.get(name) == (joined if found else None)


class ValuesModel(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.values: MultiDict[str] = MultiDict()
        self.model: dict[str, list[str]] = {}

    @rule(key=keys, value=values)
    def add(self, key: str, value: str) -> None:
        self.values.add(key, value)
        self.model.setdefault(key, []).append(value)

    @rule(key=keys, value=values)
    def assign(self, key: str, value: str) -> None:
        self.values[key] = value
        self.model[key] = [value]

    @rule(key=keys)
    def delete(self, key: str) -> None:
        try:
            del self.values[key]
        except KeyError:
            assert key not in self.model
        self.model.pop(key, None)

    @rule()
    def rebuild(self) -> None:
        self.values = MultiDict([(key, value) for key in self.model for value in self.model[key]])

    @invariant()
    def agrees(self) -> None:
        assert self.values == {key: values[-1] for key, values in self.model.items()}
        for key in ("a", "A", "b", "", "never"):
            assert self.values.get_all(key) == self.model.get(key, [])


TestHeadersModel = HeadersModel.TestCase
TestHeadersModel.settings = settings(max_examples=30, stateful_step_count=15)
TestValuesModel = ValuesModel.TestCase
TestValuesModel.settings = settings(max_examples=30, stateful_step_count=15)
