"""What docs/ has from the code is what the code says now."""

import xml.etree.ElementTree as ET

import generated
import pytest

SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize(
    "page", generated.pages(), ids=lambda page: str(page.relative_to(generated.DOCS))
)
def test_the_tables_of_a_page_are_up_to_date(page):
    assert page.read_text() == generated.filled(page.read_text()), "run make docs"


def test_every_table_is_on_a_page():
    text = "".join(page.read_text() for page in generated.pages())
    assert [name for name in generated.TABLES if f"<!-- {name} -->" not in text] == []


def test_the_diagram_of_states_is_that_of_the_tables():
    drawn = {}
    for group in ET.fromstring(generated.DIAGRAM.read_text()).iter(f"{SVG}g"):
        if group.get("class") in ("node", "edge"):
            title = group.find(f"{SVG}title").text
            drawn[title] = "\n".join(text.text for text in group.findall(f"{SVG}text"))
    plans = generated.PLANS.items()
    nodes = {state.name: generated.waits(state, plan) for state, plan in plans}
    edges = {f"{a}->{b}": label for (a, b), label in generated.edges().items()}
    assert drawn == nodes | edges, "run make docs with graphviz installed"


def test_each_deadline_and_limit_of_a_server_is_in_a_table():
    rows = [*generated.deadlines(), *generated.sizes(), *generated.counts()]
    named = {row[0].strip("`") for row in rows}
    numbers = {
        name
        for name, value in generated.DEFAULTS.items()
        if isinstance(value, int) and not isinstance(value, bool)
    }
    assert numbers - named == {"backlog"}
