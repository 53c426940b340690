"""Ways into the same rules: a partition in memory, one restarted from disk after every command, one on PostgreSQL, several partitions, several
processes, and gRPC.

A door takes the same calls and gives the same plain answers, so that one scenario can be played at each. A refusal is a `Refused` with the
name of its status.
"""

from tests.doors.engine import EngineDoor, parsed
from tests.doors.over_grpc import GrpcDoor
from tests.doors.seen import Refused, SeenJob
from tests.doors.several import ProcessesDoor, SeveralDoor
from tests.doors.stored import PostgresDoor, RestartsDoor

Door = EngineDoor | GrpcDoor

__all__ = [
    "Door",
    "EngineDoor",
    "GrpcDoor",
    "PostgresDoor",
    "ProcessesDoor",
    "Refused",
    "RestartsDoor",
    "SeenJob",
    "SeveralDoor",
    "parsed",
]
