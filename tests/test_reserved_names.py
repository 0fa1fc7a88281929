"""What the templates and runtime/model call their functions is known, so that no layer of a model is called so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from c_build import RUNTIME

import kaoken
from kaoken.ir.reserved import FUNCTIONS

TEMPLATES = sorted((Path(kaoken.__file__).parent / "emit" / "templates").glob("*.c.mako"))
TEMPLATES += sorted(p for p in (RUNTIME / "model").glob("*.c") if not p.name.startswith("example"))


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_functions_of_the_templates_are_reserved(template: Path) -> None:
    text = re.sub(r"\$\{dtype\}", "int64", template.read_text())
    own = {name for names in re.findall(r"^enum \{(.*?)\};", text, re.MULTILINE) for name in re.findall(r"(\w+) =", names)}
    own |= set(re.findall(r"^static (?!const \$)[^=;(\n]*?(?<![}\w])(\w+)(?:\(|\[)", text, re.MULTILINE))
    assert own <= FUNCTIONS, f"add to FUNCTIONS of kaoken/ir/reserved.py: {sorted(own - FUNCTIONS)}"
