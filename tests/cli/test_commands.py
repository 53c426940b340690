"""Commands that act on a broker: what they do, print and refuse."""

import json
from collections.abc import Callable, Iterator

import pytest

from osmia_broker.cli.app import run
from tests.bpmn import bpmn
from tests.dmn.models import decision, definitions, literal
from tests.doors import RunningBroker, running_broker

Osmia = Callable[..., tuple[int, str, str]]
ORDER = "start > pack:job > ship:job > end"


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningBroker]:
    with running_broker(tmp_path_factory.mktemp("commands")) as broker:
        broker.client.deploy(
            ("order.bpmn", bpmn(ORDER, id="order")), ("other.bpmn", bpmn(ORDER.replace("pack", "box"), id="other"))
        )
        yield broker


@pytest.fixture
def osmia(broker: RunningBroker, capsys: pytest.CaptureFixture[str]) -> Osmia:
    """Run one command line; its exit code, its output and its words."""

    def call(line: str, *more: str) -> tuple[int, str, str]:
        code = run(["--address", broker.address, *line.split(), *more])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return call


@pytest.fixture
def order(broker: RunningBroker) -> int:
    return broker.client.create_instance("order").key


def at(broker: RunningBroker, instance: int) -> list[str]:
    return [one.element_id for one in broker.client.get_instance(instance).elements]


def test_a_message_is_published_with_its_key_and_variables(broker: RunningBroker, osmia: Osmia):
    broker.client.deploy(("m.bpmn", bpmn('start > w:catch(message=paid, key="=id") > after:job > end', id="m")))
    instance = broker.client.create_instance("m", {"id": "o-7"}).key
    code, out, err = osmia("message publish paid --key o-7 --var amount=12 -o json")
    assert (code, err) == (0, "Published paid\n")
    assert int(json.loads(out)["messageKey"]) > 0
    assert at(broker, instance) == ["after"]
    assert {one.name: one.value for one in broker.client.search_variables(instance).items}["amount"] == 12


def test_a_kept_message_refuses_its_id_a_second_time(osmia: Osmia):
    line = "message publish kept --key k --ttl 1h --id 1"
    assert osmia(line)[0] == 0
    code, out, err = osmia(line)
    assert (code, out) == (5, "")
    assert "with id '1'" in err


def test_a_signal_reaches_all_that_listen(broker: RunningBroker, osmia: Osmia):
    broker.client.deploy(("s.bpmn", bpmn("start > w:catch(signal=closed) > after:job > end", id="s")))
    instances = [broker.client.create_instance("s").key for _ in range(2)]
    code, out, err = osmia("signal closed")
    assert (code, err) == (0, "Broadcast closed\n")
    assert int(out) > 0
    assert [at(broker, one) for one in instances] == [["after"], ["after"]]


def test_conditions_start_the_processes_for_which_they_hold(broker: RunningBroker, osmia: Osmia):
    found = broker.client.deploy(("c.bpmn", bpmn('go:start(condition="=stock < 5") > refill:job > end', id="c")))
    key = found.processes[0].key
    assert osmia(f"condition evaluate --var stock=9 --definition {key}") == (0, "", "No condition holds.\n")
    code, out, _ = osmia(f"condition evaluate --var stock=3 --definition {key} -o json")
    assert code == 0
    (started,) = json.loads(out)
    assert started["processDefinitionKey"] == str(key)
    assert at(broker, int(started["processInstanceKey"])) == ["refill"]


def test_tokens_are_moved_activated_and_terminated(broker: RunningBroker, osmia: Osmia, order: int):
    assert osmia(f"instance modify {order} --move pack=ship --var checked=true")[:2] == (0, f"Modified {order}\n")
    assert at(broker, order) == ["ship"]
    assert osmia(f"instance modify {order} --activate pack --terminate ship --yes")[0] == 0
    assert at(broker, order) == ["pack"]
    (element,) = broker.client.get_instance(order).elements
    assert osmia(f"instance modify {order} --activate ship --terminate {element.key} --yes")[0] == 0
    assert at(broker, order) == ["ship"]


def test_nothing_is_terminated_without_consent(broker: RunningBroker, osmia: Osmia, order: int):
    code, _, err = osmia(f"instance modify {order} --terminate pack")
    assert code == 2
    assert "Terminate pack in process instance" in err
    assert at(broker, order) == ["pack"]


def test_an_instance_goes_on_in_another_definition(broker: RunningBroker, osmia: Osmia, order: int):
    code, out, _ = osmia(f"instance migrate {order} --to other --map pack=box -o json")
    assert code == 0
    assert broker.client.get_instance(order).bpmn_process_id == "other"
    assert json.loads(out)["processDefinitionKey"] == str(broker.client.get_instance(order).process_definition_key)
    assert at(broker, order) == ["box"]


def test_elements_that_are_not_mapped_keep_their_id(broker: RunningBroker, osmia: Osmia, order: int):
    longer = bpmn("start > pack:job > ship:job > bill:job > end", id="longer")
    key = broker.client.deploy(("longer.bpmn", longer)).processes[0].key
    assert osmia(f"instance migrate {order} --to {key}")[0] == 0
    assert at(broker, order) == ["pack"]


def test_a_business_id_is_given_once(broker: RunningBroker, osmia: Osmia, order: int):
    assert osmia(f"instance business-id {order} o-7")[0] == 0
    code, _, err = osmia(f"instance business-id {order} o-8")
    assert code == 5
    assert "found 'o-7'" in err


def test_a_deleted_definition_takes_no_new_instances(broker: RunningBroker, osmia: Osmia):
    key = broker.client.deploy(("gone.bpmn", bpmn(ORDER, id="gone"))).processes[0].key
    assert osmia(f"resource delete {key}")[0] == 2
    assert osmia(f"resource delete {key} --yes")[:2] == (0, f"Deleted {key}\n")
    assert osmia("start gone")[0] == 4
    assert osmia(f"resource delete {key} --yes")[0] == 4


def test_a_started_instance_has_its_marks(broker: RunningBroker, osmia: Osmia):
    line = "start order --business-id o-9 --tag vip --tag eu --once key-1 -q"
    first, again = osmia(line), osmia(line)
    assert first[0] == 0
    assert first == again
    jobs = broker.client.activate_jobs("pack", wait_ms=0, max_jobs=100)
    (job,) = [job for job in jobs if job.process_instance_key == int(first[1])]
    assert (job.business_id, job.tags) == ("o-9", ("vip", "eu"))


def test_an_awaited_instance_may_start_anywhere_and_end_early(osmia: Osmia, broker: RunningBroker):
    broker.client.deploy(
        ("quick.bpmn", bpmn('start > a:job > b:task(in.x="=1", out.y="=x") > c:task > d:job > end', id="quick"))
    )
    assert osmia("start quick --await --at b --terminate-after c --timeout 100ms")[0] == 6  # it never completes
    broker.client.deploy(("q2.bpmn", bpmn("start > a:job > b:task > end", id="q2")))
    assert osmia("start q2 --await --at b --var y=1 -q")[:2] == (0, '{"y":1}\n')


def test_an_error_is_thrown_from_a_job_and_its_lock_is_moved(broker: RunningBroker, osmia: Osmia):
    line = "start > charge:job > end & limit:boundary(on=charge, error=over-limit) > ask:job > end2"
    broker.client.deploy(("t.bpmn", bpmn(line, id="t")))
    instance = broker.client.create_instance("t").key
    (job,) = broker.client.activate_jobs("charge", wait_ms=0)
    assert osmia(f"job lock {job.key} 10m")[:2] == (0, f"{job.key} is held for 0:10:00\n")
    assert osmia(f"job throw-error {job.key} over-limit")[0] == 0
    assert at(broker, instance) == ["ask"]
    assert osmia(f"job lock {job.key} 10m")[0] == 4


def test_a_decision_is_evaluated(broker: RunningBroker, osmia: Osmia):
    broker.client.deploy(("d.dmn", definitions(decision("fee", literal("total * 0.1")))))
    assert osmia("decision evaluate fee --var total=190")[:2] == (0, "19\n")
    code, out, _ = osmia("decision evaluate fee --var total=5 -o json")
    assert code == 0
    assert (json.loads(out)["decisionDefinitionId"], json.loads(out)["output"]) == ("fee", 0.5)


@pytest.mark.parametrize(
    ("line", "code", "words"),
    [
        ("message publish", 2, "osmia message publish --help"),
        ("message publish m --ttl soon", 2, "osmia message publish --help"),
        ("message publish m --var x:=oops", 2, "the value of --var x to be JSON"),
        ("signal", 2, "osmia signal --help"),
        ("instance modify 1", 2, "Expected --activate, --terminate or --move"),
        ("instance modify 1 --move pack", 2, "Expected --move FROM=TO, but found 'pack'"),
        ("instance modify 1 --terminate a --var x=1 --yes", 2, "together with an activated element"),
        ("instance modify 1 --activate a", 4, "no process instance found with key '1'"),
        ("instance migrate 1", 2, "osmia instance migrate --help"),
        ("instance migrate 1 --to nobody", 4, "There is no such process 'nobody'"),
        ("instance migrate 1 --to order --map pack", 2, "Expected --map FROM=TO"),
        ("instance migrate 1 --to order", 4, "'1'"),
        ("instance business-id 1 x", 4, "'1'"),
        ("resource delete 1 --yes", 4, "'1'"),
        ("decision evaluate nothing", 1, "no decision found for id 'nothing'"),
        ("condition evaluate --definition 1", 4, "'1'"),
        ("job throw-error 1 code", 4, "'1'"),
        ("job lock 1 5", 2, "osmia job lock --help"),
        ("start order --tag 1", 1, "a tag to begin with a letter"),
    ],
)
def test_what_is_refused(osmia: Osmia, line: str, code: int, words: str):
    ended, out, err = osmia(line)
    assert (ended, out) == (code, "")
    assert words in err
