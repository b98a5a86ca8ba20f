# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Draw the frame of a chart: scales with round ticks, grid and labels. Define the SVG elements of all charts."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass

from mat_ros.view.page import Block

WIDTH = 760.0  # width of every chart in SVG units; the page scales the chart
CHARACTER = 6.6  # mean width of a letter; capitals are wider


def element(name: str, content: str = "", **attributes: object) -> str:
    """Return an SVG element; `class_` and `stroke_width` become `class` and `stroke-width`; `content` is SVG."""
    written = "".join(f' {key.rstrip("_").replace("_", "-")}="{_short(value)}"' for key, value in attributes.items()
                      if value != "")
    return f"<{name}{written}>{content}</{name}>" if content else f"<{name}{written}/>"


def text(x: float, y: float, words: str, class_: str = "", **attributes: object) -> str:
    """Return words at a place as SVG."""
    return element("text", html.escape(words), x=x, y=y, class_=class_, **attributes)


def tip(words: str) -> str:
    """Return the text that appears when the pointer rests on the surrounding element."""
    return element("title", html.escape(words))


def drawing(height: float, description: str, *parts: str) -> Block:
    """Return a drawing made of parts; screen readers read the description aloud."""
    content = "".join(parts)
    return Block(element("svg", content, viewBox=f"0 0 {WIDTH:g} {height:g}", role="img", aria_label=description))


def _short(value: object) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else html.escape(str(value))


@dataclass(frozen=True)
class Scale:
    """Map values low..high to places start..stop."""

    low: float
    high: float
    start: float
    stop: float
    log: bool = False

    @classmethod
    def over(cls, values: Sequence[float], start: float, stop: float, log: bool = False) -> Scale:
        """Return a scale that covers all values and begins and ends at round numbers."""
        finite = [v for v in values if math.isfinite(v) and (v > 0 or not log)] or [0.0 if not log else 1.0]
        low, high = min(finite), max(finite)
        if log:
            low, high = 10 ** math.floor(math.log10(low)), 10 ** math.ceil(math.log10(high))
            return cls(low, high if high > low else low * 10, start, stop, log=True)
        if low == high:
            low, high = low - (abs(low) or 1.0) / 2, high + (abs(high) or 1.0) / 2
        step = _round_step(high - low, 5)
        return cls(math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step, start, stop)

    def __call__(self, value: float) -> float:
        """Return the place of a value; a value outside the scale lies on the edge."""
        if self.log:
            share = math.log(max(value, self.low) / self.low) / math.log(self.high / self.low)
        else:
            share = (value - self.low) / (self.high - self.low)
        return self.start + min(1.0, max(0.0, share)) * (self.stop - self.start)

    def ticks(self, count: int = 5) -> list[float]:
        """Return round values for the labels."""
        if self.log:
            first, last = round(math.log10(self.low)), round(math.log10(self.high))
            return [10.0**k for k in range(first, last + 1, max(1, (last - first) // count))]
        step = _round_step(self.high - self.low, count)
        first = math.ceil(self.low / step - 1e-9)
        return [k * step for k in range(first, math.floor(self.high / step + 1e-9) + 1)]


def _round_step(span: float, count: int) -> float:
    """Return the step of 1, 2 or 5 times a power of ten that cuts the span into about `count` pieces."""
    rough = span / count
    power = 10.0 ** math.floor(math.log10(rough))
    return next(factor * power for factor in (1.0, 2.0, 5.0, 10.0) if factor * power >= rough * 0.999)


def label(value: float) -> str:
    """Return the text of a tick's value, without the rounding errors of binary fractions."""
    return f"{round(value, 10):g}".replace("-", "\u2212")


@dataclass(frozen=True)
class Frame:
    """Draw the two axes of a chart."""

    x: Scale
    y: Scale

    def draw(self, x_name: str, y_name: str, x_ticks: int = 8, y_ticks: int = 5) -> str:
        """Return grid, ticks and names as SVG."""
        left, right, bottom, top = self.x.start, self.x.stop, self.y.start, self.y.stop
        parts = []
        for value in self.y.ticks(y_ticks):
            place = self.y(value)
            parts += [element("line", x1=left, x2=right, y1=place, y2=place, class_="grid"),
                      text(left - 8, place + 4, label(value), "end")]
        for value in self.x.ticks(x_ticks):
            parts.append(text(self.x(value), bottom + 18, label(value), "middle"))
        parts += [element("line", x1=left, x2=right, y1=bottom, y2=bottom, class_="axis"),
                  text(right, bottom + 34, x_name, "end strong"), text(left, top - 10, y_name, "strong")]
        return "".join(parts)


def legend(names: Sequence[str], colours: Sequence[str], right: float, y: float) -> str:
    """Return the names of the colours in one line that ends at `right`."""
    parts, x = [], right
    for name, colour in reversed(list(zip(names, colours, strict=True))):
        x -= CHARACTER * (len(name) + 0.35 * sum(letter.isupper() for letter in name))
        parts.append(text(x, y, name))
        x -= 16
        parts.append(element("rect", x=x, y=y - 9, width=11, height=9, rx=2, style=f"fill:{colour}"))
        x -= 16
    return "".join(parts)
