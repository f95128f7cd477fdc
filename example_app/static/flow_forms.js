// For every page: what Kratos' nodes ask a page to call, passwords that can be looked at, and one submit a form.

"use strict";

// Kratos' webauthn.js defines these; nothing else of the page may be called by a node.
const TRIGGER = /^ory[A-Z][A-Za-z]*$/;

function call(name, value) {
  if (!TRIGGER.test(name) || typeof window[name] !== "function") {
    return;
  }
  let options = value;
  try {
    options = JSON.parse(value);
  } catch {
    // not JSON: it is passed as it came
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

for (const frame of document.querySelectorAll(".secretive")) {
  const input = frame.querySelector("input");
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = "Show";
  button.setAttribute("aria-label", "Show the password");
  button.setAttribute("aria-pressed", "false");
  frame.append(button);
  button.addEventListener("click", () => {
    const shown = input.type === "text";
    input.type = shown ? "password" : "text";
    button.textContent = shown ? "Show" : "Hide";
    button.setAttribute("aria-pressed", String(!shown));
  });
}

for (const form of document.querySelectorAll('form[method="post"]')) {
  let sent = false;
  form.addEventListener("submit", (event) => {
    if (sent) {
      event.preventDefault();
    }
    sent = true;
  });
}

window.addEventListener("pageshow", (event) => {
  if (event.persisted) {
    window.location.reload(); // from the back-forward cache: the forms were sent, and sessions may have ended
  }
});
