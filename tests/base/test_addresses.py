"""What addresses are, of those that somebody else has given."""

import pytest

from osmia_broker.base.addresses import local_path


@pytest.mark.parametrize("path", ["/", "/tasks/7?x=1#y", "/start/gr\u00f6\u00dfe", "/a//b", "/tasks?back=//x"])
def test_a_path_of_this_site_stays(path: str):
    assert local_path(path) == path


@pytest.mark.parametrize(
    "address",
    [
        "",
        "tasks",
        "https://evil.example.org",
        "//evil.example.org",
        "///evil.example.org",
        "/\\evil.example.org",
        "/a\r\nset-cookie: x",
        "/\n/evil.example.org",
        "/\t/evil.example.org",
        "javascript:alert(1)",
    ],
)
def test_what_would_lead_elsewhere_becomes_the_start_page(address: str):
    assert local_path(address) == "/"
