// Opens a WebSocket that the server closes with code 1008 when the session ends.

"use strict";

const state = document.getElementById("live-state");
const detail = document.getElementById("live-detail");

function show(name, text) {
  state.dataset.state = name;
  state.textContent = text;
}

const socket = new WebSocket(`${location.origin.replace(/^http/, "ws")}/ws`);

socket.addEventListener("open", () => show("open", "Open"));
socket.addEventListener("message", (event) => {
  const tick = JSON.parse(event.data);
  detail.textContent = `Open for ${tick.open_for} s as ${tick.name}`;
});
socket.addEventListener("close", (event) => {
  const hasSessionEnded = event.code === 1008;
  show("closed", hasSessionEnded ? "Closed: your session has ended" : `Closed (${event.code})`);
  detail.textContent = hasSessionEnded
    ? "The server closed the connection with code 1008."
    : "Reload the page to reconnect.";
});
