// For every page: calls the functions that Kratos' nodes name and shows their errors, shows passwords on request, makes
// Enter submit the method of the focused field, prevents a form from being submitted twice, and shows times in the
// local time zone.

"use strict";

const { dataset } = document.body;

// Kratos' webauthn.js defines these functions; a node can't call any other function of the page.
const TRIGGER = /^ory[A-Z][A-Za-z]*$/;

// Milliseconds for which a form can't be submitted twice.
const RESUBMIT_AFTER = 5000;

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

// The button that was clicked last, and the message that it caused.
let clicked = null;
let failure = null;

const triggers = document.querySelectorAll("[data-trigger]");
for (const button of triggers) {
  button.addEventListener("click", () => {
    failure?.remove();
    clicked = button;
    call(button.dataset.trigger, button.value);
  });
}

function report(path) {
  if (dataset.mount !== undefined) {
    fetch(`${dataset.mount}/${path}`, { method: "POST", keepalive: true }).catch(() => {});
  }
}

function explain(button, text) {
  const message = document.createElement("p");
  message.className = "message error";
  message.setAttribute("role", "alert");
  message.textContent = text;
  button.after(message);
  return message;
}

function explainCredentialError(name) {
  failure?.remove();
  if (name === "SecurityError") {
    failure = explain(clicked, dataset.credentialRejected);
    report("credential-failure");
  } else {
    failure = explain(clicked, name === "InvalidStateError" ? dataset.credentialExists : dataset.credentialFailed);
  }
}

// Kratos' script writes most errors only to the console.
for (const name of navigator.credentials ? ["create", "get"] : []) {
  const ask = navigator.credentials[name].bind(navigator.credentials);
  navigator.credentials[name] = async (options) => {
    try {
      return await ask(options);
    } catch (error) {
      // Suggestions in the field of the identifier are "conditional": they start without a click.
      if (clicked && options?.mediation !== "conditional") {
        explainCredentialError(error.name);
      }
      throw error;
    }
  };
}

window.addEventListener("load", () => {
  const dead = [...triggers].filter(({ dataset: { trigger } }) => typeof window[trigger] !== "function");
  const isSupported = Boolean(window.PublicKeyCredential);
  for (const button of dead) {
    button.disabled = true;
    explain(button, isSupported ? dataset.scriptFailed : dataset.unsupported);
  }
  if (dead.length > 0 && isSupported) {
    // Usually CORS: Kratos' script has an integrity attribute, so a browser loads it only with CORS.
    report("script-failure");
  }
  for (const node of document.querySelectorAll("[data-trigger-onload]")) {
    call(node.dataset.triggerOnload, node.value);
  }
});

for (const wrapper of document.querySelectorAll(".secretive")) {
  const input = wrapper.querySelector("input");
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = dataset.show ?? "Show";
  button.setAttribute("aria-label", dataset.showPassword ?? "Show password");
  button.setAttribute("aria-pressed", "false");
  wrapper.append(button);
  button.addEventListener("click", () => {
    const isShown = input.type === "text";
    input.type = isShown ? "password" : "text";
    button.textContent = isShown ? (dataset.show ?? "Show") : (dataset.hide ?? "Hide");
    button.setAttribute("aria-pressed", String(!isShown));
  });
}

// Without a script, Enter submits the first submit button of the form, which may belong to another method.
document.addEventListener("keydown", (event) => {
  const field = event.target;
  if (event.key !== "Enter" || event.isComposing || !field.matches("form.flow input[data-group]")) {
    return;
  }
  if (field.dataset.group === "default") {
    return;
  }
  const buttons = `button[data-group="${CSS.escape(field.dataset.group)}"]:enabled:not([name="screen"])`;
  const button = field.form.querySelector(buttons);
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
      return;
    }
    isSubmitted = true;
    // The page stays open if the user or the network stops the request.
    setTimeout(() => {
      isSubmitted = false;
    }, RESUBMIT_AFTER);
  });
}

const format = new Intl.DateTimeFormat(document.documentElement.lang, { dateStyle: "medium", timeStyle: "medium" });
for (const time of document.querySelectorAll("time[datetime]")) {
  time.title = time.textContent;
  time.textContent = format.format(new Date(time.dateTime));
}

window.addEventListener("pageshow", (event) => {
  if (event.persisted) {
    // A page from the back/forward cache has submitted forms, and its session may have ended.
    window.location.reload();
  }
});
