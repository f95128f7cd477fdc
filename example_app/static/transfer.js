// Stores the form in the tab while the user signs in again, because a redirect can't carry a form.

"use strict";

const form = document.querySelector("form[data-storage-key]");
const key = `postern:${form.dataset.storageKey}`;
const fields = [...form.elements].filter((element) => element.name);

if (form.hasAttribute("data-sent")) {
  sessionStorage.removeItem(key);
}

const stored = sessionStorage.getItem(key);
if (stored !== null && !form.hasAttribute("data-has-errors")) {
  const values = JSON.parse(stored);
  for (const field of fields) {
    field.value = values[field.name] ?? field.value;
  }
}

form.addEventListener("submit", () => {
  sessionStorage.setItem(key, JSON.stringify(Object.fromEntries(fields.map(({ name, value }) => [name, value]))));
});
