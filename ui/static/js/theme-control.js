// The switch of the colour theme: like the system, light or dark, remembered in this browser.

import * as settings from "./settings.js";

function remembered() {
  return document.documentElement.dataset.theme ?? "system";
}

function apply(theme) {
  const root = document.documentElement;
  if (theme === "system") delete root.dataset.theme;
  else root.dataset.theme = theme;
  settings.write("theme", theme === "system" ? null : theme);
}

const control = document.getElementById("theme");
for (const radio of control.querySelectorAll("input")) {
  radio.checked = radio.value === remembered();
  radio.addEventListener("change", () => apply(radio.value));
}
control.hidden = false;
