// The payer's page: the countdown, and the order unfolded where there is room.
// Polling is htmx's; each code that arrives with a fragment starts its own countdown.

document.addEventListener("htmx:config:request", (event) => {
  const token = document.querySelector('input[name="csrf_token"]')?.value;
  if (token) event.detail.ctx.request.headers["X-CSRFToken"] = token;
});

// Counts the seconds the server gave, on the monotonic clock: a phone's own clock may be wrong.
function countDown(timer) {
  const end = performance.now() + Number(timer.dataset.countdown) * 1000;
  const tick = () => {
    if (!timer.isConnected) return;
    const left = Math.max(0, Math.round((end - performance.now()) / 1000));
    const pad = (number) => String(number).padStart(2, "0");
    timer.textContent = `${pad(Math.floor(left / 60))}:${pad(left % 60)}`;
    if (left) setTimeout(tick, 1000);
    else timer.closest("main").dataset.codeExpired = "";
  };
  tick();
}

function start() {
  for (const timer of document.querySelectorAll("[data-countdown]")) countDown(timer);
  const wide = matchMedia("(min-width: 880px)").matches;
  const lines = document.querySelector(".order-lines");
  if (lines && wide) lines.open = true;
}

start();
document.addEventListener("htmx:after:swap", start);
