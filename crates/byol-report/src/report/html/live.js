/* The page of `byol watch`: asks its server every second what the runs do, and takes over what is new. What a reader has
   opened, zoomed or chosen stays. */

const EVERY = 1000, WHEN_ALL_ENDED = 5000;

/* Parts of the page as the server gave them, by name. */
const given = new Map();

function unitsOf(root) {
  return new Map([...root.querySelectorAll("[data-unit]")].map((unit) => [unit.dataset.unit, unit]));
}

/* A part without its charts' figures, and these: curves grow without the rest being replaced. */
function apart(unit) {
  const charts = [...unit.querySelectorAll(".chart > script")].map((script) => script.textContent);
  const rest = unit.cloneNode(true);
  rest.querySelectorAll(".chart").forEach((chart) => chart.replaceChildren());
  return { rest: rest.outerHTML, charts };
}

function remember(root) {
  given.clear();
  unitsOf(root).forEach((unit, name) => given.set(name, apart(unit)));
}

/* What can have the focus, by names that stay while a page grows: where it stands, what it is for, and which of those that
   are alike in this. Figures in names change. */
function focusable(part) {
  const alike = new Map();
  return new Map([...part.querySelectorAll("a, button, input, summary, [tabindex]")].map((element) => {
    const place = element.closest("section")?.id ?? element.closest("header, nav, footer")?.localName;
    const label = (element.getAttribute("aria-label") ?? element.textContent).replace(/[\d.,%]+/g, "");
    const name = [place, element.localName, element.getAttribute("href") ?? (element.title || label.trim())].join("/");
    alike.set(name, (alike.get(name) ?? 0) + 1);
    return [`${name}/${alike.get(name)}`, element];
  }));
}

/* What is open of a part, and what has the focus, so that it can be so again. */
function keep(root, work) {
  const name = (details) => `${details.closest("section")?.id ?? details.id}/${details.querySelector("summary")?.textContent}`;
  const open = new Map([...root.querySelectorAll("details")].map((details) => [name(details), details.open]));
  const [focused] = [...focusable(root)].find(([, element]) => element === document.activeElement) ?? [];
  const fresh = work();
  fresh.querySelectorAll("details").forEach((details) => {
    if (open.has(name(details))) details.open = open.get(name(details));
  });
  enliven(fresh);
  if (focused) focusable(fresh).get(focused)?.focus({ preventScroll: true });
  charts.forEach((chart) => { if (!chart.element.isConnected) charts.delete(chart); });
}

function take(text) {
  const fresh = new DOMParser().parseFromString(text, "text/html");
  const old = unitsOf(document), units = unitsOf(fresh);
  const names = [...units.keys()];
  if (names.join() !== [...old.keys()].join()) {
    remember(fresh);
    keep(document, () => {
      document.querySelectorAll("body > header, body > main, body > footer").forEach((part) => part.remove());
      document.querySelector(".live").after(...fresh.querySelectorAll("body > header, body > main, body > footer"));
      return document;
    });
    return;
  }
  /* The thumbnails come first: what opens them looks for them. */
  for (const name of names.sort((a, b) => (b === "sheets") - (a === "sheets"))) {
    const before = given.get(name), now = apart(units.get(name)), unit = old.get(name);
    given.set(name, now);
    if (before.rest !== now.rest) {
      keep(unit, () => { const next = document.adoptNode(units.get(name)); unit.replaceWith(next); return next; });
      continue;
    }
    [...unit.querySelectorAll(".chart")].forEach((element, place) => {
      if (before.charts[place] === now.charts[place]) return;
      charts.forEach((chart) => { if (chart.element === element) chart.update(now.charts[place]); });
    });
  }
}

function follow(live) {
  let revision = live.dataset.revision, states = "";
  const said = live.querySelector("[role=status]");
  const show = (runs) => {
    const list = live.querySelector("ul");
    /* A folder that was waited for may turn out to hold several runs. */
    if (list.children.length !== runs.length) {
      const of = (name) => make("li", {}, make("span", { class: "state" }), " ", make("b", {}, name), " ", make("span", { class: "text" }));
      list.replaceChildren(...runs.map((run) => of(run.name)));
    }
    live.querySelectorAll("li").forEach((item, place) => {
      item.querySelector(".state").textContent = words.state[runs[place].state];
      item.querySelector(".text").textContent = runs[place].text;
    });
    const now = words.listed(runs.map((run) => words.runIs(run.name, words.state[run.state])));
    /* Only what changed is spoken, not every epoch. */
    if (now !== states) said.textContent = now;
    states = now;
  };
  const ask = async () => {
    let wait = EVERY;
    try {
      const state = await (await fetch("/revision", { cache: "no-store" })).json();
      if (state.revision !== revision) {
        take(await (await fetch("/", { cache: "no-store" })).text());
        revision = state.revision;
        live.dataset.revision = revision;
      }
      show(state.runs);
      live.classList.remove("lost");
      if (state.runs.every((run) => run.state === "finished")) wait = WHEN_ALL_ENDED;
    } catch {
      live.classList.add("lost");
      said.textContent = words.noAnswer;
      states = "";
    }
    setTimeout(ask, wait);
  };
  ask();
}
