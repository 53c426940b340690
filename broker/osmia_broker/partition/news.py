"""The messages by which a process reports the partitions that it leads to another one, and that one registers what it waits for."""

import msgspec

NEWS = "/osmia.links/News"  #: a stream of `News`, for as long as the link is there; asked with the number of the asking process
NOTE = "/osmia.links/Note"  #: a `Note`
STATUS = "/osmia.links/Standing"  #: the state of a partition, asked with its number
ROWS = "/osmia.links/ClusterRows"  #: a stream of the rows of the cluster that a partition has, asked with its number
ROWS_AT_ONCE = 1_000  # in one message: about half a MB
TYPES_MAX = 10_000  # job types for which one process remembers the interests of another one


class _Message(msgspec.Struct, frozen=True, array_like=True, tag_field="kind", tag=True):
    pass


class Opened(_Message, frozen=True):
    """The partition serves, for the first time or again, in this *epoch*; 0 where nobody else can lead it."""

    partition: int
    epoch: int = 0


class Away(_Message, frozen=True):
    """The partition serves no longer, for the reason *why*."""

    partition: int
    why: str


class JobsWait(_Message, frozen=True):
    """Jobs of *type* can be activated. Sent once; the process is registered again when it asks for jobs."""

    partition: int
    type: str


class ResultReady(_Message, frozen=True):
    """A process instance has completed whose result the caller with *ticket* waits for."""

    ticket: int
    variables: str


class ResultLost(_Message, frozen=True):
    """The caller with *ticket* will not get the result. *error* and *text* are the class and the words of the refusal."""

    ticket: int
    error: str
    text: str


class Lagging(_Message, frozen=True):
    """Partitions that have not taken over everything that partition 1 has decided for all."""

    partitions: tuple[int, ...]


News = Opened | Away | JobsWait | ResultReady | ResultLost | Lagging


class HearOfJobs(_Message, frozen=True):
    """The process registers for news of jobs of *type*."""

    process: int
    partition: int
    type: str


class PassOn(_Message, frozen=True):
    """Nobody here waits for jobs of *type* any more; another process shall be notified."""

    partition: int
    type: str


class ForgetResult(_Message, frozen=True):
    """The caller with *ticket* waits no longer."""

    partition: int
    ticket: int


Note = HearOfJobs | PassOn | ForgetResult

encode = msgspec.msgpack.Encoder().encode
read_news = msgspec.msgpack.Decoder(list[News]).decode
read_note = msgspec.msgpack.Decoder(Note).decode
