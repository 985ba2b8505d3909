// Pages of runs: the log stays at its end while one looks at the end, and choices show what they are about.
"use strict";

const NEAR = 40; // pixels from the end that still count as looking at it

function atEnd(box) {
  return box.scrollHeight - box.scrollTop - box.clientHeight < NEAR;
}

function toEnd() {
  const log = document.getElementById("run-log");
  if (log) log.scrollTop = log.scrollHeight;
}

let follow = true;
document.addEventListener("htmx:beforeSwap", (event) => {
  const log = event.detail.target.closest?.("#run-log");
  if (log) follow = atEnd(log);
});
document.addEventListener("htmx:afterSettle", (event) => {
  if (event.detail.target.id === "part" || event.detail.elt?.id === "part") toEnd();
  else if (follow && document.getElementById("run-log")?.querySelector(".run-poll")) toEnd();
});

// A radio button with data-shows="#id" shows that part of the form, its neighbours hide it.
function show(radio) {
  const part = document.querySelector(radio.dataset.shows);
  if (part) part.hidden = !radio.checked;
}
document.addEventListener("change", (event) => {
  if (!event.target.matches?.('input[type="radio"]')) return;
  for (const radio of document.getElementsByName(event.target.name)) if (radio.dataset.shows) show(radio);
});

// Leaving out empty filters keeps addresses short enough to send to somebody.
document.addEventListener("submit", (event) => {
  if (event.target.id !== "filter-form") return;
  for (const field of event.target.elements) if (field.name && !field.value) field.disabled = true;
});

document.querySelectorAll("[data-shows]").forEach(show);
toEnd();
