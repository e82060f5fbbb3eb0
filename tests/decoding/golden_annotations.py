"""Writes `golden_annotations.json`: what other programs read in our TextGrid and EAF.

Run `python tests/decoding/golden_annotations.py SCHEMA` where anylect, `praatio`, `textgrid`,
`pympi-ling` and `xmlschema` are installed; SCHEMA is EAFv3.0.xsd. Then read the difference.
"""

import json
import sys
import tempfile
from datetime import UTC, datetime
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

from anylect.decoding.annotations import Line, build_tiers, write_eaf, write_textgrid
from anylect.records import Word

LINES = (
    Line(
        'Habari "yako", & <wewe>?',
        (Word("Habari", 0.12, 0.48, 0.9), Word('"yako",', 0.5, 0.9, 0.8), Word("&", 0.9, 1.0, 0.2)),
    ),
    Line("മലയാളം 你好 e\u0301", (Word("മലയാളം", 1.25, 1.5, 0.7), Word("你好", 1.5, 2.0, 0.7))),
    Line("mwisho", (Word("mwisho", 2.9, 3.0166, 1.0),)),
)
DURATION = 3.0166
WRITTEN = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
AUDIO = "/recordings/talk one.wav"
GOLDEN = Path(__file__).with_suffix(".json")


def write_both() -> dict[str, str]:
    """Write the lines above in both forms."""
    tiers, end = build_tiers(LINES, duration=DURATION)
    return {
        "textgrid": write_textgrid(tiers, end=end),
        "eaf": write_eaf(tiers, audio=AUDIO, folder=Path("/annotations"), written=WRITTEN),
    }


def main() -> None:
    """Let the other programs read both files, and keep what they saw."""
    # By name, for they need not be there when types are checked.
    pympi, textgrid, xmlschema, praatio = map(
        import_module, ("pympi", "textgrid", "xmlschema", "praatio.textgrid")
    )
    written = write_both()
    seen: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        grid, eaf = Path(folder, "a.TextGrid"), Path(folder, "a.eaf")
        grid.write_text(written["textgrid"], encoding="utf-8")
        eaf.write_text(written["eaf"], encoding="utf-8")
        tiers = textgrid.TextGrid.fromFile(str(grid))
        seen["textgrid"] = {
            tier.name: [[each.mark, each.minTime, each.maxTime] for each in tier] for tier in tiers
        }
        opened = praatio.openTextgrid(str(grid), includeEmptyIntervals=False)
        opened.validate(reportingMode="error")
        seen["praatio"] = {
            name: [[each.label, each.start, each.end] for each in opened.getTier(name).entries]
            for name in opened.tierNames
        }
        xmlschema.XMLSchema(sys.argv[1]).validate(str(eaf))
        document = pympi.Eaf(str(eaf))
        seen["pympi-ling"] = {
            name: [
                [text, start, end]
                for start, end, text in document.get_annotation_data_for_tier(name)
            ]
            for name in document.get_tier_names()
        }
    tools = {name: version(name) for name in ("praatio", "textgrid", "pympi-ling", "xmlschema")}
    golden = {"tools": tools, **written, "seen": seen}
    GOLDEN.write_text(json.dumps(golden, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
