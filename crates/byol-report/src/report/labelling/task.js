/* The image that is asked for, the classes, and several images at once. */

const KEYS = [..."1234567890abcdefghijklmnopqrstuvwxyz"];
/* The images of the grid with whether each belongs to it; null while images come one by one. */
let several = null, nearOf = null, shownKey = "";

const large = (image) => `/image?image=${image}&side=1600`;
const small = (image) => `/image?image=${image}&side=320`;

function show() {
  byId("progress").textContent = words.progress(view);
  byId("bar").value = view.images ? 1 - view.open / view.images : 0;
  byId("table").textContent = view.table;
  showProblems();
  showImage();
  showClasses();
  showActions();
  showWorth();
  showEnd();
}

function showImage() {
  const current = view.current, image = byId("large");
  const key = `${current?.image}`;
  if (key !== shownKey) {
    shownKey = key;
    closeNear();
    leaveGrid();
    image.hidden = !current;
    if (current) {
      image.src = large(current.image);
      image.alt = words.imageNamed(current.name);
      byId("nothing").textContent = "";
    } else {
      image.removeAttribute("src");
    }
  }
  if (!current) {
    const done = view.open === 0, text = done ? words.allDone : view.fitting ? words.choosing : words.allShown;
    byId("nothing").replaceChildren(text, " ");
    if (done && view.skipped > 0) {
      byId("nothing").append(make("button", { type: "button", click: () => send("/again", {}) }, words.again(view.skipped)));
    }
  }
  byId("name").textContent = current?.name ?? "";
  const [one, other] = current?.guess ?? [];
  const why = current?.why === "margin" && other ? words.wavers(one, other) : current ? words.why[current.why] : "";
  byId("why").textContent = why;
  const guess = byId("guess");
  const text = one ? words.guess(one) : "";
  if (guess.dataset.text !== text) {
    guess.dataset.text = text;
    guess.replaceChildren();
    if (one) {
      guess.append(make("button", { type: "button", class: "accept", "aria-label": `${words.accept}: ${text}`, click: accept },
        make("kbd", {}, words.acceptKey), " ", text));
    }
  }
  if (view.next !== null && view.next !== undefined) new Image().src = large(view.next);
}

/* A class by its key, its name and how many labels it has. */
function showClasses() {
  const text = JSON.stringify(view.classes.map((one) => one.name));
  const place = byId("classes");
  if (place.dataset.text !== text) {
    place.dataset.text = text;
    place.replaceChildren(...view.classes.map((one, number) => make("button",
      { type: "button", "aria-label": words.classKey(one.name, KEYS[number]), click: () => answerClass(one.name) },
      KEYS[number] ? make("kbd", {}, KEYS[number]) : "", make("span", {}, one.name), make("small", {}, ""))));
    /* Among so many that they scroll, these two would be out of sight. */
    const many = view.classes.length > KEYS.length, naming = many ? byId("naming") : place;
    byId("naming").replaceChildren();
    naming.append(make("button", { type: "button", class: "plain-button", click: () => askName(words.nameOfClass, addClass) },
      make("kbd", {}, "+"), words.newClass));
    if (many) naming.append(make("button", { type: "button", class: "plain-button", click: findClass }, make("kbd", {}, "/"), words.find));
  }
  view.classes.forEach((one, number) => {
    place.children[number].lastChild.textContent = one.train + one.aside;
  });
  if (view.classes.length === 0) byId("status").textContent = words.firstClass;
}

function showActions() {
  const place = byId("actions");
  if (!place.children.length) {
    const action = (key, name, click, title) => make("button", { type: "button", title, click }, make("kbd", {}, key), name);
    place.append(
      action("\u232b", words.undo, undo), action("-", words.none, () => answer("none")), action("\u2192", words.skip, () => answer("skip"), words.skipTitle),
      action("\u2193", words.neighbours, toggleNear), action("\u2191", words.grid, toggleGrid), action("?", words.help, help));
  }
  const [back, none, skip, near, grid] = place.children;
  back.disabled = !view.can_undo;
  [none, skip, near, grid].forEach((button) => { button.disabled = !view.current; });
  grid.lastChild.textContent = several ? words.leaveGrid : words.grid;
  grid.setAttribute("aria-pressed", several !== null);
  near.setAttribute("aria-pressed", nearOf !== null);
}

function said(text) {
  byId("status").textContent = text;
}

function chosen() {
  return several ? several.filter((one) => one.chosen).map((one) => one.image) : [view.current.image];
}

async function answer(say, name = "") {
  const current = view?.current;
  const images = current ? chosen() : [];
  if (!images.length) return;
  /* Of several, one is no random image any more. */
  const aside = current.aside && !several;
  const text = say === "class"
    ? (several ? words.said.several(name, images.length) : words.said.class(name, current.name))
    : words.said[say](several ? words.selected(images.length) : current.name);
  if (await send("/answer", { images, say, class: name, aside })) {
    said(text);
    if (several) leaveGrid();
  }
}

function answerClass(name) {
  return answer("class", name);
}

function accept() {
  const best = view?.current?.guess[0];
  if (best) answerClass(best.class);
}

async function undo() {
  if (!view?.can_undo) return said(words.said.nothingToUndo);
  if (await send("/undo", {})) said(words.said.undo);
}

async function addClass(name) {
  if (await send("/class", { say: "add", class: name })) said(words.said.added(name));
}

/* Neighbours: what lies near, with labels or without. */
async function toggleNear() {
  if (nearOf !== null) return closeNear();
  const image = view?.current?.image;
  if (image === undefined) return;
  nearOf = image;
  showActions();
  const found = await ask("/near", { image }).catch(() => []);
  if (nearOf !== image) return;
  byId("near").hidden = false;
  byId("near").querySelector(".tiles").replaceChildren(...found.map((alike) => make("figure", {},
    make("img", { src: small(alike.image), alt: words.nearTitle(alike), title: words.nearTitle(alike) }),
    make("figcaption", {}, words.near(alike)))));
  byId("near").scrollIntoView({ block: "nearest" });
}

function closeNear() {
  nearOf = null;
  byId("near").hidden = true;
  if (view) showActions();
}

/* Several images alike, of which some may be taken out. */
async function toggleGrid() {
  if (several) return leaveGrid();
  const image = view?.current?.image;
  if (image === undefined) return;
  const found = await ask("/grid", { image }).catch(() => []);
  if (!found.length || view.current?.image !== image) return;
  closeNear();
  several = found.map((alike) => ({ ...alike, chosen: true }));
  byId("stage").hidden = true;
  const grid = byId("grid");
  grid.hidden = false;
  grid.replaceChildren(make("p", {}, words.gridIs), make("div", { class: "tiles" }, ...several.map((one) => {
    const tile = make("button", { type: "button", class: "tile", "aria-pressed": "true", "aria-label": words.tile(one.name), title: one.name },
      make("img", { src: small(one.image), alt: "" }));
    tile.addEventListener("click", () => {
      one.chosen = !one.chosen;
      tile.setAttribute("aria-pressed", one.chosen);
      said(words.selected(chosen().length));
    });
    return tile;
  })));
  said(words.selected(several.length));
  grid.querySelector(".tile").focus();
  showActions();
}

function leaveGrid() {
  if (!several) return;
  several = null;
  byId("grid").hidden = true;
  byId("grid").replaceChildren();
  byId("stage").hidden = false;
  if (view) showActions();
}

byId("large").addEventListener("error", () => {
  byId("large").hidden = true;
  byId("nothing").textContent = words.cannotShow(view?.current?.name ?? "");
});
byId("large").addEventListener("load", () => { byId("large").hidden = false; });
