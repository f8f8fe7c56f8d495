// The behaviour of every page: one module, listeners on the document, so that fragments swapped in
// by htmx need no binding. Pages work without it; only comfort is lost.
const $ = (selector, root = document) => root.querySelector(selector);
const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
const element = (name, properties) => Object.assign(document.createElement(name), properties);

// ---- htmx ----

document.addEventListener("htmx:config:request", (event) => {
  const token = $('meta[name="csrf-token"]').content;
  event.detail.ctx.request.headers["X-CSRFToken"] = token;
});

document.addEventListener("htmx:error", () => toast(document.body.dataset.failed, "bad"));

// The server says HX-Trigger: {"toast": {"text": "Saved", "tone": "ok"}}, or just a string.
document.addEventListener("toast", (event) => {
  const { text, value, tone } = event.detail;
  toast(text ?? value ?? String(event.detail), tone);
});

// What polls waits while nobody looks: htmx says "every" to the element, and it does not bubble.
document.addEventListener(
  "every",
  (event) => {
    if (document.hidden) event.stopPropagation();
  },
  { capture: true },
);

// ---- toasts ----

const TOAST_MS = 4000;

function toast(text, tone = "") {
  const box = element("div", { className: "toast", textContent: text });
  box.dataset.tone = tone;
  $("#toasts").append(box);
  setTimeout(() => box.remove(), TOAST_MS);
}

for (const flashed of $$("#toasts .toast")) setTimeout(() => flashed.remove(), 2 * TOAST_MS);

// ---- clicks ----

const onClick = {
  "[data-copy]": (button) => copy(button.dataset.copy),
  "[data-copy-code]": (button) => copy($("pre", button.closest(".codebox")).textContent),
  "[data-open]": (button) => $(`#${button.dataset.open}`).showModal(),
  "[data-close]": (button) => button.closest("dialog").close(),
  "[data-reveal]": reveal,
  "[data-theme-toggle]": toggleTheme,
  "[data-drawer]": toggleDrawer,
};

document.addEventListener("click", (event) => {
  for (const [selector, act] of Object.entries(onClick)) {
    const found = event.target.closest(selector);
    if (found) act(found);
  }
  if (event.target.matches("dialog")) event.target.close(); // the backdrop belongs to the dialog
  for (const open of $$("details.dropdown[open]")) {
    if (!open.contains(event.target)) open.open = false;
  }
});

document.addEventListener("change", (event) => {
  const name = event.target.dataset.tickAll;
  if (!name) return;
  for (const box of $$(`input[name="${name}"]`)) box.checked = event.target.checked;
});

async function copy(text) {
  await navigator.clipboard.writeText(text);
  toast(document.body.dataset.copied);
}

function reveal(button) {
  const input = document.getElementById(button.dataset.reveal);
  const shown = input.type === "text";
  input.type = shown ? "password" : "text";
  button.ariaPressed = String(!shown);
}

function toggleTheme() {
  const root = document.documentElement;
  const systemIsDark = matchMedia("(prefers-color-scheme: dark)").matches;
  const isDark = root.dataset.theme ? root.dataset.theme === "dark" : systemIsDark;
  root.dataset.theme = isDark ? "light" : "dark";
  localStorage.setItem("theme", root.dataset.theme);
}

function toggleDrawer() {
  const open = $("#side").toggleAttribute("data-open");
  $("button[data-drawer]").ariaExpanded = String(open);
  if (open) $("#side a").focus();
}

// ---- keyboard ----

const CHORD_MS = 1000;
let chordUntil = 0;

document.addEventListener("keydown", (event) => {
  const palette = $("#palette");
  if (palette && (event.metaKey || event.ctrlKey) && event.key.toLowerCase() === "k") {
    event.preventDefault();
    return palette.open ? palette.close() : palette.showModal();
  }
  if (event.key === "Escape") {
    for (const open of $$("details.dropdown[open]")) open.open = false;
    if ($("#side")?.hasAttribute("data-open")) toggleDrawer();
  }
  const typing = event.target.matches("input, textarea, select, [contenteditable]");
  if (typing || event.metaKey || event.ctrlKey || event.altKey || $("dialog[open]")) return;
  if (event.timeStamp < chordUntil) {
    chordUntil = 0;
    return $(`[data-go="${CSS.escape(event.key)}"]`)?.click();
  }
  if (event.key === "g") chordUntil = event.timeStamp + CHORD_MS;
  if (event.key === "?") $("#shortcuts")?.showModal();
  if (event.key === "/") {
    const filter = $("[data-filter]");
    if (!filter) return;
    event.preventDefault();
    filter.focus();
    filter.select();
  }
});

// The sheet of shortcuts: the links of the sidebar say their own keys.
for (const link of $$("[data-go]")) {
  const keys = element("dd", {});
  for (const key of ["G", link.dataset.go.toUpperCase()]) {
    keys.append(element("kbd", { textContent: key }), " ");
  }
  const line = element("div", {});
  line.append(element("dt", { textContent: link.textContent }), keys);
  $(".shortcuts").append(line);
}

// ---- the palette: the links of the sidebar, filtered ----

const palette = $("#palette");
if (palette) {
  const input = $("input", palette);
  const list = $("#palette-list");
  const fill = () => {
    const wanted = input.value.trim().toLowerCase();
    const links = $$("#side nav a, .side-foot a").filter((link) =>
      link.textContent.toLowerCase().includes(wanted),
    );
    list.replaceChildren(
      ...links.map((link, index) => {
        const option = link.cloneNode(true);
        for (const name of ["aria-current", "data-go"]) option.removeAttribute(name);
        option.role = "option";
        option.id = `palette-${index}`;
        option.ariaSelected = String(index === 0);
        return option;
      }),
    );
    mark();
  };
  const mark = () => {
    const selected = $('[aria-selected="true"]', list);
    input.setAttribute("aria-activedescendant", selected?.id ?? "");
    selected?.scrollIntoView({ block: "nearest" });
  };
  const move = (by) => {
    const options = $$('[role="option"]', list);
    const now = options.findIndex((option) => option.ariaSelected === "true");
    const next = (now + by + options.length) % options.length;
    options.forEach((option, index) => (option.ariaSelected = String(index === next)));
    mark();
  };
  palette.addEventListener("close", () => {
    input.value = "";
    fill();
  });
  input.addEventListener("input", fill);
  input.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && list.children.length) {
      event.preventDefault();
      move(step);
    }
    if (event.key === "Enter") {
      event.preventDefault();
      $('[aria-selected="true"]', list)?.click();
    }
  });
  fill();
}

// ---- times: the title also says the reader's own ----

const ownTime = new Intl.DateTimeFormat(document.documentElement.lang, {
  dateStyle: "medium",
  timeStyle: "long",
});

document.addEventListener("pointerover", (event) => {
  const time = event.target.closest?.("time[datetime]");
  if (!time || time.dataset.own) return;
  time.dataset.own = ownTime.format(new Date(time.dateTime));
  time.title = `${time.title}\n${time.dataset.own}`;
});

// ---- charts: what is under the pointer, read from the table beside the drawing ----

document.addEventListener("pointermove", (event) => {
  const plot = event.target.closest?.("[data-chart] .plot");
  if (plot) readOut(plot, event.clientX);
});

document.addEventListener("pointerout", (event) => {
  const plot = event.target.closest?.("[data-chart] .plot");
  if (!plot || plot.contains(event.relatedTarget)) return;
  for (const part of $$(".cross, .point, .tip", plot)) part.hidden = true;
  for (const band of $$(".band.on", plot)) band.classList.remove("on");
});

function readOut(plot, clientX) {
  const table = document.getElementById(plot.closest("[data-chart]").dataset.chart);
  const rows = [...table.tBodies[0].rows];
  if (!rows.length) return;
  const { left, width } = plot.getBoundingClientRect();
  const along = Math.min(Math.max((clientX - left) / width, 0), 0.999);
  const point = $(".point", plot);
  const index = point ? Math.round(along * (rows.length - 1)) : Math.floor(along * rows.length);
  const x = point
    ? rows.length > 1
      ? index / (rows.length - 1)
      : 0.5
    : (index + 0.5) / rows.length;
  if (point) {
    point.style.left = $(".cross", plot).style.left = `${x * 100}%`;
    point.style.top = `${rows[index].dataset.top}%`;
    point.hidden = $(".cross", plot).hidden = false;
  }
  $$(".band", plot).forEach((band, at) => band.classList.toggle("on", at === index));
  fillTip($(".tip", plot), table.tHead.rows[0].cells, rows[index].cells);
  placeTip($(".tip", plot), x * width, width);
}

function fillTip(tip, heads, cells) {
  const lines = [...cells].slice(1).map((cell, at) => {
    const line = element("div", { textContent: heads[at + 1].textContent });
    line.append(element("b", { textContent: cell.textContent }));
    return line;
  });
  tip.replaceChildren(element("strong", { textContent: cells[0].textContent }), ...lines);
  tip.hidden = false;
}

function placeTip(tip, x, width) {
  const roomOnTheRight = x + tip.offsetWidth + 14 < width;
  tip.style.left = `${roomOnTheRight ? x + 14 : Math.max(x - tip.offsetWidth - 14, 0)}px`;
}

// ---- unsaved changes: forms that ask for it with data-guard ----

let unsaved = false;

document.addEventListener("input", (event) => {
  if (event.target.closest("form[data-guard]")) unsaved = true;
});
document.addEventListener("submit", () => (unsaved = false));
window.addEventListener("beforeunload", (event) => {
  if (unsaved) event.preventDefault();
});
