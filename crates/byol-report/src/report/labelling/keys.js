/* The keyboard, and the beginning. */

function findClass() {
  askName(words.findClass, answerClass, "", view.classes.map((one) => one.name));
}

function help() {
  const dialog = byId("asking");
  dialog.replaceChildren(make("h2", {}, words.help), make("dl", { class: "keys" }, ...words.keys.flatMap(([key, what]) => [make("dt", {}, make("kbd", {}, key)), make("dd", {}, what)])),
    make("form", { method: "dialog" }, make("button", { class: "accept" }, words.dismiss)));
  dialog.showModal();
}

/* Moves among the images of the grid. */
function moveTile(key) {
  const tiles = [...document.querySelectorAll("#grid .tile")];
  const at = Math.max(0, tiles.indexOf(document.activeElement));
  const across = tiles.filter((tile) => tile.offsetTop === tiles[0].offsetTop).length;
  const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -across, ArrowDown: across }[key];
  tiles[Math.min(tiles.length - 1, Math.max(0, at + step))]?.focus();
}

const actions = {
  Backspace: undo, "-": () => answer("none"), ArrowRight: () => answer("skip"), ArrowDown: toggleNear, ArrowUp: toggleGrid,
  "+": () => askName(words.nameOfClass, addClass), "/": findClass, "?": help, Enter: accept,
};

document.addEventListener("keydown", (event) => {
  if (byId("asking").open || event.target.closest("input")) return;
  if ((event.ctrlKey || event.metaKey) && event.key === "z") {
    event.preventDefault();
    return undo();
  }
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || !view) return;
  if (event.key === "Escape") {
    leaveGrid();
    return closeNear();
  }
  if (several && event.key.startsWith("Arrow")) {
    event.preventDefault();
    return moveTile(event.key);
  }
  /* What has the focus is pressed by these two. */
  if ((event.key === "Enter" || event.key === " ") && event.target.closest("button, a, summary")) return;
  const place = KEYS.indexOf(event.key.toLowerCase());
  const act = place >= 0 ? view.classes[place] && (() => answerClass(view.classes[place].name)) : actions[event.key];
  if (!act) return;
  event.preventDefault();
  act();
});

/* A button that was clicked does not keep the keys that answer. */
document.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (button && event.detail > 0 && !byId("asking").open) button.blur();
});

byId("problems").append(make("div", { id: "standing" }), make("div", { id: "told" }));
follow();
