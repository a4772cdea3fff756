#!/usr/bin/env python3
"""Checks the rules of the house that no compiler knows: usage: lint.py [FOLDER]

Prints file:line: what is wrong, and exits with 1 when there is anything. Each rule is a function that yields what it
finds; test_lint.py shows each of them one offence. Only the standard library.
"""

import os
import re
import sys

# A folder includes itself and those of lower rank.
RANK = {"app": 5, "image": 4, "api": 4, "realtime": 4, "tasks": 4, "domain": 3, "cache": 2, "db": 2, "resilience": 1, "base": 0}
PRODUCT = tuple(RANK)
LOGGING = ("app", "api", "realtime", "tasks", "resilience")

MAX_COLUMNS, TAB = 140, 8
MAX_LINES = 400
NOTE_FROM_LINES = 150

BANNED = "strcpy strcat strncpy strncat sprintf vsprintf strtok gets alloca"
BANNED_IN_PRODUCT = " atoi atol atoll atof gmtime localtime ctime asctime rand srand system popen"

# Headers of libraries, and the folders that may know them. app/version.c names the versions of all.
LIBRARIES = {
    "curl/": ("tasks",),
    "hiredis/": ("resilience",),
    "sqlite3.h": ("db",),
    "libpq-fe.h": ("db",),
    "microhttpd.h": ("api",),
    "ev.h": ("realtime",),
    "argon2.h": ("domain",),
    "utf8proc.h": ("domain", "api"),
    "jansson.h": ("domain", "api", "realtime", "tasks"),
    "magic.h": ("domain",),
    "gd.h": ("image",),
}

SQL = re.compile(r'"\s*(SELECT\s+[\w$(*]|INSERT\s+INTO\b|UPDATE\s+\w+\s+SET\b|DELETE\s+FROM\b|(CREATE|ALTER|DROP)\s+(TABLE|INDEX)\b|PRAGMA\s|BEGIN\s+IMMEDIATE|SAVEPOINT\b)')


class Source:
    """A file: its lines as written, as code without comments, and as code without comments and texts."""

    def __init__(self, root, path):
        self.path = path
        self.folder = path.split("/")[0]
        with open(os.path.join(root, path), encoding="utf-8") as f:
            self.text = f.read()
        self.lines = self.text.split("\n")
        self.is_c = path.endswith((".c", ".h", ".def"))
        self.is_product = self.is_c and self.folder in PRODUCT
        self.code = strip(self.text, comments=True, texts=False).split("\n") if self.is_c else []
        self.bare = strip(self.text, comments=True, texts=True).split("\n") if self.is_c else []

    def find(self, pattern, lines):
        for number, line in enumerate(lines, 1):
            for match in re.finditer(pattern, line):
                yield number, match


def strip(text, comments, texts):
    """C without its comments and the contents of its string and character literals; the lines stay where they are."""
    token = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)

    def replace(match):
        found = match.group()
        if found.startswith("/"):
            return " " + "\n" * found.count("\n") if comments else found
        return found[0] + found[-1] if texts else found

    return token.sub(replace, text)


def layers(source):
    """Includes point downward, private headers stay in their folder (and its tests), every path starts at the root."""
    for number, match in source.find(r'^\s*#\s*include\s+"([^"]+)"', source.code):
        target = match.group(1)
        folder = target.split("/")[0]
        if "/" not in target or target.startswith("."):
            yield number, f'"{target}": includes start at the root, as "base/str.h"'
        elif target.endswith("_impl.h") and os.path.dirname(target) != os.path.dirname(source.path) and not is_test_of(source.path, folder):
            yield number, f'"{target}" is private to {folder}/'
        elif source.folder in RANK and folder not in RANK:
            yield number, f'"{target}": the program includes only its own folders'
        elif source.folder in RANK and folder != source.folder and RANK[folder] >= RANK[source.folder]:
            yield number, f'"{target}": {source.folder}/ may not include {folder}/'


def is_test_of(path, folder):
    return path.startswith((f"tests/unit/{folder}/", "tests/fuzz/", "tests/echo/"))


def banned_functions(source):
    """Functions with a safe replacement: snprintf, memcpy, base/str.h, base/clock.h. Tests may be less strict."""
    names = BANNED + (BANNED_IN_PRODUCT if source.is_product else "")
    for number, match in source.find(rf"(?<![\w.>])({names.replace(' ', '|')})\s*\(", source.bare):
        yield number, f"{match.group(1)} is not used here"


def libraries(source):
    """Each library is known to one part of the house only; Redis to resilience/, so that nothing goes round the breaker."""
    if not source.is_product or source.path == "app/version.c":
        return
    for number, match in source.find(r"^\s*#\s*include\s+<([^>]+)>", source.code):
        for library, folders in LIBRARIES.items():
            if match.group(1).startswith(library) and source.folder not in folders:
                yield number, f"<{match.group(1)}> belongs to {' '.join(folders)}"
    if source.folder == "resilience":
        return
    for number, match in source.find(r"\b(redis(?:Async|Reader)?[A-Z]\w*|freeReplyObject)\s*\(", source.bare):
        yield number, f"{match.group(1)}: the Redis client is called in resilience/ only"


def sql(source):
    """SQL is written in domain/, and in db/ what concerns the engine."""
    if source.is_product and source.folder not in ("domain", "db"):
        for number, match in source.find(SQL, source.code):
            yield number, f"SQL outside domain/ and db/: {match.group().strip()} …"


def logging(source):
    """base, cache, db and domain return errors; whoever calls them logs."""
    if source.is_product and source.folder not in LOGGING and not source.path.startswith("base/log."):
        for number, _ in source.find(r"\blog_write\s*\(|\b(?:v|f)?printf\s*\(|\bperror\s*\(", source.bare):
            yield number, f"{source.folder}/ returns errors, it does not write them"


def environment(source):
    """Settings are lines of base/settings.def. What systemd passes is no setting."""
    if not source.is_product or source.path == "base/settings.c":
        return
    for number, match in source.find(r'\bgetenv\s*\(\s*("?)(\w*)', source.code):
        if not match.group(2).startswith(("LISTEN_", "NOTIFY_", "WATCHDOG_")):
            yield number, "getenv: a setting is a line of base/settings.def"


def shape(source):
    """Lines and files that fit on a screen and in a head."""
    if not source.is_c:
        return
    for number, line in enumerate(source.lines, 1):
        if not source.path.endswith(".def") and len(line.expandtabs(TAB)) > MAX_COLUMNS:
            yield number, f"more than {MAX_COLUMNS} columns"
    if source.is_product and source.path.endswith(".c") and len(source.lines) > MAX_LINES + 1:
        yield 1, f"{len(source.lines) - 1} lines, more than {MAX_LINES}: two ideas, two files?"
    opens_with_note = source.text.startswith("/*")
    if source.path.endswith(".h") and not opens_with_note:
        yield 1, "a header begins by saying what it is for"
    if source.is_product and source.path.endswith(".c") and len(source.lines) > NOTE_FROM_LINES and not opens_with_note:
        yield 1, f"a file of more than {NOTE_FROM_LINES} lines begins with a design note"


def marks(source):
    """Work that is left is an issue, not a mark."""
    for number, match in source.find(r"\b(TODO|FIX" r"ME|XXX|HACK)\b", source.lines):
        if not source.path.startswith("tests/lint/"):
            yield number, f"{match.group(1)}"


def stands_alone(source):
    """Nothing depends on where one developer keeps his files."""
    for number, match in source.find(r"(?<![\w.$}/])/(?:home|root|work|Users)/\w[\w./-]*", source.lines):
        if not source.path.startswith("tests/lint/"):
            yield number, f"{match.group()}: a path of one machine"


RULES = (layers, banned_functions, libraries, sql, logging, environment, shape, marks, stands_alone)


def sources(root):
    for folder, folders, names in os.walk(root):
        inside = os.path.relpath(folder, root)
        folders[:] = sorted(f for f in folders if not f.startswith((".", "build")) and f not in ("__pycache__", "corpus", "media"))
        if inside == ".":
            folders += [".ci"] if os.path.isdir(os.path.join(root, ".ci")) else []
        for name in sorted(names):
            path = os.path.normpath(os.path.join(inside, name)).replace(os.sep, "/")
            if name.endswith((".c", ".h", ".def", ".py", ".sh", ".md", ".build", ".yml", ".conf", ".txt")) or path in ("dev", ".ci/run"):
                yield Source(root, path)


def check(root):
    """Every offence as a line of text."""
    for source in sources(root):
        for rule in RULES:
            for number, what in rule(source):
                yield f"{source.path}:{number}: {what} ({rule.__name__})"


def main():
    found = list(check(sys.argv[1] if len(sys.argv) > 1 else "."))
    print("\n".join(found), end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
