"""The types of jobs that a model computes."""

import pytest

from tests.conftest import Play


@pytest.mark.parametrize("type", ['""', '" "', '"\\n"', '"\\u200b"', '"\\u00a0"'])
def test_a_blank_job_type_is_an_incident(play: Play, type: str):
    """No worker can ask for jobs of a blank type, so such a job would wait for ever."""
    play(f"""
        deploy    start > a:job(type="=kind") > end
        create    kind={type}
        none      a
        incident  a EXTRACT_VALUE_ERROR Expected 'kind' to give the type of a job, but found '
        set       kind=cash
        resolve   a
        waits     a type=cash
    """)


@pytest.mark.parametrize(("type", "words"), [("5", "to be 'STRING', but was 'NUMBER'"), ("null", "was 'NULL'")])
def test_a_job_type_that_is_no_text_is_an_incident(play: Play, type: str, words: str):
    play(f'deploy start > a:job(type="=kind") > end; create kind={type}; incident a EXTRACT_VALUE_ERROR {words}')
