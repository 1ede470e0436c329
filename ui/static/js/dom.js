// Small helpers around the document.

/** The element with this id. */
export const $ = (id) => document.getElementById(id);

/** A copy of the first element of a template. */
export function copyOf(template) {
  return $(template).content.firstElementChild.cloneNode(true);
}

/** An element with text. */
export function element(name, text = "", className = "") {
  const made = document.createElement(name);
  made.textContent = text;
  if (className) made.className = className;
  return made;
}

/** Show a blob's address in an image, or hide the image where there is none. */
export function showImage(image, address) {
  image.hidden = !address;
  if (address && image.getAttribute("src") !== address) image.src = address;
  if (!address) image.removeAttribute("src");
}

/** Put a symbol of the sprite into an svg's use element. */
export function setIcon(use, name) {
  use.setAttribute("href", `#icon-${name}`);
}

/** The value of the checked radio button of a group. */
export function chosen(group) {
  return group.querySelector("input:checked").value;
}

/** Check the radio button of a group that has this value. */
export function choose(group, value) {
  group.querySelector(`input[value="${value}"]`).checked = true;
}

/** Place an element by left, top, width and height in percent of its parent. */
export function place(target, [left, top, width, height]) {
  target.style.left = `${left}%`;
  target.style.top = `${top}%`;
  target.style.width = `${width}%`;
  target.style.height = `${height}%`;
}
