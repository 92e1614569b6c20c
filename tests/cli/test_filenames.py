"""Names for files that come from a URL or a server: they lead nowhere else."""

import pytest
from hypothesis import given, strategies as st

from bladehttp._cli.exits import FileNotWritten
from bladehttp._cli.filenames import LONGEST_NAME, name_of_field, name_of_url, safe_name


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("http://a/b/c.txt", "c.txt"),
        ("http://a/c.txt?x=/d#e", "c.txt"),
        ("http://a/b%20c%2Fd", "b%20c%2Fd"),
        ("http://a/.bashrc", "_bashrc"),
        ("http://a/...x", "_x"),
        ("http://a/b\\c", "c"),
    ],
    ids=str,
)
def test_the_last_segment_of_a_url_is_the_name(url, name):
    assert name_of_url(url) == name


@pytest.mark.parametrize(
    "url", ["http://a", "http://a/", "http://a/b/", "http://a/..", "http://a/?b"]
)
def test_a_url_without_a_last_segment_has_no_name(url):
    with pytest.raises(FileNotWritten, match="has no name for a file"):
        name_of_url(url)


@pytest.mark.parametrize(
    ("field", "name"),
    [
        ('attachment; filename="report.txt"', "report.txt"),
        ("attachment; filename=report.txt", "report.txt"),
        ("filename=report.txt; size=3", "report.txt"),
        (' filename = "a b.txt"', "a b.txt"),
        ("attachment;FILENAME = report.txt ; size=3", "report.txt"),
        (r'attachment; filename="a\"b.txt"', 'a"b.txt'),
        ("attachment; filename=\"x\"; filename*=UTF-8''%e2%82%ac%20rates", "€ rates"),
        ("attachment; filename*=iso-8859-1'en'%A3%20rates; filename=x", "£ rates"),
        ("attachment; filename*=utf-16''x; filename=y", "y"),
        ("attachment; filename*=UTF-8''%2e%2e%2fetc%2fpasswd", "passwd"),
        ('attachment; filename="../../etc/passwd"', "passwd"),
        (r'attachment; filename="..\\..\\evil.exe"', "evil.exe"),
        ('attachment; filename="/etc/cron.d/x"', "x"),
        ('attachment; filename=".bashrc"', "_bashrc"),
        ('attachment; filename=".."', ""),
        ('attachment; filename=" "', ""),
        ('attachment; filename="a\x1b[31m\x00b"', "a[31mb"),
        ('attachment; filename="fdp\xe2\x80\xaeexe"', "fdpexe"),
        ('attachment; filename="GrÃ¼Ã\x9fe"', "Grüße"),
        ('attachment; filename="Gr\xfc\xdfe"', "Grüße"),
        ('attachment; x="filename=y"', ""),
        ("attachment", ""),
        ("inline; filename", ""),
        ("", ""),
    ],
    ids=repr,
)
def test_the_name_of_content_disposition_is_one_segment(field, name):
    assert name_of_field(field) == name


def test_the_extended_name_wins_only_if_it_is_one():
    assert name_of_field("a; filename*=UTF-8''%2e%2e; filename=x") == "x"
    assert name_of_field("a; filename=x; filename=y") == "x"


@given(st.text(max_size=400))
def test_no_text_makes_a_name_that_leads_elsewhere(text):
    for name in (safe_name(text), name_of_field(f'a; filename="{text}"')):
        assert "/" not in name
        assert "\\" not in name
        assert not name.startswith(".")
        assert not any(ord(char) < 32 or 127 <= ord(char) < 160 for char in name)
        assert len(name.encode("utf-8", "surrogateescape")) <= LONGEST_NAME
