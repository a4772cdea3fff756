"""README tells what the program tells: its table of settings is the program's own, its example of a client works."""

import contextlib
import glob
import io
import json
import os
import re
import subprocess

from websockets.sync.client import connect

from lib import tokens
from lib.chat import Chat
from lib.database import Database
from lib.server import BINARY, ROOT, environment, run


def read_readme():
    with open(os.path.join(ROOT, "README.md"), encoding="utf-8") as f:
        return f.read()


def test_the_settings_in_readme_are_those_of_the_program():
    table = run("settings", "--markdown").stdout.strip()
    assert table.count("\n") > 20
    assert table in read_readme(), "README.md: put in the output of egoejo settings --markdown"


def test_the_client_in_readme_is_told_what_it_missed(new_database, start_server):
    database = Database(new_database("empty"))
    chat = Chat(database, start_server)
    last, missed = chat.post("un"), chat.post("deux")
    example = re.search(r"```python\n(.*?)```", read_readme(), re.S).group(1).replace("127.0.0.1:8000", f"127.0.0.1:{chat.server.port}")
    names = {"connect": connect, "json": json, "thread": chat.thread, "last": last, "token": tokens.access(chat.bob.id)}
    printed = io.StringIO()

    class Stop(Exception):
        """Nothing more is to come."""

    def show(*words):
        print(*words, file=printed)
        if words[0] == "resume_complete":
            raise Stop

    with contextlib.suppress(Stop):
        exec(example, {**names, "print": show})  # our own README
    assert [line.split()[0] for line in printed.getvalue().splitlines()] == ["chat_message", "resume_complete"]
    assert f"'id': {missed}" in printed.getvalue()
    database.close()


def test_the_files_that_readme_names_are_there():
    """In the table of where things are, and in the recipes; one name may stand for several."""
    named = re.findall(r"`((?:api|app|base|cache|db|deploy|domain|realtime|resilience|tasks|tests)/[\w./*-]+\.\w+\*?|(?:api|domain)/\w+\*\.c)`", read_readme())
    invented = {"domain/petition.h", "domain/petition.c", "api/petitions.c", "tests/unit/domain/test_petition.c"}
    missing = [name for name in named if name not in invented and not glob.glob(os.path.join(ROOT, name))]
    assert len(named) > 40 and missing == []


def test_readme_names_every_command_and_no_other():
    with open(os.path.join(ROOT, "app", "commands.def"), encoding="utf-8") as f:
        commands = {name.replace("_", "-") for name in re.findall(r"^COMMAND\((\w+),", f.read(), re.M)}
    assert set(re.findall(r"`egoejo ([a-z-]+)", read_readme())) == commands


def test_the_request_in_readme_is_one_that_send_task_takes(redis_server):
    request = re.search(r"`(\{\"task\".*?\})`", read_readme()).group(1)
    done = subprocess.run([BINARY, "send-task"], env=environment(REDIS_URL=redis_server.url), input=request, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    message = json.loads(redis_server.client(2).lindex("celery", 0))
    assert done.stdout == message["headers"]["id"] + "\n"
    with open(os.path.join(ROOT, "tasks", "tasks.def"), encoding="utf-8") as f:
        assert f'TASK("{message["headers"]["task"]}"' in f.read()
