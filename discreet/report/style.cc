#include "discreet/report/style.h"

namespace discreet {

const std::string_view kStyleSheet = R"css(
:root {
  --paper: #fdfdfc; --panel: #f5f6f4; --ink: #1d252b; --soft: #55606a; --hair: #dcdfdf;
  --accent: #14617c; --second: #a9762c; --quiet: #6b757d; --good: #2e6b4f; --warning: #9b2c1f;
  --warning-panel: #fbefec; --good-panel: #eef5f1;
  color-scheme: light dark;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #14181b; --panel: #1c2226; --ink: #e4e8ea; --soft: #a3afb7; --hair: #333c42;
    --accent: #76bfd6; --second: #dcae6a; --quiet: #94a1aa; --good: #86c5a5; --warning: #f0907f;
    --warning-panel: #2c1c19; --good-panel: #18251f;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body {
  margin: 0; background: var(--paper); color: var(--ink);
  font: 400 1.0625rem/1.6 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
  font-variant-numeric: lining-nums; overflow-wrap: break-word;
}
main, body > footer { max-width: 47rem; margin: 0 auto; padding: 0 1.5rem; }
main > header { padding: 4.5rem 0 0.5rem; }
.eyebrow { margin: 0 0 0.75rem; color: var(--accent); font-size: 0.875rem; font-weight: 600; letter-spacing: 0.02em; }
h1 { margin: 0 0 1rem; font-size: clamp(1.9rem, 1.4rem + 2.2vw, 2.6rem); line-height: 1.15; font-weight: 650;
  letter-spacing: -0.018em; text-wrap: balance; }
h2 { margin: 0 0 1rem; font-size: 1.4rem; line-height: 1.25; font-weight: 650; letter-spacing: -0.01em;
  text-wrap: balance; }
h3 { margin: 2rem 0 0.5rem; font-size: 1.0625rem; font-weight: 650; }
.lead { margin: 0; font-size: 1.2rem; line-height: 1.55; color: var(--soft); text-wrap: pretty; }
p, ul, ol { margin: 0 0 1rem; }
ul { padding-left: 1.15rem; } li { margin-bottom: 0.5rem; } li::marker { color: var(--quiet); }
section { margin-top: 3.25rem; padding-top: 2.25rem; border-top: 1px solid var(--hair); }
strong { font-weight: 650; }
a { color: var(--accent); text-underline-offset: 0.15em; text-decoration-thickness: 0.06em; }
a:focus-visible, .table:focus-visible { outline: 2px solid var(--accent); outline-offset: 3px; }
.skip { position: absolute; left: -100rem; } .skip:focus { left: 1rem; top: 1rem; }
code { font: 0.9em/1.5 ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace;
  background: var(--panel); padding: 0.1em 0.35em; border-radius: 3px; white-space: nowrap; }
pre { margin: 0 0 1rem; padding: 0.9rem 1.1rem; background: var(--panel); border-radius: 4px; overflow-x: auto; }
pre code { padding: 0; background: none; }
.key-facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(9rem, 1fr)); gap: 1.75rem 1.75rem;
  margin: 2.5rem 0 0; padding: 1.75rem 0 0; border-top: 2px solid var(--ink); }
.key-facts > div { min-width: 0; }
.key-facts dt { color: var(--soft); font-size: 0.9rem; }
.key-facts dd { margin: 0; }
.key-facts .value { font-size: 1.3rem; line-height: 1.3; font-weight: 600; letter-spacing: -0.01em; }
.key-facts .note { color: var(--soft); font-size: 0.9rem; line-height: 1.45; margin-top: 0.25rem; }
.notice { margin: 1.75rem 0; padding: 1.1rem 1.35rem; background: var(--panel); border-left: 3px solid var(--accent); }
.notice > :last-child { margin-bottom: 0; }
.notice-title { margin: 0 0 0.35rem; font-weight: 650; }
.notice.warning { background: var(--warning-panel); border-color: var(--warning); }
.notice.warning .notice-title { color: var(--warning); }
.notice.good { background: var(--good-panel); border-color: var(--good); }
.badge { white-space: nowrap; font-size: 0.85em; font-weight: 600; color: var(--soft); }
.badge::before { content: ""; display: inline-block; width: 0.55em; height: 0.55em; margin-right: 0.45em;
  border-radius: 50%; background: var(--quiet); }
.badge.good::before { background: var(--good); }
.badge.warning { color: var(--warning); } .badge.warning::before { background: var(--warning); }
.table { overflow-x: auto; margin: 1.5rem 0; }
table { width: 100%; border-collapse: collapse; font-size: 0.95rem; line-height: 1.5; }
caption { max-width: calc(100vw - 2.5rem); text-align: left; padding-bottom: 0.6rem; color: var(--soft); font-size: 0.9rem; }
th, td { padding: 0.65rem 1.25rem 0.65rem 0; text-align: left; vertical-align: top;
  border-bottom: 1px solid var(--hair); font-weight: 400; }
th:last-child, td:last-child { padding-right: 0; }
thead th { color: var(--soft); font-size: 0.875rem; border-bottom-color: var(--quiet); white-space: nowrap; }
tbody th { font-weight: 600; }
.faint { color: var(--quiet); }
.numeric { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
figure { margin: 2rem 0; }
figcaption { margin-top: 0.6rem; color: var(--soft); font-size: 0.9rem; line-height: 1.5; }
svg.plot { display: block; width: 100%; height: auto; max-width: 34rem; }
svg.plot.bar { max-width: none; }
.legend { display: flex; justify-content: space-between; margin: 0 0 0.5rem; padding: 0; list-style: none;
  font-size: 0.95rem; font-weight: 600; }
.legend .accent { color: var(--accent); } .legend .second { color: var(--second); }
.legend li { margin: 0; }
svg.plot text { font-family: inherit; font-variant-numeric: tabular-nums; }
.line-accent { stroke: var(--accent); } .line-second { stroke: var(--second); } .line-quiet { stroke: var(--quiet); }
.fill-accent { fill: var(--accent); } .fill-second { fill: var(--second); } .fill-quiet { fill: var(--quiet); }
.examples { display: grid; grid-template-columns: repeat(auto-fill, minmax(8rem, 1fr)); gap: 1.5rem 1rem;
  margin: 1.5rem 0; padding: 0; list-style: none; }
.examples li { font-size: 0.875rem; line-height: 1.4; margin: 0; }
.examples img { display: block; width: 100%; height: auto; max-width: 7rem; margin-bottom: 0.4rem; image-rendering: pixelated;
  border: 1px solid var(--hair); }
.examples .wrong { color: var(--warning); font-weight: 600; }
body > footer { margin-top: 4rem; padding-bottom: 4rem; color: var(--soft); font-size: 0.9rem; }
body > footer > p:first-child { border-top: 1px solid var(--hair); padding-top: 1.5rem; }
@media (max-width: 36rem) {
  body { font-size: 1rem; }
  main, body > footer { padding: 0 1.15rem; }
  main > header { padding-top: 2.5rem; }
  .lead { font-size: 1.1rem; }
  section { margin-top: 2.5rem; padding-top: 1.75rem; }
  .key-facts { grid-template-columns: 1fr 1fr; gap: 1.5rem 1.25rem; }
  .key-facts .value { font-size: 1.3rem; }
  table.stack thead { position: absolute; left: -100rem; }
  table.stack, table.stack tbody, table.stack tr, table.stack th, table.stack td, table.stack caption {
    display: block; width: 100%; }
  table.stack tr { padding: 0.8rem 0; border-bottom: 1px solid var(--hair); }
  table.stack th, table.stack td { padding: 0.1rem 0; border: 0; text-align: left; white-space: normal; }
  table.stack td.numeric::before { content: attr(data-title) ": "; color: var(--soft); }
}
@media print {
  :root { --paper: #fff; --panel: #f4f4f2; --ink: #000; --soft: #444; --hair: #ccc; --accent: #14617c;
    --second: #a9762c; --quiet: #666; --good: #2e6b4f; --warning: #9b2c1f; --warning-panel: #fff;
    --good-panel: #fff; color-scheme: light; }
  @page { margin: 20mm 18mm; }
  html { font-size: 9.5pt; }
  main, body > footer { max-width: none; padding: 0; }
  main > header { padding-top: 0; }
  section { margin-top: 1.5rem; padding-top: 1rem; }
  h2, h3, caption { break-after: avoid; }
  figure, .notice, tr, .key-facts > div { break-inside: avoid; }
  .skip { display: none; }
}
)css";

}  // namespace discreet
