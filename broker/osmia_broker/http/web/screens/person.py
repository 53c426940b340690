"""The person at the browser, and how they like the page to look."""

from starlette.responses import Response

from osmia_broker.base.addresses import local_path
from osmia_broker.http.web.person import COOKIE, named
from osmia_broker.http.web.screen import action, screen
from osmia_broker.http.web.screens.start import forget_last
from osmia_broker.http.web.visit import THEME, THEMES, Visit

YEAR_S = 365 * 24 * 3600


@screen("/")
async def show_start(visit: Visit) -> Response:
    """Send the browser to the tasks."""
    return visit.go("/tasks")


@action("/switch-user")
async def switch_user(visit: Visit) -> Response:
    """Become another person."""
    back = local_path(await visit.field("back", "/tasks"))
    try:
        person = named(await visit.field("user"), await visit.field("groups"))
    except ValueError as fault:
        return visit.go(back, alert=str(fault))
    response = visit.go(back, status=f"You are {person.user} now.")
    forget_last(response)
    response.set_cookie(COOKIE, person.cookie(), max_age=YEAR_S, httponly=True, samesite="lax")
    return response


@action("/theme")
async def change_theme(visit: Visit) -> Response:
    """Choose the next look: that of the system, light, dark."""
    chosen = THEMES[(THEMES.index(visit.theme) + 1) % len(THEMES)]
    response = visit.go(local_path(await visit.field("back", "/tasks")))
    response.set_cookie(THEME, chosen, max_age=YEAR_S, samesite="lax")
    return response
