/* Thumbnails of test images, cut from the sheets that the page holds. */

class Sheets {
  /* The sheets of that name; nothing where the page has none. */
  static named(name) {
    const element = document.querySelector(`[data-sheets="${CSS.escape(name)}"]`);
    return element ? new Sheets(element) : null;
  }

  constructor(element) {
    Object.assign(this, JSON.parse(element.querySelector("script").textContent));
    this.sheets = [...element.querySelectorAll("img")];
    this.ready = Promise.all(this.sheets.map((sheet) => sheet.decode().catch(() => null)));
  }

  /* Draws thumbnail `number` of the sheets into a square. */
  paint(context, number, x, y, size) {
    const place = number % this.per_sheet, sheet = this.sheets[Math.floor(number / this.per_sheet)];
    if (!sheet?.complete || sheet.naturalWidth === 0) return;
    const left = place % this.columns * this.side, top = Math.floor(place / this.columns) * this.side;
    context.drawImage(sheet, left, top, this.side, this.side, x, y, size, size);
  }

  /* Which file thumbnail `number` is of. */
  file(number) {
    const name = this.files[number];
    return name ? fileLink(name, this.root && `${this.root}/${name}`) : words.testImage(this.images[number]);
  }

  /* A thumbnail by itself, described by `text`. */
  thumbnail(number, text) {
    const canvas = make("canvas", { class: "thumbnail", width: this.side, height: this.side, role: "img", "aria-label": text });
    this.ready.then(() => this.paint(canvas.getContext("2d"), number, 0, 0, this.side));
    return canvas;
  }
}
