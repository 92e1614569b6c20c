"""Tables of outcomes, in Markdown."""

from collections.abc import Iterable

from benchmarks.model import CPU, OURS, Outcome, Target
from benchmarks.statistics import Spread


def markdown(heads: list[str], rows: Iterable[list[str]], rule: str = "---") -> list[str]:
    """Return the lines of a table; ``rule`` aligns all columns but the first."""
    rules = ["---"] + [rule] * (len(heads) - 1)
    return ["| " + " | ".join(cells) + " |" for cells in (heads, rules, *rows)]


def targets(outcomes: Iterable[Outcome]) -> list[str]:
    """Return the table of every target beside its result."""
    rows = [
        [outcome.row.title if not number else "", str(target), *reached(outcome, target)]
        for outcome in outcomes
        for number, target in enumerate(outcome.row.targets)
    ]
    return markdown(["work", "target", "result (quartiles)", "by CPU", ""], rows)


def reached(outcome: Outcome, target: Target) -> tuple[str, str, str]:
    """Return the result of a target, what it would be by processor time, and the verdict."""
    result, by_cpu = outcome.result(target), outcome.by_cpu(target)
    said = "not measured" if result is None else shown(result, target)
    return said, "" if by_cpu is None else f"{by_cpu.median:.2f}", outcome.verdict(target)


def shown(result: Spread, target: Target) -> str:
    """Return a result: ratios with two digits, figures as their metric has them."""
    if target.against is not None:
        return str(result)
    form = target.metric.form
    return f"{result.median:{form}} ({result.low:{form}} to {result.high:{form}})"


def contestants(outcome: Outcome) -> list[str]:
    """Return the table of everybody in a row, with ours divided by theirs."""
    metrics = outcome.row.metrics
    compared = list(dict.fromkeys((metrics[0], *({CPU} & set(metrics)))))
    heads = ["", *(metric.heading for metric in metrics)]
    heads += [f"{OURS} / it, {metric.heading}" for metric in compared]
    rows = []
    for label in outcome.samples:
        figures = [outcome.figures(label, metric) for metric in metrics]
        cells = [
            f"{figure.median:{metric.form}}" if figure else ""
            for metric, figure in zip(metrics, figures, strict=True)
        ]
        ratios = [outcome.ratio(label, metric) for metric in compared]
        cells += ["" if label == OURS or ratio is None else str(ratio) for ratio in ratios]
        rows.append([label, *cells])
    lines = markdown(heads, rows, rule="---:")
    for label in outcome.samples:
        broken = sum(sample.get("broken", 0) for sample in outcome.samples[label] if sample)
        if broken:
            lines.append(f"\n{label}: {broken:,.0f} connections broke.")
    return lines + [f"\n{label} did not take part: {why}." for label, why in outcome.absent.items()]
