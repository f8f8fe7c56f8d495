// The preview of branding: the texts, the colour and the logo as they are typed and chosen.
const form = document.getElementById("branding-form");
const paper = document.getElementById("brand-paper");
const logo = document.getElementById("brand-logo");

form.addEventListener("input", ({ target }) => {
  if (target.name === "color") {
    const isColor = /^#[0-9a-f]{6}$/i.test(target.value.trim());
    paper.style.setProperty("--merchant", isColor ? target.value.trim() : "#14161a");
    return;
  }
  const shown = paper.querySelector(`[data-preview="${target.name}"]`);
  if (shown) shown.textContent = target.value || shown.dataset.empty || "";
});

form.elements.logo.addEventListener("change", ({ target }) => {
  const [file] = target.files;
  if (!file) return;
  const reader = new FileReader(); // the policy lets data: through, and blob: not
  reader.addEventListener("load", () => {
    logo.src = reader.result;
    logo.hidden = false;
  });
  reader.readAsDataURL(file);
});
