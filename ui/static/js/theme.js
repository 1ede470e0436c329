// Loaded before the style sheet, not as a module: the theme must stand before anything is painted.
(function () {
  const root = document.documentElement;
  root.classList.remove("no-js");
  try {
    const theme = localStorage.getItem("theme");
    if (theme === "light" || theme === "dark") root.dataset.theme = theme;
  } catch {
    // Storage may be forbidden; then the page follows the system.
  }
})();
