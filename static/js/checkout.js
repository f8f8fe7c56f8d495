// The payer's page: the countdown, WeChat's own window, and the order unfolded where there is room.
// Polling is htmx's; each code that arrives with a fragment starts its own countdown.

const MOST_ROTATIONS = 4; // an hour of codes for a page that is looked at, and none for one that is not
let rotations = 0;

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

// Opens WeChat's payment over the page. What it says is no proof: the page asks us all the while.
// The sandbox's button is a link: outside WeChat, where nothing can be opened, it leads to a page
// that stands for WeChat's own.
function invoke(button) {
  if (button.href && !window.WeixinJSBridge) return location.assign(button.href);
  const pay = () =>
    window.WeixinJSBridge.invoke(
      "getBrandWCPayRequest",
      JSON.parse(button.dataset.invocation),
      (answer) => (button.dataset.said = answer.err_msg),
    );
  if (window.WeixinJSBridge) pay();
  else document.addEventListener("WeixinJSBridgeReady", pay, { once: true });
}

function start() {
  for (const timer of document.querySelectorAll("[data-countdown]")) countDown(timer);
  const wide = matchMedia("(min-width: 880px)").matches;
  const lines = document.querySelector(".order-lines");
  if (lines && wide) lines.open = true;

  const button = document.querySelector("[data-invocation]");
  button?.addEventListener("click", (event) => {
    event.preventDefault();
    invoke(button);
  });
  if (button && location.hash === "#pay") {
    history.replaceState(null, "", location.pathname + location.search);
    invoke(button);
  }
  const exit = document.querySelector("a[data-leave]");
  if (exit) {
    exit.removeAttribute("data-leave"); // who comes back is not sent away again
    exit.click(); // by the link, which says what the other side is told of us
  }
  const rotate = document.querySelector("form[data-rotate]");
  if (rotate && document.visibilityState === "visible" && rotations < MOST_ROTATIONS) {
    rotations += 1;
    rotate.requestSubmit(rotate.querySelector("button[name=way]"));
  }
}

start();
document.addEventListener("htmx:after:swap", start);
