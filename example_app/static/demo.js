// Counts down the seconds for which the sign-in is recent.

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
