// Tries operations out: signs a request with the cookie or with a token, and shows the answer.

"use strict";

const authorize = document.getElementById("authorize");
const token = document.getElementById("token");
const authorized = document.getElementById("authorized");
let signed = { headers: {}, credentials: "same-origin" };

function chosen() {
  return authorize.querySelector("input[name=scheme]:checked");
}

function tokenNeeded() {
  token.disabled = chosen().dataset.in === "cookie";
}

authorize.addEventListener("change", tokenNeeded);
authorize.addEventListener("submit", (event) => {
  event.preventDefault();
  const scheme = chosen().dataset;
  if (scheme.in === "cookie") {
    signed = { headers: {}, credentials: "same-origin" };
    authorized.textContent = "Requests carry this browser's cookie.";
  } else {
    const [name, value] =
      scheme.in === "header" ? [scheme.name, token.value] : ["Authorization", `Bearer ${token.value}`];
    signed = { headers: { [name]: value }, credentials: "omit" };
    authorized.textContent = `Requests carry the token in ${name}, and no cookie.`;
  }
});

async function send(button) {
  const answer = button.closest(".operation").querySelector(".answer");
  const { method, path } = button.dataset;
  const pre = document.createElement("pre");
  pre.tabIndex = 0;
  try {
    const response = await fetch(path, { ...signed, method, cache: "no-store" });
    const body = await response.json();
    pre.textContent = `${response.status} ${response.statusText}\n${JSON.stringify(body, null, 2)}`;
  } catch (error) {
    pre.textContent = `The request could not be sent: ${error.message}`;
  }
  answer.replaceChildren(pre);
}

for (const button of document.querySelectorAll("button[data-path]")) {
  button.disabled = false;
  button.addEventListener("click", () => send(button));
}
tokenNeeded();
