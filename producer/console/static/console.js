// Follows the parts of a page that are marked as live: the page's own address sends
// them as events. Everything else works without this file.
"use strict";

// morph makes one element like another and keeps what is the same, so that focus,
// selection and scroll positions stay.
function morph(from, to) {
  if (from.isEqualNode(to)) return;
  if (from.nodeType !== to.nodeType || from.nodeName !== to.nodeName) {
    from.replaceWith(to);
    return;
  }
  if (from.nodeType !== Node.ELEMENT_NODE) {
    from.nodeValue = to.nodeValue;
    return;
  }
  if (from.matches("input, select, textarea") && from === document.activeElement) return;
  for (const { name, value } of to.attributes) {
    if (from.getAttribute(name) !== value) from.setAttribute(name, value);
  }
  for (const name of from.getAttributeNames()) {
    if (!to.hasAttribute(name) && !(name === "open" && from.localName === "details")) from.removeAttribute(name);
  }
  morphChildren(from, to);
}

// morphChildren matches children by their data-key, and others by their place.
function morphChildren(from, to) {
  const key = (node) => (node.dataset ? node.dataset.key : undefined);
  const wanted = [...to.childNodes];
  const keys = new Set(wanted.map(key).filter(Boolean));
  const kept = new Map();
  for (const child of [...from.children]) {
    const k = key(child);
    if (k && keys.has(k)) kept.set(k, child);
    else if (k) child.remove();
  }
  let at = from.firstChild;
  for (const node of wanted) {
    const k = key(node);
    const same = k ? kept.get(k) : at && !key(at) && at.nodeName === node.nodeName ? at : null;
    if (!same) {
      from.insertBefore(node, at);
      continue;
    }
    if (same === at) at = at.nextSibling;
    else from.insertBefore(same, at);
    morph(same, node);
  }
  while (at) {
    const next = at.nextSibling;
    at.remove();
    at = next;
  }
}

function follow(target, pulse) {
  let source = null;
  const say = (on) => {
    if (!pulse) return;
    pulse.hidden = false;
    pulse.className = on ? "pulse on" : "pulse";
    pulse.textContent = on ? pulse.dataset.yes : pulse.dataset.no;
  };
  const open = () => {
    source = new EventSource(location.pathname + location.search);
    source.addEventListener("open", () => say(true));
    source.addEventListener("error", () => say(false));
    source.addEventListener("live", (event) => {
      const next = target.cloneNode(false);
      next.innerHTML = event.data;
      morphChildren(target, next);
    });
  };
  const close = () => {
    if (source) source.close();
    source = null;
  };
  // A page that nobody sees asks for nothing.
  document.addEventListener("visibilitychange", () => {
    close();
    if (!document.hidden) open();
  });
  addEventListener("pagehide", close);
  addEventListener("pageshow", (event) => {
    if (event.persisted && !source) open();
  });
  if (!document.hidden) open();
}

const live = document.querySelector("[data-live]");
if (live) follow(live, document.getElementById("pulse"));

// A menu closes when somebody goes elsewhere.
const menu = document.querySelector("details.menu");
if (menu) {
  document.addEventListener("click", (event) => {
    if (!menu.contains(event.target)) menu.open = false;
  });
  menu.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    menu.open = false;
    menu.querySelector("summary").focus();
  });
}
