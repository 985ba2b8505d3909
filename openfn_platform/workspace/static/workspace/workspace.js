// Small helpers of the admin's own pages: copying a key, rows that can be added, a list that is searched by typing.
"use strict";

document.addEventListener("click", async (event) => {
  const copy = event.target.closest("[data-copy]");
  if (copy) {
    const source = document.querySelector(copy.dataset.copy);
    const text = source.value ?? source.textContent;
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      source.select?.(); // without https there is no clipboard: the text is marked, Ctrl+C does it
      document.execCommand("copy");
    }
    const before = copy.textContent;
    copy.textContent = "Copied";
    setTimeout(() => (copy.textContent = before), 1500);
  }

  const save = event.target.closest("[data-save]");
  if (save) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([document.querySelector(save.dataset.save).textContent], { type: "text/plain" }));
    link.download = save.dataset.saveAs;
    link.click();
    URL.revokeObjectURL(link.href);
  }

  const select = event.target.closest("[data-select]");
  if (select) select.select();

  const add = event.target.closest("[data-add-row]");
  if (add) addRow(add.dataset.addRow);

  const remove = event.target.closest("[data-remove-row]");
  if (remove) {
    const row = remove.closest("[data-row]");
    const deleted = row.querySelector('input[name$="-DELETE"]');
    if (deleted) deleted.checked = true;
    row.hidden = true;
    row.dispatchEvent(new Event("change", { bubbles: true }));
  }
});

function addRow(prefix) {
  const total = document.getElementById(`id_${prefix}-TOTAL_FORMS`);
  const template = document.getElementById(`${prefix}-empty`);
  const rows = document.getElementById(`${prefix}-rows`);
  const html = template.innerHTML.replaceAll("__prefix__", total.value);
  rows.insertAdjacentHTML("beforeend", html);
  total.value = Number(total.value) + 1;
  tidy(rows.lastElementChild);
  rows.lastElementChild.dispatchEvent(new Event("formset:added", { bubbles: true })); // editors mount themselves
  rows.lastElementChild.querySelector("input:not([type=hidden]), select, textarea")?.focus();
}

// Only a choice has choices.
function offerChoices(row) {
  const kind = row.querySelector('select[name$="-type"]');
  const choices = row.querySelector("[data-choices]");
  if (kind && choices) choices.hidden = kind.value !== "choice";
}

// A credential fits one adaptor: the others are not offered.
function offerFitting(row) {
  const adaptor = row.querySelector('select[name$="-adaptor"]');
  const credential = row.querySelector('select[name$="-credential"]');
  if (!adaptor || !credential) return;
  for (const option of credential.options) {
    const fits = !option.value || option.dataset.adaptor === adaptor.value;
    option.hidden = option.disabled = !fits;
    if (!fits && option.selected) credential.value = "";
  }
}
// Fields that belong to a choice are shown with it; without this script all of them are there, under its name.
function showChosen(form) {
  for (const group of form.querySelectorAll("[data-when]")) {
    group.classList.add("ws-chosen");
    group.hidden = !Object.entries(JSON.parse(group.dataset.when)).every(([name, values]) => {
      const field = form.elements[name];
      return !field || values.includes(field.type === "checkbox" ? String(field.checked) : field.value);
    });
  }
}
function tidy(row) {
  offerFitting(row);
  offerChoices(row);
}
document.addEventListener("change", (event) => {
  const row = event.target.closest("[data-row]");
  if (row) tidy(row);
  if (event.target.form) showChosen(event.target.form);
});
document.addEventListener("DOMContentLoaded", () => {
  for (const form of document.forms) showChosen(form);
  document.querySelectorAll("[data-row]").forEach(tidy);
});

// A list that is searched by typing. Without this the form asks the server.
document.addEventListener("input", (event) => {
  const list = event.target.dataset.filter && document.querySelector(event.target.dataset.filter);
  if (!list) return;
  const words = event.target.value.toLowerCase().split(/\s+/);
  const fits = (item) => words.every((word) => item.dataset.filterItem.toLowerCase().includes(word));
  list.querySelectorAll("[data-filter-item]").forEach((item) => (item.hidden = !fits(item)));
  list.querySelectorAll("[data-filter-group]").forEach((group) => {
    group.hidden = !group.querySelector("[data-filter-item]:not([hidden])");
  });
  list.querySelector("[data-filter-none]").hidden = !!list.querySelector("[data-filter-group]:not([hidden])");
});
