# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Build a page in one file, without network and script, for light screens, dark screens and paper.

    page = Page("Two hands at the door", "What happened, tick by tick.")
    page.add(key_figures([KeyFigure("door", "open", "after 3.1 s", "good")]))
    section = page.section("Latency", "From the start of a tick to its last decision.")
    section.add(figure(charts.histogram(latencies_ms, "ms"), "Each bar is 0.1 ms wide."))
    page.write(Path("report.html"))

A block is a piece of HTML. Only the functions here and in `charts` make blocks. They escape every text.
"""

from __future__ import annotations

import base64
import html
import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NewType

import numpy as np
from numpy.typing import NDArray

from mat_ros import __version__
from mat_ros.core.files import write_text
from mat_ros.view.style import STYLE

Block = NewType("Block", str)
Tone = Literal["", "good", "warn", "bad", "quiet"]
Cell = str | int | float | None
LONG = 12  # letters; a longer key figure has smaller letters


@dataclass(frozen=True)
class KeyFigure:
    """Describe one of the main figures of a page."""

    label: str
    value: str
    note: str = ""
    tone: Tone = ""


@dataclass
class Section:
    """Hold a titled part of a page."""

    title: str
    blocks: list[Block] = field(default_factory=list)

    def add(self, *blocks: Block) -> Section:
        """Append blocks."""
        self.blocks += blocks
        return self

    @property
    def anchor(self) -> str:
        """Return the name that links point to."""
        return "".join(c if c.isalnum() else "-" for c in self.title.lower()).strip("-")


@dataclass
class Page:
    """Hold a page: its title, its opening and its sections."""

    title: str
    lead: str = ""
    opening: list[Block] = field(default_factory=list)  # blocks between the title and the first section
    sections: list[Section] = field(default_factory=list)
    foot: str = f"Made by mat_ros {__version__}."

    def add(self, *blocks: Block) -> Page:
        """Append blocks before the first section."""
        self.opening += blocks
        return self

    def section(self, title: str, lead: str = "") -> Section:
        """Append a section and return it."""
        section = Section(title, [paragraph(lead)] if lead else [])
        self.sections.append(section)
        return section

    def render(self) -> str:
        """Return the text of the whole file."""
        links = "".join(f'<a href="#{s.anchor}">{escape(s.title)}</a>' for s in self.sections)
        parts = "\n".join(f'<section id="{s.anchor}"><h2>{escape(s.title)}</h2>\n' + "\n".join(s.blocks) + "</section>"
                          for s in self.sections)
        return (f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
                f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
                f"<title>{escape(self.title)}</title>\n<style>{STYLE}</style></head>\n<body><main>\n"
                f"<header><h1>{escape(self.title)}</h1>" + (f"<p>{escape(self.lead)}</p>" if self.lead else "")
                + (f"<nav>{links}</nav>" if len(self.sections) > 2 else "") + "</header>\n"
                + "\n".join(self.opening) + f"\n{parts}\n<footer>{escape(self.foot)}</footer>\n</main></body></html>\n")

    def write(self, path: Path) -> None:
        """Write the file at once, so that no reader finds a half-written file."""
        write_text(path, self.render())


def escape(text: object) -> str:
    """Return a text escaped for HTML."""
    return html.escape(str(text))


def paragraph(text: str, tone: Tone = "") -> Block:
    """Return a paragraph."""
    return Block(f'<p class="{tone}">{escape(text)}</p>' if tone else f"<p>{escape(text)}</p>")


def code(text: str) -> Block:
    """Return commands or output without a change of spaces and lines."""
    return Block(f"<pre>{escape(text)}</pre>")


def key_figures(figures: Sequence[KeyFigure]) -> Block:
    """Return a row of large figures."""
    cards = "".join(f'<div><dt>{escape(f.label)}</dt><dd class="{_size(f.value)}{f.tone}">{_breakable(f.value)}</dd>'
                    + (f'<dd class="note">{_breakable(f.note)}</dd>' if f.note else "") + "</div>" for f in figures)
    return Block(f'<dl class="figures">{cards}</dl>')


def _size(value: str) -> str:
    return "long " if len(value) > LONG else ""


def _breakable(value: str) -> str:
    """Return HTML in which a long name breaks behind an underscore and never within a word."""
    return escape(value).replace("_", "_<wbr>")


@dataclass(frozen=True)
class Toned:
    """Describe a table cell with a tone."""

    value: Cell
    tone: Tone


def table(columns: Sequence[str], rows: Sequence[Sequence[Cell | Toned]], caption: str = "") -> Block:
    """Return a table; columns of numbers are aligned to the right, and None is an empty cell."""
    plain = [[cell.value if isinstance(cell, Toned) else cell for cell in row] for row in rows]
    numeric = [bool(plain) and all(isinstance(row[k], (int, float)) or row[k] is None for row in plain)
               for k in range(len(columns))]
    kind = ["number" if n else "" for n in numeric]
    head = "".join(f'<th class="{kind[k]}">{escape(name)}</th>' for k, name in enumerate(columns))
    body = "".join("<tr>" + "".join(_cell(cell, kind[k]) for k, cell in enumerate(row)) + "</tr>" for row in rows)
    under = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
    return Block(f'<figure><div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
                 f"{under}</figure>")


def _cell(cell: Cell | Toned, kind: str) -> str:
    tone, value = (cell.tone, cell.value) if isinstance(cell, Toned) else ("", cell)
    return f'<td class="{kind} {tone}">{"" if value is None else escape(number(value))}</td>'


def number(value: object) -> str:
    """Return the text of a number: whole numbers in full, others with four significant digits."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float) and not value.is_integer():
        return f"{value:.4g}"
    if isinstance(value, (int, float)):
        return f"{int(value):,}".replace(",", "\u202f")
    return str(value)


def figure(drawing: Block, caption: str = "") -> Block:
    """Return a chart with a caption below."""
    under = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
    return Block(f"<figure>{drawing}{under}</figure>")


def picture(image: NDArray[np.uint8], description: str, caption: str = "") -> Block:
    """Return an embedded image (height, width, 3), such as a film strip."""
    data = base64.b64encode(png(image)).decode("ascii")
    return figure(Block(f'<img alt="{escape(description)}" src="data:image/png;base64,{data}">'), caption)


def key(colours: Mapping[str, str]) -> Block:
    """Return the names of colours, for several charts that share them; the line breaks on a narrow screen."""
    names = "".join(f'<span><i style="background:{colour}"></i>{escape(name)}</span>'
                    for name, colour in colours.items())
    return Block(f'<p class="key">{names}</p>')


def beside(*blocks: Block) -> Block:
    """Return blocks side by side, where the screen is wide enough."""
    return Block('<div class="pair">' + "".join(f"<div>{block}</div>" for block in blocks) + "</div>")


def folded(summary: str, *blocks: Block) -> Block:
    """Return blocks that appear when the reader unfolds the line `summary`."""
    return Block(f"<details><summary>{escape(summary)}</summary>{''.join(blocks)}</details>")


def png(image: NDArray[np.uint8]) -> bytes:
    """Return an image (height, width, 3) encoded as PNG."""
    height, width, _ = image.shape
    # Each line is stored as its difference from the line above (filter 2), which shrinks rendered scenes to a third.
    above = np.vstack([np.zeros((1, width * 3), np.uint8), image.reshape(height, -1)[:-1]])
    lines = np.hstack([np.full((height, 1), 2, np.uint8), image.reshape(height, -1) - above])

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(lines.tobytes(), 9))
            + chunk(b"IEND", b""))
