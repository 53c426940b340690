"""Sign in and out, where the broker asks people to."""

from starlette.responses import Response

from osmia_broker.base.addresses import local_path
from osmia_broker.base.errors import OsmiaError, Unauthenticated
from osmia_broker.http.browser_sign_in import Header, SignIn
from osmia_broker.http.web.screen import action, screen
from osmia_broker.http.web.screens.start import forget_last
from osmia_broker.http.web.visit import Visit, address_of

LOGIN = "/login"
PROVIDER, CALLBACK = LOGIN + "/provider", LOGIN + "/callback"


@screen(LOGIN, is_open=True)
async def show_login(visit: Visit) -> Response:
    """Ask who somebody is."""
    return await _asked(visit) if _sign_in(visit) else visit.go("/tasks")


@action(LOGIN, is_open=True)
async def sign_in(visit: Visit) -> Response:
    """Begin a session of a person with a password."""
    sign_in = _sign_in(visit)
    if sign_in is None:
        return visit.go("/tasks")
    name, back = await visit.field("user"), local_path(await visit.field("back", "/tasks"))
    try:
        user = await sign_in.with_password(name, await visit.field("password"))
    except OsmiaError as refusal:
        return await _asked(visit, name=name, back=back, refused=f"{refusal}. Try again in a moment.", status=503)
    if user is None:
        text = "The user name or the password is wrong. Check both and try again."
        return await _asked(visit, name=name, back=back, refused=text, status=401)
    return _with(visit.go(back), sign_in.begin(user, is_secure=visit.is_secure))


@screen(PROVIDER, is_open=True)
async def go_to_provider(visit: Visit) -> Response:
    """Send the browser to the provider that knows the person."""
    sign_in = _sign_in(visit)
    if sign_in is None or not sign_in.provider_name:
        return visit.go(LOGIN)
    try:
        address, ticket = await sign_in.to_provider(
            _callback(visit), local_path(visit.asked("back", "/tasks")), is_secure=visit.is_secure
        )
    except OsmiaError as refusal:
        return await _asked(visit, refused=f"{refusal}. Try again in a moment.", status=503)
    return _with(Response(status_code=303, headers={"location": address}), ticket)


@screen(CALLBACK, is_open=True)
async def come_from_provider(visit: Visit) -> Response:
    """Begin a session of a person whom the provider has sent back."""
    sign_in = _sign_in(visit)
    if sign_in is None or not sign_in.provider_name:
        return visit.go(LOGIN)
    cookies = visit.request.headers.get("cookie", "")
    try:
        user, back, ticket = await sign_in.from_provider(
            dict(visit.request.query_params), cookies, is_secure=visit.is_secure
        )
        session = sign_in.begin(user, is_secure=visit.is_secure)
    except Unauthenticated as refusal:
        return await _asked(visit, refused=f"{refusal}. Sign in again.", status=401)
    except OsmiaError as refusal:
        return await _asked(visit, refused=f"{refusal}. Try again in a moment.", status=503)
    return _with(visit.go(back), session, ticket)


@action("/logout", is_open=True)
async def sign_out(visit: Visit) -> Response:
    """End the session."""
    sign_in = _sign_in(visit)
    if sign_in is None:
        return visit.go("/tasks")
    ended = sign_in.end(visit.request.headers.get("cookie", ""), is_secure=visit.is_secure)
    response = visit.go(LOGIN, status="You have signed out.")
    forget_last(response)
    return _with(response, ended)


async def _asked(visit: Visit, *, name: str = "", back: str = "", refused: str = "", status: int = 200) -> Response:
    sign_in = _sign_in(visit)
    assert sign_in is not None, "only a broker that asks shows this screen"
    back = back or local_path(visit.asked("back", "/tasks"))
    provider = sign_in.provider_name
    return await visit.page(
        "login.html",
        status=status,
        refused=refused,
        name=name,
        back=back,
        takes_passwords=not sign_in.is_delegated,
        provider=provider,
        provider_address=address_of(PROVIDER, back=back),
    )


def _sign_in(visit: Visit) -> SignIn | None:
    return visit.site.services.sign_in


def _callback(visit: Visit) -> str:
    return str(visit.request.url.replace(path=CALLBACK, query="", fragment=""))


def _with(response: Response, *headers: Header) -> Response:
    for name, value in headers:
        response.headers.append(name, value)
    return response
