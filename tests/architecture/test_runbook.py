"""Every incident has its runbook page, in both languages, and every alarm in the code has its kind."""

import ast
import re
from pathlib import Path

import pytest

from kakehashi.domain.incidentkinds import KINDS

ROOT = Path(__file__).parents[2]
HEADS = {
    "en": ["What it means", "What to look at", "What to do", "When it clears"],
    "ja": ["意味", "確認するもの", "対処", "解消の条件"],
}
ALARMS = {"Alarm", "happened", "began"}


@pytest.mark.parametrize("lang", HEADS)
def test_every_incident_code_has_a_runbook_page(lang: str) -> None:
    folder = ROOT / "docs" / lang / "runbook"
    assert {page.stem for page in folder.glob("*.md")} == {*KINDS, "README"}
    for code, kind in KINDS.items():
        text = (folder / f"{code}.md").read_text("utf-8")
        assert text.startswith(f"# {code}: ")
        assert re.findall(r"^## (.+)$", text, re.MULTILINE) == HEADS[lang], code
        assert f": {kind.severity}\n" in text, code
        assert f"[{code}]({code}.md)" in (folder / "README.md").read_text("utf-8")
        links = re.findall(r"\]\(([A-Z_]+)\.md\)", text)
        assert set(links) <= set(KINDS), code


def raised(file: Path) -> set[str]:
    """The codes of all alarms and incidents a module names."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        name = getattr(node.func, "id", getattr(node.func, "attr", ""))
        values = [k.value for k in node.keywords if k.arg == "code"] + node.args[:1]
        if name in ALARMS:
            found |= {v.value for v in values if isinstance(v, ast.Constant) and isinstance(v.value, str)}
    return found


def test_every_alarm_in_the_code_is_a_kind_of_incident() -> None:
    codes = set().union(*(raised(file) for file in (ROOT / "src" / "kakehashi").rglob("*.py")))
    assert {"MIRROR_MISMATCH", "EA_STALE", "DEAD_LETTER"} <= codes, "the check sees nothing"
    assert codes <= set(KINDS)


def test_every_refusal_at_the_link_that_alarms_is_a_kind_of_incident() -> None:
    text = (ROOT / "src/kakehashi/domain/admission.py").read_text("utf-8")
    refusals = re.findall(r'reason="([A-Z_]+)"[^)]*alarm=True', text)
    assert refusals
    assert set(refusals) <= set(KINDS)
