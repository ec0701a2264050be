/* What the labels are worth, the classes one by one, and training with them. */

function unless(place, text, fill) {
  if (place.dataset.text === text) return;
  place.dataset.text = text;
  fill();
}

function showWorth() {
  const fitted = view.fitted, list = byId("accuracies");
  unless(list, JSON.stringify([fitted, view.test_share > 0, view.fitting && !fitted, view.train, lonely()]), () => {
    list.replaceChildren();
    const entry = (name, share, note) => {
      if (!share) return list.append(make("dt", {}, name), make("dd", {}, note));
      list.append(make("dt", {}, name), make("dd", {}, make("b", {}, words.percent(share.share)), interval(share), make("small", {}, words.accuracy(share)), " ", note));
    };
    const measured = view.test_share > 0 && view.has_splits;
    entry(words.onAside, fitted?.aside, fitted?.aside ? words.asideIs : measured ? words.noAside : words.noAsideAtAll);
    entry(words.heldOut, fitted?.held_out, fitted?.held_out ? words.heldOutIs : view.fitting ? words.fitting : lonely() ? words.oneOfEach : words.tooFew);
    const prospect = fitted?.prospect;
    byId("prospect").textContent = prospect ? words.prospect(...prospect) : view.train < view.prospect_from ? words.noProspect(view.prospect_from) : words.prospectUnknown;
  });
  unless(byId("curve"), JSON.stringify(view.curve), showCurve);
  unless(byId("counts"), JSON.stringify(view.classes), showCounts);
}

/* Whether there are classes to learn, of which none has a second label to be tested with. */
function lonely() {
  return view.classes.filter((one) => one.train > 0).length > 1 && view.classes.every((one) => one.train < 2);
}

/* A bar from 0 to 100 percent, with the interval. */
function interval(share) {
  const at = (value) => `${(100 * value).toFixed(1)}%`;
  const bar = make("span", { class: "interval", "aria-hidden": "true" }, make("i", {}), make("b", {}));
  bar.firstChild.style.left = at(share.low);
  bar.firstChild.style.width = at(share.high - share.low);
  bar.lastChild.style.left = at(share.share);
  return bar;
}

function showCurve() {
  const figure = byId("curve"), svg = figure.querySelector("svg");
  const points = view.curve.filter((point) => point.held_out || point.aside);
  figure.hidden = points.length < 2;
  if (figure.hidden) return;
  const most = Math.max(...points.map((point) => point.labels)), least = Math.min(...points.map((point) => point.labels));
  const x = (labels) => 38 + (312 * (labels - least)) / Math.max(1, most - least), y = (share) => 160 - 150 * share;
  const parts = [0, 0.25, 0.5, 0.75, 1].flatMap((share) => [
    draw(svg, "path", { class: "grid", d: `M38,${y(share)}H350` }),
    draw(svg, "text", { x: 32, y: y(share) + 4, "text-anchor": "end" }, `${100 * share}`),
  ]);
  parts.push(draw(svg, "text", { x: 38, y: 180 }, `${least}`), draw(svg, "text", { x: 350, y: 180, "text-anchor": "end" }, `${most}`),
    draw(svg, "text", { x: 194, y: 180, "text-anchor": "middle" }, words.labels));
  const series = [["held_out", "s0", words.heldOut], ["aside", "s1", words.onAside]];
  for (const [key, color, name] of series) {
    const own = points.filter((point) => point[key]);
    if (!own.length) continue;
    parts.push(draw(svg, "polyline", { class: `line ${color}`, points: own.map((point) => `${x(point.labels)},${y(point[key].share)}`).join(" ") }));
    const last = own.at(-1);
    parts.push(draw(svg, "path", { class: `bar ${color}`, d: `M${x(last.labels)},${y(last[key].low)}V${y(last[key].high)}` }));
    own.forEach((point) => parts.push(draw(svg, "circle", { class: `mark ${color}`, r: 2.6, cx: x(point.labels), cy: y(point[key].share) },
      draw(svg, "title", {}, words.point(name, point.labels, point[key])))));
  }
  svg.replaceChildren(...parts);
  byId("legend").replaceChildren(...series.filter(([key]) => points.some((point) => point[key]))
    .map(([, color, name]) => make("span", {}, make("i", { class: `swatch ${color}` }), name)));
}

function showCounts() {
  const place = byId("counts");
  if (!view.classes.length) return place.replaceChildren(make("p", { class: "nothing" }, words.noClasses));
  const rows = view.classes.map((one) => make("tr", {}, make("th", { scope: "row" }, one.name), make("td", {}, one.train), make("td", {}, one.aside),
    make("td", {}, make("button", { type: "button", "aria-label": `${words.rename}: ${one.name}`, click: () => renameClass(one) }, words.rename), " ",
      one.train + one.aside === 0 ? make("button", { type: "button", "aria-label": `${words.drop}: ${one.name}`, click: () => send("/class", { say: "drop", class: one.name }) }, words.drop) : "")));
  place.replaceChildren(make("table", {}, make("thead", {}, make("tr", {}, make("th", {}, words.className), make("th", {}, words.toTrain), make("th", {}, words.setAside), make("td", {}))),
    make("tbody", {}, ...rows)));
}

function renameClass(one) {
  askName(words.renameTo(one.name), (to) => {
    const other = view.classes.find((found) => found.name === to);
    if (other && other !== one && !confirm(words.merge(one.name, to, one.train + one.aside))) return;
    send("/class", { say: "rename", class: one.name, to });
  }, one.name);
}

function showEnd() {
  const onlyAside = view.classes.filter((one) => one.aside > 0 && one.train === 0).map((one) => one.name);
  const few = view.classes.filter((one) => one.train > 0).length < 2;
  byId("lacking").textContent = few ? words.fewClasses : onlyAside.length ? words.onlyAside(onlyAside) : "";
  unless(byId("command"), view.command, () => {
    byId("command").textContent = view.command;
    byId("command").nextElementSibling?.remove();
    const copy = make("button", { type: "button", class: "copy", click: async () => {
      await navigator.clipboard?.writeText(view.command);
      copy.textContent = words.copied;
    } }, words.copy);
    byId("command").after(copy);
  });
  const training = view.training, runs = training.state === "running";
  unless(byId("tuning"), JSON.stringify([training.state, training.report, few]), () => {
    byId("tuning").replaceChildren(runs
      ? make("button", { type: "button", click: () => send("/finetune", { say: "stop" }) }, words.stop)
      : make("button", { type: "button", class: "accept", disabled: few, click: () => send("/finetune", { say: "start" }) }, words.start));
    if (training.report) byId("tuning").append(make("a", { href: "/report", target: "_blank", rel: "noopener" }, words.report));
  });
  const text = { none: "", running: words.training(training.text), finished: words.trained(training.text), stopped: words.stopped(training.text), failed: words.notTrained(training.text) }[training.state];
  if (byId("training").textContent !== text) byId("training").textContent = text;
}
