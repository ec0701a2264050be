/* Paths of images: on the machine that has them the page of a file opens them, and every page copies them. */

/* Where a browser finds the file, which a page from a server may not open. */
function addressOf(path) {
  if (location.protocol !== "file:") return null;
  const address = new URL(location.href);
  address.search = "";
  address.hash = "";
  address.pathname = path.replaceAll("%", "%25").replaceAll("\\", "/");
  return address.href;
}

/* The path within the data, with what can be done with the whole one. */
function fileLink(name, path) {
  if (!path) return make("span", { class: "file" }, name);
  const address = addressOf(path);
  const shown = address ? make("a", { href: address, target: "_blank" }, name) : make("span", {}, name);
  const copy = make("button", { type: "button", class: "copy", title: path, "aria-label": `Copy the path of ${name}`, click: async () => {
    try {
      await navigator.clipboard.writeText(path);
      copy.textContent = "copied";
    } catch {
      /* Where a browser forbids it, the path is shown to be taken by hand. */
      shown.textContent = path;
      getSelection().selectAllChildren(shown);
    }
  } }, "copy path");
  return make("span", { class: "file" }, shown, " ", copy);
}

function reachable(element) {
  element.replaceWith(fileLink(element.textContent, element.dataset.path));
}

/* The small pictures of a list of mistakes. */
function pictured(list) {
  const sheets = Sheets.named(list.dataset.mistakes);
  if (!sheets) return;
  list.querySelectorAll("[data-picture]").forEach((place) => {
    place.replaceChildren(sheets.picture(Number(place.dataset.picture), place.parentElement.textContent));
  });
}
