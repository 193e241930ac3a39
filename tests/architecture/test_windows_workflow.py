"""The workflow that users copy: it can be read, and it compiles what is there. Windows itself is not to be had here."""

import re
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
WORKFLOW = ROOT / "mql5" / "windows" / "compile-with-metaeditor.yml"


def test_the_workflow_is_one_and_asks_for_no_more_than_reading() -> None:
    told = yaml.safe_load(WORKFLOW.read_text("utf-8"))
    assert told["permissions"] == {"contents": "read"}
    steps = told["jobs"]["compile"]["steps"]
    assert [step for step in steps if ("run" in step) == ("uses" in step)] == []
    assert told["jobs"]["compile"]["runs-on"].startswith("windows")
    assert " " not in told["env"]["WORK"], "MetaEditor says nothing where a path holds a blank"


def test_the_folders_and_the_program_that_it_names_are_there() -> None:
    text = WORKFLOW.read_text("utf-8")
    listed = re.search(r"foreach \(\$part in ([^)]+)\)", text)
    assert listed is not None
    for folder in re.findall(r"'(\w+)'", listed[1]):
        assert (ROOT / "mql5" / folder).is_dir(), folder
    made = re.search(r"MQL5\\(Experts\S+)\.ex5", text)
    assert made is not None
    assert (ROOT / "mql5" / (made[1].replace("\\", "/") + ".mq5")).is_file()
    for page in re.findall(r"docs/en/[\w-]+\.md", text):
        assert (ROOT / page).is_file()
