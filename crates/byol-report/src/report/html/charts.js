/* Charts that zoom. Each is drawn from the figures beside it, as report/chart.rs draws it for readers without scripts. What a
   reader chose (part shown, series hidden) is kept by the chart's place in the page, so that new figures do not undo it. */

const TOP = 14, RIGHT = 14, BOTTOM = 46;
/* A longer series gets a marker at about this many of its points; a longer table shows every nth row. */
const MARKERS = 12, MOST_ROWS = 400;

/* What readers chose, by chart; and the runs that they do not want to see. */
const views = new Map();
const hiddenRuns = new Set();
/* Every chart on the page, so that a choice of runs redraws them. */
const charts = new Set();

/* The outline of a marker: circle, square, triangle, diamond, triangle on its tip, cross. */
function markerPath(style, x, y) {
  const polygon = (corners) => `M${corners.map(([dx, dy]) => `${(x + dx).toFixed(1)},${(y + dy).toFixed(1)}`).join("L")}Z`;
  switch (style) {
    case 0: return `M${(x - 4).toFixed(1)},${y.toFixed(1)}a4,4 0 1,0 8,0a4,4 0 1,0 -8,0Z`;
    case 1: return polygon([[-3.7, -3.7], [3.7, -3.7], [3.7, 3.7], [-3.7, 3.7]]);
    case 2: return polygon([[0, -4.8], [4.5, 3.4], [-4.5, 3.4]]);
    case 3: return polygon([[0, -5], [5, 0], [0, 5], [-5, 0]]);
    case 4: return polygon([[0, 4.8], [4.5, -3.4], [-4.5, -3.4]]);
    default:
      return polygon([[-1.4, -4.6], [1.4, -4.6], [1.4, -1.4], [4.6, -1.4], [4.6, 1.4], [1.4, 1.4], [1.4, 4.6], [-1.4, 4.6],
        [-1.4, 1.4], [-4.6, 1.4], [-4.6, -1.4], [-1.4, -1.4]]);
  }
}

class Chart {
  constructor(element, key) {
    this.element = element;
    this.key = key;
    this.svg = element.querySelector("svg");
    if (!views.has(key)) views.set(key, { x: null, y: null, at: null, hidden: new Set(), table: false });
    this.view = views.get(key);
    this.data = JSON.parse(element.querySelector("script").textContent);
    this.build();
    this.draw();
    charts.add(this);
  }

  /* New figures of the same chart. */
  update(text) {
    this.data = JSON.parse(text);
    this.element.querySelector("script").textContent = text;
    this.legend();
    this.draw();
  }

  build() {
    const { svg, element } = this;
    const description = svg.querySelector("desc")?.textContent ?? "";
    svg.setAttribute("aria-label", words.described(this.data.title, description));
    const button = (text, name, work) => make("button", { type: "button", "aria-label": name, title: name, click: work }, text);
    this.whole = button(words.reset, words.wholeChart, () => this.reset());
    this.tabled = button(words.table, words.asTable, () => this.toggleTable());
    const tools = make("div", { class: "tools", role: "group", "aria-label": words.chartTools(this.data.title) },
      button("+", words.zoomIn, () => this.zoom(0.5, this.middle())),
      button("\u2212", words.zoomOut, () => this.zoom(2, this.middle())),
      this.whole, this.tabled);
    this.tip = make("div", { class: "tip", hidden: true, "aria-hidden": "true" });
    this.plot = make("div", {
      class: "plot", tabindex: "0", role: "group", "aria-roledescription": words.chart,
      "aria-label": words.described(this.data.title, words.chartKeys),
      keydown: (event) => this.key_(event),
      pointerdown: (event) => this.press(event),
      pointermove: (event) => this.move(event),
      pointerup: (event) => this.release(event),
      pointercancel: () => this.forget(),
      pointerleave: () => { if (!this.drag) this.point(null); },
      dblclick: () => this.reset(),
      blur: () => this.point(null),
    });
    this.plot.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    svg.before(this.plot);
    this.plot.append(svg, this.tip);
    this.plot.before(tools);
    this.said = make("p", { class: "said", role: "status" });
    this.table = make("div", { class: "wide figures", hidden: true });
    element.append(this.said, this.table);
    this.legend();
  }

  /* A legend whose entries hide and show their series. */
  legend() {
    this.element.querySelectorAll(".legend li").forEach((item, place) => {
      const series = this.data.series[place];
      if (!series || item.querySelector("button")) return;
      const toggle = make("button", { type: "button", "aria-pressed": "true", title: words.hideOrShow(series.label) });
      toggle.append(...item.childNodes);
      toggle.addEventListener("click", () => {
        const { hidden } = this.view;
        if (!hidden.delete(series.label)) hidden.add(series.label);
        this.draw();
      });
      item.append(toggle);
    });
  }

  shown() {
    return this.data.series.filter((series) => !this.view.hidden.has(series.label) && !hiddenRuns.has(series.run));
  }

  /* A value of the x axis in words: of whole ones, such as epochs, every digit. */
  number(x) {
    return this.data.x.whole && Number.isInteger(x) ? String(x) : words.figure(x);
  }

  /* Positions on the x axis are its values, or their logarithms. */
  place(x) {
    return this.data.x.log ? Math.log(x) : x;
  }

  /* All of the x axis. */
  full() {
    if (this.data.x.ticks.length > 0) {
      const [low, high] = this.data.x.range.map((value) => this.place(value));
      return { low, high, ticks: this.data.x.ticks.map(([value, text]) => [this.place(value), text]) };
    }
    let low = Infinity, high = -Infinity;
    for (const series of this.shown()) {
      for (const x of series.x) { low = Math.min(low, x); high = Math.max(high, x); }
    }
    for (const x of this.data.x.include) { low = Math.min(low, x); high = Math.max(high, x); }
    if (low > high) [low, high] = this.data.x.range;
    return ticksOf(low, high, true, this.data.x.whole);
  }

  horizontal() {
    const full = this.full();
    if (!this.view.x) return full;
    const [low, high] = this.view.x;
    const ticks = this.data.x.ticks.length > 0
      ? full.ticks.filter(([value]) => value >= low && value <= high)
      : ticksOf(low, high, false, this.data.x.whole).ticks;
    return { low, high, ticks };
  }

  vertical(across) {
    if (this.view.y) return ticksOf(...this.view.y, false);
    let low = Infinity, high = -Infinity;
    const take = (value) => { low = Math.min(low, value); high = Math.max(high, value); };
    for (const series of this.shown()) {
      series.x.forEach((x, nth) => {
        const at = this.place(x);
        if (at < across.low || at > across.high) return;
        take(series.y[nth]);
        (series.bars?.[nth] ?? []).forEach(take);
      });
    }
    if (!this.view.x) {
      this.data.y.include.forEach(take);
      if (this.data.reference !== null) take(this.data.reference);
    }
    return low > high ? ticksOf(0, 1, true) : ticksOf(low, high, true);
  }

  draw() {
    const { svg, data } = this;
    const x = this.horizontal(), y = this.vertical(x);
    const longest = Math.max(0, ...y.ticks.map(([, text]) => text.length));
    const left = 30 + 7 * longest, right = data.width - RIGHT, bottom = data.height - BOTTOM;
    const across = (value) => left + (value - x.low) / (x.high - x.low) * (right - left);
    const down = (value) => bottom - (value - y.low) / (y.high - y.low) * (bottom - TOP);
    this.scale = { x, y, left, right, bottom, across, down };
    const of = (name, attributes, ...children) => draw(svg, name, attributes, ...children);
    const parts = [];
    for (const [value, text] of y.ticks) {
      parts.push(of("line", { class: "grid", x1: left, x2: right, y1: down(value), y2: down(value) }));
      parts.push(of("text", { class: "tick", x: left - 7, y: down(value) + 4, "text-anchor": "end" }, text));
    }
    for (const [value, text] of x.ticks) {
      parts.push(of("line", { class: "axis", x1: across(value), x2: across(value), y1: bottom, y2: bottom + 4 }));
      parts.push(of("text", { class: "tick", x: across(value), y: bottom + 18, "text-anchor": "middle" }, text));
    }
    parts.push(of("line", { class: "axis", x1: left, x2: right, y1: bottom, y2: bottom }));
    parts.push(of("text", { class: "label", x: (left + right) / 2, y: data.height - 6, "text-anchor": "middle" }, data.x.label));
    parts.push(of("text", { class: "label", "text-anchor": "middle",
      transform: `translate(13 ${(TOP + bottom) / 2}) rotate(-90)` }, data.y.label));
    /* An SVG within the SVG cuts off what lies outside the part shown. */
    const edge = 6;
    const inside = of("svg", { x: left - edge, y: TOP - edge, width: right - left + 2 * edge, height: bottom - TOP + 2 * edge,
      viewBox: `${left - edge} ${TOP - edge} ${right - left + 2 * edge} ${bottom - TOP + 2 * edge}` });
    if (data.reference !== null && data.reference >= y.low && data.reference <= y.high) {
      inside.append(of("line", { class: "reference", x1: left, x2: right, y1: down(data.reference), y2: down(data.reference) }));
    }
    data.series.forEach((series, place) => {
      if (this.view.hidden.has(series.label) || hiddenRuns.has(series.run)) return;
      inside.append(this.line(series, (place - (data.series.length - 1) / 2) * data.dodge));
    });
    this.cursor = of("g", { class: "cursor" });
    this.marquee = of("rect", { class: "marquee", hidden: true, width: 0, height: 0 });
    inside.append(this.cursor, this.marquee);
    svg.replaceChildren(...parts, inside);
    this.whole.disabled = !this.view.x && !this.view.y;
    this.plot.classList.toggle("zoomed", !this.whole.disabled);
    this.element.querySelectorAll(".legend li").forEach((item, place) => {
      const series = data.series[place];
      if (!series) return;
      item.hidden = hiddenRuns.has(series.run);
      item.querySelector("button")?.setAttribute("aria-pressed", String(!this.view.hidden.has(series.label)));
    });
    this.point(this.view.at);
    this.fillTable();
  }

  line(series, aside) {
    const { x, across, down } = this.scale;
    const hollow = series.line === "dashed" ? " hollow" : "";
    const group = draw(this.svg, "g", { class: `s${series.style}` });
    const at = series.x.map((value, nth) => [across(this.place(value)) + aside, down(series.y[nth])]);
    if (series.line !== "none") {
      group.append(draw(this.svg, "polyline", { class: `line${series.line === "dashed" ? " dashed" : ""}`,
        points: at.map(([a, b]) => `${a.toFixed(1)},${b.toFixed(1)}`).join(" ") }));
    }
    const visible = series.x.map((value, nth) => [this.place(value), nth])
      .filter(([value]) => value >= x.low && value <= x.high).map(([, nth]) => nth);
    const every = Math.max(1, Math.ceil(visible.length / MARKERS));
    visible.forEach((nth, place) => {
      const [a, b] = at[nth];
      const bar = series.bars?.[nth];
      if (bar) {
        const [low, high] = bar.map((value) => down(value).toFixed(1));
        const [l, r] = [(a - 3).toFixed(1), (a + 3).toFixed(1)];
        group.append(draw(this.svg, "path", { class: "bar",
          d: `M${a.toFixed(1)},${low}V${high}M${l},${low}H${r}M${l},${high}H${r}` }));
      }
      if (place % every === 0 || place === visible.length - 1) {
        group.append(draw(this.svg, "path", { class: `mark${hollow}`, d: markerPath(series.style, a, b) }));
      }
    });
    return group;
  }

  /* Every x at which a shown series within the part shown has a value. */
  stops() {
    const { low, high } = this.scale.x;
    const all = new Set(this.shown().flatMap((series) => series.x));
    return [...all].filter((x) => this.place(x) >= low && this.place(x) <= high).sort((a, b) => a - b);
  }

  /* Which point of a curve stands at x: its own, or, where it has none there (curves are thinned, and not everything is measured
     at every epoch), the nearest. Outside the curve, and of single places such as label budgets, there is none. */
  nearest(series, x) {
    const exact = series.x.indexOf(x);
    if (exact >= 0 || series.bars || series.line === "none" || x < series.x[0] || x > series.x.at(-1)) return exact;
    return series.x.reduce((best, other, nth) => Math.abs(other - x) < Math.abs(series.x[best] - x) ? nth : best, 0);
  }

  /* Says what stands at x; null takes it back. */
  point(x) {
    this.view.at = x;
    this.cursor.replaceChildren();
    const { across, down, bottom, left, right } = this.scale;
    if (x === null || this.place(x) < this.scale.x.low || this.place(x) > this.scale.x.high) {
      this.tip.hidden = true;
      return;
    }
    const at = across(this.place(x));
    this.cursor.append(draw(this.svg, "line", { x1: at, x2: at, y1: TOP, y2: bottom }));
    const rows = [];
    for (const series of this.shown()) {
      const nth = this.nearest(series, x);
      if (nth < 0) continue;
      const value = series.texts?.[nth] ?? words.figure(series.y[nth]);
      const where = series.x[nth] === x ? null : words.at(this.data.x.label, this.number(series.x[nth]));
      rows.push(make("div", { class: `s${series.style}` }, make("i", { class: "swatch" }), words.point(series.label, value, where)));
      if (this.data.dodge === 0) {
        this.cursor.append(draw(this.svg, "circle", { class: `s${series.style}`, cx: across(this.place(series.x[nth])),
          cy: down(series.y[nth]), r: 4.5 }));
      }
    }
    const tick = this.data.x.ticks.find(([value]) => Math.abs(value - x) <= 1e-6 * Math.abs(x));
    this.tip.replaceChildren(make("strong", {}, words.at(this.data.x.label, tick ? tick[1] : this.number(x))), ...rows);
    this.tip.hidden = false;
    const share = (at - left) / (right - left);
    this.tip.style.left = share > 0.5 ? "auto" : `${100 * at / this.data.width + 2}%`;
    this.tip.style.right = share > 0.5 ? `${100 * (1 - at / this.data.width) + 2}%` : "auto";
  }

  /* For readers who do not see it: what the cursor stands at, or the part shown. */
  say(text) {
    this.said.textContent = text;
  }

  sayPoint() {
    this.say(words.listed([...this.tip.children].map((part) => part.textContent)));
  }

  sayPart() {
    const { low, high } = this.scale.x;
    const value = (at) => this.number(this.data.x.log ? Math.exp(at) : at);
    this.say(this.view.x ? words.shownPart(this.data.x.label, value(low), value(high)) : words.shownWhole);
  }

  middle() {
    const { low, high } = this.scale.x;
    return this.view.at === null ? (low + high) / 2 : this.place(this.view.at);
  }

  /* Shows `factor` times as much of the x axis; what is at `center` stays where it is. */
  zoom(factor, center) {
    const full = this.full(), { low, high } = this.scale.x;
    const span = Math.max((high - low) * factor, (full.high - full.low) * 1e-4);
    if (span >= full.high - full.low) return this.reset();
    const begin = center - (center - low) / (high - low) * span;
    this.show(begin, begin + span, null);
  }

  show(low, high, y) {
    const full = this.full(), span = high - low;
    low = Math.min(Math.max(low, full.low), full.high - span);
    this.view.x = [low, low + span];
    this.view.y = y;
    this.draw();
    this.sayPart();
  }

  reset() {
    this.view.x = null;
    this.view.y = null;
    this.draw();
    this.sayPart();
  }

  pan(share) {
    const { low, high } = this.scale.x;
    if (this.view.x) this.show(low + share * (high - low), high + share * (high - low), this.view.y);
  }

  step(by) {
    const stops = this.stops();
    if (stops.length === 0) return;
    const now = stops.indexOf(this.view.at);
    const next = now < 0 ? (by > 0 ? 0 : stops.length - 1) : Math.min(Math.max(now + by, 0), stops.length - 1);
    this.point(stops[next]);
    this.sayPoint();
  }

  /* To the first stop or the last. */
  go(end) {
    this.point(this.stops().at(end) ?? null);
    this.sayPoint();
  }

  key_(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const arrow = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (arrow && event.shiftKey) this.pan(0.25 * arrow);
    else if (arrow) this.step(arrow);
    else if (event.key === "Home") this.go(0);
    else if (event.key === "End") this.go(-1);
    else if (event.key === "PageUp") this.step(-10);
    else if (event.key === "PageDown") this.step(10);
    else if (event.key === "+" || event.key === "=") this.zoom(0.5, this.middle());
    else if (event.key === "-") this.zoom(2, this.middle());
    else if (event.key === "0") this.reset();
    else if (event.key === "Escape") { this.forget(); this.point(null); } else return;
    event.preventDefault();
  }

  /* Where the pointer is, in units of the chart. */
  at(event) {
    const box = this.svg.getBoundingClientRect();
    return { x: (event.clientX - box.left) / box.width * this.data.width,
      y: (event.clientY - box.top) / box.height * this.data.height };
  }

  value(at) {
    const { x, left, right } = this.scale;
    return x.low + (at - left) / (right - left) * (x.high - x.low);
  }

  /* The page scrolls over a chart that nobody has clicked at. */
  wheel(event) {
    if (!event.ctrlKey && document.activeElement !== this.plot) return;
    event.preventDefault();
    this.zoom(Math.exp(Math.min(Math.max(event.deltaY, -300), 300) * 0.002), this.value(this.at(event).x));
  }

  press(event) {
    if (event.button !== 0) return;
    this.drag = this.at(event);
    this.plot.setPointerCapture(event.pointerId);
  }

  move(event) {
    const at = this.at(event);
    if (!this.drag) {
      const wanted = this.value(at.x);
      const nearest = this.stops().reduce((best, x) =>
        best === null || Math.abs(this.place(x) - wanted) < Math.abs(this.place(best) - wanted) ? x : best, null);
      this.point(nearest);
      return;
    }
    const box = this.box(at);
    const { left, right, bottom } = this.scale;
    const whole = box.flat ? { y: TOP, height: bottom - TOP } : { y: box.top, height: box.bottom - box.top };
    this.marquee.removeAttribute("hidden");
    const x = Math.max(box.left, left);
    for (const [name, value] of Object.entries({ x, width: Math.max(0, Math.min(box.right, right) - x), ...whole })) {
      this.marquee.setAttribute(name, value);
    }
  }

  /* What has been dragged over. A flat box is about the x axis alone. */
  box(at) {
    const [left, right] = [this.drag.x, at.x].sort((a, b) => a - b);
    const [top, bottom] = [this.drag.y, at.y].sort((a, b) => a - b);
    return { left, right, top, bottom, flat: bottom - top < 20 };
  }

  release(event) {
    if (!this.drag) return;
    const box = this.box(this.at(event));
    this.forget();
    if (box.right - box.left < 6) return;
    const { x, y, left, right, bottom } = this.scale;
    const low = this.value(Math.max(box.left, left)), high = this.value(Math.min(box.right, right));
    if (!(high - low > (x.high - x.low) * 1e-3)) return;
    const value = (at) => y.low + (bottom - Math.min(Math.max(at, TOP), bottom)) / (bottom - TOP) * (y.high - y.low);
    this.show(low, high, box.flat ? null : [value(box.bottom), value(box.top)]);
  }

  forget() {
    this.drag = null;
    this.marquee.setAttribute("hidden", "");
  }

  toggleTable() {
    this.view.table = !this.view.table;
    this.fillTable();
  }

  fillTable() {
    this.table.hidden = !this.view.table;
    this.tabled.setAttribute("aria-expanded", String(this.view.table));
    if (!this.view.table) return this.table.replaceChildren();
    const series = this.shown(), stops = this.stops();
    const every = Math.ceil(stops.length / MOST_ROWS) || 1;
    const rows = stops.filter((_, nth) => nth % every === 0 || nth === stops.length - 1).map((x) => {
      const tick = this.data.x.ticks.find(([value]) => Math.abs(value - x) <= 1e-6 * Math.abs(x));
      const cells = series.map((one) => {
        const nth = one.x.indexOf(x);
        return make("td", {}, nth < 0 ? "" : one.texts?.[nth] ?? words.figure(one.y[nth]));
      });
      return make("tr", {}, make("th", { scope: "row" }, tick ? tick[1] : this.number(x)), ...cells);
    });
    const caption = words.tableCaption(this.data.title, this.data.y.label, every, stops.length);
    const head = [this.data.x.label, ...series.map((one) => one.label)].map((name) => make("th", { scope: "col" }, name));
    this.table.replaceChildren(make("table", { class: "plain" }, make("caption", {}, caption),
      make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...rows)));
  }
}
