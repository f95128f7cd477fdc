// For every page: calls the functions that Kratos' nodes name, shows passwords on request, makes Enter submit the
// method of the focused field, and prevents a form from being submitted twice.

"use strict";

// Kratos' webauthn.js defines these functions; a node can't call any other function of the page.
const TRIGGER = /^ory[A-Z][A-Za-z]*$/;

function call(name, value) {
  if (!TRIGGER.test(name) || typeof window[name] !== "function") {
    return;
  }
  let options = value;
  try {
    options = JSON.parse(value);
  } catch {
    // Not JSON: pass the value unchanged.
  }
  window[name](options);
}

for (const button of document.querySelectorAll("[data-trigger]")) {
  button.addEventListener("click", () => call(button.dataset.trigger, button.value));
}

window.addEventListener("load", () => {
  for (const node of document.querySelectorAll("[data-trigger-onload]")) {
    call(node.dataset.triggerOnload, node.value);
  }
});

for (const wrapper of document.querySelectorAll(".secretive")) {
  const input = wrapper.querySelector("input");
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = "Show";
  button.setAttribute("aria-label", "Show password");
  button.setAttribute("aria-pressed", "false");
  wrapper.append(button);
  button.addEventListener("click", () => {
    const isShown = input.type === "text";
    input.type = isShown ? "password" : "text";
    button.textContent = isShown ? "Show" : "Hide";
    button.setAttribute("aria-pressed", String(!isShown));
  });
}

// Without a script, Enter submits the first submit button of the form, which may belong to another method.
document.addEventListener("keydown", (event) => {
  const field = event.target;
  if (event.key !== "Enter" || event.isComposing || !field.matches("form.flow input[data-group]")) {
    return;
  }
  const group = CSS.escape(field.dataset.group);
  const button = field.form.querySelector(`button[data-group="${group}"]:enabled`);
  if (button) {
    event.preventDefault();
    button.click();
  }
});

for (const form of document.querySelectorAll('form[method="post"]')) {
  let isSubmitted = false;
  form.addEventListener("submit", (event) => {
    if (isSubmitted) {
      event.preventDefault();
    }
    isSubmitted = true;
  });
}

window.addEventListener("pageshow", (event) => {
  if (event.persisted) {
    // A page from the back/forward cache has submitted forms, and its session may have ended.
    window.location.reload();
  }
});
