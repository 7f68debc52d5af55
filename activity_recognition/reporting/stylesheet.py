"""The look of the pages: one style sheet, light and dark, nothing loaded from anywhere."""

VARIABLES = """
:root { --paper: #fcfcfb; --card: #ffffff; --ink: #1d2329; --soft: #5d6873; --line: #d9dee3;
  --good: #1a7f4b; --bad: #c0392b; --accent: #2f6fde; --against: #d9822b;
  color-scheme: light dark; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #14181c; --card: #1b2026; --ink: #e7eaed; --soft: #9aa5b0; --line: #343c45;
    --good: #4cc38a; --bad: #f0705f; --accent: #6ea3ff; --against: #f0a35e; } }
"""
"""Colours as CSS variables; figures that stand alone need them too."""

CHART = """
svg { font-family: system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif; }
svg text { fill: var(--ink); font-size: 12px; }
svg text.soft { fill: var(--soft); font-size: 11px; }
svg text.on { fill: #14181c; font-size: 11px; }
svg .grid { stroke: var(--line); stroke-width: 1; }
svg .frame { fill: none; stroke: var(--line); }
svg .wrong { fill: var(--bad); }
svg .area { fill: var(--accent); fill-opacity: .18; stroke: var(--accent); stroke-width: 1.2; }
svg .bar { fill: var(--accent); fill-opacity: .75; }
svg .present { fill: var(--soft); fill-opacity: .16; }
svg .for { fill: var(--accent); }
svg .against { fill: var(--against); }
svg .mark { stroke: var(--ink); stroke-width: 1.2; stroke-dasharray: 3 3; }
svg .line { fill: none; stroke: var(--accent); stroke-width: 2; }
svg .line.seen { stroke: var(--against); stroke-dasharray: 6 3; }
svg .line.dot { fill: var(--accent); stroke: none; }
svg .line.seen.dot { fill: var(--against); }
svg .kept { stroke: var(--good); stroke-width: 2; }
svg .joined { fill: var(--card); stroke: var(--accent); stroke-width: 2; }
"""
"""Classes the charts use."""

PAGE = """
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif; }
main { max-width: 1180px; margin: 0 auto; padding: 28px 20px 60px; }
h1 { font-size: 26px; margin: 0 0 4px; overflow-wrap: anywhere; }
h2 { font-size: 18px; margin: 34px 0 10px; }
p.soft { margin: 6px 0 0; }
p.summary { color: var(--soft); margin: 0 0 18px; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(130px, 1fr)); gap: 12px; }
.tile, .card { background: var(--card); border: 1px solid var(--line); border-radius: 10px;
  padding: 14px 16px; overflow-x: auto; }
.tile b { display: block; font-size: 26px; font-weight: 650; font-variant-numeric: tabular-nums; }
.tile span { color: var(--soft); font-size: 13px; }
.columns { display: grid; gap: 16px;
  grid-template-columns: repeat(auto-fit, minmax(min(420px, 100%), 1fr)); }
.columns > * { min-width: 0; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: 5px 9px; text-align: right; border-bottom: 1px solid var(--line); }
th { color: var(--soft); font-weight: 500; font-size: 13px; }
th:first-child, td:first-child { text-align: left; }
td:not(:first-child) { white-space: nowrap; }
tr:last-child td { border-bottom: 0; }
.matrix { table-layout: auto; font-size: 13px; }
.wide { grid-column: 1 / -1; }
.matrix td { text-align: center; border: 1px solid var(--line); min-width: 34px; padding: 4px; }
.matrix thead th { writing-mode: vertical-rl; transform: rotate(180deg); text-align: left;
  padding: 4px 2px; height: 110px; }
.matrix thead th:first-child { writing-mode: horizontal-tb; transform: none;
  vertical-align: bottom; }
.matrix td.none { color: var(--line); }
.meter { display: inline-block; width: 90px; height: 8px; border-radius: 4px;
  background: var(--line);  margin-right: 8px; vertical-align: middle; }
.meter i { display: block; height: 8px; border-radius: 4px; background: var(--accent); }
.swatch { display: inline-block; width: 11px; height: 11px; border-radius: 3px; margin-right: 7px; }
td:has(.swatch) { white-space: nowrap; }
.badge { display: inline-block; padding: 1px 9px; border-radius: 99px; font-size: 13px;
  font-weight: 600; border: 1px solid currentColor; }
.good { color: var(--good); } .bad { color: var(--bad); } .soft { color: var(--soft); }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 3px 18px; margin: 0;
  font-size: 14px; }
dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
@media (max-width: 520px) {
  main { padding: 18px 12px 40px; }
  h1 { font-size: 21px; }
  .tile, .card { padding: 12px; }
  .meter { display: none; }
  dl { grid-template-columns: minmax(0, 1fr); gap: 0; }
  dd { margin-bottom: 8px; }
}
"""
"""Layout of a page."""
