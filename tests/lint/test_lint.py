"""Each rule of lint.py sees one offence, and leaves its neighbour alone."""

import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import lint  # noqa: E402

LONG = "\tint a" + "a" * 140 + ";\n"

OFFENCES = [
    ("layers", "db/a.c", '#include "domain/project.h"\n'),
    ("layers", "cache/a.c", '#include "db/db.h"\n'),
    ("layers", "base/a.c", '  #  include "resilience/redis.h"\n'),
    ("layers", "api/a.c", '#include "reply.h"\n'),
    ("layers", "api/a.c", '#include "../db/db.h"\n'),
    ("layers", "api/a.c", '#include "db/sqlite_impl.h"\n'),
    ("layers", "api/a.c", '#include "tests/lib/test.h"\n'),
    ("banned_functions", "db/a.c", "strcpy(a, b);\n"),
    ("banned_functions", "tests/unit/db/test_a.c", "strcat (s, t);\n"),
    ("banned_functions", "db/a.c", "t = gmtime(&now);\n"),
    ("banned_functions", "api/a.c", "system(command);\n"),
    ("banned_functions", "db/a.c", "int n = atoi(s);\n"),
    ("libraries", "cache/a.c", "#include <hiredis/hiredis.h>\n"),
    ("libraries", "db/a.c", "#include <jansson.h>\n"),
    ("libraries", "cache/a.c", "redisCommand(c);\n"),
    ("libraries", "api/a.c", "redisReaderFeed(r);\n"),
    ("sql", "api/a.c", 'f("SELECT 1");\n'),
    ("sql", "app/a.c", '\t"UPDATE core_projet SET a = 1"\n'),
    ("logging", "db/a.c", "log_write(LOG_INFO);\n"),
    ("logging", "domain/a.c", 'fprintf(stderr, "x");\n'),
    ("environment", "api/a.c", 'getenv("HOME");\n'),
    ("environment", "api/a.c", "getenv(name);\n"),
    ("shape", "api/a.c", LONG),
    ("shape", "api/a.c", "/* note */\n" + "int a;\n" * 401),
    ("shape", "api/a.c", "int a;\n" * 160),
    ("shape", "api/a.h", "#ifndef A\n"),
    ("marks", "api/a.c", "/* TO" + "DO: later */\n"),
    ("stands_alone", "tests/a.py", 'open("/home/me/x")\n'),
    ("stands_alone", "README.md", "see /work/notes.md\n"),
]

INNOCENT = [
    ("domain/a.c", '#include "db/db.h"\n#include "cache/cache.h"\n#include "domain/other_impl.h"\n'),
    ("app/a.c", '#include "api/server.h"\n'),
    ("tests/unit/db/test_a.c", '#include "db/sqlite_impl.h"\n#include "tests/lib/test.h"\n'),
    ("db/a.c", "/* strcpy(a, b) */ // atoi(x)\nmy_strcpy(a); gmtime_r(a); x->system(1); f(\"sprintf(\");\n"),
    ("resilience/a.c", "#include <hiredis/hiredis.h>\nredisReaderFeed(r); log_write(LOG_INFO);\n"),
    ("api/a.c", '#include <jansson.h>\nredis_get(r); f("SELECT"); f("Select a file"); /* "SELECT 1" */\n'),
    ("domain/a.c", 'f("SELECT 1"); snprintf(a, b, "x");\n'),
    ("tests/lib/a.c", "system(command); n = atoi(s);\n"),
    ("app/version.c", "#include <sqlite3.h>\n"),
    ("api/a.c", 'getenv("LISTEN_FDS");\n'),
    ("api/a.c", "/* note */\n" + "int a;\n" * 399),
    ("api/a.c", "int a;\n" * 149),
    ("deploy/x.conf", "root /var/lib/egoejo; # https://egoejo.org/home/x\n"),
]


def write(root, path, text):
    os.makedirs(os.path.dirname(os.path.join(root, path)) or root, exist_ok=True)
    with open(os.path.join(root, path), "w", encoding="utf-8") as f:
        f.write(text)


@pytest.mark.parametrize("rule, path, text", OFFENCES)
def test_an_offence_is_seen(tmp_path, rule, path, text):
    write(tmp_path, path, text)
    found = list(lint.check(tmp_path))
    assert len(found) == 1, found
    assert found[0].startswith(path + ":") and found[0].endswith(f"({rule})")


@pytest.mark.parametrize("path, text", INNOCENT)
def test_its_neighbour_is_left_alone(tmp_path, path, text):
    write(tmp_path, path, text)
    assert list(lint.check(tmp_path)) == []


def test_every_rule_is_shown_an_offence():
    assert {rule.__name__ for rule in lint.RULES} == {offence[0] for offence in OFFENCES}


def test_lines_are_counted_through_comments(tmp_path):
    write(tmp_path, "db/a.c", '/* one\n two */\nf("\\"/*");\nstrcat(a, b);\n')
    assert [line.split(" ")[0] for line in lint.check(tmp_path)] == ["db/a.c:4:"]

