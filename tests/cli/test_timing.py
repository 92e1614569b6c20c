"""--timing: the phases as a chart."""

import re

from bladehttp._cli.timing import Phase, chart, phases


def test_the_phases_follow_one_another_up_to_the_whole():
    timings = {"namelookup": 1.0, "connect": 3.0, "tls": 6.0, "first_byte": 10.0, "total": 11.0}
    assert phases("setting up", timings, head=15.0, body=5.0) == [
        Phase("setting up", 0.0, 4.0),
        Phase("name lookup", 4.0, 5.0),
        Phase("connect", 5.0, 7.0),
        Phase("TLS handshake", 7.0, 10.0),
        Phase("waiting", 10.0, 14.0),
        Phase("body", 14.0, 20.0),
    ]


def test_what_a_kept_connection_spared_is_not_there():
    timings = {"namelookup": 0.0, "connect": 0.0, "tls": 0.0, "first_byte": 2.0, "total": 2.0}
    assert [row.name for row in phases("redirects", timings, 5.0, 0.0)] == [
        "redirects", "waiting", "body",
    ]  # fmt: skip


def test_each_bar_begins_where_the_one_above_it_ends():
    rows = [Phase("connect", 0.0, 10.0), Phase("waiting", 10.0, 10.1), Phase("body", 10.1, 20.0)]
    assert chart(rows) == [
        f"connect            10.0 ms  {'█' * 20}",
        f"waiting             0.1 ms  {' ' * 20}▏",
        f"body                9.9 ms  {' ' * 20}{'█' * 20}",
        "total              20.0 ms",
    ]
    assert chart([Phase("body", 0.0, 0.0)])[0] == "body                0.0 ms"


def test_the_chart_goes_to_standard_error(run, secure_server, certificates):
    words = ["--timing", "--cacert", certificates.ca_file]
    code, out, err = run("get", secure_server.url, *words)
    assert (code, out[:1]) == (0, b"{")
    rows = [re.match(r"(.{13}) +([0-9.]+) ms", line) for line in err.splitlines()]
    names = [row[1].strip() for row in rows]
    assert names[0] == "setting up"
    assert names[-4:] == ["TLS handshake", "waiting", "body", "total"]
    times = [float(row[2]) for row in rows]
    assert abs(sum(times[:-1]) - times[-1]) < 0.1 * len(times)


def test_the_chart_counts_redirects_and_comes_with_a_file(run, server, tmp_path):
    words = ["--timing", "-o", tmp_path / "file"]
    code, _, err = run("get", f"{server.url}/redirect/file", *words)
    assert (code, err.split()[0]) == (0, "redirects")
