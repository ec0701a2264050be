/* The page of suspicious labels: tells its server every answer, and shows what this one has. Nothing counts as answered until the
   server says that it is in the file. */

const main = document.querySelector("main");
const words = JSON.parse(main.dataset.words), classes = JSON.parse(main.dataset.classes);
const standing = document.querySelector(".standing");
const figures = [...document.querySelectorAll("figure[data-image]")];
/* An image may be in several findings. */
const shownOf = new Map();
for (const figure of figures) {
  const image = figure.dataset.image;
  shownOf.set(image, [...(shownOf.get(image) ?? []), figure]);
}
/* What the server said last of each image. */
let answers = {};

const alike = (image) => shownOf.get(String(image)) ?? [];

function said(text, problem) {
  standing.textContent = text;
  standing.parentElement.classList.toggle("problem", problem);
}

/* Shows one image's answer. */
function mark(figure) {
  const answer = answers[figure.dataset.image];
  if (answer) figure.dataset.answer = answer.answer;
  else delete figure.dataset.answer;
  let found = false;
  for (const button of figure.querySelectorAll("[data-gives]")) {
    const same = Boolean(answer) && button.dataset.gives === answer.answer && (button.dataset.label ?? "") === answer.label;
    found = found || same;
    button.setAttribute("aria-pressed", same);
  }
  const another = figure.querySelector("[data-another]"), elsewhere = answer?.answer === "change" && !found;
  another.setAttribute("aria-pressed", elsewhere);
  another.textContent = elsewhere ? words.changed.replace("{class}", answer.label) : words.another;
}

function show(state, problem) {
  const before = answers;
  answers = state.answers;
  const same = (one, other) => one?.answer === other?.answer && one?.label === other?.label;
  for (const image of new Set([...Object.keys(before), ...Object.keys(answers)])) {
    if (!same(before[image], answers[image])) alike(image).forEach(mark);
  }
  const text = words.standing.replace("{given}", state.given.toLocaleString("en")).replace("{file}", state.file);
  said(problem || (state.data_changed ? `${text}. ${words.dataChanged}` : text), Boolean(problem || state.data_changed));
}

async function ask(path, content) {
  try {
    const options = content === undefined ? {} : { method: "POST", headers: { "X-Byol": "1", "Content-Type": "application/json" }, body: JSON.stringify(content) };
    const response = await fetch(path, options);
    return await response.json();
  } catch {
    said(words.gone, true);
    return null;
  }
}

/* Answers come one after the other, in the order of the keys. After one that is not kept, those that were pressed before that was known
   are not given, and the focus is where it was: nothing is passed over unseen. */
let last = Promise.resolve(), failures = 0;
function inOrder(work) {
  const asked = failures;
  last = last.then(() => (asked === failures ? work() : undefined));
}

function failed(figure) {
  failures += 1;
  figure?.focus();
}

function give(figure, answer, label) {
  const image = Number(figure.dataset.image);
  inOrder(async () => {
    const state = await ask("/answer", { image, answer, label: label || "", seen: answers[image] || null });
    if (!state) return failed(figure);
    const problem = state.problem ? words.notKept.replace("{problem}", state.problem) : state.elsewhere ? words.elsewhere : "";
    show(state, problem);
    if (problem) failed(figure);
  });
}

function undo() {
  inOrder(async () => {
    const state = await ask("/undo", {});
    if (!state) return failed();
    show(state, state.problem || (state.undone === null ? words.nothing : ""));
    if (state.problem) failed();
    else if (state.undone !== null) alike(state.undone)[0]?.focus();
  });
}

function go(from, step) {
  const place = figures.indexOf(from);
  figures[Math.max(0, Math.min(figures.length - 1, place + step))]?.focus();
}

/* The first image without an answer, from the beginning. */
function begin() {
  (figures.find((figure) => !figure.dataset.answer) ?? figures[0])?.focus();
}

/* Gives another class, whose name is asked for. */
function another(figure) {
  const others = classes.filter((name) => name !== figure.dataset.class);
  askName(words.findClass, (name) => {
    give(figure, "change", name);
    go(figure, 1);
  }, "", others);
}

for (const figure of figures) {
  for (const button of figure.querySelectorAll("[data-gives]")) {
    button.addEventListener("click", () => give(figure, button.dataset.gives, button.dataset.label));
  }
  figure.querySelector("[data-another]").addEventListener("click", () => another(figure));
}
document.querySelector("[data-undo]").addEventListener("click", undo);

document.addEventListener("keydown", (event) => {
  if (byId("asking").open || event.ctrlKey || event.metaKey || event.altKey) return;
  const figure = event.target.closest?.("figure[data-image]");
  if (event.key === "u") return undo();
  if (!figure) {
    if (event.key === "n") begin();
    return;
  }
  const likely = figure.querySelector("[data-gives=change]");
  const keys = {
    k: () => { give(figure, "keep"); go(figure, 1); },
    d: () => { give(figure, "drop"); go(figure, 1); },
    c: () => another(figure),
    n: () => go(figure, 1),
    p: () => go(figure, -1),
    Enter: () => {
      if (event.target.tagName === "BUTTON") return false;
      if (likely) { give(figure, "change", likely.dataset.label); go(figure, 1); }
      return true;
    },
  };
  const does = keys[event.key];
  if (does && does() !== false) event.preventDefault();
});

ask("/state").then((state) => state && show(state, ""));
