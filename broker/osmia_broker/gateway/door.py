"""Between gRPC and the services: every call counted, every refusal as its documented status, nothing unexpected let out."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from time import perf_counter
from typing import Any, NoReturn

import grpc

from osmia_broker.errors import OsmiaError, Rejection, Unsupported
from osmia_broker.metrics import GatewayCounters
from osmia_proto.methods import Method

DETAILS_CHARACTERS_MAX = 1_000  # HTTP/2 headers hold no more, and no person reads more (reliability.md, section 5)

log = logging.getLogger(__name__)


def handlers(
    service: str, methods: Mapping[str, Method], servicer: object, counters: GatewayCounters
) -> grpc.GenericRpcHandler:
    """Every call of *methods*, carried out by the method of *servicer* with its name, or refused as UNIMPLEMENTED."""
    made = {name: _handler(method, getattr(servicer, name, None), counters) for name, method in methods.items()}
    return grpc.method_handlers_generic_handler(service, made)


def _handler(method: Method, call: Callable[..., Any] | None, counters: GatewayCounters) -> grpc.RpcMethodHandler:
    carry_out = call or _unsupported(method)
    if method.server_streaming:
        return grpc.unary_stream_rpc_method_handler(
            _streaming(method.name, carry_out, counters),
            request_deserializer=method.request.FromString,
            response_serializer=method.response.SerializeToString,
        )
    return grpc.unary_unary_rpc_method_handler(
        _unary(method.name, carry_out, counters),
        request_deserializer=method.request.FromString,
        response_serializer=method.response.SerializeToString,
    )


def _unary(name: str, call: Callable[[Any], Any], counters: GatewayCounters) -> Callable[[Any, Any], Any]:
    async def answer(request: Any, context: Any) -> Any:
        begun = perf_counter()
        try:
            response = await call(request)
        except asyncio.CancelledError:
            counters.answered(name, "CANCELLED", perf_counter() - begun)
            raise
        except Exception as error:  # noqa: BLE001 - nothing unexpected leaves the broker
            await _refuse(name, error, begun, context, counters)
        counters.answered(name, "OK", perf_counter() - begun)
        return response

    return answer


def _streaming(
    name: str, call: Callable[[Any], AsyncIterator[Any]], counters: GatewayCounters
) -> Callable[[Any, Any], Any]:
    async def answer(request: Any, context: Any) -> AsyncIterator[Any]:
        begun = perf_counter()
        counters.streams_open.add(name)
        responses = call(request)
        try:
            async for response in responses:
                yield response
        except (asyncio.CancelledError, GeneratorExit):
            counters.answered(name, "CANCELLED", perf_counter() - begun)
            raise
        except Exception as error:  # noqa: BLE001 - nothing unexpected leaves the broker
            await _refuse(name, error, begun, context, counters)
        else:
            counters.answered(name, "OK", perf_counter() - begun)
        finally:
            counters.streams_open.add(name, amount=-1)
            await responses.aclose()  # type: ignore[attr-defined]  # an async generator, whose finally must run now

    return answer


async def _refuse(name: str, error: Exception, begun: float, context: Any, counters: GatewayCounters) -> NoReturn:
    if isinstance(error, OsmiaError):
        status, text = error.status, _text(error)
    else:
        log.error("call failed", exc_info=error, extra={"method": name})
        status, text = "INTERNAL", f"Expected {name} to succeed, but found a defect: {type(error).__name__}"
    counters.answered(name, status, perf_counter() - begun)
    await context.abort(grpc.StatusCode[status], text[:DETAILS_CHARACTERS_MAX])
    raise AssertionError("abort raises")


def _text(error: OsmiaError) -> str:
    """A refused command in the wire's frame; anything else as it is (gateway-rpc.md, section 1)."""
    if isinstance(error, Rejection) and error.intent:
        return f"Command '{error.intent}' rejected with code '{error.code}': {error}"
    return str(error)


def _unsupported(method: Method) -> Callable[[Any], Any]:
    """A call of the contract that this broker does not carry out yet."""
    text = f"Expected a call that this broker carries out, but found {method.name}, which it does not yet"

    async def refuse(_request: Any) -> Any:
        raise Unsupported(text)

    async def refuse_stream(request: Any) -> AsyncIterator[Any]:
        yield await refuse(request)

    return refuse_stream if method.server_streaming else refuse
