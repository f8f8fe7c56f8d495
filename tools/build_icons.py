"""Gather the Lucide icons we use into one sprite; Node is not needed to run the product.

npm install lucide-static && python tools/build_icons.py node_modules/lucide-static static
"""

import re
import sys
from pathlib import Path

NAMES = """
activity arrow-down-right arrow-left arrow-left-right arrow-right arrow-up-right badge-check ban
banknote bell book-open braces building-2 calendar check chevron-down chevron-left chevron-right
chevrons-up-down circle circle-alert circle-check circle-dashed circle-help clock code coins command
copy corner-down-right credit-card database download ellipsis external-link eye eye-off file-down
file-minus file-signature file-text flask-conical gauge gift git-compare globe hash heart-pulse
history hourglass id-card inbox infinity info key-round keyboard landmark languages layers
layout-dashboard link list-filter lock log-out mail menu message-circle-question minus moon package
panel-left pause pencil play plus power printer qr-code receipt-text refresh-cw repeat rocket
rotate-ccw scale scan-line search send server settings shield-alert shield-check sliders-horizontal
smartphone snowflake sparkles stamp sun tags terminal ticket timer trash-2 triangle-alert undo-2
unplug upload user-round users wallet webhook x zap
""".split()  # noqa: SIM905  a list this long is read and merged as words


def symbol(folder: Path, name: str) -> str:
    """Return the icon as a `<symbol>`; raises FileNotFoundError for a name Lucide lacks."""
    svg = (folder / "icons" / f"{name}.svg").read_text()
    body = re.sub(r"(?s)^.*?<svg[^>]*>|</svg>\s*$", "", svg)
    shapes = re.sub(r"\n *", "", body)
    return f'<symbol id="{name}" viewBox="0 0 24 24">{shapes}</symbol>'


def main() -> None:
    """Write `icons.svg` and its licence; arguments: the lucide-static folder, the target."""
    lucide, target = Path(sys.argv[1]), Path(sys.argv[2])
    symbols = [symbol(lucide, name) for name in NAMES]
    namespace = "http://www.w3.org/2000/svg"
    sprite = "\n".join([f'<svg xmlns="{namespace}">', *symbols, "</svg>", ""])
    (target / "icons.svg").write_text(sprite)
    (target / "icons.LICENSE").write_text((lucide / "LICENSE").read_text())
    print(len(symbols), "icons", len(sprite), "bytes")


if __name__ == "__main__":
    main()
