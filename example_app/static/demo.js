// Counts down the seconds for which the sign-in is recent, and starts a sign-in with a passkey for `/login#passkey`.

"use strict";

const countdown = document.querySelector("[data-countdown]");
if (countdown) {
  const endsAt = performance.now() + Number(countdown.dataset.countdown) * 1000;
  const timer = setInterval(() => {
    const seconds = Math.ceil((endsAt - performance.now()) / 1000);
    countdown.textContent = seconds > 0 ? `Recent for ${seconds} s` : countdown.dataset.over;
    if (seconds <= 0) {
      clearInterval(timer);
    }
  }, 1000);
}

if (location.hash === "#passkey") {
  window.addEventListener("load", () => {
    history.replaceState(null, "", location.pathname + location.search); // a reload does not ask again
    document.querySelector('button[name="passkey_login_trigger"]:enabled')?.click();
  });
}
