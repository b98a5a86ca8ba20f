# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Define the style of every page: the reader's own fonts, light or dark as on the reader's screen, plain on paper."""

# Colours have the names of their meanings. Colour-blind readers can tell the series apart, also by lightness.
STYLE = """
:root {
  color-scheme: light dark;
  --paper: #fbfbfa; --card: #ffffff; --ink: #1c1f23; --soft: #5d6670; --line: #e2e5e9; --grid: #edeff2;
  --accent: #2563b8; --good: #1f8a5b; --warn: #b7791f; --bad: #c0392f; --quiet: #98a2ad;
  --series-0: #2563b8; --series-1: #d9741c; --series-2: #1f8a5b; --series-3: #8a4fc4; --series-4: #c0392f;
  --series-5: #6b7684; --heat: #1d56a8; --heat-low: #f3f5f8; --heat-ink: #1c1f23; --heat-ink-deep: #ffffff;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #14171a; --card: #1b1f24; --ink: #e7eaee; --soft: #9aa5b1; --line: #2d333b; --grid: #262c33;
    --accent: #6ea8f7; --good: #4cc38a; --warn: #e0a94a; --bad: #f07167; --quiet: #5c6773;
    --series-0: #6ea8f7; --series-1: #f0984e; --series-2: #4cc38a; --series-3: #b98bea; --series-4: #f07167;
    --series-5: #93a0ae; --heat: #6ea8f7; --heat-low: #20252b; --heat-ink: #e7eaee; --heat-ink-deep: #0d1116;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.55 system-ui, -apple-system, "Segoe UI",
  Roboto, "Noto Sans", "Liberation Sans", sans-serif; font-variant-numeric: tabular-nums;
}
main { max-width: 1080px; margin: 0 auto; padding: 3rem 1.5rem 4rem; }
header h1 { font-size: 2rem; line-height: 1.2; letter-spacing: -0.015em; margin: 0 0 .4rem; }
header p { margin: 0; color: var(--soft); font-size: 1.06rem; max-width: 46rem; }
nav { margin: 1.2rem 0 0; display: flex; flex-wrap: wrap; gap: .35rem 1.1rem; font-size: .92rem; }
a { color: var(--accent); text-decoration: none; }
a:hover { text-decoration: underline; }
section { margin-top: 2.8rem; }
h2 { font-size: 1.25rem; letter-spacing: -0.01em; margin: 0 0 .3rem; padding-top: .2rem; }
section > p { margin: .2rem 0 1rem; max-width: 46rem; color: var(--soft); }
code, pre { font-family: ui-monospace, "SF Mono", "Cascadia Mono", "DejaVu Sans Mono", monospace; font-size: .86em; }
pre { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: .8rem 1rem;
  overflow-x: auto; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(155px, 1fr)); gap: .8rem; margin-top: 1.6rem; }
.figures div { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: .85rem 1rem; }
.figures dt { color: var(--soft); font-size: .82rem; }
.figures dd { margin: .1rem 0 0; font-size: 1.55rem; font-weight: 600; line-height: 1.25; letter-spacing: -0.01em; }
.figures dd.note { font-size: .82rem; font-weight: 400; color: var(--soft); letter-spacing: 0; }
.figures dd { overflow-wrap: anywhere; } .figures dd.long { font-size: 1.1rem; }
.good { color: var(--good); } .warn { color: var(--warn); } .bad { color: var(--bad); } .quiet { color: var(--soft); }
.wide { overflow-x: auto; }
table { border-collapse: collapse; min-width: min(100%, 34rem); font-size: .92rem; margin: .4rem 0 1rem; }
th { text-align: left; font-weight: 600; font-size: .82rem; color: var(--soft); white-space: nowrap; }
th, td { padding: .42rem 1.8rem .42rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
td.number, th.number { text-align: right; }
figure { margin: .6rem 0 1.4rem; }
figure svg { display: block; width: 100%; height: auto; }
figure img { display: block; width: 100%; height: auto; border-radius: 8px; border: 1px solid var(--line); }
figcaption { color: var(--soft); font-size: .86rem; margin-top: .45rem; max-width: 46rem; }
.key { display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; font-size: .86rem; }
.key i { display: inline-block; width: .8em; height: .7em; border-radius: 2px; margin-right: .4em; }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(380px, 1fr)); gap: 0 2rem; }
details { margin: .6rem 0; } summary { cursor: pointer; color: var(--accent); }
footer { margin-top: 3.5rem; padding-top: 1rem; border-top: 1px solid var(--line); color: var(--soft);
  font-size: .84rem; }
svg text { fill: var(--soft); font-size: 12px; font-family: inherit; }
svg .strong { fill: var(--ink); paint-order: stroke; stroke: var(--paper); stroke-width: 3px; }
svg .end { text-anchor: end; } svg .middle { text-anchor: middle; }
svg .grid { stroke: var(--grid); stroke-width: 1; } svg .axis { stroke: var(--quiet); stroke-width: 1; }
svg .mark { stroke: var(--soft); stroke-width: 1.2; stroke-dasharray: 4 3; }
svg .bar { fill: var(--series-0); } svg .curve { fill: none; stroke-width: 2; stroke-linejoin: round; }
svg .trace { stroke-width: 1.3; }
svg .band { stroke: none; fill-opacity: .16; }
svg .ground { fill: var(--heat-low); } svg .cell { fill: var(--heat); } svg .none { fill: var(--grid); }
svg text.cell-ink { fill: var(--heat-ink); font-size: 11px; }
svg text.cell-ink-deep { fill: var(--heat-ink-deep); font-size: 11px; }
svg .span { rx: 2px; } svg .lane { fill: var(--grid); }
@media (max-width: 560px) {
  main { padding: 1.6rem 1rem 3rem; } .pair { grid-template-columns: 1fr; }
  figure { overflow-x: auto; } figure svg { min-width: 620px; } /* letters stay readable, and the chart scrolls */
}
@media print {
  :root { --paper: #fff; --card: #fff; } main { max-width: none; padding: 0; } nav { display: none; }
  section, figure { break-inside: avoid; }
}
"""
