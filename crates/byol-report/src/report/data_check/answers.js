/* The page of suspicious labels: tells its server every answer, and shows what this one has. Nothing counts as answered until the
   server says that it is in the file. */

const main = document.querySelector("main");
const words = JSON.parse(main.dataset.words);
const standing = document.querySelector(".standing");
const figures = [...document.querySelectorAll("figure[data-image]")];
/* What the server said last of each image. */
let answers = {};

function alike(image) {
  return figures.filter((figure) => figure.dataset.image === String(image));
}

function said(text, problem) {
  standing.textContent = text;
  standing.classList.toggle("problem", problem);
}

function show(state, problem) {
  answers = state.answers;
  for (const figure of figures) {
    const answer = answers[figure.dataset.image];
    if (answer) figure.dataset.answer = answer.answer;
    else delete figure.dataset.answer;
    for (const button of figure.querySelectorAll("[data-gives]")) {
      const same = answer && button.dataset.gives === answer.answer && (button.dataset.label || "") === (answer.label || button.dataset.label || "");
      button.setAttribute("aria-pressed", same ? "true" : "false");
    }
    const other = figure.querySelector("select");
    other.value = answer && answer.answer === "change" ? answer.label : "";
  }
  said(problem || words.standing.replace("{given}", state.given).replace("{file}", state.file), Boolean(problem));
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

/* Answers come one after the other, in the order of the keys. */
let last = Promise.resolve();
function inOrder(work) {
  last = last.then(work);
}

function give(figure, answer, label) {
  const image = Number(figure.dataset.image);
  inOrder(async () => {
    const state = await ask("/answer", { image, answer, label: label || "", seen: answers[image] || null });
    if (state) show(state, state.problem || (state.elsewhere ? words.elsewhere : ""));
  });
}

function undo() {
  inOrder(async () => {
    const state = await ask("/undo", {});
    if (!state) return;
    show(state, state.problem || (state.undone === null ? words.nothing : ""));
    if (state.undone !== null) alike(state.undone)[0]?.focus();
  });
}

function go(from, step) {
  const place = figures.indexOf(from);
  figures[Math.max(0, Math.min(figures.length - 1, place + step))]?.focus();
}

for (const figure of figures) {
  for (const button of figure.querySelectorAll("[data-gives]")) {
    button.addEventListener("click", () => give(figure, button.dataset.gives, button.dataset.label));
  }
  figure.querySelector("select").addEventListener("change", (event) => {
    if (event.target.value) give(figure, "change", event.target.value);
  });
}
document.querySelector("[data-undo]").addEventListener("click", undo);

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const figure = event.target.closest?.("figure[data-image]");
  if (event.target.tagName === "SELECT") return;
  if (event.key === "u") {
    undo();
    return;
  }
  if (!figure) {
    if (event.key === "n" && figures.length) figures[0].focus();
    return;
  }
  const likely = figure.querySelector("[data-gives=change]");
  const keys = {
    k: () => { give(figure, "keep"); go(figure, 1); },
    d: () => { give(figure, "drop"); go(figure, 1); },
    c: () => figure.querySelector("select").focus(),
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
