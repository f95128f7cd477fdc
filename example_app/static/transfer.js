// Keeps what was typed in this tab while the person signs in once more: a redirect can't carry a form.

"use strict";

const form = document.querySelector("form[data-keep]");
const key = `postern:${form.dataset.keep}`;
const fields = [...form.elements].filter((element) => element.name);

if (form.hasAttribute("data-sent")) {
  sessionStorage.removeItem(key);
}

const kept = sessionStorage.getItem(key);
if (kept !== null && !form.hasAttribute("data-answered")) {
  const values = JSON.parse(kept);
  for (const field of fields) {
    field.value = values[field.name] ?? field.value;
  }
}

form.addEventListener("submit", () => {
  sessionStorage.setItem(key, JSON.stringify(Object.fromEntries(fields.map(({ name, value }) => [name, value]))));
});
