package frontier

// svgStyle gives the classes of a chart their colours. It stands in each chart, so
// that a file of one looks the same as it does in a page.
const svgStyle = `
svg{--paper:#fff;--fg:#1b2430;--dim:#5d6b7c;--c0:#8a5a00;--c1:#1f5fa8;--c2:#1c7a41;--c3:#6b7280;--c4:#b3261e;--c5:#7a3fa0}
@media(prefers-color-scheme:dark){svg{--paper:#1b222b;--fg:#e6ebf1;--dim:#9aa8b8;--c0:#ffc66b;--c1:#8ab8f5;--c2:#7bd8a0;--c3:#a3adba;--c4:#ff8a80;--c5:#cfa3ee}}
text{font:14px system-ui,sans-serif;fill:var(--fg)}
text.title{font-weight:600;font-size:16px}
text.axis{fill:var(--dim)}
text.label{font-size:12.5px;paint-order:stroke;stroke:var(--paper);stroke-width:3px}
path.paper{fill:var(--paper);stroke:none}
path.canvas{fill:none;stroke:none}
path.axis{stroke:var(--dim);fill:none}
path.pareto{stroke:var(--fg);stroke-width:2px;fill:none}
path.bound{stroke:var(--c3);stroke-width:2px;fill:none}
path.objective{stroke:var(--c4);stroke-width:1.5px;fill:none}
circle{stroke:var(--paper);stroke-width:1px}
circle.c0{fill:var(--c0)}circle.c1{fill:var(--c1)}circle.c2{fill:var(--c2)}circle.c3{fill:var(--c3)}circle.c4{fill:var(--c4)}circle.c5{fill:var(--c5)}
circle.ring{fill:none;stroke:var(--fg);stroke-width:2px}
`
