"""The gRPC protocol behind a small face: a call takes bytes and answers bytes, and does not know which server carries it."""

from osmia_broker.rpc.face import STATUSES, Call, Metadata, Refusal, Rpc, RpcServer, Shape

__all__ = ["STATUSES", "Call", "Metadata", "Refusal", "Rpc", "RpcServer", "Shape"]
