"""README tells what the program tells: its table of settings is the program's own."""

import os

from lib.server import ROOT, run


def test_the_settings_in_readme_are_those_of_the_program():
    table = run("settings", "--markdown").stdout.strip()
    with open(os.path.join(ROOT, "README.md"), encoding="utf-8") as f:
        readme = f.read()
    assert table.count("\n") > 20
    assert table in readme, "README.md: put in the output of egoejo settings --markdown"
