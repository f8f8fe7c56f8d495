// The price editor by keyboard: Enter adds a tier, arrows go from tier to tier, a new field has the
// focus, and what is wrong is shown at its field while one types. The page works without it, by its
// buttons.
const form = document.getElementById("price-form");

form.addEventListener("keydown", (event) => {
  const input = event.target;
  if (!input.matches("input") || event.isComposing) return;
  if (event.key === "Enter") {
    event.preventDefault(); // the form is sent by its buttons only
    if (input.dataset.enter) document.getElementById(input.dataset.enter).click();
  }
  const step = { ArrowUp: "previousElementSibling", ArrowDown: "nextElementSibling" }[event.key];
  const row = input.closest(".tiers li");
  if (!step || !row) return;
  event.preventDefault();
  const column = [...row.children].indexOf(input.closest(".field"));
  row[step]?.children[column]?.querySelector("input")?.focus();
});

// While a button changes the rows, an answer to earlier typing must not overtake its answer.
document.addEventListener("htmx:config:request", (event) => {
  const isTyping = event.target === form;
  if (isTyping && form.querySelector("[name=do].htmx-request")) event.preventDefault();
});

document.addEventListener("htmx:after:settle", () => {
  const next = form.querySelector("[data-focus]");
  next?.focus();
  next?.removeAttribute("data-focus");
  const problem = form.querySelector("[data-problem]");
  for (const error of form.querySelectorAll(".error[data-live]")) clear(error);
  if (problem) show(problem.dataset.problem, problem.textContent);
});

function clear(error) {
  const input = document.getElementById(error.dataset.live);
  input?.removeAttribute("aria-invalid");
  input?.removeAttribute("aria-describedby");
  error.remove();
}

function show(name, text) {
  const input = document.getElementById(name);
  if (!input || document.getElementById(`${name}-error`)) return;
  const error = document.createElement("small");
  Object.assign(error, { className: "error", id: `${name}-error`, textContent: text });
  error.dataset.live = name;
  input.ariaInvalid = "true";
  input.setAttribute("aria-describedby", error.id);
  input.closest(".field").append(error);
}
