"""Mappings that build objects and read each other (bpmn-execution.md, section 6)."""

from xml.sax.saxutils import quoteattr

import msgspec
import pytest

from tests.bpmn import bpmn
from tests.doors import Door, Refused
from tests.harness import Scenario, document


def deploy(door: Door, line: str, **mappings: list[str]) -> Scenario:
    """Deploy *line*; `a=["in x.y = =1"]` gives the job `a` these mappings, in this order."""
    file = bpmn(line).decode()
    for element, texts in mappings.items():
        found = "".join(map(_mapping, texts))
        definition = f'<zeebe:taskDefinition type="{element}"/>'
        assert definition in file
        file = file.replace(definition, f"{definition}<zeebe:ioMapping>{found}</zeebe:ioMapping>")
    door.deploy(("process.bpmn", file.encode()))
    return Scenario(door)


def _mapping(text: str) -> str:
    way, target, *source = text.replace(" = ", " ", 1).split(" ", 2)
    return f"<zeebe:{way}put target={quoteattr(target)} {''.join(f'source={quoteattr(one)}' for one in source)}/>"


@pytest.mark.parametrize(
    ("mappings", "variables", "seen"),
    [
        # siblings of one outer object
        (["in foo.bar = =foo.bar", "in foo.baz = =foo.baz"], 'foo={"bar":1,"baz":2}', 'foo={"bar":1,"baz":2}'),
        (["in foo.baz = =foo.baz", "in foo.bar = =foo.bar"], 'foo={"bar":1,"baz":2}', 'foo={"bar":1,"baz":2}'),
        (["in foo.bar = =foo.baz", "in foo.baz = =foo.bar"], 'foo={"bar":1,"baz":2}', 'foo={"bar":2,"baz":2}'),
        (["in foo.bar = =foo.bar", "in all = =foo"], 'foo={"bar":1,"baz":2}', 'foo={"bar":1} all={"bar":1,"baz":2}'),
        (["in foo.bar = =7", "in all = =foo"], 'foo={"bar":1,"baz":2}', 'foo={"bar":7} all={"bar":7,"baz":2}'),
        # three levels
        (
            ["in a.b.c = =a.b.c", "in a.b.d = =a.b.d", "in a.e = =a.e"],
            'a={"b":{"c":1,"d":2,"x":9},"e":3}',
            'a={"b":{"c":1,"d":2},"e":3}',
        ),
        (["in a.b.c = =7", "in all = =a"], 'a={"b":{"d":2},"e":3}', 'a={"b":{"c":7}} all={"b":{"d":2,"c":7},"e":3}'),
        # a nested target does not hide an outer value of another type before it is read by its keys
        (["in a.b = =a", "in c = =a"], "a=5", 'a={"b":5} c={"b":5}'),
        (["in a.b = =a"], "a=[1]", 'a={"b":[1]}'),
        (["in a.b = =a"], "a=null", 'a={"b":null}'),
        (["in a.b = =a"], "a=text", 'a={"b":"text"}'),
        (["in a.b.c = =a.b", "in d = =a.b"], 'a={"b":5}', 'a={"b":{"c":5}} d={"c":5}'),
        # without an outer one
        (["in a.b = =1", "in c = =a.b + 1", "in a.d = =c"], "", 'a={"b":1,"d":2} c=2'),
        (["in a.b = =1", "in c = =a.x"], "", 'a={"b":1} c=null'),
        # the same target twice, a plain one after a nested one, and the other way round
        (["in a = =1", "in a = =a + 1", "in b = =a"], "a=9", "a=2 b=2"),
        (["in a.b = =1", "in a.b = =a.b + 1"], "", 'a={"b":2}'),
        (["in a.b = =1", "in a = =2", "in c = =a"], 'a={"b":8,"x":9}', "a=2 c=2"),
        (["in a = =1", "in a.b = =2", "in c = =a"], 'a={"x":9}', 'a={"b":2} c={"b":2}'),
        (["in a = =null", "in a.b = =2", "in c = =a"], 'a={"x":9}', 'a={"b":2} c={"b":2}'),
        (["in a = ={k: 1}", "in a.b = =2", "in c = =a"], 'a={"x":9}', 'a={"k":1,"b":2} c={"k":1,"b":2}'),
        (["in a.b = =1", "in a.b.c = =2", "in d = =a"], 'a={"x":9}', 'a={"b":{"c":2}} d={"x":9,"b":{"c":2}}'),
        (["in a.b.c = =1", "in a.b = =2"], "", 'a={"b":2}'),
        # each sees those before it, and none that comes after it
        (["in a = =b", "in b = =a"], "a=1 b=2", "a=2 b=2"),
        (["in x = =null", "in y = =x"], "x=5", "x=null y=null"),
        # without a source: null, which hides the variable outside
        (["in x", "in y = =x", "in o.k"], "x=5", 'x=null y=null o={"k":null}'),
        (["in x = ", "in y = =x", "in o.k =  "], "x=5", 'x=null y=null o={"k":null}'),
        # a text or a whole number passes as it is stored, and is read by those after it
        (["in y = =x", "in z = =y + 1"], "x=41", "y=41 z=42"),
        (["in y = =x", 'in z = =y + "c"'], 'x="a\\"b"', 'y="a\\"b" z="a\\"bc"'),
        (["in y = =a.b", "in z = =y.c"], 'a={"b":"text","c":9}', 'y="text" z=null'),
        (["in o.k = =x", "in all = =o", "in y = =o.k"], 'x="text"', 'o={"k":"text"} all={"k":"text"} y="text"'),
        (["in o.k = =x", "in y = =o.k * 2"], "x=21", 'o={"k":21} y=42'),
        (["in x.k = =x"], 'x="text"', 'x={"k":"text"}'),
        # all else is evaluated
        (["in y = =x", "in z = =a.b"], 'x=2.0 a={"b":1.50}', "y=2 z=1.5"),
        (["in y = =x", "in z = =a.b"], 'x=-7 a={"b":-7}', "y=-7 z=-7"),
        (["in y = =x", "in z = =a.b"], 'x=true a={"b":null}', "y=true z=null"),
        (["in y = =a.b"], 'a=[{"b":"1"},{"b":"2"}]', 'y=["1","2"]'),
        (["in y = =a.c", "in z = =none"], 'a={"b":"text"}', "y=null z=null"),
        (["in y = =a.b"], 'a="text"', "y=null"),
        (["in y = =x"], "x=1234567890123456789", "y=1234567890123456789"),
    ],
)
def test_input_mappings_make_the_local_variables_in_their_order(
    door: Door, mappings: list[str], variables: str, seen: str
):
    scenario = deploy(door, "start > a:job > end", a=mappings)
    scenario.play(f"create {variables}; activate a")
    assert scenario.last is not None
    expected = msgspec.json.decode(document(variables)) | msgspec.json.decode(document(seen))
    assert scenario.last.variables == expected


@pytest.mark.parametrize(
    ("mappings", "seen"),
    [
        (['in d = =duration("P1D")', "in days = =d.days"], 'd="PT24H" days=1'),
        (['in d = =@"2030-01-31"', "in month = =d.month"], 'd="2030-01-31" month=1'),
        (['in o.d = =@"2030-01-31"', "in month = =o.d.month"], 'o={"d":"2030-01-31"} month=1'),
        (['in o = ={d: @"2030-01-31"}', "in o.e = =o.d.year", "in f = =o.d.day"],
         'o={"d":"2030-01-31","e":2030} f=31'),
        (['in l = =[@"2030-01-31"]', "in year = =l[1].year"], 'l=["2030-01-31"] year=2030'),
        (["in twice = =function(x) x * 2", "in four = =twice(2)"], "twice=null four=4"),
        (["in text = 5", 'in joined = =text + "!"'], 'text="5" joined="5!"'),
    ],
)  # fmt: skip
def test_a_later_mapping_reads_a_value_with_its_type(door: Door, mappings: list[str], seen: str):
    deploy(door, "start > a:job > end", a=mappings).play(f"create; activate a; sees {seen}")


def test_an_object_from_outside_keeps_its_numbers(door: Door):
    scenario = deploy(door, "start > a:job > end", a=["in o.big = =o.big", "in o.part = =o.part"])
    scenario.play('create o={"big":9223372036854775807,"part":{"x":1.0,"y":[2.50]}}; activate a')
    scenario.play('sees o={"big":9223372036854775807,"part":{"x":1.0,"y":[2.5]}}')


@pytest.mark.parametrize(
    ("mappings", "variables", "completed", "after"),
    [
        (["out o.a = =o.a", "out o.b = =o.b"], "", 'o={"a":1,"b":2,"c":3}', 'o={"a":1,"b":2}'),
        (["out o.a = =o.a", "out all = =o"], "", 'o={"a":1,"c":3}', 'o={"a":1} all={"a":1,"c":3}'),
        (["out o.a = =7", "out o.b = =o.a + o.k"], 'o={"k":1}', "", 'o={"k":1,"a":7,"b":8}'),
        (["out a = =a + 1", "out b = =a"], "a=1", "a=5", "a=6 b=6"),
        (["out a = =x", "out a = =a + 1"], "", "x=5", "a=6"),
        (["out o.p.new = =9"], 'o={"p":{"keep":1},"top":2}', "", 'o={"p":{"keep":1,"new":9},"top":2}'),
        (["out o.a = =1"], "o=null", "", 'o={"a":1}'),
        (["out o.a = =1"], "o=5", "", 'o={"a":1}'),
        (["out o.a = =1"], "o=[5]", "", 'o={"a":1}'),
        (["out o.a.b = =1"], 'o={"a":"text","k":2}', "", 'o={"a":{"b":1},"k":2}'),
        (["out o = =1", "out o.a = =2"], 'o={"k":3}', "", 'o={"a":2}'),
        (["out o.a = =2", "out o = =1"], 'o={"k":3}', "", "o=1"),
        (["out o.a = =1", "out x = =2", "out o.b = =x"], 'o={"k":3}', "", 'o={"k":3,"a":1,"b":2} x=2'),
        (['out d = =@"2030-01-31"', "out year = =d.year"], "", "", 'd="2030-01-31" year=2030'),
    ],
)
def test_output_mappings_are_merged_outwards_in_their_order(
    door: Door, mappings: list[str], variables: str, completed: str, after: str
):
    scenario = deploy(door, "start > a:job > b:job > end", a=mappings)
    scenario.play(f"create {variables}; complete a {completed}; waits b; variables {after}")


def test_a_local_object_does_not_leave_with_the_keys_that_nobody_mapped(door: Door):
    scenario = deploy(door, "start > a:job > b:job > end", a=["in o = ={p: 1, q: 2}", "out o.q = =o.q", "out d = =o"])
    scenario.play('create o={"k":3}; complete a; waits b; variables o={"k":3,"q":2} d={"p":1,"q":2}')


def test_a_failing_mapping_writes_nothing_and_runs_again_from_the_start(door: Door):
    scenario = deploy(door, "start > a:job > end", a=["in o.a = =o.a + 1", "in o.b = =assert(x, x > 0)"])
    scenario.play("""
        create    x=0 o={"a":1,"b":2}
        incident  a IO_MAPPING_ERROR
        set       x=3
        resolve   a
        activate  a
        sees      x=3 o={"a":2,"b":3}
    """)


def test_a_loop_over_a_mapped_object_costs_no_more_than_over_any(door: Door):
    """The object is layered once for each mapping, not once for each time that a loop reads it."""
    many = ",".join(f'"k{i}":{i}' for i in range(2_000))
    scenario = deploy(door, "start > a:job > end", a=["in o.x = =1", "in n = =count(for i in 1..20000 return o.x)"])
    scenario.play(f'create o={{{many}}}; activate a; sees o={{"x":1}} n=20000')


def test_a_target_has_a_bound_on_its_depth(door: Door):
    deep = ".".join(["a"] * 100)
    deploy(door, "start > a:job > end", a=[f"in {deep} = =1", f"in b = ={deep}"]).play("create; activate a")
    file = bpmn(f'start > a:job(in.a.{deep}="=1") > end')
    with pytest.raises(Refused, match="Expected a target of at most 100 names, but found 101"):
        door.deploy(("process.bpmn", file))


def test_now_is_in_the_zone_of_the_broker(door: Door):
    deploy(
        door, "start > a:job > end", a=["in zone = =now().timezone", "in at = =now() = date and time(string(now()))"]
    ).play("""
        create
        activate  a
        sees      zone="Etc/UTC" at=true
    """)


@pytest.mark.parametrize("text", ["[NO_VARIABLE_FOUND] No variable found with name 'x'", "[ASSERT_FAILURE] no x"])
@pytest.mark.parametrize("mapping", ['in y = =assert(x, x != null, "no x")', 'out y = =assert(x, x != null, "no x")'])
def test_the_incident_of_a_mapping_has_the_warnings(door: Door, mapping: str, text: str):
    scenario = deploy(door, "start > a:job > end", a=[mapping])
    scenario.play(f"create; {'complete a;' if mapping.startswith('out') else ''} incident a IO_MAPPING_ERROR {text}")
