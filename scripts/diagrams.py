"""Draw the diagrams of the documentation as SVG files in docs/images: `poe diagrams`.

The pages contain them inline, so they have the color of the text in the light and in the dark theme. A diagram that
is opened as a file has the colors of the system. The width of 360 px is legible in a window of 375 px.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal, NamedTuple

from diagram_shapes import LINE, WIDTH, arrow, box, down, picture, text

__all__ = ["DIAGRAMS", "IMAGES", "main"]

IMAGES: Final = Path(__file__).parent.parent / "docs" / "images"
LANES: Final = {"browser": 44, "application": 180, "Kratos": 316}

Lane = Literal["browser", "application", "Kratos"]


class Message(NamedTuple):
    """A message between two lanes; a line break in its text is one in the picture."""

    source: Lane
    target: Lane
    text: str
    is_reply: bool = False


class Note(NamedTuple):
    """What happens in a lane, or what separates two parts of a sequence if it has no lane."""

    text: str
    lane: Lane | None = None


class Site(NamedTuple):
    """The hosts of an application and of Kratos, and the reach of the session cookie."""

    title: str
    hosts: tuple[str, str]
    cookie: str
    is_shared: bool


Step = Message | Note


def request(source: Lane, target: Lane, text: str) -> Message:
    """Return a request."""
    return Message(source, target, text)


def reply(source: Lane, target: Lane, text: str) -> Message:
    """Return the response to a request."""
    return Message(source, target, text, is_reply=True)


LOGIN: Final[tuple[Step, ...]] = (
    request("browser", "application", "GET /me"),
    reply("application", "browser", "303 to Kratos,\nreturn_to=…/me"),
    request("browser", "Kratos", "GET /self-service/login/browser?return_to=…"),
    reply("Kratos", "browser", "303 to the login page"),
    request("browser", "application", "GET /login?flow=…"),
    request("application", "Kratos", "the flow"),
    reply("Kratos", "application", "200"),
    reply("application", "browser", "200, the form"),
    request("browser", "Kratos", "POST the password, directly to Kratos"),
    reply("Kratos", "browser", "303 to …/me, Set-Cookie: ory_kratos_session"),
    request("browser", "application", "GET /me\nwith the cookie"),
    request("application", "Kratos", "GET\n/sessions/whoami"),
    reply("Kratos", "application", "200, the session"),
    Note("caches the session for 30 s", "application"),
    reply("application", "browser", "200"),
)

STEP_UP: Final[tuple[Step, ...]] = (
    request("browser", "application", "GET /vault\nwith the cookie"),
    request("application", "Kratos", "GET\n/sessions/whoami"),
    reply("Kratos", "application", "second factor\nmissing"),
    reply("application", "browser", "303 to Kratos,\naal=aal2"),
    request("browser", "Kratos", "GET /self-service/login/browser?aal=aal2…"),
    reply("Kratos", "browser", "303 to the login page"),
    request("browser", "Kratos", "POST the code or the passkey"),
    reply("Kratos", "browser", "303 to …/vault, a new cookie"),
    request("browser", "application", "GET /vault\nwith the new cookie"),
    request("application", "Kratos", "GET\n/sessions/whoami"),
    reply("Kratos", "application", "200, aal2"),
    reply("application", "browser", "200"),
)

REVOCATION: Final[tuple[Step, ...]] = (
    Note("Through the application"),
    request("browser", "application", "POST /logout"),
    request("application", "Kratos", "end the session"),
    reply("Kratos", "application", "ended"),
    Note("removes it from the cache;\nother processes within a second (Redis)", "application"),
    reply("application", "browser", "303, cookie expired"),
    Note("Only at Kratos, such as by an administrator"),
    request("browser", "application", "GET /me"),
    reply("application", "browser", "200 from the cache"),
    Note("cache_ttl (30 s) passes", "application"),
    request("browser", "application", "GET /me"),
    request("application", "Kratos", "GET\n/sessions/whoami"),
    reply("Kratos", "application", "401"),
    reply("application", "browser", "303 to log in"),
)

SITES: Final = (
    Site(
        "One host: KratosProxy or a reverse proxy",
        ("app.example.com", "app.example.com/.ory"),
        "app.example.com",
        True,
    ),
    Site("Subdomains: cookies.domain: example.com", ("app.example.com", "auth.example.com"), "*.example.com", True),
    Site("Ports of one host", ("localhost:8000", "localhost:4433"), "localhost, every port", True),
    Site("Two names of one machine", ("localhost:8000", "127.0.0.1:4433"), "127.0.0.1", False),
    Site("Two sites", ("app.example.com", "auth.example.org"), "auth.example.org", False),
)


DETAILS: Final = "JWT, or\nshared store, or\nwhoami (Kratos)"
FLOW_TEXT: Final = (
    "The middleware passes the scope to the guard, which extracts the credential and looks it up in the cache. On "
    "a hit, the outcome is known. On a miss, one shared session check verifies a JWT, reads the shared store or "
    "calls Kratos. The outcome is published in request.state, and the application runs. Enforcement either passes "
    "the session to the handler or raises a refusal, which becomes a response."
)


def step_of(step: Step, y: float) -> tuple[str, float]:
    """Return a step that begins at `y`, and the position below it."""
    lines = step.text.count("\n") + 1
    if isinstance(step, Message):
        source, target = LANES[step.source], LANES[step.target]
        bottom = y + LINE * lines
        shape = text((source + target) / 2, bottom, step.text, "over") + arrow(
            source, target, bottom + 7, is_reply=step.is_reply
        )
        return shape, bottom + 18
    height = LINE * lines + 10
    if step.lane is None:
        return text(WIDTH / 2, y + LINE + 6, step.text, "head over"), y + height + 4
    width = 7.2 * max(map(len, step.text.split("\n"))) + 20
    left = min(max(LANES[step.lane] - width / 2, 2), WIDTH - 2 - width)
    shape = (
        box(left, y + 4, width, height, "page")
        + box(left, y + 4, width, height)
        + text(left + width / 2, y + LINE * lines + 5, step.text)
    )
    return shape, y + height + 10


def sequence(steps: tuple[Step, ...]) -> tuple[str, float]:
    """Return the shapes of a sequence and their height."""
    shapes, y = [], 40.0
    for step in steps:
        shape, y = step_of(step, y)
        shapes.append(shape)
    heads = "".join(box(x - 43, 2, 86, 26) + text(x, 20, name, "head") for name, x in LANES.items())
    lanes = "".join(f'<path class="lane" d="M{x} 28V{y:g}"/>' for x in LANES.values())
    return lanes + heads + "".join(shapes), y


def sites(entries: tuple[Site, ...]) -> tuple[str, float]:
    """Return the shapes of the hosts and their height."""
    shapes, y = [], 0.0
    for site in entries:
        shapes.append(text(4, y + 18, site.title, "head left"))
        for x, width, name, host in ((4, 170, "application", site.hosts[0]), (186, 170, "Kratos", site.hosts[1])):
            shapes.append(
                box(x, y + 28, width, 44) + text(x + width / 2, y + 46, name) + text(x + width / 2, y + 63, host)
            )
        left, width = (4, 352) if site.is_shared else (186, 170)
        shapes.append(box(left, y + 78, width, 24, "box" if site.is_shared else "box no"))
        verdict = f"✓ cookie: {site.cookie}" if site.is_shared else f"cookie: {site.cookie}"
        shapes.append(text(left + width / 2, y + 95, verdict))
        if not site.is_shared:
            shapes.append(text(89, y + 95, "✗ no cookie"))
        y += 120
    return "".join(shapes), y - 12


def flow() -> tuple[str, float]:
    """Return the shapes of the way of a request through the guard, and their height."""
    boxes = [
        (8, 2, "middleware", "ASGI in, ASGI out"),
        (8, 74, "credentials", "one, from raw headers"),
        (8, 146, "cache", "facts, for seconds"),
        (214, 146, "session check", "single flight"),
        (8, 296, "auth context", "request.state"),
        (8, 368, "enforcement", "require(…), always"),
        (214, 368, "your handler", ""),
        (8, 440, "responses", "303 · 401 · 403 · 503"),
    ]
    shapes = []
    for x, y, name, detail in boxes:
        shapes.append(box(x, y, 142, 46) + text(x + 71, y + (20 if detail else 28), name, "head"))
        shapes.append(text(x + 71, y + 37, detail) if detail else "")
    shapes += [down(79, 48, 74), down(79, 120, 146), down(79, 192, 296), down(79, 342, 368), down(79, 414, 440)]
    shapes += [arrow(150, 214, 169, is_reply=False), text(182, 162, "miss"), text(84, 246, "hit", "left")]
    shapes += [down(285, 192, 212), box(214, 212, 142, 62, "box no"), text(285, 264, DETAILS)]
    shapes += ['<path class="arrow" d="M285 274V319H157"/><path class="tip" d="M150 319l7 -4v8z"/>']
    shapes += [text(216, 312, "outcome"), arrow(150, 214, 391, is_reply=False), text(182, 384, "session")]
    shapes.append(text(86, 432, "Refusal", "left"))
    return "".join(shapes), 488


def described(steps: tuple[Step, ...]) -> Iterator[str]:
    """Yield a sentence for each step."""
    for step in steps:
        words = " ".join(step.text.split())
        if isinstance(step, Message):
            yield f"{step.source} to {step.target}: {words}."
        else:
            yield f"{words}." if step.lane is None else f"The {step.lane} {words}."


def reach(entries: tuple[Site, ...]) -> Iterator[str]:
    """Yield a sentence for each pair of hosts."""
    for site in entries:
        result = "reaches the application" if site.is_shared else "does not reach the application"
        yield f"{site.title}: application {site.hosts[0]}, Kratos {site.hosts[1]}; the cookie {result}."


def sequence_picture(name: str, title: str, steps: tuple[Step, ...]) -> str:
    """Return the picture of a sequence."""
    return picture(name, title, " ".join(described(steps)), sequence(steps))


DIAGRAMS: Final = {
    "request-flow": picture("request-flow", "Flow of a request through ory_guard", FLOW_TEXT, flow()),
    "login": sequence_picture("login", "Login", LOGIN),
    "step-up": sequence_picture("step-up", "Step-up to a second factor", STEP_UP),
    "revocation": sequence_picture("revocation", "Revocation of a session", REVOCATION),
    "cookies-and-hosts": picture(
        "cookies-and-hosts", "Session cookies and hosts", " ".join(reach(SITES)), sites(SITES)
    ),
}
"""The SVG of each file, by its name without the suffix."""


def main() -> None:
    """Write all diagrams."""
    for name, svg in DIAGRAMS.items():
        (IMAGES / f"{name}.svg").write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    main()
