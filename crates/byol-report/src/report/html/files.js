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
/* A button that copies `text`, which `shown` shows for those whose browser forbids it. */
function copyButton(text, name, label, shown) {
  const copy = make("button", { type: "button", class: "copy", title: text, "aria-label": name, click: async () => {
    try {
      await navigator.clipboard.writeText(text);
      copy.textContent = words.copied;
    } catch {
      shown.textContent = text;
      getSelection().selectAllChildren(shown);
    }
  } }, label);
  return copy;
}

function commandLine(element) {
  const code = element.querySelector("code");
  element.append(copyButton(code.textContent, words.copyTheCommand(code.textContent), words.copy, code));
}

function fileLink(name, path) {
  if (!path) return make("span", { class: "file" }, name);
  const address = addressOf(path);
  const shown = address ? make("a", { href: address, target: "_blank" }, name) : make("span", {}, name);
  return make("span", { class: "file" }, shown, " ", copyButton(path, words.copyThePath(name), words.copyPath, shown));
}

function reachable(element) {
  element.replaceWith(fileLink(element.textContent, element.dataset.path));
}

/* The thumbnails of a list of mistakes. */
function withThumbnails(list) {
  const sheets = Sheets.named(list.dataset.mistakes);
  if (!sheets) return;
  list.querySelectorAll("[data-thumbnail]").forEach((place) => {
    place.replaceChildren(sheets.thumbnail(Number(place.dataset.thumbnail), place.parentElement.textContent));
  });
}
