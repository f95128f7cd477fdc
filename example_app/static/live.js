// A websocket that the server closes with 1008 once the session behind it has ended.

"use strict";

const state = document.getElementById("live-state");
const ticks = document.getElementById("live-ticks");

function show(name, text) {
  state.dataset.state = name;
  state.textContent = text;
}

const socket = new WebSocket(`${location.origin.replace(/^http/, "ws")}/ws`);

socket.addEventListener("open", () => show("open", "Open"));
socket.addEventListener("message", (event) => {
  const tick = JSON.parse(event.data);
  ticks.textContent = `Open for ${tick.open_for} s as ${tick.name}`;
});
socket.addEventListener("close", (event) => {
  const ended = event.code === 1008;
  show("closed", ended ? "Closed: your session has ended" : `Closed (${event.code})`);
  ticks.textContent = ended ? "The server closed it with code 1008." : "Reload the page to open it again.";
});
