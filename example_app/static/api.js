// Calls the operations of the API with the cookie or with a token, and shows the responses.

"use strict";

const authorize = document.getElementById("authorize");
const token = document.getElementById("token");
const authorized = document.getElementById("authorized");
let options = { headers: {}, credentials: "same-origin" };

function selectedScheme() {
  return authorize.querySelector("input[name=scheme]:checked").dataset;
}

function updateTokenField() {
  token.disabled = selectedScheme().in === "cookie";
}

authorize.addEventListener("change", updateTokenField);
authorize.addEventListener("submit", (event) => {
  event.preventDefault();
  const scheme = selectedScheme();
  if (scheme.in === "cookie") {
    options = { headers: {}, credentials: "same-origin" };
    authorized.textContent = "Requests use this browser's cookie.";
  } else {
    const [name, value] =
      scheme.in === "header" ? [scheme.name, token.value] : ["Authorization", `Bearer ${token.value}`];
    options = { headers: { [name]: value }, credentials: "omit" };
    authorized.textContent = `Requests use the token in the ${name} header, without a cookie.`;
  }
});

async function send(button) {
  const output = button.closest(".operation").querySelector(".response");
  const { method, path } = button.dataset;
  const pre = document.createElement("pre");
  pre.tabIndex = 0;
  try {
    const response = await fetch(path, { ...options, method, cache: "no-store" });
    const body = await response.json();
    pre.textContent = `${response.status} ${response.statusText}\n${JSON.stringify(body, null, 2)}`;
  } catch (error) {
    pre.textContent = `The request failed: ${error.message}`;
  }
  output.replaceChildren(pre);
}

for (const button of document.querySelectorAll("button[data-path]")) {
  button.disabled = false;
  button.addEventListener("click", () => send(button));
}
updateTokenField();
