/* The map of test images: moved and zoomed, with thumbnails in place of points, and the nearest neighbours of the chosen image. */

const MAP_WIDTH = 720, MAP_HEIGHT = 480, EDGE = 16;
/* How far from the pointer an image may lie to be meant, in pixels. */
const REACH = 18;

class EmbeddingMap {
  constructor(element) {
    this.element = element;
    this.data = JSON.parse(element.querySelector("script").textContent);
    this.sheets = Sheets.named(element.dataset.map);
    this.hidden = new Set();
    this.fit();
    this.build();
    this.choose(0);
    this.sheets?.ready.then(() => { this.draw(); });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
    new ResizeObserver(() => this.draw()).observe(this.canvas);
  }

  /* One scale for both axes, so that distances are distances. */
  fit() {
    const range = (axis) => {
      const values = this.data.places.map((place) => place[axis]);
      const low = Math.min(...values), high = Math.max(...values);
      return high > low ? [low, high] : [low - 1, low + 1];
    };
    const [left, right] = range(0), [bottom, top] = range(1);
    const scale = Math.min((MAP_WIDTH - 2 * EDGE) / (right - left), (MAP_HEIGHT - 2 * EDGE) / (top - bottom));
    this.at = this.data.places.map(([x, y]) => [MAP_WIDTH / 2 + (x - (left + right) / 2) * scale,
      MAP_HEIGHT / 2 - (y - (bottom + top) / 2) * scale]);
    this.view = { zoom: 1, x: 0, y: 0 };
  }

  build() {
    const { element } = this;
    const svg = element.querySelector("svg");
    this.canvas = make("canvas", { "aria-hidden": "true" });
    this.plot = make("div", { class: "plot", tabindex: "0", role: "group", "aria-roledescription": words.map,
      "aria-label": words.mapOf(this.data.images.length),
      keydown: (event) => this.key(event), pointerdown: (event) => this.press(event), pointermove: (event) => this.move(event),
      pointerup: (event) => this.release(event), pointercancel: () => { this.drag = null; }, dblclick: () => this.reset() }, this.canvas);
    this.plot.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    const button = (text, name, work) => make("button", { type: "button", "aria-label": name, title: name, click: work }, text);
    const center = [MAP_WIDTH / 2, MAP_HEIGHT / 2];
    this.withThumbnails = make("input", { type: "checkbox", change: () => this.draw() });
    const tools = make("div", { class: "tools", role: "group", "aria-label": words.mapTools },
      this.sheets ? make("label", {}, this.withThumbnails, ` ${words.thumbnails}`) : "",
      button("+", words.zoomIn, () => this.zoom(2, ...center)), button("\u2212", words.zoomOut, () => this.zoom(0.5, ...center)),
      button(words.reset, words.wholeMap, () => this.reset()));
    const legend = make("ul", { class: "legend" }, ...this.data.classes.map((name, label) => make("li", {}, this.entry(svg, name, label))));
    this.panel = make("div", { class: "chosen", role: "status" });
    svg.replaceWith(tools, make("div", { class: "beside" }, this.plot, this.panel), legend);
  }

  /* An entry of the legend, which hides and shows its class. */
  entry(svg, name, label) {
    const mark = draw(svg, "svg", { viewBox: "0 0 14 14", "aria-hidden": "true" },
      draw(svg, "g", { class: `s${label % 6}` }, draw(svg, "path", { class: "mark", d: markerPath(this.marker(label), 7, 7) })));
    const entry = make("button", { type: "button", "aria-pressed": "true", title: words.hideOrShow(name), click: () => {
      if (!this.hidden.delete(label)) this.hidden.add(label);
      entry.setAttribute("aria-pressed", String(!this.hidden.has(label)));
      this.draw();
    } }, mark, name);
    return entry;
  }

  /* Colours repeat after six classes; then the markers are others. */
  marker(label) {
    return (label + Math.floor(label / 6)) % 6;
  }

  place(number) {
    const [x, y] = this.at[number], { zoom } = this.view;
    return [(x - this.view.x) * zoom, (y - this.view.y) * zoom];
  }

  shown(number) {
    return !this.hidden.has(this.data.labels[number]);
  }

  draw() {
    const { canvas, data } = this, wide = canvas.clientWidth;
    if (wide === 0) return;
    const ratio = wide / MAP_WIDTH * devicePixelRatio;
    canvas.width = Math.round(MAP_WIDTH * ratio);
    canvas.height = Math.round(MAP_HEIGHT * ratio);
    const context = canvas.getContext("2d"), style = getComputedStyle(this.element);
    const color = (name) => style.getPropertyValue(name).trim();
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    const thumbnails = this.withThumbnails.checked && this.sheets;
    const size = Math.min(14 + 4 * this.view.zoom, 48);
    const marks = [0, 1, 2, 3, 4, 5].map((kind) => new Path2D(markerPath(kind, 0, 0)));
    const paint = (number, chosen) => {
      const [x, y] = this.place(number), label = data.labels[number], thumbnail = data.thumbnails[number];
      if (x < -48 || y < -48 || x > MAP_WIDTH + 48 || y > MAP_HEIGHT + 48) return;
      if (thumbnails && thumbnail !== null) {
        const side = chosen ? Math.max(size, 40) : size;
        context.fillStyle = color(`--s${label % 6}`);
        context.fillRect(x - side / 2 - 1.5, y - side / 2 - 1.5, side + 3, side + 3);
        this.sheets.paint(context, thumbnail, x - side / 2, y - side / 2, side);
        return;
      }
      context.save();
      context.translate(x, y);
      if (chosen) context.scale(1.7, 1.7);
      context.fillStyle = color(`--s${label % 6}`);
      context.strokeStyle = color("--card");
      context.lineWidth = 0.8;
      context.fill(marks[this.marker(label)]);
      context.stroke(marks[this.marker(label)]);
      context.restore();
    };
    data.images.forEach((_, number) => { if (this.shown(number) && number !== this.chosen) paint(number, false); });
    const [x, y] = this.place(this.chosen);
    context.strokeStyle = color("--ink");
    context.lineWidth = 1.2;
    for (const [other] of data.neighbors[this.chosen]) {
      context.beginPath();
      context.moveTo(x, y);
      context.lineTo(...this.place(other));
      context.stroke();
    }
    data.neighbors[this.chosen].forEach(([other]) => paint(other, false));
    paint(this.chosen, true);
    context.beginPath();
    context.arc(x, y, thumbnails ? 30 : 11, 0, 2 * Math.PI);
    context.lineWidth = 2;
    context.stroke();
  }

  /* Shows an image with its classes and nearest neighbours. */
  choose(number) {
    this.chosen = number;
    const { data } = this, name = (label) => data.classes[label] ?? words.noName(label);
    const truth = name(data.labels[number]), guess = data.predicted?.[number];
    const thumbnail = (place) => data.thumbnails[place] !== null && this.sheets
      ? this.sheets.thumbnail(data.thumbnails[place], words.imageOfClass(data.images[place], name(data.labels[place]))) : "";
    const facts = [make("dt", {}, words.trueClass), make("dd", {}, truth)];
    const own = data.thumbnails[number];
    if (this.sheets?.files[own ?? -1]) facts.unshift(make("dt", {}, words.file), make("dd", {}, this.sheets.file(own)));
    if (guess !== undefined && guess !== null) {
      facts.push(make("dt", {}, words.predictedBy(data.by)),
        make("dd", { class: guess === data.labels[number] ? "same" : "other" }, `${guess === data.labels[number] ? "\u2713" : "\u2717"} ${name(guess)}`));
    }
    const near = data.neighbors[number].map(([other, similarity]) => {
      const same = data.labels[other] === data.labels[number];
      return make("li", {}, make("button", { type: "button", class: same ? "same" : "other",
        "aria-label": words.chooseImage(data.images[other], name(data.labels[other]), same, similarity.toFixed(2)),
        click: () => { this.choose(other); this.panel.querySelector(".near button")?.focus(); } },
        thumbnail(other), make("span", {}, `${same ? "\u2713" : "\u2717"} ${name(data.labels[other])}`), make("span", {}, similarity.toFixed(2))));
    });
    this.panel.replaceChildren(make("h3", {}, words.chosenImage(data.images[number])), make("div", { class: "portrait" }, thumbnail(number), make("dl", {}, ...facts)),
      make("h3", {}, words.nearest), make("ol", { class: "near" }, ...near));
    this.draw();
  }

  zoom(factor, x, y) {
    const zoom = Math.min(Math.max(this.view.zoom * factor, 1), 60), change = 1 / this.view.zoom - 1 / zoom;
    this.view = { zoom, x: this.view.x + x * change, y: this.view.y + y * change };
    this.bound();
  }

  pan(dx, dy) {
    this.view.x += dx / this.view.zoom;
    this.view.y += dy / this.view.zoom;
    this.bound();
  }

  /* The map stays in its frame. */
  bound() {
    const { zoom } = this.view;
    this.view.x = Math.min(Math.max(this.view.x, 0), MAP_WIDTH - MAP_WIDTH / zoom);
    this.view.y = Math.min(Math.max(this.view.y, 0), MAP_HEIGHT - MAP_HEIGHT / zoom);
    this.draw();
  }

  reset() {
    this.view = { zoom: 1, x: 0, y: 0 };
    this.draw();
  }

  /* The next shown image in a direction: near, and not far aside. */
  next(dx, dy) {
    const [x, y] = this.at[this.chosen];
    let best = null, least = Infinity;
    this.at.forEach(([a, b], number) => {
      if (number === this.chosen || !this.shown(number)) return;
      const along = (a - x) * dx + (b - y) * dy, aside = Math.abs((a - x) * dy) + Math.abs((b - y) * dx);
      if (along <= 0 || aside > 2 * along) return;
      if (along + 2 * aside < least) { least = along + 2 * aside; best = number; }
    });
    if (best === null) return;
    this.choose(best);
    const [a, b] = this.place(best);
    if (a < 0 || b < 0 || a > MAP_WIDTH || b > MAP_HEIGHT) this.pan(a - MAP_WIDTH / 2, b - MAP_HEIGHT / 2);
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target !== this.plot) return;
    const arrow = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    const center = this.place(this.chosen);
    if (arrow && event.shiftKey) this.pan(80 * arrow[0], 80 * arrow[1]);
    else if (arrow) this.next(...arrow);
    else if (event.key === "+" || event.key === "=") this.zoom(1.5, ...center);
    else if (event.key === "-") this.zoom(1 / 1.5, ...center);
    else if (event.key === "0") this.reset();
    else return;
    event.preventDefault();
  }

  point(event) {
    const box = this.canvas.getBoundingClientRect(), scale = MAP_WIDTH / box.width;
    return [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale];
  }

  wheel(event) {
    if (!event.ctrlKey && document.activeElement !== this.plot) return;
    event.preventDefault();
    this.zoom(Math.exp(-Math.min(Math.max(event.deltaY, -300), 300) * 0.002), ...this.point(event));
  }

  press(event) {
    if (event.button !== 0) return;
    this.drag = { from: this.point(event), moved: false };
    this.plot.setPointerCapture(event.pointerId);
  }

  move(event) {
    const [x, y] = this.point(event);
    if (this.drag) {
      const [a, b] = this.drag.from;
      if (!this.drag.moved && Math.hypot(x - a, y - b) < 4) return;
      this.drag = { from: [x, y], moved: true };
      this.pan(a - x, b - y);
      return;
    }
    this.plot.style.cursor = this.nearest(x, y) === null ? "grab" : "pointer";
  }

  release(event) {
    const moved = this.drag?.moved ?? true;
    this.drag = null;
    if (moved) return;
    const found = this.nearest(...this.point(event));
    if (found !== null) this.choose(found);
  }

  nearest(x, y) {
    let best = null, least = REACH;
    this.at.forEach((_, number) => {
      if (!this.shown(number)) return;
      const [a, b] = this.place(number), distance = Math.hypot(a - x, b - y);
      if (distance < least) { least = distance; best = number; }
    });
    return best;
  }
}
