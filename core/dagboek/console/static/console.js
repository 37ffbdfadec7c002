// What htmx and the browser do not do by themselves: all pages work without it.
"use strict";

// An open menu closes with Escape, and when something else is clicked.
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
});
document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});

// Where tabs do not fit, the chosen one is in view.
document.addEventListener("DOMContentLoaded", () => {
  for (const tab of document.querySelectorAll(".tabs [aria-current]")) {
    const row = tab.parentElement;
    row.scrollLeft = tab.offsetLeft - row.offsetLeft - (row.clientWidth - tab.offsetWidth) / 2;
  }
});

// A form is sent once, however often its button is pressed.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.dataset.sent) event.preventDefault();
  form.dataset.sent = "yes";
  setTimeout(() => delete form.dataset.sent, 4000);
});

// A part that says where it is told of changes is fetched again at each: by htmx, as its event "changed". A browser opens
// few connections to one server for all of its tabs, so a tab that is not looked at has none. Where the line cannot be
// had, the part is fetched every few seconds instead.
const POLL = 3000;
const live = { part: () => document.querySelector("[data-live]"), address: "", source: null, timer: 0 };
const refresh = () => live.part() && htmx.trigger(live.part(), "changed");
function watch() {
  const wanted = (!document.hidden && live.part()?.dataset.live) || "";
  if (wanted === live.address) return;
  live.source?.close();
  clearInterval(live.timer);
  live.address = wanted;
  if (!wanted) return;
  live.source = new EventSource(wanted);
  live.source.addEventListener("changed", refresh);
  live.source.addEventListener("error", (event) => {
    if (event.target === live.source && event.target.readyState === EventSource.CLOSED) live.timer = setInterval(refresh, POLL);
  });
}
document.addEventListener("DOMContentLoaded", watch);
document.addEventListener("visibilitychange", watch);
window.addEventListener("pageshow", watch);
window.addEventListener("pagehide", () => {
  live.source?.close();
  clearInterval(live.timer);
  live.address = "";
});

// What was opened stays open, and what was focused stays focused, when a live part is put in place of an older one:
// each is found again as the same tag at the same place within what holds it and has an id. Where what had the focus is
// gone, such as a button to stop, it goes to the content as a whole, never to another button.
const place = (one) => {
  const holder = one.parentElement.closest("[id]");
  return [holder.id, one.tagName, [...holder.getElementsByTagName(one.tagName)].indexOf(one)];
};
const found = ([id, tag, at]) => document.getElementById(id)?.getElementsByTagName(tag)[at];
const called = (one) => one?.ariaLabel || one?.textContent;
let kept = { open: [], focused: null, called: "" };
document.addEventListener("htmx:beforeSwap", (event) => {
  const target = event.detail.target, focused = document.activeElement;
  kept = {
    open: [...target.querySelectorAll("details[open]")].map(place),
    focused: target.contains(focused) ? place(focused) : null,
    called: called(focused),
  };
});
document.addEventListener("htmx:afterSwap", () => {
  for (const one of kept.open.map(found)) if (one) one.open = true;
  if (kept.focused && document.activeElement === document.body) {
    const again = found(kept.focused), gone = called(again) !== kept.called;
    (gone ? document.getElementById("content") : again).focus({ preventScroll: true });
  }
  kept = { open: [], focused: null, called: "" };
  watch();
  // A status that changes is said aloud.
  const status = document.querySelector("[data-say]")?.dataset.say;
  const said = document.getElementById("said");
  if (status && said.textContent !== status) said.textContent = status;
});
