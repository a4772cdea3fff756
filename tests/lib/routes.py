"""The table of routes, as the program prints it, for tests that walk all of them."""

import re

from lib.server import run

LINE = re.compile(r"(\S+) +(\S+) +(\S+) +(in place|\S+) +(\S+)( \(later\))?$")

# Answered without looking at credentials: outside the API, or open by their nature.
OUTSIDE = re.compile(r"/|/health/?|/livez|/readyz|/metrics|/api/health/|/media/.*|/api/docs/.*[^/]")


class Route:
    def __init__(self, method, pattern, access, place, cached, later):
        self.method, self.pattern, self.access, self.place = method, pattern, access, place
        self.cached = None if cached == "-" else cached
        self.later = bool(later)  # gates, then 501

    def __repr__(self):
        return f"{self.method} {self.pattern}"

    @property
    def is_api(self):
        return not OUTSIDE.fullmatch(self.pattern)

    @property
    def parameters(self):
        """The kinds of its path parameters: "int", "id", "slug" …"""
        return re.findall(r"\{(\w+)\}", self.pattern)

    @property
    def writes(self):
        return self.method not in ("GET", "HEAD", "OPTIONS")

    def path(self, value):
        """Its path, with this text for each parameter."""
        return re.sub(r"\{\w+\}", lambda _: str(value), self.pattern)


def table():
    """Every line of `egoejo routes`."""
    done = run("routes")
    assert done.returncode == 0, done.stderr
    routes = []
    for line in done.stdout.splitlines():
        match = LINE.match(line)
        assert match, f"a line of another form: {line!r}"
        routes.append(Route(*match.groups()))
    assert len(routes) > 20
    return routes


def methods_by_pattern(routes):
    """pattern → {method: Route}."""
    found = {}
    for route in routes:
        found.setdefault(route.pattern, {})[route.method] = route
    return found
