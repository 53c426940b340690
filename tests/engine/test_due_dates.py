"""Due dates and the other conversions of the Activiti dialect (user-tasks.md, sections 3 and 4)."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.bpmn import bpmn
from tests.doors import Door
from tests.harness import RESERVED, Scenario


def start(door: Door, task: str, variables: str = "") -> Scenario:
    door.deploy(("process.bpmn", bpmn(f"start > {task} > end", dialect="activiti")))
    scenario = Scenario(door)
    scenario.play(f"create {variables}")
    return scenario


def due(scenario: Scenario) -> datetime:
    return datetime.fromisoformat(scenario.job("t").headers[RESERVED + "dueDate"])


@pytest.fixture
def now(door: Door) -> datetime:
    """The broker over gRPC is shared, so its clock may have moved."""
    return datetime.fromtimestamp(door.clock.ms / 1000, UTC)


@pytest.mark.parametrize(
    ("period", "after"),
    [
        ("P2W", timedelta(days=14)),
        ("P3DT1H", timedelta(days=3, hours=1)),
        ("P1W2DT3H4M5S", timedelta(days=9, hours=3, minutes=4, seconds=5)),
        ("PT0.250S", timedelta(milliseconds=250)),
        ("P-1D", timedelta(days=-1)),
        ("P0D", timedelta()),
    ],
)
@pytest.mark.parametrize(
    "task", ["t:user(due={0})", 't:user(due="${{due}}")', 't:user(due=" ${{due}} ")', 't:user(due=" {0}")']
)
def test_a_period_is_due_from_now(door: Door, now: datetime, task: str, period: str, after: timedelta):
    assert due(start(door, task.format(period), f"due={period}")) == now + after


@pytest.mark.parametrize(
    ("today", "period", "expected"),
    [
        ("2027-01-15", "P1Y2M3DT4H", "2028-03-18T04:00"),
        ("2027-01-31", "P1M", "2027-02-28T00:00"),
        ("2027-01-31", "P1M1D", "2027-03-01T00:00"),
        ("2028-02-29", "P1Y", "2029-02-28T00:00"),
        ("2028-02-29", "P3Y12M", "2032-02-28T00:00"),  # years first, then months: each lands on an existing day
        ("2028-03-31", "P-1M", "2028-02-29T00:00"),
        ("2027-12-31", "PT24H", "2028-01-01T00:00"),
    ],
)
@pytest.mark.parametrize("door", ["engine"], indirect=True)
def test_years_and_months_move_the_calendar(door: Door, today: str, period: str, expected: str):
    door.clock.ms = int(datetime.fromisoformat(today).replace(tzinfo=UTC).timestamp() * 1000)
    assert due(start(door, f"t:user(due={period})")) == datetime.fromisoformat(expected).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2030", "2030-01-01T00:00+00:00"),
        ("2030-02", "2030-02-01T00:00+00:00"),
        ("2030-02-03", "2030-02-03T00:00+00:00"),
        ("2030-W05-7", "2030-02-03T00:00+00:00"),
        ("2030-02-03T04", "2030-02-03T04:00+00:00"),
        ("2030-02-03T04:05:06,5", "2030-02-03T04:05:06.500+00:00"),
        ("2030-02-03T04:05:06+0230", "2030-02-03T04:05:06+02:30"),
        ("2030-02-03T04:05:06Z", "2030-02-03T04:05:06+00:00"),
    ],
)
@pytest.mark.parametrize("task", ['t:user(due="{0}")', 't:user(due="${{due}}")'])
def test_a_date_may_be_written_as_joda_time_reads_it(door: Door, task: str, text: str, expected: str):
    found = due(start(door, task.format(text), f'due="{text}"'))
    assert found == datetime.fromisoformat(expected)
    assert found.utcoffset() == datetime.fromisoformat(expected).utcoffset()


@pytest.mark.parametrize("value", ["null", '""'])
def test_no_date_is_no_header(door: Door, value: str):
    assert start(door, 't:user(due="${due}")', f"due={value}").job("t").headers == {}


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("5", "to be one of '[NULL, DATE_TIME, STRING]', but was 'NUMBER'"),
        ("1893456000000", "but was 'NUMBER'"),
        ("true", "but was 'BOOLEAN'"),
        ('"1893456000000"', "Invalid date-time format '1893456000000'"),
        ('"R3/PT5M"', "Invalid date-time format 'R3/PT5M'"),
        ('"P1DT"', "Invalid date-time format 'P1DT'"),
        ('"P99999Y"', "Invalid date-time format 'P99999Y'"),
        ('"P999999999M"', "Invalid date-time format"),
        ('"PT999999999H"', "Invalid date-time format"),
        ('"2030-02-30"', "Invalid date-time format '2030-02-30'"),
        ('" "', "Invalid date-time format ' '"),
        ('["P1D"]', "but was 'ARRAY'"),
    ],
)
def test_what_is_no_date_is_an_incident(door: Door, value: str, words: str):
    scenario = start(door, 't:user(due="${due}")', f"due={value}")
    scenario.play(f"none t; incident t EXTRACT_VALUE_ERROR {words}; set due=P2W; resolve t; waits t")


@pytest.mark.parametrize(
    ("value", "expected"),
    [("5", "5"), ("1.5", "1.5"), ("true", "true"), ('"5"', "5"), ('{"a":1}', '{"a":1}'), ("12345678901234567890", "12345678901234567890")],
)  # fmt: skip
def test_an_assignee_becomes_text(door: Door, value: str, expected: str):
    scenario = start(door, 't:user(assignee="${who}")', f"who={value}")
    assert scenario.job("t").headers == {RESERVED + "assignee": expected}


@pytest.mark.parametrize("value", ["null", '""'])
def test_an_assignee_of_nothing_is_nobody(door: Door, value: str):
    assert start(door, 't:user(assignee="${who}")', f"who={value}").job("t").headers == {}


@pytest.mark.parametrize("value", ["7", '"7"', '"-1"', "900", "7.9", "null", '"+5"', "2147483647"])
def test_a_priority_may_be_a_number_or_its_text(door: Door, value: str):
    start(door, 't:user(priority="${p}")', f"p={value}").play("waits t")


@pytest.mark.parametrize("value", ['"high"', '"7.5"', '" 7"', "true", "[1]", "{}", "2147483648", '"-2147483649"', '""'])
def test_another_priority_is_an_incident(door: Door, value: str):
    start(door, 't:user(priority="${p}")', f"p={value}").play("""
        none      t
        incident  t EXTRACT_VALUE_ERROR a whole number from -2147483648 to 2147483647, but found
        set       p="7"
        resolve   t
        waits     t
    """)


@pytest.mark.parametrize(
    ("condition", "value", "element"),
    [
        ("${amount > 100}", '"150"', "big"),
        ("${amount > 100}", '"50"', "small"),
        ("${amount == '150'}", "150", "big"),
        ("${amount + 50 == 200}", '"150"', "big"),
        ("${amount == true}", '"true"', "big"),
        ("${amount && true}", '"TRUE"', "big"),
        ("${amount || false}", '"yes"', "small"),
        ("${empty amount}", '""', "big"),
        ("${amount == null}", "null", "big"),
        ("${amount >= 0}", "null", "small"),
    ],
)
def test_conditions_convert_numbers_and_booleans_as_text(door: Door, condition: str, value: str, element: str):
    line = f"start > pick:exclusive [{condition} -> big:user > e1:end | else -> small:user > e2:end]"
    door.deploy(("process.bpmn", bpmn(line, dialect="activiti")))
    Scenario(door).play(f"create amount={value}; waits {element}")


@pytest.mark.parametrize(
    ("value", "words"),
    [('"true"', "to be 'BOOLEAN', but was 'STRING'"), ("null", "but was 'NULL'"), ("1", "but was 'NUMBER'")],
)
def test_a_condition_itself_must_be_a_boolean(door: Door, value: str, words: str):
    line = "start > pick:exclusive [${yes} -> big:user > e1:end | else -> small:user > e2:end]"
    door.deploy(("process.bpmn", bpmn(line, dialect="activiti")))
    Scenario(door).play(f"create yes={value}; incident pick EXTRACT_VALUE_ERROR {words}")
