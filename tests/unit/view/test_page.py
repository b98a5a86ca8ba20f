# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""A page is one file without network and script, and no name can break it."""

from __future__ import annotations

import struct
import zlib
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from mat_ros.core.errors import Refused
from mat_ros.view import charts, page
from mat_ros.view.axes import Scale

EVIL = '<script>alert("x")</script> & "quotes"'
VOID = {"meta", "img", "rect", "line", "path"}


class Reader(HTMLParser):
    """Collect the elements and the text of a page, and check that every element is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))
        if tag not in ("meta", "img", "wbr"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words += data

    def count(self, tag: str, class_: str = "") -> int:
        return sum(t == tag and class_ in (a.get("class") or "").split() + [""] for t, a in self.seen)


def full_page() -> page.Page:
    built = page.Page(EVIL, EVIL)
    built.add(page.key_figures([page.KeyFigure(EVIL, EVIL, EVIL, "good")]))
    section = built.section(EVIL, EVIL)
    section.add(
        page.table([EVIL, "n"], [[EVIL, 1], [page.Toned(EVIL, "bad"), None]], EVIL),
        page.figure(charts.histogram([1.0, 2.0, np.nan], EVIL, marks={EVIL: 1.5}), EVIL),
        page.figure(charts.heat_map([[0.5, np.nan]], [EVIL], [EVIL, "b"])),
        page.figure(charts.lines([charts.Line(EVIL, [0, 1], [1, 2], [0, 1], [2, 3])], EVIL, EVIL, marks={EVIL: 0.5})),
        page.figure(charts.timeline([charts.LaneSpan(EVIL, 0, 1, "own", EVIL)], EVIL, kinds={"own": "red"},
                                    marks={EVIL: 1})),
        page.picture(np.zeros((2, 3, 3), np.uint8), EVIL, EVIL),
        page.folded(EVIL, page.code(EVIL)),
        page.beside(page.paragraph(EVIL), page.paragraph(EVIL)),
    )
    return built


def test_a_long_name_among_the_key_figures_is_smaller_and_breaks_behind_its_underscores():
    long, short = (page.key_figures([page.KeyFigure("policy", value)]) for value in ("halfcheetah_mat_faults", "0.95"))
    assert 'class="long "' in long and "halfcheetah_<wbr>mat_<wbr>faults" in long
    assert "long" not in short and "<wbr>" not in short


def test_a_page_stands_alone_and_no_text_can_become_markup():
    read = Reader(full_page().render())
    assert read.open == []
    assert read.count("script") == 0 and read.count("link") == 0
    for tag, attributes in read.seen:
        for name in ("src", "href", "xlink:href"):
            assert (attributes.get(name) or "#").startswith(("#", "data:image/png;base64,")), (tag, attributes)
        assert not any(name.startswith("on") for name in attributes), (tag, attributes)
    assert "url(" not in full_page().render() and "@import" not in full_page().render()
    assert read.words.count(EVIL) >= 15


def test_a_written_page_appears_whole_or_not_at_all(tmp_path: Path):
    target = tmp_path / "deep" / "report.html"
    full_page().write(target)
    assert target.read_text(encoding="utf-8") == full_page().render()
    assert [p.name for p in target.parent.iterdir()] == ["report.html"]


def test_a_picture_survives_the_encoding_bit_for_bit():
    image = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    data = page.png(image)
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    at, pixels = 8, b""
    while at < len(data):
        size, kind = struct.unpack(">I4s", data[at:at + 8])
        body = data[at + 8:at + 8 + size]
        assert struct.unpack(">I", data[at + 8 + size:at + 12 + size])[0] == zlib.crc32(kind + body)
        if kind == b"IHDR":
            assert struct.unpack(">IIBBBBB", body) == (7, 5, 8, 2, 0, 0, 0)
        pixels += body if kind == b"IDAT" else b""
        at += 12 + size
    lines = np.frombuffer(zlib.decompress(pixels), np.uint8).reshape(5, 1 + 7 * 3)
    assert (lines[:, 0] == 2).all()
    assert (np.cumsum(lines[:, 1:], axis=0, dtype=np.uint8).reshape(image.shape) == image).all()


def test_a_histogram_counts_every_finite_value_once_and_says_how_many_had_none():
    drawn = Reader(charts.histogram([0.5, 0.5, 1.5, np.nan, np.inf], "ms", marks={"deadline": 4.0}, bins=4))
    assert drawn.count("rect", "bar") == 2
    assert "2 ticks" in drawn.words and "1 ticks" in drawn.words
    assert "2 without a value" in drawn.words and "deadline 4" in drawn.words


def test_a_histogram_without_any_value_says_so():
    assert "no values" in Reader(charts.histogram([np.nan], "ms")).words


def test_a_heat_map_tells_what_was_not_measured_from_what_is_zero():
    drawn = Reader(charts.heat_map([[0.0, np.nan], [0.5, 1.0]], ["a", "b"], ["x", "y"], low=0.0, high=1.0))
    assert drawn.count("rect", "cell") == 3 and drawn.count("rect", "none") == 1
    assert "a, y: not measured" in drawn.words and "a, x: 0.00" in drawn.words
    with pytest.raises(Refused, match="2 x 1 values"):
        charts.heat_map([[1.0]], ["a", "b"], ["x"])


def test_a_curve_lifts_the_pen_where_a_value_is_missing():
    drawn = charts.lines([charts.Line("a", [0, 1, 2, 3], [1.0, np.nan, 2.0, 3.0])], "x", "y")
    curve = next(a["d"] for t, a in Reader(drawn).seen if a.get("class") == "curve")
    assert curve is not None and curve.count("M") == 2 and curve.count("L") == 1


def test_a_timeline_shows_an_instant_and_keeps_the_order_of_its_lanes():
    drawn = Reader(charts.timeline([charts.LaneSpan("b", 2, 2, "bad"), charts.LaneSpan("a", 0, 4, "good")], "tick",
                                   kinds={"good": "green", "bad": "red"}, lanes=["a", "b"]))
    assert drawn.count("rect", "lane") == 2 and drawn.count("rect", "span") == 2
    assert drawn.words.index("a") < drawn.words.index("b: bad, 2 to 2")


@pytest.mark.parametrize("values", [[0.0], [3.0, 3.0], [-2.0, 7.3], [1e-9, 2e-9], [1e6, 5e6], [0.1, 0.3]])
def test_a_scale_covers_its_values_with_few_round_ticks(values: list[float]):
    scale = Scale.over(values, 0.0, 100.0)
    ticks = scale.ticks()
    assert scale.low <= min(values) and max(values) <= scale.high
    assert 2 <= len(ticks) <= 11
    assert all(0.0 <= scale(tick) <= 100.0 for tick in ticks)
    assert scale(values[0]) <= scale(values[-1])


def test_a_number_is_written_short_and_true():
    assert [page.number(x) for x in (1234567, 0.000123456, 2.0, True, "text", 3.14159)] == [
        "1\u202f234\u202f567", "0.0001235", "2", "yes", "text", "3.142"]
